"""Named SQL statements: each stands in a .sql file of its package under a line `-- name: …`."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from harness.secrets import redact, redact_error


def statements(package: str, name: str) -> dict[str, str]:
    """The statements of the file `name` in `package`, by their names."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


PAGE_BYTES = 2048  # a step of the board writes four pages: smaller ones are written faster
LOG_BYTES = 4096 * 1000  # after which the write-ahead log is folded in: SQLite's own measure


def small_pages(database: sqlite3.Connection) -> None:
    """In a file that is new, pages of our size. To be called first; changes no other file."""
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")


def keep_a_log(database: sqlite3.Connection) -> None:
    """Have a write-ahead log."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}")


ERRORS = ("error", "detail", "reason")  # parameters in which what looks like a key is none


def storable(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without secrets, and without halves of surrogate pairs, which no file can hold."""
    return {
        key: _storable(value, redact_error if key in ERRORS else redact)
        if isinstance(value, str)
        else value
        for key, value in parameters.items()
    }


def _storable(text: str, cleaned: Callable[[str], str]) -> str:
    return cleaned(text if text.isascii() else text.encode(errors="replace").decode())
