"""The verdict on a pair of systems."""

from dataclasses import dataclass
from typing import Literal

Told = Literal["more", "less", "not shown", "too few", "not comparable", "unknown"]
APART = ("more", "less")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """System `a` against `b`, which is the baseline where one of the two is. Differences are a's
    less b's; None: unknown."""

    a: str
    b: str
    instances: int  # on which both ran
    score_a: float | None
    score_b: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None  # of the paired test, adjusted for all pairs
    score: Told  # whether a resolves more than b
    submissions: int  # on an instance, of which the costs are
    cost_a: float | None
    cost_b: float | None
    cost_difference: float | None
    cost_difference_low: float | None
    cost_difference_high: float | None
    cost: Told  # whether a costs more than b
    distinct_a: float | None = None  # dollars of a patch that is no copy
    distinct_b: float | None = None
    copies_a: bool = False
    copies_b: bool = False

    @property
    def ratio(self) -> float | None:
        """What a costs of b; None if a cost is unknown or b costs nothing."""
        return None if self.cost_a is None or not self.cost_b else self.cost_a / self.cost_b

    @property
    def distinct_ratio(self) -> float | None:
        """What a distinct patch of a costs of one of b; None where neither made copies, too."""
        if not (self.copies_a or self.copies_b) or self.distinct_a is None or not self.distinct_b:
            return None
        return self.distinct_a / self.distinct_b
