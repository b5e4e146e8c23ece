"""Cost against accuracy of each system: `cost_accuracy.csv` and the points of its plot."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.score.published import SWE_BENCH, counterpart
from harness.score.rows import TableRow

COLUMNS = (
    "system", "agents", "equal_submissions", "cost_per_instance_usd", "cost_per_instance_usd_low",
    "cost_per_instance_usd_high", "cost_per_task_usd", "cost_per_task_usd_low",
    "cost_per_task_usd_high", "avg_at_1", "avg_at_1_low", "avg_at_1_high", "unfinished",
    "system_errors", "on_front", "published", "published_model", "published_cost_per_instance_usd",
    "published_cost_per_task_usd", "published_avg_at_1", "published_source",
)  # fmt: skip
OURS = COLUMNS[:14]


def cost_accuracy(
    rows: Sequence[TableRow], model: str, benchmark: str = SWE_BENCH
) -> list[dict[str, Any]]:
    """One row a system, `COLUMNS`, from the rows of `table.csv`, the name of the run's model, and
    that of the published benchmark (empty: there is none).

    `on_front` is 1 where no other system is at least as often right for at most as much money an
    instance, at equal submissions, and 0 where one is. Only like is compared with like: it is None
    where a cost or a score is unknown, and for a system of which something has not run, or
    whose own code failed: it beats no other one. Published scores are shares, as ours.
    """
    points = on_equal_terms(rows)
    best = front(points)
    found = []
    for row in rows:
        beside = counterpart(row["system"], row["agents"], model, benchmark=benchmark)
        score = beside.value("avg_at_1") if beside else None
        dollars = (
            beside.cost_usd(row["equal_submissions"])
            if beside and row["equal_submissions"]
            else None
        )
        found.append(
            {name: row[name] for name in OURS}
            | {
                "on_front": int(row["system"] in best) if row["system"] in points else None,
                "published": beside and beside.label.partition(",")[0],
                "published_model": beside and beside.model,
                "published_cost_per_instance_usd": dollars,
                "published_cost_per_task_usd": beside and beside.cost_per_task_usd,
                "published_avg_at_1": None if score is None else round(score / 100, 6),
                "published_source": beside
                and " and ".join(dict.fromkeys(_sources(beside.numbers))),
            }
        )
    return found


def on_equal_terms(rows: Sequence[TableRow]) -> dict[str, tuple[float, float]]:
    """Cost per instance and Avg.@1 by system.

    Only systems that ran everything that was requested, without an error in their own code.
    """
    points = {row["system"]: (row["cost_per_instance_usd"], row["avg_at_1"]) for row in rows}
    finished = {row["system"] for row in rows if not (row["unfinished"] or row["system_errors"])}
    return {name: point for name, point in points.items() if name in finished and None not in point}


def front(points: Mapping[str, tuple[float | None, float | None]]) -> list[str]:
    """The names on the Pareto front of (cost, score), cheapest first; unknown ones are on none.

    A point is off the front if another one costs no more and scores no less, and is better in one
    of the two; equal points are both on it or both off it.
    """
    known = {
        name: (cost, score)
        for name, (cost, score) in points.items()
        if cost is not None and score is not None
    }

    def beaten(name: str) -> bool:
        cost, score = known[name]
        return any(
            other_cost <= cost
            and other_score >= score
            and (other_cost, other_score) != (cost, score)
            for other_cost, other_score in known.values()
        )

    return sorted((name for name in known if not beaten(name)), key=lambda name: known[name])


def _sources(numbers: Mapping[str, Any]) -> list[str]:
    """The sources of the published numbers in a row of `cost_accuracy.csv`."""
    names = ("avg_at_1", "cost_per_task_usd", "cost_per_submission_usd")
    of_score = [numbers[names[0]].source] if names[0] in numbers else []
    of_cost = [numbers[name].source for name in names[1:] if name in numbers][:1]
    return [*of_score, *of_cost]
