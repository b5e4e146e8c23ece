"""A schema of a PostgreSQL server as a `Database`, through a pool of connections.

A transaction that fails because another one was in its way, or because the server ended it, is done
again. Where the connection breaks during a commit, the server is asked what became of it
(`pg_xact_status`), so that nothing is applied twice.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
import asyncpg

from harness.errors import StoreUnavailable
from harness.store.database import Body, Result, Row, Statement
from harness.store.postgres import texts
from harness.store.postgres.server_errors import AGAIN, AWAY, in_words, store_error
from harness.store.postgres.watched_connection import CONNECT_S, SILENCE_S, settings, watched

MOST_CONNECTIONS = 8  # of one pool
PATIENCE_S = 60.0  # for a server that is away: a restart or a fail-over
FIRST_PATIENCE_S = 5.0  # for one that has not answered yet: its address may be wrong
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5  # between two tries
_NOW = re.compile(r":now\b")
_Given = TypeVar("_Given")


class PostgresDatabase:
    """The schema `schema` of the server at `url`. Open it with `open`.

    `sql`: statements by name. `now`: what stands for `:now` in them, an expression;
    `clock` is asked instead where it is given.
    `changed` is called after each transaction on a trial, with the trial and its last event.
    `silence_s`: see `harness.store.postgres.watched_connection`.
    """

    def __init__(
        self,
        url: str,
        schema: str,
        sql: Mapping[str, str],
        *,
        now: str,
        clock: Callable[[], Any] | None = None,
        changed: Callable[[int, int], None] | None = None,
        checked: Set[str] = frozenset(),
        errors: Set[str] = frozenset(),
        read_only: bool = False,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.patience_s = FIRST_PATIENCE_S
        self.url = url
        self.schema = schema
        self.changed = changed
        self._clock = clock
        if clock is not None:
            now = "CAST(:now AS float8)"
        self._prepared = {
            name: Statement(_NOW.sub(now, text).strip().rstrip(";"), "$", checked, errors)
            for name, text in sql.items()
        }
        self.read_only = read_only
        self._class = watched(url, silence_s)
        self._settings = {"search_path": f'"{schema}"', "application_name": "delm"}
        self._settings |= settings(silence_s)
        if read_only:
            self._settings["default_transaction_read_only"] = "on"
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = anyio.Lock()
        self._snapshot: ContextVar[Any] = ContextVar("snapshot", default=None)

    async def write(self, body: Body[Result], trial_id: int = 0, *, alone: bool = False) -> Result:
        """See `Database.write`."""

        async def once(connection: Any, told: "_Told") -> tuple[Result, Any]:
            await connection.execute(_locked(trial_id) if alone else _shared(trial_id))
            told.transaction = await connection.fetchval("SELECT pg_current_xact_id()::text")

            async def run(name: str, /, **parameters: Any) -> list[Row]:
                self._complete(parameters, trial_id)
                return await _rows(connection, self._prepared[name], parameters)

            kept = False
            try:
                result = await body(run)
                if self.changed is not None and trial_id:
                    (told.last,) = await run("last_event")
                kept = True
            finally:
                if not kept:
                    with anyio.CancelScope(shield=True):
                        await connection.execute("ROLLBACK")
            told.given, told.ending = (result, told.last), True
            with anyio.CancelScope(shield=True):  # what is kept is told
                await connection.execute("COMMIT")
            return result, told.last

        result, last = await self._until_done(once)
        if self.changed is not None and last:
            self.changed(trial_id, last["last"])
        return result

    async def run(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """See `Database.run`."""

        async def body(run: Any) -> list[Row]:
            return list(await run(name, **parameters))

        return await self.write(body, trial)

    async def once(self, name: str, trial: int, /, **parameters: Any) -> list[Row]:
        """A statement on a trial that may be sent again, as a transaction of its own."""
        self._complete(parameters, trial)
        statement = self._prepared[name]

        async def sent(connection: Any, told: "_Told") -> list[Row]:
            # whoever is cancelled here would not know whether it was done
            with anyio.CancelScope(shield=True):
                told.given = await _rows(connection, statement, dict(parameters))
            return told.given  # type: ignore[no-any-return]

        rows = await self._until_done(sent)
        if self.changed is not None and rows:
            self.changed(trial, rows[0]["last"])
        return rows

    async def notify(self, told: Sequence[tuple[str, str]]) -> None:
        """Notify channels, each with its payload."""

        async def once(connection: Any, _: "_Told") -> None:
            await connection.executemany("SELECT pg_notify($1, $2)", told)

        await self._until_done(once)

    def _complete(self, parameters: dict[str, Any], trial: int) -> None:
        parameters["trial"] = trial
        if self._clock is not None:
            parameters["now"] = self._clock()

    async def read(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """See `Database.read`."""
        self._complete(parameters, trial)
        statement = self._prepared[name]
        if (snapshot := self._snapshot.get()) is not None:
            return await _translated(_rows(snapshot, statement, parameters))

        async def once(connection: Any, told: "_Told") -> list[Row]:
            return await _rows(connection, statement, parameters)

        return await self._until_done(once)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """See `Database.snapshot`."""
        try:
            async with (
                self._connected() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                before = self._snapshot.set(connection)
                try:
                    yield
                finally:
                    self._snapshot.reset(before)
        except AWAY as error:
            raise StoreUnavailable(in_words(error)) from error

    async def tuples(self, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """See `Database.tuples`."""
        parts = text.split("?")
        numbered = "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], start=1))
        statement = numbered + parts[-1]
        connection = self._snapshot.get()
        if connection is not None:
            return [tuple(row) for row in await _translated(connection.fetch(statement, *values))]

        async def once(connection: Any, told: "_Told") -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(statement, *values)]

        return await self._until_done(once)

    async def columns(self, text: str) -> dict[str, str]:
        """See `Database.columns`."""

        async def once(connection: Any, told: "_Told") -> dict[str, str]:
            found = await connection.prepare(text)
            return {
                each.name: f"CAST(CAST(? AS text) AS {each.type.name})"
                for each in found.get_attributes()
            }

        connection = self._snapshot.get()
        if connection is not None:
            return await once(connection, _Told())
        return await self._until_done(once)

    async def reserve_room(self) -> None:
        """Nothing: the server's disk is its administrator's."""

    async def connection(self) -> Any:
        """A connection of the caller's own, which it closes. Raises what asyncpg does."""
        return await asyncpg.connect(
            self.url, server_settings=self._settings, connection_class=self._class,
            timeout=CONNECT_S,
        )  # fmt: skip

    async def aclose(self) -> None:
        """See `Database.aclose`."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with anyio.move_on_after(5, shield=True):
                await pool.close()
            pool.terminate()

    async def transaction(self, body: Callable[[Any], Awaitable[_Given]]) -> _Given:
        """What `body` gives for a connection in a transaction; it may be called again."""

        async def once(connection: Any, told: "_Told") -> _Given:
            async with connection.transaction():
                return await body(connection)

        return await self._until_done(once)

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                try:
                    self._pool = await asyncpg.create_pool(
                        self.url, min_size=0, max_size=MOST_CONNECTIONS,
                        server_settings=self._settings, init=texts.set_up, reset=_leave,
                        connection_class=self._class, timeout=CONNECT_S,
                    )  # fmt: skip
                except (*AWAY, asyncpg.PostgresError, ValueError) as error:
                    raise StoreUnavailable(in_words(error)) from error
            return self._pool

    async def _until_done(self, once: Callable[[Any, "_Told"], Awaitable[_Given]]) -> _Given:
        """What `once` gives; done again while the server is away or another one is in the way."""
        pause, deadline = FIRST_PAUSE_S, anyio.current_time() + self.patience_s
        while True:
            told = _Told()
            try:
                async with self._connected() as connection:
                    deadline += PATIENCE_S - self.patience_s
                    self.patience_s = PATIENCE_S
                    return await once(connection, told)
            except AGAIN:
                continue
            except AWAY as error:
                if told.ending and await self._was_kept(told.transaction):
                    return told.given  # type: ignore[no-any-return]
                if anyio.current_time() + pause > deadline:
                    raise StoreUnavailable(in_words(error)) from error
                await anyio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            except asyncpg.PostgresError as error:
                raise store_error(error) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        """A connection of the pool. What was done with it stays done if it cannot be given back."""
        pool = await self._opened()
        connection = await pool.acquire()
        try:
            yield connection
        except AWAY:
            with suppress(asyncpg.InterfaceError):  # it has left the pool already
                connection.terminate()
            raise
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await pool.release(connection)
                except AWAY:
                    with suppress(asyncpg.InterfaceError):
                        connection.terminate()

    async def _was_kept(self, transaction: str) -> bool:
        """Whether a transaction whose commit nobody answered is kept."""

        async def once(connection: Any, told: "_Told") -> str:
            while True:
                status: str | None = await connection.fetchval(
                    "SELECT pg_xact_status($1::text::xid8)", transaction
                )
                if status != "in progress":  # of a process of the server that is not gone yet
                    return status or "unknown"
                await anyio.sleep(FIRST_PAUSE_S)

        status = await self._until_done(once)
        if status == "unknown":
            raise StoreUnavailable("the server does not know any more what became of a transaction")
        return status == "committed"


def _locked(trial_id: int) -> str:
    return f"BEGIN; SELECT pg_advisory_xact_lock(lock_of({trial_id:d}))"


def _shared(trial_id: int) -> str:
    return (
        f"BEGIN; SELECT pg_advisory_xact_lock_shared(lock_of({trial_id:d}))"
        if trial_id
        else "BEGIN"
    )


class _Told:
    """How far a transaction has come, for whoever has to know what became of it."""

    def __init__(self) -> None:
        self.transaction = ""
        self.given: Any = None
        self.last: Any = None
        self.ending = False


async def _rows(connection: Any, statement: Statement, parameters: dict[str, Any]) -> list[Row]:
    statement.redact(parameters)
    return list(await connection.fetch(statement.text, *statement.take(parameters)))


async def _leave(connection: Any) -> None:
    """Nothing: who gives a connection back has ended its transaction and set nothing of the
    session, so there is no need to ask the server to reset it, one more round trip each time."""


async def _translated(awaited: Awaitable[_Given]) -> _Given:
    try:
        return await awaited
    except (*AWAY, asyncpg.PostgresError) as error:
        raise StoreUnavailable(in_words(error)) from error
