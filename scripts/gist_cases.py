"""Gists beside evidence that holds, for `bench_admission.py`: true ones, and ones that say more.

All of them are about the project of our own in configs/datasets/sample. Each pair shares one
evidence: the first gist says no more than it shows, the second contradicts or exceeds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.board.vocabulary import EntryKind


@dataclass(frozen=True, slots=True)
class Pair:
    """Two gists beside the same evidence."""

    kind: EntryKind
    evidence: Mapping[str, Any]
    true: str
    false: str


def _lines(quote: str, path: str = "durations.py") -> dict[str, Any]:
    return {"form": "span", "path": path, "line": 0, "quote": quote, "state": "base"}


def _ran(code: str, output: str, status: int = 0) -> dict[str, Any]:
    command = f"python -c 'from durations import *; {code}'"
    return {
        "form": "command", "command": command, "exit_status": status, "output": output,
        "state": "base",
    }  # fmt: skip


TABLE = _lines('SECONDS = {"h": 3600, "m": 60, "s": 1}')
MATCH = _lines('    found = re.match(r"(\\d+)([hms])", text)')
RAISE = _lines('        raise ValueError(f"not a duration: {text!r}")')
GROUPS = _lines("    number, unit = found.groups()\n    return int(number) * SECONDS[unit]")
TITLE = _lines('"""Durations as people write them: 90s, 15m, 1h30m."""')
TESTED = _lines('@pytest.mark.parametrize("text", ["", "soon", "h1"])', "tests/test_durations.py")
SUITE = {
    "form": "command", "command": "python -m pytest -q tests/test_durations.py", "exit_status": 0,
    "output": "6 passed", "state": "base",
}  # fmt: skip
LONG = _ran('print("is", seconds("1h30m"))', "is 3600")
TAIL = _ran('print("is", seconds("5m or so"))', "is 300")
PLAIN = _ran('print("is", seconds("90s"))', "is 90")
NOUGHT = _ran('print("is", seconds("0s"))', "is 0")
DAYS = _ran('seconds("2d")', "ValueError: not a duration: '2d'", 1)
EMPTY = _ran('seconds("")', "ValueError: not a duration: ''", 1)
UPPER = _ran('seconds("2H")', "ValueError: not a duration: '2H'", 1)
FRONT = _ran('seconds(" 2h")', "ValueError: not a duration: ' 2h'", 1)
NUMBER = _ran("seconds(90)", "TypeError: ...", 1)

FACT, FAIL, CONSTRAINT = EntryKind.FACT, EntryKind.FAIL, EntryKind.CONSTRAINT
PAIRS = (
    Pair(FACT, TABLE, "SECONDS knows h, m and s.", "SECONDS knows days as well as h, m and s."),
    Pair(FACT, TABLE, "An hour is 3600 in SECONDS.", "An hour is 60 in SECONDS."),
    Pair(FACT, MATCH, "The text is matched with re.match, from its beginning.",
         "The whole text has to match: re.match is anchored at both ends here."),
    Pair(FACT, MATCH, "The pattern takes one number with one of the units h, m, s.",
         "The pattern takes any number of units, which is why long texts are slow."),
    Pair(FACT, RAISE, "A ValueError says which text is not a duration.",
         "A ValueError is raised for negative durations only."),
    Pair(FACT, GROUPS, "The result is the first number times the seconds of its unit.",
         "The result is the sum over all units of the text."),
    Pair(FACT, GROUPS, "The number is read with int.",
         "The number is read with float."),
    Pair(FACT, TITLE, "The module's docstring names 1h30m as a form.",
         "The module's docstring promises that spaces are allowed."),
    Pair(FACT, TESTED, "The tests name '', 'soon' and 'h1' as refused.",
         "The tests cover every text that has to be refused."),
    Pair(CONSTRAINT, SUITE, "The 6 tests of test_durations.py pass and have to go on passing.",
         "All tests of the project and of those that use it pass and have to go on passing."),
    Pair(CONSTRAINT, SUITE, "tests/test_durations.py passes now.",
         "tests/test_durations.py passes on every version of Python."),
    Pair(FACT, LONG, "seconds('1h30m') gives 3600.",
         "seconds('1h30m') gives 3600 because int() drops what is behind the first blank."),
    Pair(FACT, LONG, "Of '1h30m' only the hour is counted: 3600.",
         "Every text with an m is counted as an hour."),
    Pair(FACT, TAIL, "seconds('5m or so') gives 300 and raises nothing.",
         "seconds('5m or so') raises ValueError."),
    Pair(FACT, PLAIN, "seconds('90s') gives 90.", "seconds gives the right number for all texts."),
    Pair(FACT, NOUGHT, "seconds('0s') gives 0.",
         "seconds('0s') gives 0, and a negative text gives 0 too."),
    Pair(FAIL, DAYS, "seconds('2d') is refused with a ValueError.",
         "seconds('2d') is refused since the patch of yesterday."),
    Pair(FAIL, EMPTY, "The empty text is refused with a ValueError.",
         "The empty text is refused by the caller, before seconds is asked."),
    Pair(FAIL, UPPER, "seconds('2H') is refused: an upper case unit is none.",
         "Upper case is the only thing that seconds refuses."),
    Pair(FAIL, FRONT, "A blank in front of '2h' makes it refused.",
         "A blank in front or behind makes any duration refused."),
    Pair(FAIL, NUMBER, "A number instead of a text ends in a TypeError.",
         "A number instead of a text is taken as seconds."),
)  # fmt: skip
COMPOUND = "python -c 'from durations import seconds; assert seconds(\"1h30m\") == 5400'"
"""Fails at the base commit and passes with the sample's gold patch."""
PATCH_TRUE = "seconds adds up all units of the text: '1h30m' is 5400."
PATCH_FALSE = "seconds adds up all units, takes days as well, and all tests were run."
