"""Instances × systems: what became of every submission, and what it cost. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.score.alternative_scores import flags_of
from harness.score.rows import InstanceScore, by_trial, counted_attempts
from harness.score.submission_rank import in_order
from harness.store.rows import OutcomeRow, TrialRow

Place = Literal[
    "resolved", "unresolved", "flagged", "error", "ungraded", "running", "waiting", "cancelled"
]
"""What became of a submission that was asked for. `flagged`: a pass that does not count."""
Tag = Literal["differ", "all", "none", "error", "flagged", "unfinished"]
"""What can be said of an instance over all systems; several may hold."""

_OF_STATE: Mapping[str, Place] = {
    "waiting": "waiting",
    "running": "running",
    "grading": "ungraded",
    "done": "unresolved",
    "failed": "error",
    "error": "error",
    "cancelled": "cancelled",
}
"""What became of a submission that a trial of this state has not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A submission that was asked for; `submission` is None if it was not made."""

    place: Place
    submission: OutcomeRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMarks:
    """The attempt that counts of a trial, with a mark for each submission it was asked for."""

    trial: TrialRow
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Of one cell, or of several. None: unknown."""

    resolved: int = 0
    wanted: int = 0  # of trials that ran
    cost_usd: float | None = 0.0  # at least, of all attempts
    unsure_usd: float = 0.0  # what it may be more
    seconds: float = 0.0  # of trials that ran
    trials: int = 0  # that ran

    @property
    def mean_seconds(self) -> float | None:
        """The seconds of a trial; None if nothing ran."""
        return self.seconds / self.trials if self.trials else None

    @property
    def share(self) -> float | None:
        """Resolved submissions by those wanted; None if nothing ran."""
        return self.resolved / self.wanted if self.wanted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One system on one instance."""

    system: str
    trials: Sequence[TrialMarks]
    sums: Sums
    errors: int  # trials that failed for infrastructure or in the system's own code
    unfinished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One instance, with a cell for each system; None where a system was not asked for it."""

    instance_id: str
    repo: str
    difficulty: str
    length: str
    position: int  # in the order of the run, from 0
    cells: Sequence[Cell | None]
    sums: Sums
    spread: float  # the largest share of resolved submissions of a system less the smallest
    tags: frozenset[Tag]

    @property
    def first(self) -> TrialRow | None:
        """The first trial with a submission that is not resolved, else the first of all."""
        trials = [trial for cell in self.cells if cell for trial in cell.trials]
        missed = (t for t in trials if any(mark.place != "resolved" for mark in t.marks))
        found = next(missed, trials[0] if trials else None)
        return found.trial if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All instances in the order of the run."""

    systems: Sequence[str]
    rows: Sequence[Row]


def outcome_grid(
    trials: Sequence[TrialRow],
    submissions: Sequence[OutcomeRow],
    scores: Sequence[InstanceScore],
) -> Grid:
    """The grid of a run. `scores` are its `instance_scores`: all numbers are theirs."""
    made = by_trial(submissions)
    counted: dict[tuple[str, str], list[TrialRow]] = {}
    for trial in counted_attempts(trials):
        counted.setdefault((trial["system"], trial["instance_id"]), []).append(trial)
    systems = list(dict.fromkeys(score.system for score in scores))
    found = {(score.system, score.instance_id): score for score in scores}
    rows = []
    for position, first in enumerate({score.instance_id: score for score in scores}.values()):
        mine = [(system, found.get((system, first.instance_id))) for system in systems]
        cells = [
            _cell(score, counted[system, first.instance_id], made) if score else None
            for system, score in mine
        ]
        rows.append(_row(first, position, cells))
    return Grid(systems=systems, rows=rows)


def total(parts: Iterable[Sums]) -> Sums:
    """All of them together; the cost is None as soon as one of them is."""
    mine = list(parts)
    costs = [part.cost_usd for part in mine if part.cost_usd is not None]
    return Sums(
        resolved=sum(part.resolved for part in mine),
        wanted=sum(part.wanted for part in mine),
        cost_usd=sum(costs) if len(costs) == len(mine) else None,
        unsure_usd=sum(part.unsure_usd for part in mine),
        seconds=sum(part.seconds for part in mine),
        trials=sum(part.trials for part in mine),
    )


def _row(first: InstanceScore, position: int, cells: Sequence[Cell | None]) -> Row:
    there = [cell for cell in cells if cell]
    shares = [cell.sums.share for cell in there if cell.sums.share is not None]
    spread = max(shares) - min(shares) if shares else 0.0
    places = {mark.place for cell in there for trial in cell.trials for mark in trial.marks}
    unfinished = len(there) < len(cells) or any(cell.unfinished for cell in there)
    tags: Mapping[Tag, bool] = {
        "differ": spread > 0,
        "all": bool(shares) and min(shares) == 1 and not unfinished,
        "none": bool(shares) and max(shares) == 0,
        "error": "error" in places or any(cell.errors for cell in there),
        "flagged": "flagged" in places,
        "unfinished": unfinished,
    }
    return Row(
        instance_id=first.instance_id,
        repo=first.cluster,
        difficulty=first.difficulty,
        length=first.length,
        position=position,
        cells=cells,
        sums=total(cell.sums for cell in there),
        spread=spread,
        tags=frozenset(tag for tag, holds in tags.items() if holds),
    )


def _cell(
    score: InstanceScore, trials: Iterable[TrialRow], made: Mapping[int, list[OutcomeRow]]
) -> Cell:
    known = score.cost_usd is not None and score.unfinished_usd is not None
    return Cell(
        system=score.system,
        trials=[
            TrialMarks(trial=trial, marks=_marks(trial, made.get(trial["trial_id"], ())))
            for trial in sorted(trials, key=lambda trial: trial["number"])
        ],
        sums=Sums(
            resolved=score.resolved,
            wanted=score.wanted,
            cost_usd=(score.cost_usd or 0.0) + (score.unfinished_usd or 0.0) if known else None,
            unsure_usd=(score.cost_unsure_usd or 0.0) + (score.unfinished_unsure_usd or 0.0),
            seconds=score.seconds,
            trials=score.ran,
        ),
        errors=score.infra_errors + score.system_errors,
        unfinished=score.unfinished,
    )


def _marks(trial: TrialRow, made: Sequence[OutcomeRow]) -> list[Mark]:
    """A mark for each submission that was asked for. What a trial made that is not done does not
    count, but for one that is at work."""
    state = trial["state"]
    told = made if state in {"done", "running", "grading"} else ()
    marks = [Mark(place=_place(row), submission=row) for row in in_order(told)]
    lacking = trial["wanted"] - len(marks)
    return marks + [Mark(place=_OF_STATE[state], submission=None)] * lacking


def _place(submission: OutcomeRow) -> Place:
    if submission["outcome"] is None:
        return "ungraded"
    return "flagged" if flags_of(submission) else submission["outcome"]
