"""The versions of a run's tables in a PostgreSQL server, and the migration of older runs.

A part of a run's schema ("store" or "board") is made by its statement `schema`, which is version 1
and stays as it is, and by the files `migrations/NNNN_*.sql` beside it, of which each turns the
version before into version NNNN. So a new run and a migrated one have the same tables.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from harness.errors import StoreOutdated, UserError
from harness.store.postgres.database import PostgresDatabase

FIRST = 1  # the version that `schema` makes
# One at a time, for two that create the same schema would refuse each other. lock_of: the key of
# the advisory lock of a trial's board; of 0: of the run.
ALONE = (
    "SELECT pg_advisory_xact_lock(hashtextextended('delm ' || current_setting('search_path'), 0));"
)
COMMON = """
CREATE SCHEMA IF NOT EXISTS "{name}";
CREATE TABLE IF NOT EXISTS version (part text PRIMARY KEY, version integer NOT NULL);
CREATE OR REPLACE FUNCTION lock_of(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashtextextended(current_schema() || ':' || $1, 0) $$;
"""


@dataclass(frozen=True, slots=True)
class Part:
    """The tables of "store" or "board", made by `schema` and by the migrations of `package`."""

    name: str
    package: str
    schema: str

    def migrations(self) -> dict[int, str]:
        """The text of each migration by the version that it leads to."""
        folder = files(self.package).joinpath("migrations")
        if not folder.is_dir():
            return {}
        return {
            int(file.name[:4]): file.read_text(encoding="utf-8")
            for file in sorted(folder.iterdir(), key=lambda file: file.name)
            if file.name.endswith(".sql")
        }


async def bring_up(database: PostgresDatabase, part: Part) -> None:
    """Create the tables of a part where there are none, or migrate older ones to this version.

    One transaction under an advisory lock: of several processes at once one does it, and nothing is
    left of one that ends in the middle. `UserError`: a newer delm made them.
    """
    migrations = part.migrations()
    latest = max(migrations, default=FIRST)

    async def body(connection: Any) -> None:
        await connection.execute(ALONE)
        version = await _version(connection, part)
        if version is None:
            await connection.execute(COMMON.format(name=database.schema))
            await connection.execute(part.schema)
            await connection.execute(
                "INSERT INTO version VALUES ($1, $2)", part.name, version := FIRST
            )
        if version > latest:
            raise _newer(database, version, latest, await _maker(connection))
        for number, text in migrations.items():
            if number > version:
                await connection.execute(text)
        if version < latest:
            await connection.execute(
                "UPDATE version SET version = $2 WHERE part = $1", part.name, latest
            )

    await database.transaction(body)


async def check(database: PostgresDatabase, part: Part) -> None:
    """Raise `UserError` where tables that are only read are of another version than this one.

    Where there are none, nothing is said.
    """
    latest = max(part.migrations(), default=FIRST)

    async def body(connection: Any) -> None:
        version = await _version(connection, part)
        if version is not None and version > latest:
            raise _newer(database, version, latest, await _maker(connection))
        if version is not None and version < latest:
            raise StoreOutdated(
                f"the run in schema {database.schema}: an older delm made it; delm score brings it "
                "up to date"
            )

    await database.transaction(body)


async def _version(connection: Any, part: Part) -> int | None:
    if await connection.fetchval("SELECT to_regclass('version') IS NULL"):
        return None
    found: int | None = await connection.fetchval(
        "SELECT version FROM version WHERE part = $1", part.name
    )
    return found


async def _maker(connection: Any) -> str:
    """The version of delm that made the run, in words."""
    if await connection.fetchval("SELECT to_regclass('run') IS NULL"):
        return "of an unknown version"
    found = await connection.fetchval("SELECT value FROM run WHERE key = 'version'")
    return str(found).strip('"') if found else "of an unknown version"


def _newer(database: PostgresDatabase, version: int, latest: int, maker: str) -> UserError:
    return UserError(
        f"the run in schema {database.schema}: delm {maker} made it, which is newer (version "
        f"{version} of its tables; this delm reads up to {latest}); update delm, or take another "
        "--run-id"
    )
