"""Two systems on each instance, those on which they differ first. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.score import InstanceScore, Side, instance_scores
from harness.store.rows import RunRows


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedInstance:
    """An instance with the scores of two systems; None where one was not asked for it."""

    instance_id: str
    a: InstanceScore | None
    b: InstanceScore | None
    submissions: int  # on an instance, of which the costs are

    @property
    def averages(self) -> tuple[float | None, float | None]:
        """Avg.@1 of each; None where nothing ran."""
        return (
            self.a.average if self.a else None,
            self.b.average if self.b else None,
        )

    @property
    def costs(self) -> tuple[float | None, float | None]:
        """USD of `submissions` of each; None where unknown."""
        return (
            self.a.cost_of(self.submissions) if self.a else None,
            self.b.cost_of(self.submissions) if self.b else None,
        )

    @property
    def seconds(self) -> tuple[float | None, float | None]:
        """The wall clock of a trial of each, all its attempts; None where nothing ran."""
        return _seconds(self.a), _seconds(self.b)

    @property
    def gap(self) -> float | None:
        """Avg.@1 of the first less that of the second; None where one did not run."""
        return _less(*self.averages)

    @property
    def cost_gap(self) -> float | None:
        """USD of the first less those of the second."""
        return _less(*self.costs)


def paired_instances(a: Side, b: Side, submissions: int) -> list[PairedInstance]:
    """Every instance that one of them was asked for: by how far their scores lie apart, then their
    costs; last those that one of them did not run on."""
    names = dict.fromkeys([*a.scores, *b.scores])
    found = [
        PairedInstance(
            instance_id=name,
            a=a.scores.get(name),
            b=b.scores.get(name),
            submissions=submissions,
        )
        for name in names
    ]
    return sorted(found, key=_order)


def ran_on_both(pairs: Sequence[PairedInstance]) -> list[PairedInstance]:
    """Those with a trial of each that ended: what comparisons are made of."""
    return [pair for pair in pairs if pair.a and pair.b and pair.a.ran and pair.b.ran]


def differing(run: RunRows) -> set[str]:
    """The instances of a run on which the scores of its systems differ."""
    averages: dict[str, set[float]] = {}
    for score in instance_scores(run.trials, run.calls, run.submissions):
        if score.average is not None:
            averages.setdefault(score.instance_id, set()).add(score.average)
    return {name for name, found in averages.items() if len(found) > 1}


def _order(pair: PairedInstance) -> tuple[bool, float, float]:
    gap, apart = pair.gap, pair.cost_gap
    return gap is None, -abs(gap or 0.0), -abs(apart or 0.0)


def _seconds(score: InstanceScore | None) -> float | None:
    return score.seconds / score.ran if score and score.ran else None


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
