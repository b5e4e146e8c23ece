"""The plot of dollars against resolved submissions, laid out for an inline SVG.

Places are in units of the drawing, from its upper left corner. The template draws what is here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.score.cost_accuracy import front, on_equal_terms
from harness.score.rows import TableRow
from harness.text.counted import counted
from harness.text.figures import percent

WIDTH, HEIGHT = 520, 330
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 24, 44  # margins around the axes
SPREAD = 20  # from which quotient of costs on the axis is logarithmic
SHAPES = ("circle", "square", "triangle", "diamond")
COLOURS = 8  # of page.css


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A system, or the published row beside one. None: no interval is known."""

    system: str
    x: float
    y: float
    across: tuple[float, float] | None
    along: tuple[float, float] | None
    colour: int  # from 1 on, as the classes of page.css
    shape: str
    name: str  # what the legend calls it
    figures: str  # its place in words
    title: str
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPlot:
    """The whole drawing."""

    marks: Sequence[Mark]
    front: str  # points of its line; empty: there is none
    across: Sequence[Tick]
    along: Sequence[Tick]
    title: str  # of the axis of costs
    words: str  # what the drawing shows, for who cannot see it
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def cost_plot(rows: Sequence[TableRow]) -> CostPlot | None:
    """The plot of the rows of `cost_accuracy.csv`; None where no system has both numbers."""
    known = [row for row in rows if None not in (row["cost_per_instance_usd"], row["avg_at_1"])]
    if not known:
        return None
    axis = _Costs.of([*_ends(known), *_published_costs(rows)])
    points = on_equal_terms(rows)
    best = [points[name] for name in front(points)]
    marks = [
        *(_mark(row, place, axis) for place, row in enumerate(rows) if row in known),
        *(_published(row, place, axis) for place, row in enumerate(rows) if _is_published(row)),
    ]
    each = counted(known[0]["equal_submissions"], "submission")
    return CostPlot(
        marks=marks,
        front=" ".join(_steps(best, axis)),
        across=axis.ticks(),
        along=[Tick(at=_height(share / 100), text=f"{share} %") for share in range(0, 101, 20)],
        title=f"USD per instance, {each} of every system{', logarithmic' if axis.log else ''}",
        words="; ".join(mark.title for mark in marks),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Costs:
    """The axis of costs, from `low` to `high` USD."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, costs: Sequence[float]) -> "_Costs":
        least, most = min(costs), max(costs)
        if least > 0 and most / least > SPREAD:
            return cls(low=least / 1.4, high=most * 1.4, log=True)
        return cls(low=0.0, high=most * 1.1 or 1.0, log=False)

    def at(self, usd: float) -> float:
        low, high, value = self.low, self.high, usd
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(usd, low))
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[Tick]:
        values = self._powers() if self.log else self._multiples()
        return [Tick(at=self.at(value), text=f"${value:.10g}") for value in values]

    def _multiples(self) -> list[float]:
        step = 10.0 ** math.floor(math.log10(self.high))
        step = next(step * part for part in (1.0, 0.5, 0.2, 0.1) if self.high / (step * part) >= 4)
        return [round(step * count, 12) for count in range(int(self.high / step) + 1)]

    def _powers(self) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        parts = (1, 2, 5) if self.high / self.low < 1_000 else (1,)
        values = [round(part * 10.0**power, 12) for power in powers for part in parts]
        return [value for value in values if self.low <= value <= self.high]


def _height(share: float) -> float:
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)


def _ends(rows: Sequence[TableRow]) -> list[float]:
    """The costs of systems and the ends of their intervals."""
    names = ("", "_low", "_high")
    values = [row[f"cost_per_instance_usd{name}"] for row in rows for name in names]
    return [value for value in values if value is not None]


def _is_published(row: TableRow) -> bool:
    return None not in (row["published_cost_per_instance_usd"], row["published_avg_at_1"])


def _published_costs(rows: Sequence[TableRow]) -> list[float]:
    return [row["published_cost_per_instance_usd"] for row in rows if _is_published(row)]


def _mark(row: TableRow, place: int, axis: _Costs) -> Mark:
    usd, share = row["cost_per_instance_usd"], row["avg_at_1"]
    costs, scores = _interval(row, "cost_per_instance_usd"), _interval(row, "avg_at_1")
    state = " (not finished)" if row["unfinished"] else ""
    state = state or (" (its code fails)" if row["system_errors"] else "")
    front_ = ", on the Pareto front" if row["on_front"] else ""
    told = [
        f"{row['system']}{state}: {100 * share:.1f} %{_between(scores, 100, '.1f')} resolved",
        f"${usd:.4f}{_between(costs, 1, '.4f')} per instance{front_}",
    ]
    return Mark(
        system=row["system"],
        x=axis.at(usd),
        y=_height(share),
        across=costs and (axis.at(costs[0]), axis.at(costs[1])),
        along=scores and (_height(scores[0]), _height(scores[1])),
        colour=place % COLOURS + 1,
        shape=_shape(place),
        name=f"{row['system']}{state}",
        figures=f"{percent(share)} at ${usd:.4f}",
        title=", ".join(told),
    )


def _published(row: TableRow, place: int, axis: _Costs) -> Mark:
    usd, share = row["published_cost_per_instance_usd"], row["published_avg_at_1"]
    name = f"published: {row['published']}, {row['published_model']}"
    x, y = axis.at(usd), _height(share)
    return Mark(
        system=row["system"],
        x=x,
        y=y,
        across=None,
        along=None,
        colour=place % COLOURS + 1,
        shape=_shape(place),
        name=f"{row['published']}, {row['published_model']}",
        figures=f"{percent(share)} at ${usd:.2f}",
        title=f"{name}: {100 * share:.1f} % resolved, ${usd:.2f} per instance "
        f"({row['published_source']}), beside {row['system']}",
        published=True,
    )


def _shape(place: int) -> str:
    """A shape that no other system of this colour has, up to 32 systems."""
    return SHAPES[(place + place // COLOURS) % len(SHAPES)]


def _interval(row: TableRow, name: str) -> tuple[float, float] | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if low is None or high is None else (low, high)


def _between(ends: tuple[float, float] | None, scale: float, form: str) -> str:
    return "" if ends is None else f" ({scale * ends[0]:{form}} to {scale * ends[1]:{form}})"


def _steps(points: Sequence[tuple[float, float]], axis: _Costs) -> list[str]:
    """The front as a line of steps, up to the edge of the drawing."""
    places = [(axis.at(usd), _height(share)) for usd, share in points]
    steps = [f"{x},{y}" for x, y in places[:1]]
    for (_, before), (x, y) in pairwise(places):
        steps += [f"{x},{before}", f"{x},{y}"]
    return [*steps, f"{WIDTH - RIGHT},{places[-1][1]}"] if places else []
