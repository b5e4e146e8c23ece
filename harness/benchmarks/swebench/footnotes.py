"""Footnotes of a SWE-bench table: sources of published rows, and systems that were not run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import read_yaml
from harness.score.published import SWE_BENCH, Counterpart, leaderboard, sources
from harness.score.rows import TableRow
from harness.shipped import CONFIGS

TABLE = CONFIGS / "table.yaml"


def footnotes(
    rows: Sequence[TableRow], beside: Sequence[Counterpart], facts: Mapping[str, Any]
) -> list[str]:
    """The sources of the published rows, and the systems of `configs/table.yaml` not run."""
    return [*(_published(beside, facts) if beside else ()), *missing_systems(rows, facts)]


def _published(beside: Sequence[Counterpart], facts: Mapping[str, Any]) -> list[str]:
    where = str(facts.get("dataset"))
    other = "" if where == SWE_BENCH else f", not on {where}"
    found = leaderboard()
    budgets = dict.fromkeys(
        f"{each.label.partition(',')[0]} {' · '.join((each.budget or 'unknown').split('; '))}"
        for each in beside
    )
    return [
        f"published: {' and '.join(sources(beside))}, on {SWE_BENCH}{other}, at other budgets: "
        f"{'; '.join(budgets)} (results/reference/published.csv).",
        f"Official leaderboard: mini-SWE-agent with {found.model}, {found.value:g} % "
        f"({found.budget.replace('; ', ', ')}), a larger budget than the published rows.",
    ]


def missing_systems(
    rows: Sequence[TableRow], facts: Mapping[str, Any], preset: Path = TABLE
) -> list[str]:
    """The systems of `configs/table.yaml` that were not run, and how to run them."""
    there = {row["system"] for row in rows}
    absent = [name for name in read_yaml(preset)["systems"] if name not in there]
    if not absent or not there:
        return []
    names = ", ".join(absent)
    if facts.get("replay"):
        return [f"not in the recording; to run them, name a model (make eval MODEL=…): {names}"]
    return [f"systems of configs/table.yaml not in this run: {names}"]
