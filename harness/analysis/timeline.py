"""The activity of each agent of a trial over time. Pure functions over rows of the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from harness.board.vocabulary import MAIN
from harness.store.rows import CallRow, SpanRow, TrialRow
from harness.types import Activity

MODEL = "model"
WHAT = (MODEL, *Activity)
"""What an interval can be: in a model call, or one of `harness.types.Activity`."""
_WORDS: Mapping[str, str] = {
    MODEL: "asking the model",
    Activity.COMMAND: "running a command",
    Activity.ADMISSION: "having a finding checked",
    Activity.PEER: "waiting for a peer",
    Activity.BARRIER: "waiting at a barrier",
    Activity.MAIN: "waiting for the main agent",
    Activity.TURN: "waiting for its recorded turn (replay only)",
    Activity.PAUSED: "paused by a person",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One activity of one agent."""

    agent: str
    what: str  # one of `WHAT`
    start_s: float  # seconds since the trial started
    seconds: float
    began_s: float | None = field(default=None, compare=False)  # where its beginning is left out


def timeline(trial: TrialRow, calls: Sequence[CallRow], spans: Sequence[SpanRow]) -> list[Interval]:
    """The intervals of `trial`, oldest first; rows of other trials are passed over.

    A call is from its row's `started_at` to `ended_at`, waits between its attempts included; what
    it waits for its recorded turn in a replay is an interval of its own inside it. Left out are
    calls that never ended, and those without an agent: the check of a gist asks on nobody's behalf,
    in an admission that is here. What began before the trial is cut off at 0, and a clock that was
    set back makes no interval negative. Main agent and sub-agents never wait for each other at the
    same time (`_taking_turns`). Empty where the trial never started.
    """
    if trial["started_at"] is None:
        return []
    zero = _moment(trial["started_at"])
    found: list[Interval | None] = []
    for row in calls:
        if row["trial_id"] == trial["trial_id"] and row["ended_at"] and row["agent"]:
            start, end = _moment(row["started_at"]) - zero, _moment(row["ended_at"]) - zero
            found.append(_interval(row["agent"], MODEL, start, end))
    found += [interval_of(trial, span) for span in spans if span["trial_id"] == trial["trial_id"]]
    kept = _taking_turns([each for each in found if each is not None])
    return sorted(kept, key=lambda each: (each.start_s, each.agent, each.what))


def interval_of(trial: TrialRow, span: SpanRow) -> Interval | None:
    """The interval of an activity; None if it ended before the trial started."""
    if trial["started_at"] is None:
        return None
    start = _moment(span["started_at"]) - _moment(trial["started_at"])
    return _interval(span["agent"], span["what"], start, start + span["seconds"])


def calls_by_start(trial: TrialRow, calls: Iterable[CallRow]) -> dict[tuple[str, float], int]:
    """The id of each call that has an interval in `timeline`, by its agent and `start_s`."""
    if trial["started_at"] is None:
        return {}
    zero = _moment(trial["started_at"])
    return {
        (row["agent"], round(max(_moment(row["started_at"]) - zero, 0.0), 6)): row["call_id"]
        for row in calls
        if row["ended_at"] and row["agent"]
    }


def moments_of(trial: TrialRow, stamps: Iterable[str | float]) -> list[float | None]:
    """Seconds since the trial began, of times as the store or a board has them; None where it
    never began."""
    if trial["started_at"] is None:
        return [None for _ in stamps]
    zero = _moment(trial["started_at"])
    return [(each if isinstance(each, float) else _moment(str(each))) - zero for each in stamps]


def words_of(intervals: Iterable[Interval]) -> Mapping[str, str]:
    """What each of `WHAT` is called beside these intervals."""
    if any(MAIN in (each.what, each.agent) for each in intervals):
        return {**_WORDS, Activity.PEER: "waiting for a sub-agent"}
    return _WORDS


def seconds_by_cause(intervals: Iterable[Interval]) -> dict[str, dict[str, float]]:
    """Seconds by agent and by what it was busy with; no moment of an agent counts twice.

    Where intervals of one agent overlap, the time is that of the one which began last: it is what
    the agent is in while the others go on around it. Of two that begin at once, a `turn` is inside.
    """
    mine: dict[str, list[Interval]] = {}
    for interval in intervals:
        mine.setdefault(interval.agent, []).append(interval)
    return {agent: _shared_out(each) for agent, each in mine.items()}


