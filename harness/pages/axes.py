"""The scales of drawings: round steps, and where a value stands."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from 0 to `most`, drawn from `start` to `end` in the units of a drawing."""

    most: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value stands, to a tenth of a unit."""
        share = min(1.0, max(0.0, value / self.most)) if self.most else 0.0
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, words: Callable[[float], str], steps: int = 4) -> list[tuple[float, str]]:
        """Round values with where they stand, and their words."""
        step = _step(self.most / steps) if self.most else 1.0
        count = int(self.most / step + 1e-9)
        return [(self.at(step * each), words(step * each)) for each in range(count + 1)]


def upto(values: Sequence[float]) -> float:
    """A round number that no value exceeds; 1 where all are 0."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    step = _step(most / 4)
    return step * math.ceil(most / step - 1e-9)


def _step(rough: float) -> float:
    """The round number at or above it: 1, 2, 2.5 or 5 times a power of ten."""
    unit = 10.0 ** math.floor(math.log10(rough))
    return next((unit * each for each in STEPS if unit * each >= rough * (1 - 1e-9)), unit * 10)
