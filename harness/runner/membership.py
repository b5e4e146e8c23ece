"""This process as one of those that work on a run: on one machine, or on several.

Where the run's store is a SQLite file, all of them are on its machine, and files that they lock say
who lives. Where it is a PostgreSQL server, they may be anywhere, and the server says it.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from harness.locks import process_id
from harness.runner.processes import LocalMember, members
from harness.store.addresses import is_postgres
from harness.store.protocol import Store


class Member(Protocol):
    """This process among those that work on a run."""

    @property
    def name(self) -> str:
        """The name under which it owns trials. Nobody ever had it before."""
        ...

    @property
    def run_id(self) -> str:
        """The run that it works on."""
        ...

    async def alive(self) -> set[str]:
        """The names of the living members, including this one."""
        ...

    async def others(self) -> list[str]:
        """The other processes that work on the run, for people."""
        ...

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Only one process at a time is inside such a block for the same run."""
        ...

    def one_at_a_time(self, digest: str) -> AbstractAsyncContextManager[None]:
        """No other process is inside such a block of the same hexadecimal `digest`.

        Within this process it excludes nobody.
        """
        ...


@asynccontextmanager
async def joined(
    local: LocalMember, address: str, *, rejoins: bool = False
) -> AsyncIterator[Member]:
    """`local`, or a member of all machines where the store at `address` is for several.

    `UserError` ends the block where this process was away from that store for so long that others
    have taken over what it had. `rejoins`: it has no trials that they could, and goes on.
    """
    if not is_postgres(address):
        yield local
        return
    from harness.store.postgres.members import postgres_member

    async with postgres_member(address, local.name, local.run_id, rejoins=rejoins) as member:
        yield member


async def alive_in(store: Store, folder: Path) -> dict[str, str]:
    """The names of the processes that work on the run in `folder` now, each with what people call
    it."""
    found = await store.workers()
    return {name: process_id(name) for name in members(folder)} if found is None else found


async def processes_in(store: Store, folder: Path) -> list[str]:
    """What people call the processes that work on the run in `folder` now."""
    return sorted((await alive_in(store, folder)).values())
