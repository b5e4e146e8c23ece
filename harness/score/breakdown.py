"""Scores by cluster (a repository, a domain), difficulty and length: `breakdown.csv`."""

from collections.abc import Sequence

from harness.score.rows import InstanceScore, TableRow, equal_submissions
from harness.score.table import effort, money, outcomes

BREAKDOWN_COLUMNS = (
    "system", "by", "value", "instances", "instances_run", "wanted", "wanted_run", "resolved",
    "resolved_instances", "avg_at_1", "avg_at_1_low", "avg_at_1_high", "pass_at_2",
    "pass_at_2_low", "pass_at_2_high", "pass_at_4", "pass_at_4_low", "pass_at_4_high",
    "selected_at_1", "selected_at_1_low", "selected_at_1_high", "cost_per_instance_usd",
    "cost_per_task_usd", "infra_errors", "system_errors", "unfinished",
)  # fmt: skip
GROUPS = {"repo": "cluster", "difficulty": "difficulty", "length": "length"}
"""The words of the column `by`, and the fields of `InstanceScore` that they stand for."""


def breakdowns(scores: Sequence[InstanceScore], levels: Sequence[str] = ()) -> list[TableRow]:
    """One row per system and cluster, then per difficulty, then per length.

    `levels` are the difficulties and lengths in the benchmark's order.
    """
    kinds = ("repo", "difficulty", *(["length"] if any(s.length for s in scores) else []))
    return [
        _row(system, by, value, mine, equal_submissions(scores))
        for system in dict.fromkeys(score.system for score in scores)
        for by in kinds
        for value, mine in _groups(
            [s for s in scores if s.system == system], GROUPS[by], levels
        ).items()
    ]


def _groups(
    scores: Sequence[InstanceScore], field: str, levels: Sequence[str]
) -> dict[str, list[InstanceScore]]:
    groups: dict[str, list[InstanceScore]] = {}
    for score in scores:
        groups.setdefault(getattr(score, field), []).append(score)

    def place(value: str) -> tuple[int, str]:
        return (levels.index(value) if value in levels else len(levels), value)

    return {value: groups[value] for value in sorted(groups, key=place)}


def _row(
    system: str, by: str, value: str, mine: Sequence[InstanceScore], submissions: int
) -> TableRow:
    row = outcomes(mine) | money(mine, submissions) | effort(mine)
    row |= {"system": system, "by": by, "value": value}
    return {column: row[column] for column in BREAKDOWN_COLUMNS}
