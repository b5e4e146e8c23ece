"""What a run lends each of its trials."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from harness.benchmarks.protocol import Benchmark
from harness.board.sqlite.board import SqliteBoard
from harness.model.client import ModelClient
from harness.model.shared_cache import Shared
from harness.protocols import Memo, Sandboxes
from harness.store.sqlite import Row, Store
from harness.types import Item


class Watcher(Protocol):
    """Is told what happens, to show it. Must not block."""

    def trial(self, row: Row, state: str, note: str = "") -> None:
        """A trial went into a state: preparing, working, grading, done, failed, error or
        cancelled."""
        ...

    def step(self, row: Row, steps: int, usd: float) -> None:
        """A trial's agents have said something; its calls and dollars so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialServices:
    """The services that all trials of a run have in common."""

    store: Store
    benchmark: Benchmark[Any]
    board: SqliteBoard
    client: ModelClient
    sandboxes: Sandboxes
    memo: Callable[[Item], Memo]  # of what was executed in an instance's image
    shared: Shared  # answers that trials of the run may take from each other
    watcher: Watcher
