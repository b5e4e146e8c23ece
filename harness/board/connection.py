"""One connection to the board's tables: a trial's transactions, each statement by its name.

SQLite lets one process write at a time; those that come meanwhile sleep 1, 2, 5, … 100 ms and try
again. So whoever writes goes on for a while with warm pages, and nobody is woken for each step. A
line in front of it (flock) makes the longest wait shorter, and each of many steps dearer: the 99th
centile of 8 processes was 22-30 ms in a line and 4-16 without, at about the same rate.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.sql import keep_a_log, small_pages, statements, storable

Row = sqlite3.Row
Run = Callable[..., list[Row]]
Durability = Literal["OFF", "NORMAL", "FULL"]


class Connection:
    """The tables of the board in one SQLite file. For one thread."""

    def __init__(
        self,
        path: Path,
        *,
        synchronous: Durability = "NORMAL",
        clock: Callable[[], float],
        changed: Callable[[int], None],
    ) -> None:
        """Open or create. `changed` is told the trial of each transaction that was committed."""
        self.sql = statements("harness.board", "board.sql")
        self.clock = clock
        self.changed = changed
        self.db = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            self._prepare(path, synchronous)
        except BaseException:
            self.close()
            raise

    def _prepare(self, path: Path, synchronous: Durability) -> None:
        self.db.row_factory = sqlite3.Row
        alone = os.open(f"{path}-open", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(alone, fcntl.LOCK_EX)  # two at once would refuse each other WAL
            small_pages(self.db)
            keep_a_log(self.db)
            self.db.execute(f"PRAGMA synchronous = {synchronous}")
            self.db.execute("PRAGMA foreign_keys = ON")
            self.db.execute("PRAGMA recursive_triggers = ON")  # REPLACE is a DELETE, too
            self.db.executescript(f"BEGIN IMMEDIATE; {self.sql['schema']} COMMIT;")
        finally:
            os.close(alone)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def write(self, trial_id: int) -> "Transaction":
        """One transaction on one trial: all of it, or nothing where the body raises.

        No await inside (see `harness.store.Store`): nothing comes between, and nothing can cancel
        half of it. Each statement is given `:trial` and `:now`, one moment for all of them.
        """
        return Transaction(self, trial_id)

    def read(self, name: str, trial_id: int, **parameters: Any) -> list[Row]:
        """The rows of one statement."""
        found = self.db.execute(self.sql[name], _bound(parameters | {"trial": trial_id}))
        return found.fetchall()

    def others_wrote(self) -> int:
        """A number that changes when another connection has written."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])


class Transaction:
    """What `Connection.write` promises. A class: a generator would take twice the time."""

    __slots__ = ("_connection", "_db", "_now", "_trial")

    def __init__(self, connection: Connection, trial_id: int) -> None:
        self._connection = connection
        self._db = connection.db
        self._trial = trial_id

    def __enter__(self) -> Run:
        self._db.execute("BEGIN IMMEDIATE")
        self._now = self._connection.clock()
        return self._run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # a full disk may have ended it already
                self._db.execute("ROLLBACK")
        if kind is None:
            self._connection.changed(self._trial)

    def _run(self, name: str, **parameters: Any) -> list[Row]:
        parameters["trial"] = self._trial
        parameters["now"] = self._now
        return self._db.execute(self._connection.sql[name], _bound(parameters)).fetchall()


def _bound(parameters: dict[str, Any]) -> dict[str, Any]:
    for value in parameters.values():
        if value.__class__ is str and not value.isascii():
            return storable(parameters)
    return parameters
