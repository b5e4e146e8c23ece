"""The lines of a Python file that an earlier text of it does not have. Pure functions."""

import io
import re
import tokenize
from collections import Counter
from collections.abc import Sequence

Lines = Sequence[tuple[int, str]]  # numbers from 1 on, and texts


def source_text(data: bytes) -> str:
    """A Python file as Python itself reads it: in the encoding that its first lines name."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        return data.decode(errors="replace")


def added_lines(before: str, after: str) -> Lines:
    """The lines of `after` that `before` does not have, or has less often.

    Of a line that is there more often than before the last ones count as added.
    """
    old, new = _lines(before), _lines(after)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    there = Counter(old[start : len(old) - end])
    found = []
    for number, line in enumerate(new[start : len(new) - end], start=start + 1):
        if there[line] > 0:
            there[line] -= 1
        else:
            found.append((number, line))
    return tuple(found)


def _lines(text: str) -> list[str]:
    lines = re.split(r"\r\n|\r|\n", text)  # as Python counts them; other separators are none
    return lines[:-1] if lines[-1] == "" else lines
