"""Bars of dollars and seconds by activity, one a system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.cost_breakdown import ACTIVITY
from harness.analysis.footnotes import distinct_usd
from harness.analysis.timeline import WHAT
from harness.analysis.turn_activities import TurnActivity
from harness.pages.cost_words import part_words
from harness.pages.rendering import usd as usd_words
from harness.pages.trial_data import TrialTime
from harness.score import InstanceScore
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a system made on an instance. `distinct_usd`: of each submission that is no copy."""

    trials: int
    submissions: int
    copies: int
    distinct_usd: float | None


def made_here(row: TableRow, scores: Sequence[InstanceScore]) -> Made:
    """What the system of `row` made. `scores` are those of all systems on the instance."""
    mine = [each for each in scores if each.system == row["system"]]
    copies = sum(each.copies for each in mine)
    return Made(
        trials=sum(each.ran for each in mine),
        submissions=int(row["submissions"] or 0),
        copies=copies,
        distinct_usd=distinct_usd({**row, "copies": copies}),
    )


def mark(name: str) -> str:
    """The class of an activity."""
    return f"a{ORDER.index(TurnActivity(name)) + 1}"


def money_bars(
    systems: Sequence[TableRow],
    costs: Sequence[TableRow],
    made: Mapping[str, Made],
    this: str,
) -> list[Bar]:
    """A bar of dollars per submission for each system. `costs`: the rows of all of them; `made`:
    what each made."""
    baseline = next((made[row["baseline"]] for row in systems if row["baseline"] in made), None)
    spent = {(row["system"], row["name"]): row[USD] for row in costs if row["part"] == ACTIVITY}
    largest = max((row[USD] or 0.0 for row in systems), default=0.0)
    bars = []
    for row in systems:
        amounts = [(name, spent.get((row["system"], name)) or 0.0) for name in ORDER]
        segments = _segments(
            [
                (name, mark(name), usd, f"{part_words(name)}: {usd_words(usd)}")
                for name, usd in amounts
            ],
            largest,
        )
        bars.append(
            Bar(
                system=row["system"],
                this=row["system"] == this,
                amount=row[USD],
                segments=segments,
                note=_made_words(row, made[row["system"]], baseline),
            )
        )
    return bars


def _made_words(row: TableRow, made: Made, baseline: Made | None) -> str:
    if not row["calls"]:
        return "no ended trial"
    if not row["submissions"]:
        return "no submission"
    ratio = f", ratio {row['ratio']:.2f}" if row["ratio"] is not None else ""
    told = f"{counted(made.submissions, 'submission')}"
    if made.trials > 1:
        told += f" of {made.trials} trials"
    if made.copies:
        told += f", {made.copies} {'copy' if made.copies == 1 else 'copies'}"
    told += ratio
    theirs = baseline.distinct_usd if baseline else None
    if made.copies and made.distinct_usd is not None and theirs:
        told += f"; of a distinct one {made.distinct_usd / theirs:.2f}"
    return told


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
            note=_time_words(each),
        )
        for each in times
    ]


def _time_words(each: MeanTime) -> str:
    if not each.trials:
        return ""
    told = f"its agents: {sum(each.causes.values()):.0f} s in sum"
    return f"{told}; mean of {each.trials} trials" if each.trials > 1 else told


def time_legend(times: Sequence[MeanTime]) -> list[tuple[str, str]]:
    """The class and the words of each cause that is in a bar."""
    words: dict[str, str] = {}
    for each in times:
        words.update({what: name for what, name in each.words.items() if what not in words})
    return [
        (f"t-{what}", words[what]) for what in WHAT if any(each.causes.get(what) for each in times)
    ]
