"""What the pages of a run are made of: its rows, its scores, and the order of its systems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.analysis.cost_breakdown import baseline_of
from harness.analysis.run_scores import ScoredRun, score_outcomes, score_run
from harness.benchmarks.protocol import Benchmark
from harness.benchmarks.registry import of_run
from harness.board.records import Boards
from harness.pages.gold import AsGold, as_gold
from harness.score.rows import TableRow
from harness.store.protocol import Store
from harness.store.rows import LabelRow, RunRows
from harness.system_files import baseline_system


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """A run as it was at one moment."""

    run_id: str  # the name of its folder
    scored: ScoredRun
    baseline: str  # the system that costs and scores are relative to; empty without trials
    costs: Sequence[TableRow] = ()  # rows of cost_breakdown.csv, where they were computed
    as_gold: AsGold = field(default_factory=dict)
    labels: Sequence[LabelRow] = ()  # what people and models said of its trials; replaced ones too

    @property
    def rows(self) -> RunRows:
        """Its trials, calls, submissions and spans."""
        return self.scored.rows

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `Store.describe` was given; empty for a run that never started."""
        return self.rows.facts

    @property
    def systems(self) -> list[str]:
        """Its systems in the order of its trials, which is that of every table."""
        return list(dict.fromkeys(trial["system"] for trial in self.rows.trials))

    @property
    def instances(self) -> list[str]:
        """Its instances in the order of its trials."""
        return list(dict.fromkeys(trial["instance_id"] for trial in self.rows.trials))

    @property
    def benchmark(self) -> Benchmark[Any]:
        """The benchmark of its instances."""
        return of_run(self.facts)


async def run_data(store: Store, boards: Boards, *, run_id: str, output: Path) -> RunData:
    """Read and score a run. `output`: the folder of runs, which may name unstable tests."""
    rows = await store.read()
    unstable = of_run(rows.facts).unstable(output)
    scored = await score_run(rows, boards, unstable)
    return RunData(
        run_id=run_id,
        scored=scored,
        baseline=baseline_of(rows.trials, baseline_system()) if rows.trials else "",
        labels=await store.labels(),
        as_gold=await as_gold(store, rows),
    )


async def outcome_data(store: Store, *, run_id: str) -> RunData:
    """What of a run is read in a fraction of a second, however large it is: see
    `score_outcomes`."""
    rows = await store.read_outcomes()
    return RunData(
        run_id=run_id,
        scored=score_outcomes(rows),
        baseline=baseline_of(rows.trials, baseline_system()) if rows.trials else "",
    )
