"""The board in SQLite: all trials of a run in one file, any number of processes on it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.board.protocols import SharedContext, TaskQueue
from harness.board.sqlite.change_watch import Watch
from harness.board.sqlite.connection import Connection, Durability
from harness.board.sqlite.shared_context import SqliteContext
from harness.board.sqlite.task_queue import SqliteQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBoard:
    """The board of one trial."""

    queue: TaskQueue
    context: SharedContext


class SqliteBoard:
    """The boards of a run's trials, through one connection; for one thread and its event loop.

    The file may be the run's store. A write blocks the event loop for the 0.1 ms that it takes, and
    for as long as other processes write.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_tasks: int = 10_000,
        clock: Callable[[], float] = time.time,
        synchronous: Durability = "NORMAL",
    ) -> None:
        """Open or create. `max_tasks` bounds each trial."""
        self._max_tasks = max_tasks
        self._watch = Watch(clock)
        self._connection = Connection(
            path,
            synchronous=synchronous,
            clock=clock,
            changed=self._watch.changed,
        )
        self._watch.connection = self._connection

    def of(self, trial_id: int) -> TrialBoard:
        """The board of a trial; it begins empty."""
        queue = SqliteQueue(self._connection, self._watch, trial_id, max_tasks=self._max_tasks)
        return TrialBoard(queue=queue, context=SqliteContext(self._connection, trial_id))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # -- the story -------------------------------------------------------------------------------

    def events(self, trial_id: int) -> list[dict[str, Any]]:
        """Everything that happened, in order; the columns of `harness.board.Event`."""
        return self._rows("events", trial_id, "detail")

    def proposals(self, trial_id: int) -> list[dict[str, Any]]:
        """Every proposal with what became of it; `settled` is None where nothing did."""
        return self._rows("proposals", trial_id, "evidence")

    def shown(self, trial_id: int) -> list[dict[str, Any]]:
        """Which conversation was first shown what, as what, and when."""
        return self._rows("shown", trial_id)

    def tasks(self, trial_id: int) -> list[dict[str, Any]]:
        """Every task, oldest first; the columns of `harness.board.Task`."""
        return self._rows("tasks", trial_id, "after", "result")

    def entries(self, trial_id: int) -> list[dict[str, Any]]:
        """Every entry in the order of admission: `harness.board.Entry`, `proposal` and `at`."""
        return self._rows("entries", trial_id, "evidence", after=0)

    def links(self, trial_id: int) -> list[dict[str, Any]]:
        """Every link in the order in which they were made: `harness.board.Link`, and `at`."""
        return self._rows("links", trial_id, after=0)

    def _rows(
        self, name: str, trial_id: int, *in_json: str, **parameters: Any
    ) -> list[dict[str, Any]]:
        rows = [dict(row) for row in self._connection.read(name, trial_id, **parameters)]
        for row in rows:
            row.update({column: json.loads(row[column]) for column in in_json})
        return rows
