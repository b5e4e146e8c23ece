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
from harness.board.vocabulary import EventKind, Settled
from harness.pages.submissions import outcome_of
from harness.pages.tool_times import ToolTime, tool_times
from harness.pages.trial_data import TrialData
from harness.types import Activity

LEFT, RIGHT, WIDTH, TOP, LANE, GAP = 120, 20, 1160, 30, 18, 22
MOST_LANES, MOST_BARS, MOST_MARKS = 60, 1_500, 200
NARROW = 0.4  # px; bars of one agent and one cause that are narrower are drawn as one
MOST_COMMANDS, MOST_TOLD, LONG = 100, 3, 0.1  # LONG: of the trial's time
ROOM = 26  # px between two labels of marks
WAITS = frozenset({Activity.PEER, Activity.BARRIER, Activity.MAIN, Activity.TURN, Activity.PAUSED})
Row = TypeVar("Row")
STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An interval in a lane. `call`: the id of its model call, or of the one whose answer asked for
    it; 0: neither is known, or it is several."""

    what: str
    waits: bool
    x: float
    width: float
    title: str
    call: int
    limited: bool = False  # it reached its time limit


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTime:
    """A command. `tool`: what it was; None: the store does not tell."""

    interval: Interval
    tool: ToolTime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTime:
    """A proposal while the board had its evidence checked."""

    agent: str
    number: int
    began: float
    until: float | None
    title: str
    x: float
    width: float


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
    checks: Sequence[CheckTime]
    seconds: Mapping[str, float]  # by cause; no moment counts twice


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLines:
    """See the template."""

    lanes: Sequence[Lane]
    left_out: int  # agents
    causes: Sequence[tuple[str, str]]  # that occur, with their words
    ticks: Sequence[tuple[float, str]]  # x, words
    marks: Sequence[Mark]  # of all agents, in order of time
    checks: Sequence[CheckTime]  # of all agents
    commands: Sequence[CommandTime]  # the longest first
    all_commands: int
    told: Sequence[CommandTime]  # commands that took long, or reached their time limit
    replay: bool  # no time is a model's
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
    tools = tool_times(data)
    marks = _marks(data, end, per_second)
    calls = calls_by_start(data.trial, data.calls)
    most = max(50, MOST_BARS // len(agents))
    checks, commands = _checks(data, end, per_second), _commands(intervals, tools)
    long = [each for each in commands[:MOST_TOLD] if each.interval.seconds > LONG * end]
    limited = [each for each in commands if each.tool and each.tool.limited]
    lanes = [
        Lane(
            agent=agent,
            y=TOP + GAP + number * (LANE + GAP),
            bars=list(_bars(agent, intervals, words, calls, tools, per_second))[:most],
            checks=[each for each in checks if each.agent == agent],
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
        checks=checks,
        commands=commands[:MOST_COMMANDS],
        all_commands=len(commands),
        told=[*long, *(each for each in limited if each not in long)][: 2 * MOST_TOLD],
        replay=bool(data.facts.get("replay")),
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
    tools: Mapping[Interval, ToolTime],
    per_second: float,
) -> Iterator[Bar]:
    """The bars of a lane: of two that overlap, the one that began later is in front."""
    mine = sorted((x for x in intervals if x.agent == agent), key=lambda each: each.start_s)
    for group in _grouped(mine, NARROW / per_second):
        first, end = group[0], max(each.start_s + each.seconds for each in group)
        many = f"{len(group)} times " if len(group) > 1 else ""
        call = calls.get((agent, first.start_s), 0) if first.what == MODEL else 0
        tool = tools.get(first) if len(group) == 1 else None
        told = f"{agent}: {many}{words[first.what]}, {first.start_s:.1f}–{end:.1f} s"
        yield Bar(
            what=first.what,
            waits=first.what in WAITS,
            x=round(LEFT + first.start_s * per_second, 2),
            width=round(max((end - first.start_s) * per_second, 0.6), 2),
            title=f"{told}{_tool_words(tool)}",
            call=tool.call_id if tool else call if len(group) == 1 else 0,
            limited=any(each in tools and tools[each].limited for each in group),
        )


def _tool_words(tool: ToolTime | None) -> str:
    if tool is None or not tool.words:
        return ""
    return f": {tool.words}" + (f"; {tool.status}" if tool.limited else "")


def _commands(
    intervals: Sequence[Interval], tools: Mapping[Interval, ToolTime]
) -> list[CommandTime]:
    """The commands, the longest first."""
    found = [
        CommandTime(interval=each, tool=tools.get(each))
        for each in intervals
        if each.what == Activity.COMMAND
    ]
    return sorted(found, key=lambda each: -each.interval.seconds)


def _checks(data: TrialData, end: float, per_second: float) -> list[CheckTime]:
    """When the board had each proposal before it."""
    found = []
    for row in data.record.proposals:
        began, until = row["at"] - data.record.zero, row["settled_at"]
        ruled = end if until is None else until - data.record.zero
        if began < 0 or data.trial["started_at"] is None:
            continue
        came = f", admitted as {row['entry']}" if row["settled"] == Settled.ADMITTED else ""
        told = came or (f", {row['settled']}" if row["settled"] else ", without a ruling")
        found.append(
            CheckTime(
                agent=row["author"],
                number=row["number"],
                began=began,
                until=None if until is None else ruled,
                title=f"check of proposal {row['number']} ({row['kind']}), "
                f"{began:.1f}–{ruled:.1f} s{told}",
                x=round(LEFT + min(began, end) * per_second, 2),
                width=round(max((min(ruled, end) - min(began, end)) * per_second, 1.5), 2),
            )
        )
    return found[:MOST_MARKS]


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
