"""Paths that users write, on the command line and in files."""

from pathlib import Path

from harness.errors import UserError


def user_path(text: str) -> Path:
    """The path `text` with `~` expanded. Raises `UserError` if it is not a valid path."""
    if "\0" in text:
        raise UserError(f"{text!r} is no path: it has a NUL character")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{text}: there is no home folder of that user") from None
