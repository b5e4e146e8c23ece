"""Two systems on the same instances, of one run or of two: `comparisons.csv`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from harness.score.budgets import Allowance
from harness.score.estimators import DIFFERENCE, Interval, mcnemar, mean, mean_interval
from harness.score.rows import InstanceScore, Row

COMPARISON_COLUMNS = (
    "system_a", "system_b", "instances", "same_budget", "avg_at_1_a", "avg_at_1_b",
    "avg_at_1_difference", "avg_at_1_difference_low", "avg_at_1_difference_high", "both",
    "only_a", "only_b", "neither", "mcnemar_p", "cost_per_instance_a_usd",
    "cost_per_instance_b_usd", "cost_per_instance_difference_usd",
    "cost_per_instance_difference_usd_low", "cost_per_instance_difference_usd_high",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the systems that are compared."""

    name: str
    scores: Mapping[str, InstanceScore]  # by instance
    allowance: Allowance | None  # of one submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A against B on the instances that both were asked for. Differences are A's less B's."""

    a: str
    b: str
    instances: tuple[str, ...]
    left_out: int  # instances that only one of them was asked for
    same_budget: bool | None  # on every instance; None: one of the budgets is unknown
    average_a: float | None  # Avg.@1; None: there are no instances
    average_b: float | None
    difference: float | None
    difference_95: Interval | None  # paired bootstrap over instances
    both: int  # instances on which what the first trial of each ships resolves
    only_a: int
    only_b: int
    neither: int
    mcnemar_p: float
    cost_a: float | None  # USD an instance, all trials; None: unknown
    cost_b: float | None
    cost_unsure: float  # USD of all these instances that the costs of A and B may be more
    cost_difference: float | None
    cost_difference_95: Interval | None


def sides(scores: Sequence[InstanceScore], allowance: Allowance | None) -> list[Side]:
    """The systems of one run, in order; `allowance` is the budget of one submission."""
    found: dict[str, dict[str, InstanceScore]] = {}
    for score in scores:
        found.setdefault(score.system, {})[score.instance_id] = score
    return [Side(name=name, scores=mine, allowance=allowance) for name, mine in found.items()]


def compare(a: Side, b: Side) -> Comparison:
    """The tests of A against B, on the instances that both have, in A's order."""
    common = tuple(instance for instance in a.scores if instance in b.scores)
    pairs = [(a.scores[instance], b.scores[instance]) for instance in common]
    shipped = [(mine.ships, theirs.ships) for mine, theirs in pairs]
    only_a, only_b = shipped.count((True, False)), shipped.count((False, True))
    averages = mean(x.average for x, _ in pairs), mean(y.average for _, y in pairs)
    costs = mean(x.cost_usd for x, _ in pairs), mean(y.cost_usd for _, y in pairs)
    cheaper = [_less(x.cost_usd, y.cost_usd) for x, y in pairs]
    return Comparison(
        a=a.name,
        b=b.name,
        instances=common,
        left_out=len(a.scores.keys() ^ b.scores.keys()),
        same_budget=_same_budget(a, b, pairs),
        average_a=averages[0],
        average_b=averages[1],
        difference=_less(*averages),
        difference_95=mean_interval([x.average - y.average for x, y in pairs], within=DIFFERENCE),
        both=shipped.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        neither=shipped.count((False, False)),
        mcnemar_p=mcnemar(only_a, only_b),
        cost_a=costs[0],
        cost_b=costs[1],
        cost_unsure=sum(each.cost_unsure_usd or 0.0 for pair in pairs for each in pair),
        cost_difference=mean(cheaper),
        cost_difference_95=mean_interval(cheaper),
    )


def comparisons(systems: Sequence[Side]) -> list[Row]:
    """Every pair of `systems`, each once: the rows of `comparisons.csv`."""
    return [comparison_row(compare(a, b)) for a, b in combinations(systems, 2)]


def comparison_row(found: Comparison) -> Row:
    """`COMPARISON_COLUMNS` of one comparison."""
    same = found.same_budget
    row: dict[str, Any] = {
        "system_a": found.a,
        "system_b": found.b,
        "instances": len(found.instances),
        "same_budget": None if same is None else int(same),
        "avg_at_1_a": found.average_a,
        "avg_at_1_b": found.average_b,
        **_with_ends("avg_at_1_difference", found.difference, found.difference_95),
        "both": found.both,
        "only_a": found.only_a,
        "only_b": found.only_b,
        "neither": found.neither,
        "mcnemar_p": found.mcnemar_p,
        "cost_per_instance_a_usd": found.cost_a,
        "cost_per_instance_b_usd": found.cost_b,
        **_with_ends(
            "cost_per_instance_difference_usd", found.cost_difference, found.cost_difference_95
        ),
    }
    return {column: row[column] for column in COMPARISON_COLUMNS}


def _with_ends(name: str, value: float | None, ends: Interval | None) -> dict[str, float | None]:
    return {
        name: value,
        f"{name}_low": ends.low if ends else None,
        f"{name}_high": ends.high if ends else None,
    }


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _same_budget(
    a: Side, b: Side, pairs: Sequence[tuple[InstanceScore, InstanceScore]]
) -> bool | None:
    if a.allowance is None or b.allowance is None:
        return None
    mine, theirs = a.allowance, b.allowance
    return all(mine.times(x.wanted) == theirs.times(y.wanted) for x, y in pairs)
