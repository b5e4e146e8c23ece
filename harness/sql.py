"""Named SQL statements: each stands in a .sql file of its package under a line `-- name: …`."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def statements(package: str, name: str) -> dict[str, str]:
    """The statements of the file `name` in `package`, by their names."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def storable(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without halves of surrogate pairs, which JSON can spell and no file can hold."""
    return {
        key: value.encode(errors="replace").decode()
        if isinstance(value, str) and not value.isascii()
        else value
        for key, value in parameters.items()
    }
