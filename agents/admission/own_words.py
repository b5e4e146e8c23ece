"""What of an output is the command's own words, and not the code's. Pure functions.

Words are the code's where they are others for each other value that the code gives. Where only the
truth of a value, or a comparison, decides what is printed, the words are the command's own: it may
say so in one word. What Python and test runners print of their own is no such word.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.admission.expected_output import GAP, Varying, missing_line, settled

TRACEBACK = "Traceback (most recent call last):"
_ERROR = r"(?:E\ +)?(?:[\w.]+\.)?\w*(?:Error|Exception|Failed|Exit|Interrupt|Warning):?"
_TRACED = rf"""{_ERROR}|Traceback\ \(most\ recent\ call\ last\):|File\ ".*",\ line\ \d+.*"""
_TOOLS = {
    "python": re.compile(_TRACED, re.VERBOSE),
    "unittest": re.compile(
        rf"""{_TRACED}
          |(?:\w+\.)*AssertionError:\ (?:\w+\ not\ raised(?:\ by\ \w+)?|False\ is\ not\ true
            |True\ is\ not\ false|unexpectedly\ None)
          |(?:FAIL|ERROR):\ \w+\ \([\w.]+\)
          |(?:FAILED|OK)(?:\ \(.*\))?
          |Ran\ \d+\ tests?.*""",
        re.VERBOSE,
    ),
    "pytest": re.compile(
        rf"""{_TRACED}
          |(?:E\ +)?(?:[\w.]+\.)?Failed:\ DID\ NOT\ RAISE\ .*
          |(?:E\ +)?(?:\w+\.)*AssertionError:\ (?:\w+\ not\ raised(?:\ by\ \w+)?
            |False\ is\ not\ true|True\ is\ not\ false|unexpectedly\ None)
          |(?:E\ +)?(?:AssertionError:\ )?assert\ [\w.()'"]+(?:\ [\w.()'"]+)?
          |E\ +\+\ +where\ .*|>\ .*
          |(?:FAILED|ERROR|PASSED|XFAIL|SKIPPED)\ \S+
            (?:\ -\ (?:assert\ .{{0,40}}|\w*(?:Error|Exception)|Failed:\ DID\ NOT\ RAISE\ .*))?
          |\S+::\S+\ (?:FAILED|PASSED|ERROR).*
          |(?:=+\ )?\d+\ (?:passed|failed|errors?|skipped|deselected|xfailed|warnings?)\b.*""",
        re.VERBOSE,
    ),
}
_SHORT = re.compile(r"""[\[({'"]*[A-Za-z][A-Za-z.'-]{0,23}[\])}'",.;:!?]*""")
_LABELLED = 60  # characters of a line with one word that the code decides
_ONE_BIT = re.compile(r"""[\[({'"]*(?:True|False|None|0(?:\.0*)?|)[\])}'",.;:]*""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What prints besides the command's own code."""

    ran: frozenset[str] = frozenset()  # keys of `_TOOLS`
    printed: Sequence[str] = ()  # by its own code; a NUL for what is no plain value
    text: str = ""  # of the command and its files

    def say(self, expected: str, line: str) -> bool:
        """Whether an expected line has the form of such a tool's, and the line that was printed is
        not the command's own."""
        if not any(_TOOLS[tool].fullmatch(expected) for tool in self.ran) or line in self.text:
            return False
        own = (each for printed in self.printed for each in _lines(printed))
        return not any(_is_filled(each, line) for each in own if each)


def _is_filled(form: str, line: str) -> bool:
    """Whether a line is a printed form with something in the place of each NUL."""
    first, *parts = form.split("\0")
    if not parts:
        return line == form
    if not line.startswith(first):
        return False
    at = len(first)
    for part in parts[:-1]:
        found = line.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return line.endswith(parts[-1]) and len(line) - len(parts[-1]) >= at


def computed(expected: str, actual: str, others: Sequence[str], varying: Varying | None) -> bool:
    """Whether an expected line has words that come from the code.

    `others`: what the command printed for other values. In the place of the line, from the
    beginning or from the end, two of them have lines that differ from it and from each other. Where
    more or fewer lines are printed, the line may not be there any more.
    """
    lines, printed = settled(actual, varying), actual.split("\n")
    outputs = [settled(other, varying) for other in others]
    for text in expected.split("\n"):
        if not GAP.sub("", text).strip():
            continue
        for at in (at for at, line in enumerate(printed) if not missing_line(text, line)):
            alternatives = [
                other for other in outputs if len(other) == len(lines) or lines[at] not in other
            ]
            for place in (at, at - len(lines)):
                instead = {line for other in alternatives if (line := _at(other, place, lines))}
                if len(instead - {lines[at]}) > 1:
                    return True
    return False


def _at(lines: list[str], place: int, actual: list[str]) -> str:
    """The line in a place, counted from the end only where nothing ended the command before."""
    error = TRACEBACK in lines
    ended = TRACEBACK not in actual if error else len(lines) < len(actual)
    if not -len(lines) <= place < len(lines) or (place < 0 and ended):
        return ""
    return lines[place]


def within_one_bit(expected: str, actual: str, others: Iterable[str], tools: Tools) -> bool:
    """Whether each expected line that other code changes says so in one word, or is a tool's.

    `actual`: what the command printed; `others`: what it printed with other code.
    """
    lines = _lines(actual)
    alternatives = [_lines(other) for other in others]
    for text in _lines(expected):
        bare = GAP.sub("", text).strip()
        whole = next((line for line in lines if not missing_line(text, line)), text)
        if not bare or tools.say(bare, whole):
            continue
        gone = [other for other in alternatives if not any(line == whole for line in other)]
        if gone and not any(_by_a_word(whole, line) for other in gone for line in ("", *other)):
            return False
    return True


def _by_a_word(line: str, other: str) -> bool:
    """Whether a line differs from another one by one short word, or by values of one bit alone."""
    words, instead = line.split(), other.split()
    if not (line.isascii() and line.isprintable() and len(line) <= _LABELLED):
        return False
    if len(words) == 1:
        return bool(_SHORT.fullmatch(line) or _ONE_BIT.fullmatch(line))
    if len(words) != len(instead):
        return False
    changed = [word for word, new in zip(words, instead, strict=True) if word != new]
    if all(map(_ONE_BIT.fullmatch, changed)):
        return True
    return len(changed) == 1 and _SHORT.fullmatch(changed[0]) is not None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n")]


_ERROR_NAME = re.compile(r"^(?:E +)?(?:[\w.]+\.)?(\w*(?:Error|Exception|Failed))\b", re.MULTILINE)


def crashed(actual: str, other: str) -> bool:
    """Whether a run with other code ended by an error that has nothing to do with what it shows.

    An assertion that does not hold any more is none, nor is the exception that was raised instead.
    """
    new = set(_ERROR_NAME.findall(other)) - set(_ERROR_NAME.findall(actual))
    return any(
        name not in ("AssertionError", "Failed") and not re.fullmatch(r"other\d+Error", name)
        for name in new
    )
