"""What each agent of a trial did over time, as a drawing and as tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.analysis.timeline import (
    MODEL,
    WHAT,
    Interval,
    calls_by_start,
    moments_of,
    seconds_by_cause,
    words_of,
)
from harness.board.vocabulary import EventKind
from harness.pages.submissions import outcome_of
from harness.pages.trial_data import TrialData
from harness.types import Activity

LEFT, RIGHT, WIDTH, TOP, LANE, GAP = 120, 20, 1160, 30, 18, 22
MOST_LANES, MOST_BARS, MOST_MARKS = 60, 1_500, 200
NARROW = 0.4  # px; bars of one agent and one cause that are narrower are drawn as one
ROOM = 26  # px between two labels of marks
WAITS = frozenset({Activity.PEER, Activity.BARRIER, Activity.MAIN, Activity.TURN, Activity.PAUSED})
Row = TypeVar("Row")
STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An interval in a lane. `call`: the id of its model call; 0: it is none, or several."""

    what: str
    waits: bool
    x: float
    width: float
    title: str
    call: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An admitted entry, or a submission. `label`: shown where there is room."""

    agent: str
    at: float  # seconds since the trial began
    label: str
    title: str
    entry: str = ""  # its label; empty: a submission
    submission: int = 0
    outcome: str = ""  # of a submission
    x: float = 0.0
    shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """An agent."""

    agent: str
    y: int
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    seconds: Mapping[str, float]  # by cause; no moment counts twice


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLines:
    """See the template."""

    lanes: Sequence[Lane]
    left_out: int  # agents
    causes: Sequence[tuple[str, str]]  # that occur, with their words
    ticks: Sequence[tuple[float, str]]  # x, words
    marks: Sequence[Mark]  # of all agents, in order of time
    height: int
    width: int
    left: int
    lane: int


def section(data: TrialData) -> TimeLines | None:
    """The time lines of a trial; None where nothing of it took time."""
    intervals = data.intervals
    end = max((each.start_s + each.seconds for each in intervals), default=0.0)
    if not end:
        return None
    per_second = (WIDTH - LEFT - RIGHT) / end
    agents = sorted({each.agent for each in intervals}, key=lambda name: (len(name), name))
    words, seconds = words_of(intervals), seconds_by_cause(intervals)
    marks = _marks(data, end, per_second)
    calls = calls_by_start(data.trial, data.calls)
    most = max(50, MOST_BARS // len(agents))
    lanes = [
        Lane(
            agent=agent,
            y=TOP + GAP + number * (LANE + GAP),
            bars=list(_bars(agent, intervals, words, calls, per_second))[:most],
            marks=[mark for mark in marks if mark.agent == agent],
            seconds=seconds[agent],
        )
        for number, agent in enumerate(agents[:MOST_LANES])
    ]
    return TimeLines(
        lanes=lanes,
        left_out=len(agents) - len(lanes),
        causes=[(what, words[what]) for what in WHAT if any(e.what == what for e in intervals)],
        ticks=_ticks(end, per_second),
        marks=marks,
        height=TOP + GAP + len(lanes) * (LANE + GAP),
        width=WIDTH,
        left=LEFT,
        lane=LANE,
    )


def _bars(
    agent: str,
    intervals: Sequence[Interval],
    words: Mapping[str, str],
    calls: Mapping[tuple[str, float], int],
    per_second: float,
) -> Iterator[Bar]:
    """The bars of a lane: of two that overlap, the one that began later is in front."""
    mine = sorted((x for x in intervals if x.agent == agent), key=lambda each: each.start_s)
    for group in _grouped(mine, NARROW / per_second):
        first, end = group[0], max(each.start_s + each.seconds for each in group)
        many = f"{len(group)} times " if len(group) > 1 else ""
        call = calls.get((agent, first.start_s), 0) if first.what == MODEL else 0
        yield Bar(
            what=first.what,
            waits=first.what in WAITS,
            x=round(LEFT + first.start_s * per_second, 2),
            width=round(max((end - first.start_s) * per_second, 0.6), 2),
            title=f"{agent}: {many}{words[first.what]}, {first.start_s:.1f}–{end:.1f} s",
            call=call if len(group) == 1 else 0,
        )


def _grouped(intervals: Sequence[Interval], least: float) -> Iterator[list[Interval]]:
    """Neighbours that do the same and are too short to be told apart, together."""
    group: list[Interval] = []
    for each in intervals:
        last = group[-1] if group else None
        if last is not None and not (
            each.what == last.what
            and max(each.seconds, last.seconds) < least
            and each.start_s - (last.start_s + last.seconds) < least
        ):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _marks(data: TrialData, end: float, per_second: float) -> list[Mark]:
    """Admitted entries and submissions, in order of time."""
    entries = {entry["label"]: entry for entry in data.record.entries}
    admitted = [
        (entries[event["subject"]], event["at"])
        for event in data.record.events
        if event["what"] == EventKind.ADMITTED and event["subject"] in entries
    ]
    found = [
        Mark(
            agent=entry["author"],
            at=at,
            label=entry["label"],
            title=f"{entry['kind']} {entry['label']} admitted",
            entry=entry["label"],
        )
        for entry, at in _since_begin(data, admitted)
    ]
    made = [(row, row["created_at"]) for row in data.submissions]
    found += [
        Mark(
            agent=row["agent"],
            at=at,
            label=row["author"],
            title=f"submission of {row['author']}, {outcome_of(row)}",
            submission=row["submission_id"],
            outcome=outcome_of(row),
        )
        for row, at in _since_begin(data, made)
    ]
    return _placed(sorted(found, key=lambda mark: mark.at)[:MOST_MARKS], end, per_second)


def _since_begin(
    data: TrialData, stamped: Sequence[tuple[Row, str | float]]
) -> Iterator[tuple[Row, float]]:
    """Rows with the seconds since the trial began, in place of their times."""
    moments = moments_of(data.trial, [at for _, at in stamped])
    for (row, _), at in zip(stamped, moments, strict=True):
        yield row, max(at or 0.0, 0.0)


def _placed(found: Sequence[Mark], end: float, per_second: float) -> list[Mark]:
    """The marks with their places; a label is shown where the one before it is far enough."""
    last: dict[str, float] = {}
    placed = []
    for mark in found:
        x = round(LEFT + min(mark.at, end) * per_second, 2)
        shown = bool(mark.entry) and x - last.get(mark.agent, -ROOM) >= ROOM
        if shown:
            last[mark.agent] = x
        placed.append(replace(mark, x=x, shown=shown))
    return placed


def _ticks(end: float, per_second: float) -> list[tuple[float, str]]:
    step = next((each for each in STEPS if end / each <= 10), end / 10)
    return [
        (round(LEFT + number * step * per_second, 2), _time(number * step))
        for number in range(int(end / step) + 1)
    ]


def _time(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min"
