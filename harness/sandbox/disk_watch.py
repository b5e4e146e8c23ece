"""Counts what a sandbox's files take where no file system bounds them, while its commands run.

A command that is seen to write beyond the limit is ended, as one that writes too much to its
output. That is late by the time between two looks: so twice the limit is the end of the sandbox.
Between looks there is twenty times as long as one takes, and a second at least.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from harness.errors import SandboxUnavailable
from harness.no_space import full
from harness.sandbox.disk_limits import Size

LEAST_S = 1.0  # between two looks
SHARE = 20  # of the time at most one part in so many is for looking
LOST = 2  # times the limit


class DiskWatch:
    """The looks at one sandbox. `disk`: the folder of its files, where it is on this machine."""

    def __init__(
        self, limit: Size, count: Callable[[], Awaitable[Size]], disk: Path | None = None
    ) -> None:
        self.stops = 0  # commands that were ended
        self._limit = limit
        self._count = count
        self._disk = disk
        self._last = Size(bytes=0, inodes=0)
        self._due = anyio.current_time() + LEAST_S

    async def receive(
        self, source: Callable[[], Awaitable[bytes]], stop: Callable[[], Awaitable[None]]
    ) -> bytes:
        """The next bytes from `source` while a command runs, which `stop` ends if need be.

        Raises `SandboxUnavailable` at twice the limit, and where the machine has no room left.
        """
        while True:
            if anyio.current_time() >= self._due:
                await self._look(stop)
            with anyio.move_on_after(self._due - anyio.current_time()):
                return await source()

    async def _look(self, stop: Callable[[], Awaitable[None]]) -> None:
        began = anyio.current_time()
        seen = await self._count()
        now = anyio.current_time()
        self._due = now + max(LEAST_S, SHARE * (now - began))
        before, self._last = self._last, seen
        if seen.over(self._limit, times=LOST):
            raise SandboxUnavailable(f"its files take {seen}; the limit is {self._limit}")
        if seen.over(self._limit):
            if seen.over(before):  # who removes files may go on
                self.stops += 1
                await stop()
        elif self._disk is not None and (lack := full(self._disk)):
            raise SandboxUnavailable(lack)
