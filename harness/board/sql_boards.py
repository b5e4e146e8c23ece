"""The boards of all trials of a run, in a database of whatever kind."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from harness.board.change_watch import Watch
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
from harness.board.sql_context import SqlContext, read_evidence
from harness.board.sql_queue import SqlQueue
from harness.store.database import Database
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
    "detail": partial(json.loads, strict=False),  # PostgreSQL holds NUL in its own way
    "evidence": read_evidence,
    "result": json.loads,
}
"""How the columns that hold JSON are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlTrialBoard:
    """See `harness.board.records.TrialBoard`."""

    queue: TaskQueue
    context: SharedContext


class SqlBoards:
    """`harness.board.records.Boards`. `max_tasks` is the limit of one trial.

    `there`: whether the database holds the tables of boards; that of a run without agents that
    share a board does not.
    """

    queue: type[SqlQueue] = SqlQueue

    def __init__(
        self, database: Database, watch: Watch, *, max_tasks: int, there: bool = True
    ) -> None:
        self._database = database
        self._watch = watch
        self._max_tasks = max_tasks
        self._there = there

    def of(self, trial_id: int) -> SqlTrialBoard:
        """The board of a trial; it begins empty."""
        queue = self.queue(self._database, self._watch, trial_id, max_tasks=self._max_tasks)
        return SqlTrialBoard(queue=queue, context=SqlContext(self._database, trial_id))

    async def aclose(self) -> None:
        """See `Boards.aclose`."""
        await self._database.aclose()

    # -- rows ------------------------------------------------------------------------------------

    async def events(self, trial_id: int) -> list[EventRow]:
        """See `Boards.events`."""
        return cast("list[EventRow]", await self._rows("events", trial_id))

    async def proposals(self, trial_id: int) -> list[ProposalRow]:
        """See `Boards.proposals`."""
        return cast("list[ProposalRow]", await self._rows("proposals", trial_id))

    async def shown(self, trial_id: int) -> list[ShownRow]:
        """See `Boards.shown`."""
        return cast("list[ShownRow]", await self._rows("shown", trial_id))

    async def tasks(self, trial_id: int) -> list[TaskRow]:
        """See `Boards.tasks`."""
        return cast("list[TaskRow]", await self._rows("tasks", trial_id))

    async def entries(self, trial_id: int) -> list[EntryRow]:
        """See `Boards.entries`."""
        return cast("list[EntryRow]", await self._rows("entries", trial_id, after=0))

    async def links(self, trial_id: int) -> list[LinkRow]:
        """See `Boards.links`."""
        return cast("list[LinkRow]", await self._rows("links", trial_id, after=0))

    async def row_page(self, asked: Asked) -> RowPage | None:
        """See `Boards.row_page`."""
        tables = RowTables("harness.board")
        return await tables.page(self._database, asked) if self._there else tables.none_of(asked)

    async def marks(self, trial_id: int) -> list[MarkRow]:
        """See `Boards.marks`."""
        return cast("list[MarkRow]", await self._rows("marks", trial_id, after=0))

    async def _rows(self, name: str, trial_id: int, **parameters: Any) -> list[dict[str, Any]]:
        if not self._there:
            return []
        return [
            {
                column: _READ[column](value) if column in _READ else value
                for column, value in dict(row).items()
            }
            for row in await self._database.read(name, trial_id, **parameters)
        ]
