"""Slope charts: a figure of two systems, a line for each instance and one for their mean."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.paired_instances import PairedInstance
from harness.pages.axes import Axis, upto
from harness.score.estimators import mean
from harness.text.counted import counted

TOP, BOTTOM, LEFT, RIGHT = 34.0, 226.0, 74.0, 286.0
WIDTH, HEIGHT = 360, 250
WIDEST = 9.0  # a line for all instances
NAMED = 5  # instances that the title of a line names


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeLine:
    """A line from the first system's value to the second's."""

    y1: float
    y2: float
    width: float
    way: str  # up, down or same
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A slope chart. `summary` says the same in words."""

    title: str
    lines: Sequence[SlopeLine]
    mean: SlopeLine | None
    mean_words: tuple[str, str]
    ticks: Sequence[tuple[float, str]]
    names: tuple[str, str]
    summary: str


def slope(
    title: str,
    names: tuple[str, str],
    pairs: Sequence[PairedInstance],
    of: Callable[[PairedInstance], tuple[float | None, float | None]],
    words: Callable[[float], str],
    *,
    most: float = 0.0,
) -> Slope | None:
    """The chart of the figure `of` each pair; None where it is known of none. Instances with the
    same values are one line, the wider the more they are. `most`: the end of the scale."""
    known: dict[tuple[float, float], list[str]] = {}
    for pair in pairs:
        a, b = of(pair)
        if a is not None and b is not None:
            known.setdefault((a, b), []).append(pair.instance_id)
    if not known:
        return None
    axis = Axis(most=most or upto([max(ends) for ends in known]), start=BOTTOM, end=TOP)
    number = sum(map(len, known.values()))
    lines = [
        _line(axis, ends, 1 + (WIDEST - 1) * math.sqrt((len(there) - 1) / number), _named(there),
              names, words)
        for ends, there in known.items()
    ]  # fmt: skip
    middle = (
        mean(a for (a, _), there in known.items() for _ in there) or 0.0,
        mean(b for (_, b), there in known.items() for _ in there) or 0.0,
    )
    return Slope(
        title=title,
        lines=sorted(lines, key=lambda line: -line.width),
        mean=_line(axis, middle, 3, f"mean of {counted(number, 'instance')}", names, words),
        mean_words=(words(middle[0]), words(middle[1])),
        ticks=axis.ticks(words),
        names=names,
        summary=_summary(title, names, known, middle, words),
    )


def _line(
    axis: Axis,
    ends: tuple[float, float],
    width: float,
    who: str,
    names: tuple[str, str],
    words: Callable[[float], str],
) -> SlopeLine:
    a, b = ends
    return SlopeLine(
        y1=axis.at(a),
        y2=axis.at(b),
        width=round(width, 1),
        way=_way(ends),
        title=f"{who}: {names[0]} {words(a)}, {names[1]} {words(b)}",
    )


def _way(ends: tuple[float, float]) -> str:
    a, b = ends
    return "same" if a == b else "up" if b > a else "down"


def _named(there: Sequence[str]) -> str:
    more = f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
    several = f"{len(there)} instances: " if len(there) > 1 else ""
    return f"{several}{', '.join(there[:NAMED])}{more}"


def _summary(
    title: str,
    names: tuple[str, str],
    known: dict[tuple[float, float], list[str]],
    middle: tuple[float, float],
    words: Callable[[float], str],
) -> str:
    ways = Counter({"up": 0, "down": 0, "same": 0})
    for ends, there in known.items():
        ways[_way(ends)] += len(there)
    a, b = names
    number = counted(sum(ways.values()), "instance")
    return (
        f"{title} on {number}: {b} has more on {ways['up']}, {a} on {ways['down']}, the same on "
        f"{ways['same']}; mean {a} {words(middle[0])}, {b} {words(middle[1])}."
    )
