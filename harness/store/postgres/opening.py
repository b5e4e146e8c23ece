"""Open the store of a run in a PostgreSQL server: each run has a schema of its own."""

import hashlib
import json
import re
from collections.abc import Mapping
from urllib.parse import urldefrag

from harness.errors import StoreConflict, StoreUnavailable, UserError
from harness.secrets import redact
from harness.store.addresses import without_password
from harness.store.database import statements
from harness.store.postgres.database import PostgresDatabase
from harness.store.postgres.store import PostgresStore

VERSION = 1  # of the tables; there is no earlier one to migrate
NOW = "to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"+00:00\"')"
ERRORS = frozenset({"error", "detail", "reason"})  # see harness/store/sqlite/file.py
# One at a time, for two that create the same schema would refuse each other. lock_of: the key of
# the advisory lock of a trial's board; of 0: of the run.
ALONE = (
    "SELECT pg_advisory_xact_lock(hashtextextended('delm ' || current_setting('search_path'), 0));"
)
COMMON = (
    ALONE
    + """
CREATE SCHEMA IF NOT EXISTS "{name}";
CREATE TABLE IF NOT EXISTS version (part text PRIMARY KEY, version integer NOT NULL);
CREATE OR REPLACE FUNCTION lock_of(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashtextextended(current_schema() || ':' || $1, 0) $$;
"""
)
TABLES = """
DO $make$ BEGIN
IF NOT EXISTS (SELECT 1 FROM version WHERE part = '{part}') THEN
INSERT INTO version VALUES ('{part}', {version});
{schema}
END IF;
END $make$;
"""
MOST_NAME = 63  # characters of a schema's name


def parts_of(address: str) -> tuple[str, str]:
    """The server's URL and the schema of `postgresql://…#RUN`. `UserError`: it names no run."""
    url, run = urldefrag(address)
    if not run:
        raise UserError(f"{redact(address)}: the address names no run: add #RUN")
    return url, schema_of(run)


def schema_of(run: str) -> str:
    """The schema of a run: its name where that is a plain one, else with a hash of it."""
    plain = re.sub(r"[^a-z0-9_]", "_", run.lower())
    if plain == run and len(run) <= MOST_NAME - 5:
        return f"delm_{plain}"
    return f"delm_{plain[:40]}_{hashlib.sha256(run.encode()).hexdigest()[:12]}"


async def prepared(database: PostgresDatabase, schema: str, part: str) -> None:
    """Create the schema and the tables of a `part` ("store" or "board") where there are none.

    Safe against other processes that do so at the same moment. `UserError`: a newer version made
    them.
    """
    await database.script(COMMON.format(name=database.schema))
    await database.script(ALONE + TABLES.format(part=part, version=VERSION, schema=schema))
    (found,) = await database.tuples("SELECT version FROM version WHERE part = ?", [part])
    if found[0] != VERSION:
        raise UserError(
            f"the run in schema {database.schema} is of version {found[0]}, not {VERSION}"
        )


async def store_database(address: str, *, read_only: bool = False) -> PostgresDatabase:
    """The database of the run's store at `address`, with its tables. `UserError`: see
    `harness.store.opening.open_store`."""
    url, schema = parts_of(address)
    sql: Mapping[str, str] = statements(
        "harness.store", "store.sql", "interventions.sql"
    ) | statements("harness.store.postgres", "store.sql")
    database = PostgresDatabase(
        url, schema, {name: text for name, text in sql.items() if name != "schema"},
        now=NOW, errors=ERRORS, read_only=read_only,
    )  # fmt: skip
    try:
        if not read_only:
            await prepared(database, sql["schema"], "store")
    except (StoreUnavailable, StoreConflict) as error:
        await database.aclose()
        raise UserError(f"{without_password(url)}: cannot be used as a store: {error}") from None
    return database


async def open_postgres(
    address: str, *, owner: str, cap_usd: float, read_only: bool
) -> PostgresStore:
    """See `harness.store.opening.open_store`."""
    database = await store_database(address, read_only=read_only)
    return PostgresStore(database, owner=owner, cap_usd=cap_usd)


async def runs_at(url: str) -> list[str]:
    """The runs whose stores are in the server at `url`, by name. `UserError`: it cannot be
    asked."""
    database = PostgresDatabase(url, "public", {}, now=NOW, read_only=True)
    try:
        schemas = [
            name
            for (name,) in await database.tuples(
                "SELECT nspname::text FROM pg_namespace WHERE nspname ~ ? ORDER BY 1", ["^delm_"]
            )
        ]
        found = []
        for schema in schemas:
            try:
                rows = await database.tuples(
                    f'SELECT value FROM "{schema}".run WHERE key = ? '  # noqa: S608
                    f'AND EXISTS (SELECT 1 FROM "{schema}".trial)',
                    ["id"],
                )
            except StoreUnavailable:
                continue  # another program's, or one that is being made
            found += [str(json.loads(value)) for (value,) in rows]
        return sorted(found)
    except StoreUnavailable as error:
        raise UserError(f"{without_password(url)}: cannot be asked for its runs: {error}") from None
    finally:
        await database.aclose()
