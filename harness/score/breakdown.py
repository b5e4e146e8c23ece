"""Scores by repository, difficulty and length: `breakdown.csv`."""

from collections.abc import Sequence

from harness.score.rows import InstanceScore, Row
from harness.score.table import estimate, money

BREAKDOWN_COLUMNS = (
    "system", "by", "value", "instances", "wanted", "resolved", "resolved_instances", "avg_at_1",
    "avg_at_1_low", "avg_at_1_high", "pass_at_2", "pass_at_2_low", "pass_at_2_high", "pass_at_4",
    "pass_at_4_low", "pass_at_4_high", "selected_at_1", "selected_at_1_low",
    "selected_at_1_high", "cost_per_task_usd", "infra_errors", "unfinished",
)  # fmt: skip
EFFORTS = ("<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours")
LENGTHS = ("short", "medium", "long")
ORDER = (*EFFORTS, *LENGTHS)
"""SWE-bench Verified's words for the difficulty of an instance, LongBench-v2's for a length."""


def breakdowns(scores: Sequence[InstanceScore]) -> list[Row]:
    """One row for each system and repository, then difficulty, then length where there is one."""
    kinds = ("repo", "difficulty", *(["length"] if any(s.length for s in scores) else []))
    return [
        _row(system, by, value, mine)
        for system in dict.fromkeys(score.system for score in scores)
        for by in kinds
        for value, mine in _groups([s for s in scores if s.system == system], by).items()
    ]


def _groups(scores: Sequence[InstanceScore], by: str) -> dict[str, list[InstanceScore]]:
    groups: dict[str, list[InstanceScore]] = {}
    for score in scores:
        groups.setdefault(getattr(score, by), []).append(score)

    def place(value: str) -> tuple[int, str]:
        return (ORDER.index(value) if value in ORDER else len(ORDER), value)

    return {value: groups[value] for value in sorted(groups, key=place)}


def _row(system: str, by: str, value: str, mine: Sequence[InstanceScore]) -> Row:
    return {
        "system": system,
        "by": by,
        "value": value,
        "instances": len(mine),
        "wanted": sum(score.wanted for score in mine),
        "resolved": sum(score.resolved for score in mine),
        "resolved_instances": sum(score.resolved > 0 for score in mine),
        **estimate("avg_at_1", [score.average for score in mine]),
        **estimate("pass_at_2", [score.pass_at(2) for score in mine]),
        **estimate("pass_at_4", [score.pass_at(4) for score in mine]),
        **estimate("selected_at_1", [score.selected for score in mine]),
        "cost_per_task_usd": money(mine)["cost_per_task_usd"],
        "infra_errors": sum(score.infra_errors for score in mine),
        "unfinished": sum(score.unfinished for score in mine),
    }
