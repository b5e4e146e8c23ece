"""One connection to the board's tables: a trial's transactions, each statement by its name.

SQLite lets one process write at a time; those that come meanwhile sleep 1, 2, 5, … 100 ms and try
again. So whoever writes goes on for a while with warm pages, and nobody is woken for each step. A
line in front of it (flock) makes the longest wait shorter, and each of many steps dearer: the 99th
centile of 8 processes was 22-30 ms in a line and 4-16 without, at about the same rate.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.secrets import redact
from harness.store.statements import keep_a_log, small_pages, statements, storable

Row = Any  # a sqlite3.Row
Run = Callable[..., list[Row]]  # of a statement's name and parameters: its rows, or () a change
Durability = Literal["OFF", "NORMAL", "FULL"]

_NAMED = re.compile(r":(\w+)")
_OURS = frozenset(
    (
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
    )
)  # parameters that the program chose or has checked; every other one is what somebody wrote


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
        sql = statements("harness.board.sqlite", "board.sql")
        schema = sql.pop("schema")
        self.prepared = {name: Statement(text) for name, text in sql.items()}
        self.clock = clock
        self.changed = changed
        self.db = sqlite3.connect(path, timeout=60, isolation_level=None)
        with ExitStack() as undo:
            undo.callback(self.close)
            self._prepare(path, schema, synchronous)
            undo.pop_all()

    def _prepare(self, path: Path, schema: str, synchronous: Durability) -> None:
        self.db.row_factory = sqlite3.Row
        self.cursor = self.db.cursor()
        alone = os.open(f"{path}-open", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(alone, fcntl.LOCK_EX)  # two at once would refuse each other WAL
            small_pages(self.db)
            keep_a_log(self.db)
            self.db.execute(f"PRAGMA synchronous = {synchronous}")
            self.db.execute("PRAGMA foreign_keys = ON")
            self.db.execute("PRAGMA recursive_triggers = ON")  # REPLACE is a DELETE, too
            self.db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
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
        parameters["trial"] = trial_id
        return _rows(self.db.cursor(), self.prepared[name], parameters)

    def others_wrote(self) -> int:
        """A number that changes when another connection has written."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])


class Transaction:
    """What `Connection.write` promises. A class: a generator would take twice the time."""

    __slots__ = ("_connection", "_cursor", "_now", "_prepared", "_trial")

    def __init__(self, connection: Connection, trial_id: int) -> None:
        self._connection = connection
        self._cursor = connection.cursor
        self._prepared = connection.prepared
        self._trial = trial_id

    def __enter__(self) -> Run:
        self._cursor.execute("BEGIN IMMEDIATE")
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
                self._cursor.execute("COMMIT")
        finally:
            if self._connection.db.in_transaction:  # a full disk may have ended it already
                self._cursor.execute("ROLLBACK")
        if kind is None:
            self._connection.changed(self._trial)

    def _run(self, name: str, **parameters: Any) -> list[Row]:
        parameters["trial"] = self._trial
        parameters["now"] = self._now
        return _rows(self._cursor, self._prepared[name], parameters)


class Statement:
    """Its parameters by position: by name, SQLite is asked for each one's name each time."""

    __slots__ = ("take", "text", "written")

    def __init__(self, text: str) -> None:
        """`text` has them as `:name`."""
        text = re.sub(r"--.*", "", text)
        names = list(dict.fromkeys(_NAMED.findall(text)))
        self.written = [name for name in names if name not in _OURS]
        self.text = _NAMED.sub(lambda found: f"?{names.index(found[1]) + 1}", text)
        self.take: Callable[[dict[str, Any]], Any] = (
            itemgetter(*names) if len(names) > 1 else lambda given: [given[name] for name in names]
        )


def _rows(cursor: sqlite3.Cursor, statement: Statement, parameters: dict[str, Any]) -> list[Row]:
    for name in statement.written:
        if isinstance(parameters[name], str):
            parameters[name] = redact(parameters[name])
    try:
        cursor.execute(statement.text, statement.take(parameters))
    except UnicodeEncodeError:
        cursor.execute(statement.text, statement.take(storable(parameters)))
    if cursor.description is None:
        return [()] * cursor.rowcount
    return cursor.fetchall()
