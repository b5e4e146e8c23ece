"""The file of a run's store in SQLite, and the statements of `store.sql`."""

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.errors import StoreFull, StoreUnavailable, UserError
from harness.no_space import lack
from harness.store.connection import Connection, statements, store_errors
from harness.store.versions import bring_up
from harness.text.timestamps import now

RESERVED_BYTES = 1 << 24  # of the log; the answers of calls under way are much smaller
WAIT_S = 30.0  # for what another process writes
ERRORS = frozenset(
    {"error", "detail", "reason"}
)  # parameters in which text that looks like a key is redacted, too


class SqliteFile:
    """An open run database. A file of an earlier version is migrated when it is opened."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create. `UserError`: the file is not a store of this program, or has no room."""
        self.path = path
        try:
            self._connection = _opened(path, read_only=read_only)
        except StoreFull as error:
            raise UserError(
                f"{lack(error)} at {path.parent} to open {path.name}; make room"
            ) from None
        except StoreUnavailable as error:
            if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise UserError(f"{path}: another process holds it; try again") from None
            raise UserError(f"{path}: not a run's database: {error}") from None

    async def reserve_room(self) -> None:
        """See `Store.reserve_room`.

        The write-ahead log is made longer. Later commits overwrite that space, and stay in the log
        when the database cannot grow. It lasts until the last connection is closed. It has no
        effect on file systems that write every block to a new place (Btrfs, ZFS).
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size >= RESERVED_BYTES:
            return
        # more than is kept in memory goes to the log before there is a commit, which never is
        with self._connection.write(keep=False) as run:
            run("make_filler")
            run("fill", size=RESERVED_BYTES * 5 // 4)

    async def aclose(self) -> None:
        """See `Store.aclose`."""
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is merged into it."""
        self._connection.close()

    def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.read(name, **parameters)]


def _opened(path: Path, *, read_only: bool) -> Connection:
    sql = statements("harness.store", "store.sql")
    sql |= statements("harness.store", "interventions.sql")
    schema = sql.pop("schema")
    connection = Connection(
        path,
        sql,
        clock=now,
        errors=ERRORS,
        timeout_s=1 if read_only else WAIT_S,
        read_only=read_only,
    )
    with ExitStack() as undo:
        undo.callback(connection.close)
        with store_errors():
            bring_up(connection.db, path, read_only=read_only)
        if not read_only:
            connection.prepare(schema)
        undo.pop_all()
    return connection
