"""The services that a run provides to its trials."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.benchmarks.protocol import Benchmark
from harness.board.records import Boards
from harness.model.client import ModelClient
from harness.model.run_clock import RunClock
from harness.model.shared_cache import SharedCache
from harness.protocols import CheckCache, Sandboxes
from harness.score.cost import Spent
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial, Standing
from harness.types import Item


class Watcher(Protocol):
    """Receives progress reports to show. Must not block."""

    def trial(self, row: ClaimedTrial, state: str, note: str = "") -> None:
        """A trial changed its state: preparing, working, grading, done, failed, error or
        cancelled."""
        ...

    def step(self, row: ClaimedTrial, steps: int, cost: Spent, *, resumed: int = 0) -> None:
        """The agents of a trial made a step; its calls and cost so far.

        `resumed` of the steps were made and paid for before the run was interrupted.
        """
        ...

    def stands(self, standing: Standing) -> None:
        """The progress of the whole run, including earlier starts and other processes.

        Called from time to time, and before a trial is reported as done, failed, error or
        cancelled.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialServices:
    """The services that all trials of a run share."""

    store: Store
    benchmark: Benchmark[Any]
    board: Boards
    client: ModelClient
    verifier: ModelClient  # of the model that compares findings with their evidence
    sandboxes: Sandboxes
    check_cache: Callable[[Item], CheckCache]  # of what was executed in an instance's image
    shared: SharedCache  # answers that trials of the run may take from each other
    watcher: Watcher
    clock: RunClock  # stands still while the run is paused
    agent_tools: Sequence[str]  # see `harness.protocols.Trial.agent_tools`
