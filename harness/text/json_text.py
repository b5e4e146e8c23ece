"""Read JSON files written by people: a byte order mark is allowed, duplicate keys are not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import UserError


def read(path: Path) -> Any:
    """The value in a JSON file. `UserError`, one line: missing, unreadable, cut short."""
    return _value(text_of(path), str(path))


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The values of JSON Lines with their line numbers; blank lines are none.

    Raises as `read`. Lines end at line feeds only: JSON text may hold other separators as they are.
    """
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if line.strip():
            yield number, _value(line, f"{path}: line {number}")


def text_of(path: Path) -> str:
    """The text of a JSON file in UTF-8, or in UTF-16 or UTF-32 as some shells and editors write it.

    A mark of the byte order at its start is no part of it. Raises `UserError`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise UserError(
            f"{path}: cannot be read: byte {error.start} is 0x{content[error.start]:02x}, "
            f"which is no {name} text"
        ) from None


def half_pair(text: str) -> int:
    """Where `text` has half of a surrogate pair, which JSON can spell and no file can hold; -1."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return -1


def _value(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except _Twice as error:
        raise UserError(f"{where}: the key {error} is there twice") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not valid JSON ({error}): was the file cut short?") from None


class _Twice(Exception):
    """A key that an object has already: the later value would silently win."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise _Twice(repr(key))
        made[key] = value
    return made
