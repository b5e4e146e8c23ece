"""Score, dollars and seconds against the number of agents. Pure functions.

A curve is made of systems that are the same but for their number of agents: of one run (`delm-n2`
and `delm`) or of several (`-n 2`, `-n 4`) with the same model and dataset.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.score import InstanceScore, Interval, equal_submissions, ran
from harness.score.estimators import mean, mean_interval
from harness.score.rows import TableRow
from harness.score.table import estimate, money


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRun:
    """A run as curves are made of it."""

    run_id: str
    facts: Mapping[str, Any]  # `Store.description`
    agents: Mapping[str, int]  # of each system
    scores: Sequence[InstanceScore]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure with its 95 % interval; None where it is not known."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A system with its number of agents."""

    run_id: str
    system: str
    agents: int
    instances: int  # that ran
    score: Measure  # Avg.@1
    cost: Measure  # USD per instance at equal submissions of its run
    seconds: Measure  # of a trial, all its attempts: mean over instances


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCurve:
    """Systems that differ only in their number of agents, the fewest first."""

    name: str
    points: Sequence[CurvePoint]
    equal_submissions: bool  # whether the dollars of all points are of as many submissions


def agent_curves(runs: Sequence[CurveRun]) -> list[AgentCurve]:
    """The curves of runs with the model and dataset of the first; none without two points."""
    if not runs:
        return []
    alike = [run for run in runs if _conditions(run.facts) == _conditions(runs[0].facts)]
    groups: dict[str, list[tuple[CurveRun, str]]] = {}
    for run in alike:
        over = {each.system for each in ran(run.scores)}
        for system in run.agents:
            if (kind := kind_of_system(run.facts, system)) and system in over:
                groups.setdefault(kind, []).append((run, system))
    return [
        _curve(members)
        for members in groups.values()
        if len({run.agents[system] for run, system in members}) > 1
    ]


def _curve(members: Sequence[tuple[CurveRun, str]]) -> AgentCurve:
    points = sorted((_point(*member) for member in members), key=lambda point: point.agents)
    names = list(dict.fromkeys(point.system for point in points))
    return AgentCurve(
        name=min(names, key=len),
        points=points,
        equal_submissions=len({equal_submissions(run.scores) for run, _ in members}) == 1,
    )


def _point(run: CurveRun, system: str) -> CurvePoint:
    """The figures are those of `table.csv`."""
    mine = [each for each in run.scores if each.system == system]
    over = ran(mine)
    took = [each.seconds / each.ran for each in over]
    return CurvePoint(
        run_id=run.run_id,
        system=system,
        agents=run.agents[system],
        instances=len(over),
        score=_measure(estimate("avg_at_1", [each.average for each in over]), "avg_at_1"),
        cost=_measure(money(mine, equal_submissions(run.scores)), "cost_per_instance_usd"),
        seconds=Measure(value=mean(took), interval=mean_interval(took)),
    )


def _measure(row: TableRow, name: str) -> Measure:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    known = low is not None and high is not None
    return Measure(value=row[name], interval=Interval(low=low, high=high) if known else None)


def _conditions(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    dataset = (facts.get("config") or {}).get("dataset") or {}
    return facts.get("model"), dataset.get("name"), dataset.get("split"), bool(facts.get("replay"))


def kind_of_system(facts: Mapping[str, Any], system: str) -> str:
    """What a system is besides its number of agents; empty where the run does not say."""
    records = (facts.get("systems") or {}).get(system) or ()
    if not records:
        return ""
    kept = ("system", "submissions", "benchmark", "options")
    return json.dumps({key: records[-1].get(key) for key in kept}, sort_keys=True)
