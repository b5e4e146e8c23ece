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
from harness.store.postgres.versions import Part, bring_up, check
from harness.store.postgres.watched_connection import SILENCE_S

NOW = "to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"+00:00\"')"
ERRORS = frozenset({"error", "detail", "reason"})  # see harness/store/sqlite/file.py
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


async def store_database(
    address: str, *, read_only: bool = False, silence_s: float = SILENCE_S
) -> PostgresDatabase:
    """The database of the run's store at `address`, with its tables. `UserError`: see
    `harness.store.opening.open_store`; `silence_s`: see `PostgresDatabase`."""
    url, schema = parts_of(address)
    sql: Mapping[str, str] = statements(
        "harness.store", "store.sql", "interventions.sql"
    ) | statements("harness.store.postgres", "store.sql")
    database = PostgresDatabase(
        url, schema, {name: text for name, text in sql.items() if name != "schema"},
        now=NOW, errors=ERRORS, read_only=read_only, silence_s=silence_s,
    )  # fmt: skip
    await prepared(database, Part("store", "harness.store.postgres", sql["schema"]))
    return database


async def prepared(database: PostgresDatabase, part: Part) -> None:
    """Create or migrate the tables of a part, or check those that are only read.

    `UserError`, and the database is closed: the server cannot be used, or a newer delm made them.
    """
    try:
        await (check if database.read_only else bring_up)(database, part)
    except (StoreUnavailable, StoreConflict) as error:
        await database.aclose()
        where = without_password(database.url)
        raise UserError(f"{where}: cannot be used as a {part.name}: {error}") from None
    except UserError:
        await database.aclose()
        raise


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
