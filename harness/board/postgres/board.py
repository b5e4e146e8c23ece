"""The boards of all trials of a run in a PostgreSQL server."""

from collections.abc import Callable

from harness.board.postgres.change_watch import ChangeWatch
from harness.board.postgres.queue import PostgresQueue
from harness.board.sql_boards import CHECKED, SqlBoards
from harness.errors import StoreUnavailable, UserError
from harness.secrets import redact
from harness.store.database import statements
from harness.store.postgres.database import PostgresDatabase
from harness.store.postgres.opening import parts_of, prepared
from harness.store.postgres.versions import Part

NOW = "CAST(extract(epoch FROM clock_timestamp()) AS float8)"


class PostgresBoard(SqlBoards):
    """`harness.board.records.Boards`. Leases go by the server's clock."""

    queue = PostgresQueue
    _watch: ChangeWatch

    async def aclose(self) -> None:
        """See `Boards.aclose`."""
        await self._watch.aclose()
        await super().aclose()


async def open_postgres_boards(
    address: str,
    *,
    read_only: bool = False,
    max_tasks: int = 10_000,
    clock: Callable[[], float] | None = None,
) -> PostgresBoard:
    """See `harness.board.opening.open_boards`. `clock`: what is asked in place of the server's."""
    url, schema = parts_of(address)
    sql = statements("harness.board", "board.sql")
    sql |= statements("harness.board.postgres", "board.sql")
    tables = sql.pop("schema")
    watch = ChangeWatch()
    database = PostgresDatabase(
        url, schema, sql, now=NOW, clock=clock, changed=watch.changed, checked=CHECKED | {"token"},
        read_only=read_only,
    )  # fmt: skip
    watch.database = database
    await prepared(database, Part("board", "harness.board.postgres", tables))
    try:
        there = not read_only or bool((await database.read("has_boards"))[0]["found"])
    except StoreUnavailable as error:
        await database.aclose()
        raise UserError(f"{redact(url)}: cannot be used for boards: {error}") from None
    return PostgresBoard(database, watch, max_tasks=max_tasks, there=there)
