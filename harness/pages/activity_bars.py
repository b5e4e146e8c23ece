"""Bars of dollars and seconds by activity, one a system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.cost_breakdown import ACTIVITY
from harness.analysis.timeline import WHAT
from harness.analysis.turn_activities import TurnActivity
from harness.pages.rendering import usd as usd_words
from harness.pages.trial_data import TrialTime
from harness.score.rows import TableRow
from harness.text.counted import counted

USD = "cost_per_submission_usd"
ORDER = list(TurnActivity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of a bar: where it is, of 100, and what it says."""

    name: str
    mark: str  # its class
    start: float
    width: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A system's bar. `amount`: dollars per submission, or seconds of a trial; None: not known."""

    system: str
    this: bool
    amount: float | None
    segments: Sequence[Segment]
    note: str = ""


def mark(name: str) -> str:
    """The class of an activity."""
    return f"a{ORDER.index(TurnActivity(name)) + 1}"


def money_bars(systems: Sequence[TableRow], costs: Sequence[TableRow], this: str) -> list[Bar]:
    """A bar of dollars per submission for each system. `costs`: the rows of all of them."""
    spent = {(row["system"], row["name"]): row[USD] for row in costs if row["part"] == ACTIVITY}
    largest = max((row[USD] or 0.0 for row in systems), default=0.0)
    bars = []
    for row in systems:
        amounts = [(name, spent.get((row["system"], name)) or 0.0) for name in ORDER]
        segments = _segments(
            [(name, mark(name), usd, f"{name}: {usd_words(usd)}") for name, usd in amounts], largest
        )
        bars.append(
            Bar(
                system=row["system"],
                this=row["system"] == this,
                amount=row[USD],
                segments=segments,
                note=_made_words(row),
            )
        )
    return bars


def _made_words(row: TableRow) -> str:
    if not row["calls"]:
        return "no ended trial"
    if not row["submissions"]:
        return "no submission"
    ratio = f", ratio {row['ratio']:.2f}" if row["ratio"] is not None else ""
    return f"{counted(int(row['submissions']), 'submission')}{ratio}"


def _segments(parts: Sequence[tuple[str, str, float, str]], whole: float) -> list[Segment]:
    """The pieces of a bar, one behind the other; `whole` is as wide as there is room."""
    found, at = [], 0.0
    for name, mark, amount, title in parts:
        if amount > 0 and whole > 0:
            width = 100 * amount / whole
            found.append(
                Segment(
                    name=name, mark=mark, start=round(at, 3), width=round(width, 3), title=title
                )
            )
            at += width
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanTime:
    """What a trial of a system took on the mean: wall clock, and agent-time by cause."""

    system: str
    trials: int
    seconds: float | None
    causes: Mapping[str, float]
    words: Mapping[str, str]


def mean_times(times: Sequence[TrialTime], systems: Sequence[str]) -> list[MeanTime]:
    """The mean over the trials of each system."""
    return [_time_of(times, system) for system in systems]


def _time_of(times: Sequence[TrialTime], system: str) -> MeanTime:
    mine = [each for each in times if each.trial["system"] == system]
    known = [each.trial["seconds"] for each in mine if each.trial["seconds"] is not None]
    causes = {
        what: sum(each.causes.get(what, 0.0) for each in mine) / len(mine) for what in WHAT if mine
    }
    words: dict[str, str] = {}
    for each in mine:
        words.update(each.words)
    return MeanTime(
        system=system,
        trials=len(mine),
        seconds=sum(known) / len(known) if known else None,
        causes=causes,
        words=words,
    )


def time_bars(times: Sequence[MeanTime], this: str) -> list[Bar]:
    """A bar of agent-time for each system; its amount is the wall clock."""
    largest = max((sum(each.causes.values()) for each in times), default=0.0)
    return [
        Bar(
            system=each.system,
            this=each.system == this,
            amount=each.seconds,
            segments=_segments(
                [
                    (what, f"t-{what}", took, f"{each.words[what]}: {took:.1f} s")
                    for what in WHAT
                    if (took := each.causes.get(what, 0.0))
                ],
                largest,
            ),
            note=f"{sum(each.causes.values()):.0f} s of all agents" if each.trials else "",
        )
        for each in times
    ]


def time_legend(times: Sequence[MeanTime]) -> list[tuple[str, str]]:
    """The class and the words of each cause that is in a bar."""
    words: dict[str, str] = {}
    for each in times:
        words.update({what: name for what, name in each.words.items() if what not in words})
    return [
        (f"t-{what}", words[what]) for what in WHAT if any(each.causes.get(what) for each in times)
    ]
