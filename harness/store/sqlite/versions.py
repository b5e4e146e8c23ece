"""The versions of a run's database, and the migration of older files.

`migrations/NNNN_*.sql` turns the version before into version NNNN. All migrations that a file needs
run in one transaction. A comment `-- with: table.column` or `-- without: table.column` before a
statement means that it runs only if that column exists, or does not exist (a run need not have a
board).

To change a table, add a file to `migrations/` and make the same change in `store.sql` or
`board.sql`, which create the tables of new files.
"""

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from harness.errors import StoreOutdated, UserError

APPLICATION_ID = 0x64656C6D  # "delm"
OLDEST = 6  # version that can be migrated
_CONDITION = re.compile(r"^-- (with|without): (\w+)\.(\w+)$", re.MULTILINE)


def bring_up(database: sqlite3.Connection, path: Path, *, read_only: bool = False) -> None:
    """Mark a new file as ours, and migrate an older one to this version, in one transaction.

    If several processes try at once, one does it. Raises `UserError` and changes nothing if the
    file belongs to another program, is of a version that cannot be migrated, or is `read_only` and
    of another version.
    """
    latest = max(_migrations())
    owner, version = _pragma(database, "application_id"), _pragma(database, "user_version")
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or tables):
        raise UserError(f"{path}: not a run's database: it belongs to another program")
    if tables and version != latest:
        _refuse(database, path, version, latest, read_only=read_only)
        _migrate(database, latest)
    elif not tables:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {latest}")


def _refuse(
    database: sqlite3.Connection, path: Path, version: int, latest: int, *, read_only: bool
) -> None:
    """Raise `UserError` if a file of this version cannot be migrated."""
    if version > latest:
        raise UserError(
            f"{path}: delm {_maker(database)} made it, which is newer (store version {version}; "
            f"this delm reads up to {latest}); update delm, or take another --run-id"
        )
    if version < OLDEST:
        raise UserError(
            f"{path}: too old a delm made it (store version {version}; this delm reads from "
            f"{OLDEST} on); take another --run-id"
        )
    if read_only:
        raise StoreOutdated(f"{path}: an older delm made it; delm score brings it up to date")


def _maker(database: sqlite3.Connection) -> str:
    """The version of delm that made the file, in words."""
    try:
        found = database.execute("SELECT value FROM run WHERE key = 'version'").fetchone()
    except sqlite3.OperationalError:
        return "of an unknown version"
    return str(found[0]).strip('"') if found else "of an unknown version"


def _migrate(database: sqlite3.Connection, latest: int) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _pragma(database, "user_version")  # another process may have been faster
        for number, text in sorted(_migrations().items()):
            if number > version:
                for statement in _statements(text):
                    if _applies(database, statement):
                        database.execute(statement)
        database.execute(f"PRAGMA user_version = {latest}")
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _migrations() -> dict[int, str]:
    """The text of each migration by the version that it leads to."""
    folder = files("harness.store.sqlite").joinpath("migrations")
    return {
        int(file.name[:4]): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def _statements(text: str) -> Iterator[str]:
    """Each statement with the comments before it."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(re.sub(r"--.*", "", statement)):
            yield statement.strip()
            statement = ""


def _applies(database: sqlite3.Connection, statement: str) -> bool:
    return all(
        _has(database, table, column) == (word == "with")
        for word, table, column in _CONDITION.findall(statement)
    )


def _has(database: sqlite3.Connection, table: str, column: str) -> bool:
    return column in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