def present_s(intervals: Iterable[Interval]) -> float:
    """Agent-time: for each agent the seconds from its first interval's start to its last one's end,
    summed."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for each in intervals:
        end = each.start_s + each.seconds
        first[each.agent] = min(first.get(each.agent, each.start_s), each.start_s)
        last[each.agent] = max(last.get(each.agent, end), end)
    return sum(last[agent] - first[agent] for agent in first)


def _taking_turns(intervals: Sequence[Interval]) -> list[Interval]:
    """Remove waits of an orchestrator and its subagents for each other while none of them works.

    An orchestrator waits for subagents only while one of them works: after the last work it is the
    orchestrator's turn. A subagent waits for the orchestrator only between the orchestrator's
    first and last activity.
    """
    lead = [each for each in intervals if each.agent == MAIN]
    if not lead:
        return list(intervals)
    there = (min(each.start_s for each in lead), max(map(_end, lead)))
    subs = sorted({each.agent for each in intervals} - {MAIN})
    waits = {sub: _spans(intervals, sub, Activity.MAIN) for sub in subs}
    work = [span for sub in subs for span in _minus(_presence(intervals, sub), waits[sub])]
    found = []
    for each in intervals:
        kept = [(each.start_s, _end(each))]
        if each.agent == MAIN and each.what == Activity.PEER:
            kept = _joined([common for at in work if (common := _common(kept[0], at))])
        elif each.agent != MAIN and each.what == Activity.MAIN:
            kept = [common] if (common := _common(kept[0], there)) else []
        found += [
            Interval(
                agent=each.agent,
                what=each.what,
                start_s=start,
                seconds=round(end - start, 6),
                began_s=each.start_s,
            )
            for start, end in kept
        ]
    return found


Span = tuple[float, float]  # seconds, its start and its end


def _spans(intervals: Sequence[Interval], agent: str, what: str) -> list[Span]:
    return [(x.start_s, _end(x)) for x in intervals if (x.agent, x.what) == (agent, what)]


def _presence(intervals: Sequence[Interval], agent: str) -> Span:
    mine = [each for each in intervals if each.agent == agent]
    return min(each.start_s for each in mine), max(map(_end, mine))


def _common(one: Span, other: Span) -> Span | None:
    start, end = max(one[0], other[0]), min(one[1], other[1])
    return (start, end) if start < end else None


def _minus(whole: Span, parts: Sequence[Span]) -> list[Span]:
    found, at = [], whole[0]
    for start, end in sorted(parts):
        if start > at:
            found.append((at, start))
        at = max(at, end)
    return [*found, (at, whole[1])] if at < whole[1] else found


def _joined(spans: Sequence[Span]) -> list[Span]:
    """The same moments as disjoint intervals."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _shared_out(intervals: Sequence[Interval]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    edges = sorted({edge for each in intervals for edge in (each.start_s, _end(each))})
    waiting = sorted(intervals, key=lambda each: each.start_s, reverse=True)
    open_: list[Interval] = []
    for start, end in pairwise(edges):
        while waiting and waiting[-1].start_s <= start:
            open_.append(waiting.pop())
        open_ = [each for each in open_ if _end(each) > start]
        if open_:
            what = max(open_, key=_precedence).what
            seconds[what] = seconds.get(what, 0.0) + end - start
    return seconds


def _precedence(interval: Interval) -> tuple[float, bool]:
    began = interval.start_s if interval.began_s is None else interval.began_s
    return began, interval.what == Activity.TURN


def _end(interval: Interval) -> float:
    return interval.start_s + interval.seconds


def _interval(agent: str, what: str, start: float, end: float) -> Interval | None:
    """The interval, or None if it ended before the trial started."""
    if end < 0:
        return None
    start = max(start, 0.0)
    seconds = round(max(end - start, 0.0), 6)
    return Interval(agent=agent, what=what, start_s=round(start, 6), seconds=seconds)


def _moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
