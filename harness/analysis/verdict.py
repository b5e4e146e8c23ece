"""The verdict on a run in a sentence, and on each pair of its systems. Pure functions over rows.

Two systems are told apart in score where the interval of the difference of Avg.@1 excludes 0, and
the paired sign-flip test over instances, adjusted for all pairs of the run (Holm), gives p <
`LEVEL`; in cost where the interval of the difference excludes 0. Below `FEW` instances, and at
different budgets, no pair is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.compare_verdicts import FEW, LEVEL
from harness.analysis.footnotes import distinct_usd
from harness.analysis.pair_verdict import APART, PairVerdict, Told
from harness.score import holm
from harness.score.rows import TableRow
from harness.text.counted import counted
from harness.text.figures import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict on a run."""

    score: str  # a sentence
    cost: str  # a sentence; empty: there is nothing to say
    choice: str = ""  # a sentence on what may be chosen from it; empty: the others say it
    pairs: Sequence[PairVerdict]  # those with the baseline first


def verdict(
    table: Sequence[TableRow], comparisons: Sequence[TableRow], baseline: str = ""
) -> Verdict:
    """The verdict from the rows of `table.csv` and `comparisons.csv`. `baseline`: the system that
    others are compared with; empty: there is none."""
    adjusted = _adjusted(comparisons)
    of = {row["system"]: row for row in table}
    every = [_pair(row, p, baseline, of) for row, p in zip(comparisons, adjusted, strict=True)]
    pairs = sorted(every, key=lambda pair: baseline not in (pair.a, pair.b))
    ran = [row for row in table if row["instances_run"]]
    if not ran:
        return Verdict(score="No trial has run to its end: there is no verdict.", cost="", pairs=[])
    if len(ran) == 1 and not any(pair.instances for pair in pairs):
        alone = _alone(ran[0], others=len(table) > 1)
        return Verdict(score=alone, cost=_cost_alone(ran[0]), pairs=pairs)
    return Verdict(
        score=_score(pairs), cost=_cost(pairs, baseline), choice=_choice(pairs), pairs=pairs
    )


def _adjusted(comparisons: Sequence[TableRow]) -> list[float | None]:
    """The p of each comparison, adjusted for all that have one."""
    known = [row["avg_at_1_p"] for row in comparisons if row["avg_at_1_p"] is not None]
    found = iter(holm(known))
    return [None if row["avg_at_1_p"] is None else next(found) for row in comparisons]


def _pair(row: TableRow, p: float | None, baseline: str, of: Mapping[str, TableRow]) -> PairVerdict:
    """The verdict on a row of `comparisons.csv`. `of`: rows of `table.csv` by system."""
    turned = row["system_a"] == baseline
    a, b = ("b", "a") if turned else ("a", "b")
    rows = [of.get(row[f"system_{each}"], {}) for each in (a, b)]
    score = _difference(row, "avg_at_1_difference", turned=turned)
    cost = _difference(row, "cost_per_instance_difference_usd", turned=turned)
    return PairVerdict(
        a=row[f"system_{a}"],
        b=row[f"system_{b}"],
        instances=row["instances"],
        score_a=row[f"avg_at_1_{a}"],
        score_b=row[f"avg_at_1_{b}"],
        difference=score[0],
        difference_low=score[1],
        difference_high=score[2],
        p=p,
        score=_told_score(row, score, p),
        submissions=row["equal_submissions"],
        cost_a=row[f"cost_per_instance_{a}_usd"],
        cost_b=row[f"cost_per_instance_{b}_usd"],
        cost_difference=cost[0],
        cost_difference_low=cost[1],
        cost_difference_high=cost[2],
        cost=_told(row["instances"], cost),
        distinct_a=distinct_usd(rows[0]),
        distinct_b=distinct_usd(rows[1]),
        copies_a=bool(rows[0].get("copies")),
        copies_b=bool(rows[1].get("copies")),
    )


Ends = tuple[float | None, float | None, float | None]


