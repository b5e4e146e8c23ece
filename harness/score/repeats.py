"""What more trials or more instances would do to the interval of a score. Pure functions.

The variance of a mean over instances has two parts: instances differ (between), and trials of one
instance differ (within). More trials make only the second smaller, more instances both:

    var(mean) = (between + within · mean(1 / trials)) / instances

Both parts are estimated by the one-way analysis of variance with random effects, by the method of
moments (Searle, Casella and McCulloch, Variance Components, 1992, chapter 3; for evaluations of
language models Miller 2024, arXiv 2411.00640): `within` is the pooled variance of trials around the
mean of their instance, `between` the variance of these means less `within · mean(1 / trials)`, and
not below 0. Of a paired difference the within parts of both systems add up, because their trials
are independent of each other.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.score.estimators import NOTHING
from harness.score.rows import InstanceScore, ran

TRIALS = 2  # more, on each instance
INSTANCES = 100  # more


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The variance of the values of instances, and what part of it is that of their trials: now,
    and with `TRIALS` more each. None: unknown, because no instance has two trials."""

    instances: int
    variance: float
    within: float | None
    within_later: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfWidths:
    """Half of the width of a 95 % interval: now, and with more trials or more instances. None:
    unknown."""

    now: float | None
    more_trials: float | None
    more_instances: float | None


def spread(scores: Sequence[InstanceScore]) -> Spread | None:
    """That of one system's average on each instance; None for fewer than two instances."""
    mine = ran(scores)
    return _spread([each.average for each in mine], [mine])


def paired_spread(a: Sequence[InstanceScore], b: Sequence[InstanceScore]) -> Spread | None:
    """That of the difference of two systems on each instance on which both ran."""
    theirs = {each.instance_id: each for each in ran(b)}
    pairs = [(x, theirs[x.instance_id]) for x in ran(a) if x.instance_id in theirs]
    apart = [
        x.average - y.average if x.average is not None and y.average is not None else None
        for x, y in pairs
    ]
    return _spread(apart, [[x for x, _ in pairs], [y for _, y in pairs]])


def half_widths(low: float | None, high: float | None, found: Spread | None) -> HalfWidths:
    """What `TRIALS` more trials an instance, or `INSTANCES` more instances, make of the interval
    from `low` to `high`.

    It is scaled by the square root of the quotient of the variances. Where all instances have the
    same value, there is no variance to scale by, and nothing is known of more.
    """
    if low is None or high is None:
        return HalfWidths(now=None, more_trials=None, more_instances=None)
    now = (high - low) / 2
    if found is None:
        return HalfWidths(now=now, more_trials=None, more_instances=None)
    count = found.instances
    if found.variance < NOTHING:
        return HalfWidths(now=now, more_trials=None, more_instances=None)
    return HalfWidths(
        now=now,
        more_trials=_with_more_trials(now, found),
        more_instances=now * math.sqrt(count / (count + INSTANCES)),
    )


def _with_more_trials(now: float, found: Spread) -> float | None:
    if found.within is None or found.within_later is None:
        return None
    between = max(0.0, found.variance - found.within)
    before = between + found.within
    return now * math.sqrt((between + found.within_later) / before)


def _spread(
    values: Sequence[float | None], systems: Sequence[Sequence[InstanceScore]]
) -> Spread | None:
    """`systems`: the scores whose trials the values are made of, those of each system."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    parts = [_within(scores) for scores in systems]
    sums = [
        sum(part[later] for part in parts if part is not None) if None not in parts else None
        for later in (0, 1)
    ]
    return Spread(
        instances=len(known),
        variance=statistics.variance(known),
        within=sums[0],
        within_later=sums[1],
    )


def _within(scores: Sequence[InstanceScore]) -> tuple[float, float] | None:
    """The variance of an instance's mean that is due to its trials, averaged over instances: now,
    and with `TRIALS` more. None: no instance has two trials."""
    trials = [
        [resolved / wanted for resolved, wanted in each.of_trials.values() if wanted]
        for each in scores
    ]
    repeats = sum(len(values) - 1 for values in trials)
    if repeats <= 0 or not all(trials):
        return None
    squares = sum((len(values) - 1) * statistics.variance(values)
                  for values in trials if len(values) > 1)  # fmt: skip
    pooled = squares / repeats
    now = statistics.fmean(1 / len(values) for values in trials)
    later = statistics.fmean(1 / (len(values) + TRIALS) for values in trials)
    return pooled * now, pooled * later
