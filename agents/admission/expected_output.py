"""Compare the output that a command is said to have with what it printed. Pure functions.

An expected line is a whole line of the output. `...` in it stands for what was left out: words that
turn the meaning of the rest cannot be. Durations, times, addresses and generated names may differ
where they differ from run to run.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from agents.admission.part_of_line import (
    harmless_after,
    harmless_before,
    hides_meaning,
    stands_apart,
)
from agents.near_lines import nearest_line
from harness.types import ExecResult

GAP = re.compile(r"\.{3,}|…")
MOST_GAPS = 4  # in one line
MOST_PLACES = 1_000  # of a piece in a line that are looked at
PIECE = 3  # letters and digits between two gaps, or words between blanks
MARK = "\0"  # stands where an output varies
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DURATION = r"(?<![\w.,])\d+(?:\.\d+)? ?(?:ns|us|µs|ms|s|secs?|seconds?)\b"
_VOLATILE = re.compile(
    "|".join(
        (
            r"(?P<folder>/tmp/pytest-of-[^/\s]+/pytest-\d+)",
            r"(?P<name>/tmp/tmp\w{4,})",
            r"(?P<address>\b0x[0-9a-fA-F]{5,}\b)",
            r"(?P<uuid>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b)",
            r"(?P<date>\b\d{4}-\d\d-\d\d\b)",
            r"(?P<clock>\b\d{1,3}:\d\d:\d\d(?:[.,]\d+)?\b)",
            rf"(?P<duration>{_DURATION})",
        )
    )
)
# what a test runner says of its own time: two runs can take the same
_RUNNERS = re.compile(
    r"(?:=== )?(?:\d+ (?:passed|failed|errors?|skipped|deselected|x?(?:fail|pass)ed|warnings?)"
    rf"(?:, )?)+ in {MARK}.*|Ran \d+ tests? in {MARK}|no tests ran in {MARK}.*"
)
_RULE = re.compile(r"^([=_*-])\1+(?=\s)|(?<=\s)([=_*-])\2+$")
_ONLY_RULE = re.compile(r"([=_*~-])\1{19,}$")
_BRACKETS = re.compile(r"""[\[\](){}'",.]+""")
_TOOLS_BLANKS = re.compile(r"^([E>]) +")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3}
_VALUE = re.compile(r"""(?<!\w)\d+(?:\.\d+)?(?!\w)|'[^']*'|"[^"]*"|\b(?:True|False|None)\b""")
_ROUNDED_S, _SLOWER = 0.5, 10.0
_SLOWER_S = 5.0  # of what a test runner measured


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which seconds a duration may lie that differs from run to run."""

    least: float = 0.0
    most: float = float("inf")
    slower_s: float = _SLOWER_S

    def hold(self, seconds: float) -> bool:
        """Whether a claimed duration is near enough: the machine may have been busier."""
        return self.least / _SLOWER <= seconds <= self.most * _SLOWER + self.slower_s


Varying = Mapping[tuple[str, int], Bounds]
"""Where outputs differ from run to run: a line with its volatile places marked, and which one."""


def varying_places(runs: Sequence[ExecResult]) -> Varying:
    """The volatile places that differ between runs, and durations that a test runner measured.

    A duration that is longer than the run took was not measured: it is a value.
    """
    quickest: dict[str, float] = {}
    for run in runs:
        quickest[run.output] = min(run.seconds, quickest.get(run.output, run.seconds))
    seen: dict[tuple[str, int, int], list[tuple[str, str, float]]] = defaultdict(list)
    for output, seconds in quickest.items():
        count: dict[str, int] = defaultdict(int)
        for line in _lines(output):
            masked, places = _masked(line)
            for number, (kind, text) in enumerate(places):
                seen[masked, count[masked], number].append((kind, text, seconds))
            count[masked] += bool(places)
    found: dict[tuple[str, int], Bounds] = {}
    for (masked, _, number), values in seen.items():
        differs = len({text for _, text, _ in values}) > 1
        bounds = _bounds(masked, values, differs)
        if bounds is not None:
            known = found.get((masked, number), bounds)
            least, most = min(known.least, bounds.least), max(known.most, bounds.most)
            found[masked, number] = Bounds(least, most, bounds.slower_s)
    return found


def _bounds(masked: str, values: list[tuple[str, str, float]], differs: bool) -> Bounds | None:
    kind = values[0][0]
    if kind != "duration":
        return Bounds() if differs or kind == "folder" else None
    took = [_seconds(text) for _, text, _ in values]
    measured = all(_seconds(text) <= seconds + _ROUNDED_S for _, text, seconds in values)
    if measured and _RUNNERS.fullmatch(masked):
        return Bounds(min(took), max(took), _SLOWER_S)
    if measured and differs:
        return Bounds(min(took), max(took), 0.0)
    return None


def _seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+) ?(.*)", duration).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS.get(unit, 1.0)


def _lines(output: str) -> list[str]:
    """The lines without colours and outer blanks.

    The rules around a heading have one width, and one blank is behind a mark of pytest.
    """
    text = _COLOURS.sub("", output).replace(MARK, "\ufffd")
    lines = (_TOOLS_BLANKS.sub(r"\1 ", line.strip()) for line in text.split("\n"))
    return [_RULE.sub(r"\1\1\1\2\2\2", line) for line in lines]


def _masked(line: str) -> tuple[str, list[tuple[str, str]]]:
    """The line with marks at its volatile places, and their kinds and texts."""
    places = [(str(found.lastgroup), found[0]) for found in _VOLATILE.finditer(line)]
    return (_VOLATILE.sub(MARK, line), places) if places else (line, places)


@dataclass(frozen=True, slots=True)
class _Printed:
    """A line of an output, with marks where it varies."""

    text: str
    bounds: Sequence[tuple[str, Bounds]]  # the kind and the bounds of each mark


def _printed(line: str, varying: Varying | None) -> _Printed:
    """`varying` None: every volatile place varies."""
    masked, places = _masked(line)
    bounds: list[tuple[str, Bounds]] = []

    def put(found: re.Match[str]) -> str:
        at = numbers.pop(0)
        bound = Bounds() if varying is None else varying.get((masked, at))
        if bound is None:
            return found[0]
        bounds.append((str(found.lastgroup), bound))
        return MARK

    numbers = list(range(len(places)))
    return _Printed(_VOLATILE.sub(put, line) if places else line, bounds)


class _Pattern:
    """A piece of an expected line, to be found in what was printed."""

    def __init__(self, piece: str) -> None:
        self.piece = piece
        parts, at = [], 0
        self._places: list[tuple[str, str]] = []
        for found in _VOLATILE.finditer(piece):
            parts.append(f"{re.escape(piece[at : found.start()])}({re.escape(found[0])}|{MARK})")
            self._places.append((str(found.lastgroup), found[0]))
            at = found.end()
        self._found = re.compile("".join(parts) + re.escape(piece[at:]))

    def is_line(self, line: _Printed) -> bool:
        """Whether it is the whole line."""
        found = self._found.fullmatch(line.text)
        return found is not None and self._fits(line, found)

    def places(self, line: _Printed, start: int) -> Iterator[tuple[int, int]]:
        """Where it stands in the line as whole words, from `start`."""
        for found in islice(self._found.finditer(line.text, start), MOST_PLACES):
            if self._fits(line, found) and stands_apart(line.text, *found.span()):
                yield found.span()

    def _fits(self, line: _Printed, found: re.Match[str]) -> bool:
        for group, (kind, text) in enumerate(self._places, 1):
            if found[group] != MARK:
                continue
            printed, bounds = line.bounds[line.text.count(MARK, 0, found.start(group))]
            if printed != kind or (kind == "duration" and not bounds.hold(_seconds(text))):
                return False
        return True


class _Expected:
    """An expected line."""

    def __init__(self, text: str) -> None:
        self.shape = _VALUE.sub("#", text)
        self._whole = _Pattern(text)
        pieces = [piece.strip() for piece in GAP.split(text)]
        self._opens, self._closes = not pieces[0], not pieces[-1]  # with a gap
        self._few = len(pieces) - 1 <= MOST_GAPS
        self._pieces = [_Pattern(piece) for piece in pieces if piece]

    def stands_in(self, line: _Printed) -> bool:
        """Whether the line is the expected one, or has it but for what may be left out."""
        if self._whole.is_line(line):
            return True
        if not self._few:
            return False
        at, before = 0, ""
        for number, pattern in enumerate(self._pieces):
            bare = number == 0 and not self._opens
            ends = number == len(self._pieces) - 1 and not self._closes
            found = self._next(pattern, line, at, bare, ends)
            if found is None:
                return False
            if not bare and hides_meaning(before, line.text[at : found[0]], pattern.piece):
                return False
            at, before = found[1], pattern.piece
        return not (self._closes and hides_meaning(before, line.text[at:], ""))

    def _next(
        self, pattern: _Pattern, line: _Printed, at: int, bare: bool, ends: bool
    ) -> tuple[int, int] | None:
        """Where the piece stands next. `bare`, `ends`: no gap is before it, or after it."""
        for start, end in pattern.places(line, at):
            if len(self._pieces) + self._opens + self._closes > 1 and not _enough(
                line.text, start, end
            ):
                continue
            if bare and not harmless_before(line.text, start, end):
                return None
            if ends and not harmless_after(line.text, start, end):
                continue
            return start, end
        return None


def _enough(text: str, start: int, end: int) -> bool:
    """Whether a piece beside a gap says something: some letters, or words between blanks."""
    letters = sum(c.isalnum() for c in text[start:end])
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    if not letters:
        return _BRACKETS.fullmatch(text, start, end) is not None and (not start or end == len(text))
    return letters >= PIECE or not around.strip()


def missing_line(expected: str, actual: str, varying: Varying | None = None) -> str:
    """The first expected line that is not found where it should be; empty if all are.

    Lines may be left out between two expected ones; but where a line that differs from the expected
    one in its values alone comes first, only if a line `...` says that some are left out. `varying`
    None: every volatile place may differ.
    """
    lines = iter(_lines(actual))
    follows = False
    for text in _lines(expected):
        if not GAP.sub("", text).strip():
            follows = follows and not text
            continue
        if _ONLY_RULE.match(text):
            continue
        wanted = _Expected(text)
        for line in lines:
            if wanted.stands_in(_printed(line, varying)):
                break
            if follows and _VALUE.sub("#", line) == wanted.shape:
                return text
        else:
            return text
        follows = True
    return ""


def settled(text: str, varying: Varying | None) -> list[str]:
    """The lines with a mark where they vary from run to run."""
    return [_printed(line, varying).text for line in _lines(text)]


def normal(text: str) -> str:
    """The text without parts that change between runs: durations, addresses, generated names."""
    return "\n".join(_VOLATILE.sub("#", line) for line in _lines(text))


def like_it(missing: str, actual: str) -> str:
    """What the output has instead of a missing line, for a refusal; empty if nothing is like it."""
    lines = _lines(actual)
    pieces = [piece.strip() for piece in GAP.split(missing)]
    longest = max(pieces, key=len)
    inside = next((n for n, line in enumerate(lines, 1) if longest in line), 0)
    near = inside or nearest_line(lines, missing)
    if not near:
        return ""
    return f"The line most like it is {lines[near - 1][:300]!r}: whole lines are compared. "


def said(output: str, varying: Varying | None = None) -> int:
    """The number of meaningful characters in an expected output.

    Where no place of the printed output is `varying`, a time or a duration is a value as others.
    """
    lines = [line for line in _lines(output) if not _ONLY_RULE.match(line)]
    if varying or varying is None:
        lines = [_VOLATILE.sub("", line) for line in lines]
    return sum(len("".join(GAP.sub("", line).split())) for line in lines)
