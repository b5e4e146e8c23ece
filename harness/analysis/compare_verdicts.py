"""The verdicts of a comparison of two systems, in words. `x` and `y` are their letters or
names."""

import math

from harness.score import Comparison
from harness.text.counted import counted
from harness.text.figures import dollars

LEVEL = 0.05  # of a test
FEW = 20  # instances; below, intervals are too narrow, and tests find what is not there


def cost_verdict(found: Comparison, x: str, y: str) -> str:
    """Which system costs less, by what factor, and whether that is significant; empty: unknown."""
    a, b, interval = found.cost_a, found.cost_b, found.cost_difference_95
    if a is None or b is None or found.cost_difference is None:
        return ""
    (low, cheap), (high, dear) = sorted([(a, x), (b, y)])
    equal = f"at {counted(found.submissions, 'submission')} per instance of both"
    if math.isclose(low, high):
        return f"{x} and {y} cost the same, {equal}"
    if not low:
        return f"{cheap} costs nothing and {dear} {dollars(high)}, {equal}"
    told = f"{cheap} costs less: {dear} costs {high / low:.3g} times as much, {equal}"
    if found.cost_unsure:
        told += ", as far as is known (lower bounds)"
    if interval is None:
        return f"{told}; {_no_interval(found)}"
    if interval.low <= 0 <= interval.high:
        return f"{told}; not significant: the interval of the difference contains 0 (a factor of 1)"
    excluded = f"{told}; the interval of the difference excludes 0 (a factor of 1)"
    if len(found.instances) < FEW:
        return (
            f"no verdict: below {FEW} instances the interval is too narrow; on these {dear} costs "
            f"{high / low:.3g} times as much as {cheap}, {equal}"
        )
    return f"{excluded}: significant"


def score_verdict(found: Comparison, x: str, y: str) -> str:
    """Which system is better by Avg.@1, or why nothing can be said."""
    interval = found.difference_95
    if interval is None:
        return f"{_no_interval(found)}, so no verdict"
    if interval.low <= 0 <= interval.high:
        return "no significant difference (the interval contains 0)"
    if len(found.instances) < FEW:
        return f"no verdict: below {FEW} instances the interval is too narrow"
    if found.difference_p is not None and found.difference_p >= LEVEL:
        return f"no significant difference (sign-flip p = {found.difference_p:.3g})"
    return f"{x if interval.low > 0 else y} is better on instances like these"


def tested(found: Comparison, x: str, y: str) -> str:
    """What McNemar's test says."""
    if not found.only_a + found.only_b:
        return "no difference to test"
    if found.mcnemar_p is None or found.mcnemar_p >= LEVEL:
        return f"not significant (p ≥ {LEVEL:g})"
    better = x if found.only_a > found.only_b else y
    return f"significant (p < {LEVEL:g}); {better} resolves more"


def _no_interval(found: Comparison) -> str:
    if len(found.instances) == 1:
        return "one instance: no interval can be computed"
    return "no interval can be computed"
