"""The processes that work on a run from any machine: each is a row that it keeps alive."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import asyncpg

from harness.errors import DelmError, StoreUnavailable, UserError, leaf
from harness.store.postgres.database import LONGEST_S, PATIENCE_S, PostgresDatabase
from harness.store.postgres.opening import store_database
from harness.store.postgres.server_errors import AWAY, in_words
from harness.store.postgres.store import PostgresStore

LEASE_S = 30.0  # a process that has not said for so long that it lives is dead
BEATS = 6  # that it says so in a lease
LOOK_S = 0.1  # between looks at what another process holds
_KEY = "hashtextextended(current_schema() || $1, 0)"


class PostgresMember:
    """A `harness.runner.membership.Member` of the run in a server. Created by `postgres_member`.

    What only one process may do is guarded by locks of one session of the server: where that
    breaks, they are free. Then two processes may buy the same answer, and nothing worse.
    """

    def __init__(self, database: PostgresDatabase, name: str, run_id: str) -> None:
        self.name = name
        self.run_id = run_id
        self._database = database
        self._store = PostgresStore(database, owner=name)
        self._session: Any = None
        self._turn = anyio.Lock()  # of the session

    async def alive(self) -> set[str]:
        """See `Member.alive`."""
        return set(await self._store.workers() or ())

    async def others(self) -> list[str]:
        """See `Member.others`: machine and process."""
        found = await self._store.workers() or {}
        return sorted(place for name, place in found.items() if name != self.name)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """See `Member.alone`."""
        async with self._locked(" alone"):
            yield

    @asynccontextmanager
    async def one_at_a_time(self, digest: str) -> AsyncIterator[None]:
        """See `Member.one_at_a_time`."""
        async with self._locked(f" prompt {digest}"):
            yield

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        deadline = anyio.current_time() + PATIENCE_S
        while True:
            try:
                if await self._ask(f"SELECT pg_try_advisory_lock({_KEY})", key):
                    break
                deadline = anyio.current_time() + PATIENCE_S
            except StoreUnavailable:  # a restart or a fail-over
                if anyio.current_time() > deadline:
                    raise
            await anyio.sleep(LOOK_S)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True), suppress(StoreUnavailable):
                await self._ask(f"SELECT pg_advisory_unlock({_KEY})", key)

    async def _ask(self, text: str, key: str) -> bool:
        async with self._turn:
            try:
                if self._session is None or self._session.is_closed():
                    self._session = await self._database.connection()
                done = None
                with anyio.fail_after(LONGEST_S, shield=True):  # or nobody knows who holds it
                    done = await self._session.fetchval(text, key)
                return bool(done)
            except (*AWAY, asyncpg.PostgresError) as error:
                if self._session is not None:
                    self._session.terminate()
                raise StoreUnavailable(in_words(error)) from error

    async def join(self, lease_s: float) -> None:
        """Be one of those that live."""
        place = f"{os.getpid()} on {socket.gethostname()}"
        await self._database.run("join_run", owner=self.name, place=place, lease_s=lease_s)

    async def stay(self, lease_s: float, *, rejoins: bool) -> None:
        """Say that this process lives, again and again. `UserError` when others took it for dead;
        if it `rejoins`, it is a new one of those that live."""
        while True:
            await anyio.sleep(lease_s / BEATS)
            if await self._database.run("stay", owner=self.name):
                continue
            if not rejoins:
                break
            await self.join(lease_s)
        raise UserError(
            "this process was away from the store for so long that others have taken over what it "
            "had; start it again"
        )

    async def leave(self) -> None:
        """Be no member any more, and close the connections."""
        with anyio.move_on_after(5, shield=True), suppress(StoreUnavailable):
            await self._database.run("leave_run", owner=self.name)
        if self._session is not None:
            self._session.terminate()
        await self._database.aclose()


@asynccontextmanager
async def postgres_member(
    address: str, name: str, run_id: str, lease_s: float = LEASE_S, *, rejoins: bool = False
) -> AsyncIterator[PostgresMember]:
    """Be one of those that work on the run at `address`, as long as the block lasts.

    `UserError` ends the block when others have taken over what this process had, unless it
    `rejoins`.
    """
    database = await store_database(address)
    member = PostgresMember(database, f"{name}@{socket.gethostname()}", run_id)
    try:
        await member.join(lease_s)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(member.stay, lease_s, rejoins=rejoins))
            yield member
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        mistakes, rest = group.split(DelmError)
        if mistakes is None or rest is not None:
            raise
        raise leaf(mistakes) from None
    finally:
        await member.leave()
