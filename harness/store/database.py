"""One SQLite file of ours: opened, marked, written in transactions.

WAL with `synchronous=NORMAL`: a killed process loses nothing that was written; a power cut may lose
the last moments, never corrupt what is there.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from harness.errors import StoreConflict, StoreFull, StoreUnavailable, UserError
from harness.no_space import lack
from harness.store.statements import keep_a_log, small_pages, statements, storable

APPLICATION_ID = 0x64656C6D  # "delm"
SCHEMA = 8  # raise it when a table changes
EARLIER = (6, 7)  # those that `upgrade.sql` makes of this version
RESERVED_BYTES = 1 << 24  # of the log: what calls under way bring is well within it


FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def store_error(error: sqlite3.Error) -> StoreUnavailable | StoreConflict:
    """What an error of SQLite is to whoever uses a store."""
    if isinstance(error, sqlite3.IntegrityError):
        return StoreConflict(str(error))
    code = getattr(error, "sqlite_errorcode", None)  # not on one that SQLite did not raise
    return StoreFull(str(error)) if code in FULL else StoreUnavailable(f"database: {error}")


class Database:
    """The file and the statements of `store.sql`.

    A file of an earlier version is changed when it is opened (`upgrade.sql`).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create. `UserError`: the file is not a store of this program, or has no room."""
        self.path = path
        self._sql = statements("harness.store", "store.sql")
        address = path.absolute().as_uri() + ("?mode=ro" if read_only else "")
        try:
            self._db = sqlite3.connect(
                address, uri=True, timeout=1 if read_only else 30, isolation_level=None
            )
            with ExitStack() as undo:
                undo.callback(self._db.close)
                self._prepare(read_only=read_only)
                undo.pop_all()
        except sqlite3.DatabaseError as error:
            if lacking := lack(store_error(error)):
                raise UserError(
                    f"{lacking} at {path.parent} to open {path.name}; make room"
                ) from None
            raise UserError(f"{path}: not a run's database: {error}") from None

    def _prepare(self, *, read_only: bool) -> None:
        self._db.row_factory = sqlite3.Row
        if read_only:
            if self._db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                raise sqlite3.DatabaseError("another version of delm made it")
            return
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

    async def reserve_room(self) -> None:
        """See `Store.reserve_room`.

        It is the log that is made longer: what is committed overwrites that, and stays there when
        the database itself cannot grow. It lasts until the last connection is closed. Not on a file
        system that writes every block to a new place (Btrfs, ZFS).
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size >= RESERVED_BYTES:
            return
        # more than is kept in memory goes to the log before there is a commit, which never is
        with self._transaction(commit=False) as database:
            database.execute(self._sql["make_filler"])
            database.execute(self._sql["fill"], {"size": RESERVED_BYTES * 5 // 4})

    async def aclose(self) -> None:
        """See `Store.aclose`."""
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self._db.close()

    async def _write(self, *steps: tuple[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run named statements in one transaction; the rows that the last one returned."""
        rows: list[dict[str, Any]] = []
        with self._transaction() as database:
            for name, parameters in steps:
                cursor = database.execute(self._sql[name], storable(parameters))
                rows = [dict(row) for row in cursor.fetchall()]
        return rows

    def _read(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        try:
            return [dict(row) for row in self._db.execute(self._sql[name], parameters)]
        except sqlite3.Error as error:
            raise store_error(error) from error

    @contextmanager
    def _transaction(
        self, begin: str = "BEGIN IMMEDIATE", *, commit: bool = True
    ) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute(begin)
            try:
                yield self._db
                if commit:
                    self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise store_error(error) from error
