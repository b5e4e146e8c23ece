"""The board in SQLite: all trials of a run in one file, any number of processes on it."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.board.protocols import SharedContext, TaskQueue
from harness.board.records import (
    EntryRow,
    EventRow,
    LinkRow,
    MarkRow,
    ProposalRow,
    ShownRow,
    TaskRow,
)
from harness.board.sqlite.change_watch import ChangeWatch
from harness.board.sqlite.shared_context import SqliteContext, read_evidence
from harness.board.sqlite.task_queue import SqliteQueue
from harness.store.connection import Connection, Durability, statements
from harness.store.row_tables import Asked, RowPage, RowTables

CHECKED = frozenset(
    [
        "trial",
        "now",
        "lease_s",
        "agent",
        "by",
        "author",
        "preferred",
        "excluded",
        "conversation",
        "task",
        "task_id",
        "number",
        "label",
        "kind",
        "letter",
        "level",
        "state",
        "settled",
        "entry",
        "source",
        "target",
        "after",
        "needed",
        "waiting",
        "priority",
        "fence",
        "seconds",
        "since",
    ]
)
"""Parameters of statements that cannot hold a secret; in all others secrets are redacted."""
_READ: Mapping[str, Callable[[str], Any]] = {
    "after": json.loads,
    "detail": json.loads,
    "evidence": read_evidence,
    "result": json.loads,
}
"""How the columns that hold JSON are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteTrialBoard:
    """See `harness.board.records.TrialBoard`."""

    queue: TaskQueue
    context: SharedContext


class SqliteBoard:
    """`harness.board.records.Boards`, through one connection; for one thread and its event loop.

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
        read_only: bool = False,
    ) -> None:
        """Open or create the file. `max_tasks` is the limit of one trial. A `read_only` file must
        exist and is not changed.

        Raises `StoreUnavailable` if it cannot be opened.
        """
        self._max_tasks = max_tasks
        self._watch = ChangeWatch(clock)
        self._connection = _opened(
            path, clock, self._watch.changed, synchronous, read_only=read_only
        )
        self._there = not read_only or self._has_boards()
        self._watch.connection = self._connection

    def of(self, trial_id: int) -> SqliteTrialBoard:
        """The board of a trial; it begins empty."""
        queue = SqliteQueue(self._connection, self._watch, trial_id, max_tasks=self._max_tasks)
        return SqliteTrialBoard(queue=queue, context=SqliteContext(self._connection, trial_id))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    async def aclose(self) -> None:
        """See `Boards.aclose`."""
        self.close()

    # -- rows ------------------------------------------------------------------------------------

    async def events(self, trial_id: int) -> list[EventRow]:
        """See `Boards.events`."""
        return cast("list[EventRow]", self._rows("events", trial_id))

    async def proposals(self, trial_id: int) -> list[ProposalRow]:
        """See `Boards.proposals`."""
        return cast("list[ProposalRow]", self._rows("proposals", trial_id))

    async def shown(self, trial_id: int) -> list[ShownRow]:
        """See `Boards.shown`."""
        return cast("list[ShownRow]", self._rows("shown", trial_id))

    async def tasks(self, trial_id: int) -> list[TaskRow]:
        """See `Boards.tasks`."""
        return cast("list[TaskRow]", self._rows("tasks", trial_id))

    async def entries(self, trial_id: int) -> list[EntryRow]:
        """See `Boards.entries`."""
        return cast("list[EntryRow]", self._rows("entries", trial_id, after=0))

    async def links(self, trial_id: int) -> list[LinkRow]:
        """See `Boards.links`."""
        return cast("list[LinkRow]", self._rows("links", trial_id, after=0))

    async def row_page(self, asked: Asked) -> RowPage | None:
        """See `Boards.row_page`."""
        tables = RowTables("harness.board.sqlite")
        return tables.page(self._connection, asked) if self._there else tables.none_of(asked)

    def _has_boards(self) -> bool:
        """Whether the file holds the tables of boards."""
        return bool(self._connection.read("has_boards")[0]["found"])

    async def marks(self, trial_id: int) -> list[MarkRow]:
        """See `Boards.marks`."""
        return cast("list[MarkRow]", self._rows("marks", trial_id, after=0))

    def _rows(self, name: str, trial_id: int, **parameters: Any) -> list[dict[str, Any]]:
        if not self._there:
            return []
        return [
            {
                column: _READ[column](value) if column in _READ else value
                for column, value in dict(row).items()
            }
            for row in self._connection.read(name, trial_id, **parameters)
        ]


def _opened(
    path: Path,
    clock: Callable[[], float],
    changed: Callable[[int], None],
    synchronous: Durability = "NORMAL",
    *,
    read_only: bool = False,
) -> Connection:
    sql = statements("harness.board.sqlite", "board.sql")
    schema = sql.pop("schema")
    connection = Connection(
        path, sql, clock=clock, changed=changed, checked=CHECKED, synchronous=synchronous,
        read_only=read_only,
    )  # fmt: skip
    with ExitStack() as undo:
        undo.callback(connection.close)
        if not read_only:
            connection.prepare(schema)
        undo.pop_all()
    return connection
