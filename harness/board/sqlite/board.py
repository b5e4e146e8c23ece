"""The boards of all trials of a run in a SQLite file, any number of processes on it."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from harness.board.sql_boards import CHECKED, SqlBoards
from harness.board.sqlite.change_watch import ChangeWatch
from harness.store.database import statements
from harness.store.sqlite.connection import Connection, Durability


class SqliteBoard(SqlBoards):
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
        watch = ChangeWatch(clock)
        self._connection = _opened(path, clock, watch.changed, synchronous, read_only=read_only)
        watch.connection = self._connection
        there = not read_only or bool(self._connection.rows("has_boards")[0]["found"])
        super().__init__(self._connection, watch, max_tasks=max_tasks, there=there)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _opened(
    path: Path,
    clock: Callable[[], float],
    changed: Callable[[int], None],
    synchronous: Durability = "NORMAL",
    *,
    read_only: bool = False,
) -> Connection:
    sql = statements("harness.board", "board.sql") | statements("harness.board.sqlite", "board.sql")
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
