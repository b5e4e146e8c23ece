"""Compare two systems on the same instances, of one run or of two: `comparisons.csv`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from harness.score.budgets import Allowance
from harness.score.estimators import DIFFERENCE, Interval, mcnemar, mean, mean_interval, sign_flip
from harness.score.rows import InstanceScore, TableRow, equal_submissions

COMPARISON_COLUMNS = (
    "system_a", "system_b", "instances", "not_run", "same_budget", "avg_at_1_a", "avg_at_1_b",
    "avg_at_1_difference", "avg_at_1_difference_low", "avg_at_1_difference_high",
    "avg_at_1_p", "both", "only_a", "only_b", "neither", "mcnemar_p", "equal_submissions",
    "cost_per_instance_a_usd", "cost_per_instance_b_usd", "cost_per_instance_difference_usd",
    "cost_per_instance_difference_usd_low", "cost_per_instance_difference_usd_high",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two compared systems."""

    name: str
    scores: Mapping[str, InstanceScore]  # by instance
    allowance: Allowance | None  # of one submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A against B on the instances on which both ran. Differences are A's less B's."""

    a: str
    b: str
    instances: tuple[str, ...]
    not_run: int  # instances that both were asked for, and one or both did not run
    left_out: int  # instances that only one of them was asked for
    same_budget: bool | None  # on every instance; None: one of the budgets is unknown
    average_a: float | None  # Avg.@1; None: there are no instances
    average_b: float | None
    difference: float | None
    difference_95: Interval | None  # paired bootstrap over instances
    difference_p: float | None  # of a paired sign-flip test over instances; None: nothing compared
    both: int  # instances on which what the first trial of each ships resolves, of those it ran on
    only_a: int
    only_b: int
    neither: int
    mcnemar_p: float | None  # None: there is no such instance
    submissions: int  # on an instance, of which the costs are
    cost_a: float | None  # USD an instance; None: unknown
    cost_b: float | None
    cost_unsure: float  # USD of all these instances that the costs of A and B may be more
    cost_difference: float | None
    cost_difference_95: Interval | None


def sides(scores: Sequence[InstanceScore], allowance: Allowance | None) -> list[Side]:
    """The systems of one run, in order. `allowance` is the budget of one submission."""
    found: dict[str, dict[str, InstanceScore]] = {}
    for score in scores:
        found.setdefault(score.system, {})[score.instance_id] = score
    return [Side(name=name, scores=mine, allowance=allowance) for name, mine in found.items()]


def compare(a: Side, b: Side, submissions: int = 0) -> Comparison:
    """The tests of A against B, on the instances on which both ran, in A's order.

    Costs are those of so many `submissions` on an instance; 0: the most that one of them was asked
    for.
    """
    asked = [instance for instance in a.scores if instance in b.scores]
    common = tuple(i for i in asked if a.scores[i].ran and b.scores[i].ran)
    pairs = [(a.scores[instance], b.scores[instance]) for instance in common]
    each = submissions or equal_submissions([*a.scores.values(), *b.scores.values()])
    averages = mean(x.average for x, _ in pairs), mean(y.average for _, y in pairs)
    apart = [_less(x.average, y.average) for x, y in pairs]
    costs = [(x.cost_of(each), y.cost_of(each)) for x, y in pairs]
    cheaper = [_less(*pair) for pair in costs]
    shipped = [
        (mine.ships, theirs.ships)
        for mine, theirs in pairs
        if mine.ships is not None and theirs.ships is not None
    ]
    only_a, only_b = shipped.count((True, False)), shipped.count((False, True))
    return Comparison(
        a=a.name,
        b=b.name,
        instances=common,
        not_run=len(asked) - len(common),
        left_out=len(a.scores.keys() ^ b.scores.keys()),
        same_budget=_same_budget(a, b, pairs),
        average_a=averages[0],
        average_b=averages[1],
        difference=_less(*averages),
        difference_95=mean_interval(apart, within=DIFFERENCE),
        difference_p=_p(apart),
        both=shipped.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        neither=shipped.count((False, False)),
        mcnemar_p=mcnemar(only_a, only_b) if shipped else None,
        submissions=each,
        cost_a=mean(x for x, _ in costs),
        cost_b=mean(y for _, y in costs),
        cost_unsure=sum(score.unsure_of(each) or 0.0 for pair in pairs for score in pair),
        cost_difference=mean(cheaper),
        cost_difference_95=mean_interval(cheaper),
    )


def comparisons(systems: Sequence[Side]) -> list[TableRow]:
    """Every pair of `systems` of one run, each once: the rows of `comparisons.csv`.

    All costs are at the same number of submissions on an instance, as in `table.csv`.
    """
    each = equal_submissions(score for side in systems for score in side.scores.values())
    return [comparison_row(compare(a, b, each)) for a, b in combinations(systems, 2)]


def comparison_row(found: Comparison) -> TableRow:
    """The columns `COMPARISON_COLUMNS` of one comparison."""
    same = found.same_budget
    row: dict[str, Any] = {
        "system_a": found.a,
        "system_b": found.b,
        "instances": len(found.instances),
        "not_run": found.not_run,
        "same_budget": None if same is None else int(same),
        "avg_at_1_a": found.average_a,
        "avg_at_1_b": found.average_b,
        **_with_ends("avg_at_1_difference", found.difference, found.difference_95),
        "avg_at_1_p": found.difference_p,
        **_shipped(found),
        "mcnemar_p": found.mcnemar_p,
        "equal_submissions": found.submissions,
        "cost_per_instance_a_usd": found.cost_a,
        "cost_per_instance_b_usd": found.cost_b,
        **_with_ends(
            "cost_per_instance_difference_usd", found.cost_difference, found.cost_difference_95
        ),
    }
    return {column: row[column] for column in COMPARISON_COLUMNS}


def _p(differences: Sequence[float | None]) -> float | None:
    """The p of a sign-flip test; None where there is no difference, or one is unknown."""
    known = [value for value in differences if value is not None]
    return sign_flip(known) if known and len(known) == len(differences) else None


def _shipped(found: Comparison) -> dict[str, int | None]:
    """The McNemar counts of selected submissions; None if nothing was compared."""
    known = found.mcnemar_p is not None
    names = ("both", "only_a", "only_b", "neither")
    return {name: getattr(found, name) if known else None for name in names}


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
    if a.allowance is None or b.allowance is None or not pairs:
        return None
    mine, theirs = a.allowance, b.allowance
    return all(mine.times(x.asked) == theirs.times(y.asked) for x, y in pairs)
