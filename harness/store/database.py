"""One SQLite file of ours: opened, marked, written in transactions.

WAL with `synchronous=NORMAL`: a killed process loses nothing that was written; a power cut may lose
the last moments, never corrupt what is there.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.no_space import full, lack
from harness.store.statements import keep_a_log, small_pages, statements, storable

Row = dict[str, Any]
APPLICATION_ID = 0x64656C6D  # "delm"
SCHEMA = 8  # raise it when a table changes
EARLIER = (6, 7)  # those that `upgrade.sql` makes of this version
RESERVED_BYTES = 1 << 24  # of the log: what calls under way bring is well within it


class Database:
    """The file and the statements of `store.sql`.

    A file of an earlier version is changed when it is opened (`upgrade.sql`).
    """

    def __init__(self, path: Path) -> None:
        """Open or create. `UserError`: the file is not a store of this program, or has no room."""
        self.path = path
        self._sql = statements("harness.store", "store.sql")
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            with ExitStack() as undo:
                undo.callback(self._db.close)
                self._prepare()
                undo.pop_all()
        except sqlite3.DatabaseError as error:
            if lacking := lack(error):
                raise UserError(
                    f"{lacking} at {path.parent} to open {path.name}; make room"
                ) from None
            raise UserError(f"{path}: not a run's database: {error}") from None

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        small_pages(self._db)
        self._claim()
        keep_a_log(self._db)
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(self._sql["schema"])

    def _claim(self) -> None:
        """Mark a new file as ours; `sqlite3.DatabaseError` for one that is somebody else's."""
        owner = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID:
            if owner or tables:
                raise sqlite3.DatabaseError("it belongs to another program")
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        schema = self._db.execute("PRAGMA user_version").fetchone()[0]
        if tables and schema in EARLIER:
            self._upgrade()
        elif tables and schema != SCHEMA:
            raise sqlite3.DatabaseError("another version of delm made it; take another --run-id")
        else:
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    def _upgrade(self) -> None:
        """Change the tables of an earlier version: all of it, or nothing. One process does it."""
        steps = statements("harness.store", "upgrade.sql")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if self._db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                for name in ("open_schema", "trial", "close_schema"):
                    self._db.execute(steps[name])
                if "unchecked" not in self._columns("grade"):
                    self._db.execute(steps["grade"])
                if self._columns("board_task"):
                    self._db.execute(steps["board_view"])
                    self._db.execute(steps["board_task"])
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _columns(self, table: str) -> set[str]:
        """The columns of a table; none where it is not there."""
        return {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}

    def reserve(self) -> None:
        """Have room for what is written next, whatever else fills the disk meanwhile.

        It is the log that is made longer: what is committed overwrites that, and stays there when
        the database itself cannot grow. It lasts until the last connection is closed. Not on a file
        system that writes every block to a new place (Btrfs, ZFS).
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size >= RESERVED_BYTES:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:  # more than is kept in memory goes to the log before there is a commit, which never is
            self._db.execute(self._sql["make_filler"])
            self._db.execute(self._sql["fill"], {"size": RESERVED_BYTES * 5 // 4})
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def lacks(self) -> str:
        """What the machine lacks to keep more than what room was reserved for; or nothing."""
        return full(self.path.parent)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self._db.close()

    async def _write(self, *steps: tuple[str, Mapping[str, Any]]) -> list[Row]:
        """Run named statements in one transaction; the rows that the last one returned.

        Not in a thread: a commit takes 0.05 ms, the way to a thread and back four times that, and
        without an await inside, nothing comes between and nothing can cancel half of it.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows: list[Row] = []
            for name, parameters in steps:
                cursor = self._db.execute(self._sql[name], storable(parameters))
                rows = [dict(row) for row in cursor.fetchall()]
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # a full disk may have ended it already
                self._db.execute("ROLLBACK")
        return rows

    def _read(self, name: str, **parameters: Any) -> list[Row]:
        return [dict(row) for row in self._db.execute(self._sql[name], parameters)]