def _difference(row: TableRow, name: str, *, turned: bool) -> Ends:
    """A difference with the ends of its interval."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if not turned:
        return value, low, high
    return _minus(value), _minus(high), _minus(low)


def _minus(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


def _told_score(row: TableRow, ends: Ends, p: float | None) -> Told:
    if row["same_budget"] == 0:
        return "not comparable"
    told = _told(row["instances"], ends)
    if told in APART and (p is None or p >= LEVEL):
        return "not shown"
    return told


def _told(instances: int, ends: Ends) -> Told:
    value, low, high = ends
    if value is None:
        return "unknown"
    if instances < FEW:
        return "too few"
    if low is None or high is None or low <= 0 <= high:
        return "not shown"
    return "more" if low > 0 else "less"


def _alone(row: TableRow, *, others: bool) -> str:
    between = _between(row["avg_at_1_low"], row["avg_at_1_high"])
    none = "there is no other system to compare it with"
    none = "no other system has run yet" if others else none
    return (
        f"{row['system']} resolves {percent(row['avg_at_1'])} of its submissions{between} on "
        f"{counted(row['instances_run'], 'instance')}; {none}."
    )


def _cost_alone(row: TableRow) -> str:
    usd, each = row["cost_per_instance_usd"], row["equal_submissions"]
    if usd is None:
        return ""
    return f"It costs ${usd:.4f} per instance, at {counted(each, 'submission')} each."


def _between(low: float | None, high: float | None, scale: float = 100, form: str = ".1f") -> str:
    if low is None or high is None:
        return ""
    return f" (95 %: {scale * low:{form}} to {scale * high:{form}})"


# -- the sentence on scores ------------------------------------------------------------------------


def _score(pairs: Sequence[PairVerdict]) -> str:
    compared = [pair for pair in pairs if pair.instances]
    if not compared:
        return "No instance has run on two systems: there is nothing to compare."
    if all(pair.score == "not comparable" for pair in compared):
        return "The systems had different budgets, so their scores are not compared."
    apart = [pair for pair in compared if pair.score in APART]
    if apart:
        return _all_apart(apart, compared)
    if any(pair.score == "not shown" for pair in compared):
        return _none_apart(compared)
    few = max(pair.instances for pair in compared)
    return (
        f"Too few instances to tell {_systems(compared)} apart in score: {few}, and at least {FEW} "
        "are needed."
    )


def _all_apart(apart: Sequence[PairVerdict], compared: Sequence[PairVerdict]) -> str:
    """The first differences that are shown, and how many other pairs there are."""
    told = "; ".join(_more(pair) for pair in apart[:3])
    others = len(apart) - 3
    if others > 0:
        told += f"; and {counted(others, 'other pair')} can be told apart"
    left = sum(pair.score == "not shown" for pair in compared)
    if left:
        told += f". Between {counted(left, 'other pair')} no difference is shown"
    if unknown := len(compared) - len(apart) - left:
        told += (
            f". Not compared: {counted(unknown, 'pair')}, with too few instances or unlike budgets"
        )
    return f"{told}."


def _more(pair: PairVerdict) -> str:
    """Which of the two resolves more, by how much, and how sure that is."""
    if pair.score == "less":
        pair = _turned(pair)
    between = _between(pair.difference_low, pair.difference_high)
    by = _points(pair.difference)
    return (
        f"{pair.a} resolves more than {pair.b}: {percent(pair.score_a)} of submissions against "
        f"{percent(pair.score_b)}, {by} more{between}, on "
        f"{counted(pair.instances, 'instance')} ({p_words(pair.p)})"
    )


def _none_apart(compared: Sequence[PairVerdict]) -> str:
    if len(compared) > 1:
        return (
            f"No difference in score is shown between any two of {_systems(compared)}, on "
            f"{_instances(compared)}."
        )
    (pair,) = compared
    between = _between(pair.difference_low, pair.difference_high)
    return (
        f"No difference in score is shown between {pair.a} and {pair.b}: {percent(pair.score_a)} "
        f"of submissions against {percent(pair.score_b)}, {_points(pair.difference, sign=True)}"
        f"{between}, on {counted(pair.instances, 'instance')} ({p_words(pair.p)})."
    )


def _turned(pair: PairVerdict) -> PairVerdict:
    """The same with a and b the other way round, as far as scores go."""
    return replace(
        pair,
        a=pair.b,
        b=pair.a,
        score_a=pair.score_b,
        score_b=pair.score_a,
        difference=_minus(pair.difference),
        difference_low=_minus(pair.difference_high),
        difference_high=_minus(pair.difference_low),
    )


def _systems(pairs: Sequence[PairVerdict]) -> str:
    names = dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b))
    return " and ".join(names) if len(names) == 2 else f"the {len(names)} systems"


def _instances(pairs: Sequence[PairVerdict]) -> str:
    counts = sorted({pair.instances for pair in pairs})
    if len(counts) == 1:
        return counted(counts[0], "instance")
    return f"{counts[0]} to {counts[-1]} instances"


def _points(share: float | None, *, sign: bool = False) -> str:
    if share is None:
        return "–"
    return f"{100 * share:+.1f} points" if sign else f"{100 * share:.1f} points"


def p_words(p: float | None) -> str:
    """The p of a test in words."""
    if p is None:
        return "not tested"
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.3g}"


# -- the sentence on costs -------------------------------------------------------------------------


def _cost(pairs: Sequence[PairVerdict], baseline: str) -> str:
    """What each system costs of the baseline, at equal submissions, and how sure that is."""
    mine = [pair for pair in pairs if pair.b == baseline and pair.instances]
    mine = mine or [pair for pair in pairs if pair.instances][:1]
    known = [pair for pair in mine if pair.ratio is not None]
    if not known:
        return "Costs are not compared, because one of each two is unknown or 0." if mine else ""
    base, each = known[0].b, counted(known[0].submissions, "submission")
    first, *others = [(pair.a, _times_of(pair)) for pair in known]
    parts = [f"{first[0]} costs {first[1]}", *(f"{name} {ratio}" for name, ratio in others)]
    told = f"At {each} per instance each, {_listed(parts)} what {base} costs"
    if len(known) == 1:
        told += f" (${known[0].cost_a:.4f} against ${known[0].cost_b:.4f} per instance)"
    return f"{told}{_sure(known)}."


def times(ratio: float | None) -> str:
    """A quotient of costs, such as `0.57 times`."""
    if ratio is None:
        return "–"
    digits = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:#.2g}"
    return f"{digits} times"


def _times_of(pair: PairVerdict) -> str:
    """The quotient of a pair's costs, and beside it that of distinct patches."""
    if pair.distinct_ratio is None:
        return times(pair.ratio)
    return f"{times(pair.ratio)} ({times(pair.distinct_ratio)} per distinct patch)"


def _listed(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _sure(pairs: Sequence[PairVerdict]) -> str:
    if all(pair.cost == "too few" for pair in pairs):
        return f"; fewer than {FEW} instances, so this says nothing of other instances"
    unsure = [pair.a for pair in pairs if pair.cost not in APART]
    if len(unsure) == len(pairs):
        return "; no difference in cost is shown"
    if unsure:
        return f"; no difference is shown for {_listed(unsure)}"
    return "; the differences are shown" if len(pairs) > 1 else "; the difference is shown"


# -- the sentence on what to choose ----------------------------------------------------------------


def _choice(pairs: Sequence[PairVerdict]) -> str:
    """What may be chosen from a run of several systems."""
    compared = [pair for pair in pairs if pair.instances]
    apart = [pair for pair in compared if pair.score in APART]
    if not compared:
        return ""
    if not apart and not any(pair.cost in APART for pair in compared):
        return "From this run alone no system can be preferred."
    if not apart:
        return "From this run alone no system can be preferred for what it resolves."
    if all(pair.cost == pair.score for pair in apart):
        return (
            "The system that resolves more also costs more: which to prefer depends on what a "
            "resolved instance is worth."
        )
    return ""
