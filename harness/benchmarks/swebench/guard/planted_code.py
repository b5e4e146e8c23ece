"""Code that goes into the test files of a guarded run; `text_of` gives it with other names.

What stands below the line runs inside a test module, in an instance's own Python: 3.5 at least.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

LINE = "# ---\n"
NAMES = (
    "os_there",
    "sys_there",
    "Anything",
    "Nothing",
    "reached",
    "unequal",
    "another",
)  # as `text_of` has them


def text_of(names: Mapping[str, str], report: str) -> str:
    """The code below the line, with `names` for `NAMES`; it writes to the file `report`."""
    code = Path(__file__).read_text(encoding="utf-8").rpartition(f"\n{LINE}")[2]
    code = code.replace('"/dev/null"', ascii(report)).replace("  # noqa: E402", "")
    code = code.replace('"VARIABLE"', ascii(arguments_variable(report)))
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), code)


def arguments_variable(report: str) -> str:
    """The variable of the environment with the program's name for the tests' `sys.argv`."""
    return "_" + sha256(report.encode()).hexdigest()[:12].upper()


# ---
import os as os_there  # noqa: E402
import sys as sys_there  # noqa: E402
from typing import Any as Anything  # noqa: E402

if "VARIABLE" in os_there.environ:
    sys_there.argv[:] = [os_there.environ.pop("VARIABLE")]


class Nothing:
    """What equals nothing."""

    def __eq__(self, other: Anything) -> bool:
        return False

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    __hash__ = object.__hash__


def reached(
    token: str,
    variables: Anything = os_there.environ,
    opened: Anything = os_there.open,
    write: Anything = os_there.write,
    close: Anything = os_there.close,
    flags: int = os_there.O_WRONLY | os_there.O_CREAT | os_there.O_APPEND,
) -> None:
    """Say that a test came here, whatever has become of `open` and of `os` since.

    A variable by which pytest tells which test runs is gone afterwards.
    """
    variables.pop("PYTEST_CURRENT_TEST", None)
    place = opened("/dev/null", flags, 0o666)
    write(place, (token + "\n").encode())
    close(place)


def unequal(value: Anything, step: int) -> Anything:
    """Something that is not equal to `value`, of its kind where that is simple."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        number = value + step + abs(value)
        return Nothing() if number == value else number
    if isinstance(value, str):
        place = step % (len(value) + 1)
        return value[:place] + "%x" % step**5 + value[place:]
    if isinstance(value, bytes):
        return value + b"%x" % step**5
    if isinstance(value, (list, tuple)):
        found = list(value) or [step, step]
        found[step % len(found)] = unequal(found[step % len(found)], step)
        return tuple(found) if isinstance(value, tuple) else found
    return another(value, step)


def another(value: Anything, step: int) -> Anything:
    """The same for what is neither a number nor a sequence."""
    if isinstance(value, dict):
        return dict([*value.items(), ("%x" % step**5, step)])
    if isinstance(value, (set, frozenset)):
        return value | {"%x" % step**5}
    if value is None or isinstance(value, type):
        return Nothing()
    try:
        other = value + step  # of permutations, numbers that go round: it may be the same one
        return Nothing() if other == value else other
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
        return Nothing()
