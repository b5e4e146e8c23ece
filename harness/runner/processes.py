"""The processes that work on one run at the same time, on one machine.

Each holds a lock on a file of its own as long as it lives, so that neither a process id that is
used again nor a time-out fools anybody.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from harness.errors import UserError
from harness.locks import living, lock, process_id, sign_in

MEMBERS = ".members"  # a folder in the run's
RANGES = ".ranges"  # an empty file beside it
LOOK_S = 0.2  # between looks at what another process holds


def processes(folder: Path) -> list[str]:
    """The ids of the processes that work on the run in `folder`."""
    return sorted(process_id(name) for name, _ in living(folder / MEMBERS))


def members(folder: Path) -> set[str]:
    """The names under which these processes own trials."""
    return {name for name, _ in living(folder / MEMBERS)}


class LocalMember:
    """This process as one of those that work on the run in `folder`. Created by `join`.

    A `harness.runner.membership.Member`, where one machine works on the run.
    """

    def __init__(self, folder: Path, name: str, ranges: int) -> None:
        self.name = name
        self._members = folder / MEMBERS
        self._ranges = ranges  # the handle of a file whose bytes are locked

    @property
    def run_id(self) -> str:
        """The run that it works on."""
        return self._members.parent.name

    async def alive(self) -> set[str]:
        """See `Member.alive`."""
        return members(self._members.parent)

    async def others(self) -> list[str]:
        """See `Member.others`: the ids of the processes."""
        return sorted(process_id(name) for name in await self.alive() - {self.name})

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """See `Member.alone`."""
        handle = os.open(self._members, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while not lock(handle, fcntl.LOCK_EX):  # noqa: ASYNC110 - as below
                await anyio.sleep(LOOK_S / 4)
            yield
        finally:
            os.close(handle)

    @asynccontextmanager
    async def one_at_a_time(self, digest: str) -> AsyncIterator[None]:
        """See `Member.one_at_a_time`: the kernel's locks on bytes are a process's."""
        byte = int(digest[:15], 16)
        while not self._locks(byte):  # noqa: ASYNC110 - another process can set no event
            await anyio.sleep(LOOK_S)
        try:
            yield
        finally:
            fcntl.lockf(self._ranges, fcntl.LOCK_UN, 1, byte)

    def _locks(self, byte: int) -> bool:
        try:
            fcntl.lockf(self._ranges, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):  # POSIX leaves open which
            return False
        return True


@contextmanager
def join(folder: Path) -> Iterator[LocalMember]:
    """Be one of those that work on the run in `folder`, as long as the block lasts.

    `UserError` while a process holds the run for itself (`RunFolder.lock`).
    """
    shared = _shared(folder)
    try:
        path, handle = sign_in(folder / MEMBERS)
        ranges = os.open(folder / RANGES, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield LocalMember(folder, path.name, ranges)
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)
            os.close(ranges)
    finally:
        os.close(shared)


def _shared(folder: Path) -> int:
    """The handle of the folder's `.lock`, shared with others.

    A process whose start failed may remove the folder at the same moment: it is then made again.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue
        if not lock(handle, fcntl.LOCK_SH):
            os.close(handle)
            raise UserError(
                f"another process holds {folder} for itself; wait for it, or choose another "
                "--run-id"
            )
        if _is(handle, folder / ".lock"):
            return handle
        os.close(handle)


def _is(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
