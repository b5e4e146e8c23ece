"""Objects that are named as `package.module:Name`."""

import importlib
from typing import Any

from harness.errors import UserError


def imported(name: str, what: str) -> Any:
    """The object of that import string. `UserError`, which begins with `what`: there is none."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise UserError(
            f"{what}: it cannot be imported: {error}; a module of your own is found where it is "
            "installed, or on PYTHONPATH"
        ) from error
