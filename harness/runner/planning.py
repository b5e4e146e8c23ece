"""What a run is to do: its systems on its instances, as rows of its store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.benchmarks.protocol import Benchmark
from harness.protocols import System
from harness.store.rows import NewInstance, NewTrial
from harness.types import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSystem:
    """A system with its settings in this run."""

    name: str
    system: System
    agents: int
    wanted: int  # submissions of a trial
    submits: Literal["one", "independent", "shared"]
    benchmark: str = "swe-bench"  # whose instances it takes
    trials: int = 1  # on each instance
    record: Mapping[str, Any] = field(default_factory=dict)  # see `harness.runner.systems`


def planned(
    items: Mapping[str, Item], systems: Mapping[str, RunSystem], benchmark: Benchmark[Any]
) -> tuple[list[NewInstance], list[NewTrial]]:
    """The instances and trials of a run, in the order in which they are claimed."""
    most = max(run_system.trials for run_system in systems.values())
    trials: list[NewTrial] = [
        {
            "system": c.name,
            "instance_id": i,
            "number": n,
            "agents": c.agents,
            "wanted": c.wanted,
            "submits": c.submits,
        }
        for i in items
        for n in range(most)
        for c in systems.values()
        if n < c.trials
    ]
    instances: list[NewInstance] = [
        {
            "instance_id": item.instance.instance_id,
            "repo": groups.cluster,
            "difficulty": groups.difficulty,
            "length": groups.length,
        }
        for item in items.values()
        for groups in (benchmark.groups(item),)
    ]
    return instances, trials
