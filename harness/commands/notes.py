"""What must be known to read the table of a run: the lines below it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import CONFIGS, read_yaml
from harness.published import SWE_BENCH, Counterpart, leaderboard, sources
from harness.score.rows import Row

TABLE = CONFIGS / "table.yaml"


def notes(
    rows: Sequence[Row],
    beside: Sequence[Counterpart],
    facts: Mapping[str, Any],
    *,
    odd_budgets: bool,
) -> list[str]:
    """Of the scores: what the marks mean, whose the published rows are, and what is missing."""
    lines = []
    if any(row.get(f"pass_at_{k}_kind") == "shared" for row in rows for k in (2, 4)):
        lines.append(
            "† any of the N submissions of one trial, which share a context; without it: the "
            "chance that one of k independent ones is resolved. They do not measure the same."
        )
    if odd_budgets:
        lines.append("≠ not the budget of the other rows: the score may be what the money bought.")
    if beside:
        lines += _published(beside, facts)
    return [*lines, *missing(rows, facts)]


def _published(beside: Sequence[Counterpart], facts: Mapping[str, Any]) -> list[str]:
    where = str(facts.get("dataset"))
    other = "" if where == SWE_BENCH else f", not on {where}"
    found = leaderboard()
    return [
        f"published: {' and '.join(sources(beside))}, on {SWE_BENCH}{other}, at the budgets beside "
        "them, which are not ours (results/reference/published.csv).",
        f"The official leaderboard has mini-SWE-agent with {found.model} at {found.value:g} % "
        f"({found.budget.replace('; ', ', ')}): a larger budget than that of the published rows.",
    ]


def missing(rows: Sequence[Row], facts: Mapping[str, Any], preset: Path = TABLE) -> list[str]:
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


def worth(facts: Mapping[str, Any]) -> list[str]:
    """What must be known to read the numbers: the budget, whose prices, whether it is a replay."""
    if "config" not in facts:  # it was never begun
        return []
    budget = facts["config"]["budget"]
    limits = [
        f"{budget['steps']} steps" if budget["steps"] else "any steps",
        f"${budget['cost_usd']:.2f}" if budget["cost_usd"] else "any dollars",
        f"{budget['wall_clock_s']:g} s" if budget["wall_clock_s"] else "any time",
    ]
    whole = f"; of the run: ${budget['run_cost_usd']:.2f}" if budget["run_cost_usd"] else ""
    source = facts.get("prices_source") or "none; the cost is unknown"
    lines = [f"budget of a submission: {', '.join(limits)}{whole}"]
    if facts.get("replay"):
        lines += ["This is a replay of recorded answers: no benchmark result."]
        return [*lines, f"Dollars are recorded tokens at this price list: {source}."]
    return [*lines, f"Dollars are at this price list: {source}."]
