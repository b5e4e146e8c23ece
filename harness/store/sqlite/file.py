"""Open the file of a run's store in SQLite."""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from harness.errors import StoreFull, StoreUnavailable, UserError
from harness.no_space import lack
from harness.store.database import statements
from harness.store.sqlite.connection import Connection, store_errors
from harness.store.sqlite.versions import bring_up
from harness.text.timestamps import now

WAIT_S = 30.0  # for what another process writes
ERRORS = frozenset(
    {"error", "detail", "reason"}
)  # parameters in which text that looks like a key is redacted, too


def opened(path: Path, *, read_only: bool = False) -> Connection:
    """Open or create. A file of an earlier version is migrated.

    `UserError`: the file is not a store of this program, or has no room.
    """
    try:
        return _opened(path, read_only=read_only)
    except StoreFull as error:
        raise UserError(f"{lack(error)} at {path.parent} to open {path.name}; make room") from None
    except StoreUnavailable as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise UserError(f"{path}: another process holds it; try again") from None
        raise UserError(f"{path}: not a run's database: {error}") from None


def _opened(path: Path, *, read_only: bool) -> Connection:
    sql = statements("harness.store", "store.sql", "interventions.sql")
    sql |= statements("harness.store.sqlite", "store.sql")
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
