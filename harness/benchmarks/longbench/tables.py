"""The tables of LongBench-v2: accuracy by domain (as published), by difficulty and by length."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmarks.protocol import Breakdown
from harness.score.estimators import mean
from harness.score.published import LONGBENCH, Counterpart, counterpart, sources
from harness.score.rows import InstanceScore, TableRow
from harness.text.text_table import Line, Table

METRICS = {
    "Financial": "accuracy_financial",
    "Governmental": "accuracy_government",
    "Multi-news": "accuracy_multi_news",
    "Legal": "accuracy_legal",
    "Academic": "accuracy_academic",
}
"""The dataset's names of the five domains, in the paper's order, and the published metric."""
LENGTHS = ("short", "medium", "long")
LEVELS = ("easy", "hard", *LENGTHS)
"""Its words for difficulty and for length, in the order of the benchmark's own table."""


def breakdown(
    rows: Sequence[TableRow], scores: Sequence[InstanceScore], facts: Mapping[str, Any]
) -> Breakdown:
    """Accuracy by domain, and the published row below each of ours; by difficulty and length.

    `rows` are those of `table.csv`, `scores` those of instances that ran.
    """
    there = {each.cluster for each in scores}
    domains = [name for name in METRICS if name in there] + sorted(there - METRICS.keys())
    lines: list[Line] = []
    beside: list[Counterpart] = []
    for row in rows:
        lines.append(_by_domain(row, scores, domains))
        found = counterpart(
            row["system"], row["agents"], str(facts.get("model", "")), benchmark=LONGBENCH
        )
        if found:
            lines.append(_published(found, domains))
            beside.append(found)
    title = "accuracy by domain, %; mean ± standard deviation over trials"
    tables = [(title, _table((*domains, "mean"), lines))]
    levels = [level for level in LEVELS if any(level in _levels(each) for each in scores)]
    if len(levels) > 2:  # of one difficulty and one length there is nothing to compare
        by_level = [_by_level(row["system"], scores, levels) for row in rows]
        tables.append(("accuracy by difficulty and length, %", _table(levels, by_level)))
    words = _sources(beside, facts, whole=set(METRICS) <= there)
    return Breakdown(tables=tuple(tables), lines=(*_unshared(rows), *words))


def _table(head: Sequence[str], lines: Sequence[Line]) -> Table:
    top = Line(name="system", cells=tuple(head), style="underline")
    return Table(head=top, lines=tuple(lines))


def _by_domain(row: TableRow, scores: Sequence[InstanceScore], domains: Sequence[str]) -> Line:
    mine = [each for each in scores if each.system == row["system"]]
    cells = [_mean([each.average for each in mine if each.cluster == name]) for name in domains]
    whole_mean = _percent(row["avg_at_1_by_repo"], row["avg_at_1_by_repo_sd"])
    return Line(name=row["system"], cells=(*cells, whole_mean), style="bold")


def _sources(beside: Sequence[Counterpart], facts: Mapping[str, Any], *, whole: bool) -> list[str]:
    """The sources of the published rows. `whole`: our rows cover all five domains, too."""
    if not beside:
        return []
    other = "" if facts.get("dataset") == LONGBENCH else f", not on {facts.get('dataset')}"
    of_all = "" if whole else "; the published mean covers all five domains"
    return [f"published: {' and '.join(sources(beside))}, on {LONGBENCH}{other}{of_all}"]


def _by_level(system: str, scores: Sequence[InstanceScore], levels: Sequence[str]) -> Line:
    mine = [each for each in scores if each.system == system]
    cells = [_mean([each.average for each in mine if level in _levels(each)]) for level in levels]
    return Line(name=system, cells=tuple(cells), style="bold")


def _levels(score: InstanceScore) -> tuple[str, str]:
    return score.difficulty, score.length


def _unshared(rows: Sequence[TableRow]) -> list[str]:
    """The cost per instance if no trial shared its document preparation."""
    alone = {
        row["system"]: row["cost_per_instance_usd"] * (1 + row["served_usd"] / row["cost_usd"])
        for row in rows
        if row["served_usd"] and row["cost_usd"] and row["cost_per_instance_usd"] is not None
    }
    if not alone:
        return []
    told = ", ".join(f"{system} {usd:.4f}" for system, usd in alone.items())
    return [f"trials share document preparation; $/instance without sharing: {told}"]


def _published(beside: Counterpart, domains: Sequence[str]) -> Line:
    metrics = [*(METRICS.get(name, "") for name in domains), "avg_at_1"]
    cells = tuple(_plain(beside.value(metric), beside.sd(metric)) for metric in metrics)
    return Line(name=f"  published: {beside.label}", short="  published", cells=cells, style="dim")


def _mean(values: Sequence[float | None]) -> str:
    return _percent(mean(values), None)


def _percent(share: float | None, deviation: float | None) -> str:
    return _plain(
        None if share is None else 100 * share, None if deviation is None else 100 * deviation
    )


def _plain(percent: float | None, deviation: float | None) -> str:
    if percent is None:
        return "–"
    return f"{percent:.1f}" + ("" if deviation is None else f" ±{deviation:.1f}")
