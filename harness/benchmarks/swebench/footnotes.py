"""What must be known to read the published rows and the systems of a table of SWE-bench."""

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
    """Whose the published rows are, and what is missing of the preset."""
    return [*(_published(beside, facts) if beside else ()), *missing(rows, facts)]


def _published(beside: Sequence[Counterpart], facts: Mapping[str, Any]) -> list[str]:
    where = str(facts.get("dataset"))
    other = "" if where == SWE_BENCH else f", not on {where}"
    found = leaderboard()
    budgets = dict.fromkeys(
        f"{each.label.partition(',')[0]} {' · '.join((each.budget or 'unknown').split('; '))}"
        for each in beside
    )
    return [
        f"published: {' and '.join(sources(beside))}, on {SWE_BENCH}{other}, at budgets that are "
        f"not ours: {'; '.join(budgets)} (results/reference/published.csv).",
        f"The official leaderboard has mini-SWE-agent with {found.model} at {found.value:g} % "
        f"({found.budget.replace('; ', ', ')}): a larger budget than that of the published rows.",
    ]


def missing(rows: Sequence[TableRow], facts: Mapping[str, Any], preset: Path = TABLE) -> list[str]:
    """Which systems of the preset were not run, and what they need."""
    there = {row["system"] for row in rows}
    absent = [name for name in read_yaml(preset)["systems"] if name not in there]
    if not absent or not there:
        return []
    names = ", ".join(absent)
    if facts.get("replay"):
        return [
            "not in this replay; what was not recorded needs a MODEL (make eval MODEL=…): " + names
        ]
    return [f"of configs/table.yaml, not in this run: {names}"]
