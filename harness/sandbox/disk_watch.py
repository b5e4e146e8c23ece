"""Counts what a sandbox's files take where no file system bounds them, while its commands run.

A command that is seen to write beyond the limit is ended, as one that writes too much to its
output. That is late by the time between two looks: so twice the limit is the end of the sandbox.
Between looks there is twenty times as long as one takes, a second at least and ten at most: a
command can make a look slow by what it writes. A look delays nothing: it goes on beside the
command, whose time limit ends that all the same.
"""

import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from harness.errors import SandboxUnavailable
from harness.no_space import full
from harness.sandbox.disk_limits import Size

LEAST_S = 1.0  # between two looks
MOST_S = 10.0
SHARE = 20  # of the time at most one part in so many is for looking, where that is soon enough
POLL_S = 0.05  # while a look goes on
LOST = 2  # times the limit


class DiskWatch:
    """The looks at one sandbox. `disk`: the folder of its files, where it is on this machine.

    `count` is called in a thread; of errors it raises `SandboxUnavailable` alone.
    """

    def __init__(self, limit: Size, count: Callable[[], Size], disk: Path | None = None) -> None:
        self.stops = 0  # commands that were ended
        self._limit = limit
        self._count = count
        self._disk = disk
        self._last = Size(bytes=0, inodes=0)
        self._due = anyio.current_time() + LEAST_S
        self._look: _Look | None = None

    async def receive(
        self, source: Callable[[], Awaitable[bytes]], stop: Callable[[], Awaitable[None]]
    ) -> bytes:
        """The next bytes from `source` while a command runs, which `stop` ends if need be.

        Raises `SandboxUnavailable` at twice the limit, and where the machine has no room left.
        """
        while True:
            now = anyio.current_time()
            if self._look is None and now >= self._due:
                self._look = _Look(self._count)
            if self._look is not None and not self._look.is_alive():
                look, self._look = self._look, None
                self._due = now + min(max(LEAST_S, SHARE * look.seconds), MOST_S)
                await self._judge(look.result(), stop)
            with anyio.move_on_after(POLL_S if self._look else self._due - now):
                return await source()

    async def _judge(self, seen: Size, stop: Callable[[], Awaitable[None]]) -> None:
        before, self._last = self._last, seen
        if seen.over(self._limit, times=LOST):
            raise SandboxUnavailable(f"its files take {seen}; the limit is {self._limit}")
        if seen.over(self._limit):
            if seen.over(before):  # who removes files may go on
                self.stops += 1
                await stop()
        elif self._disk is not None and (lack := full(self._disk)):
            raise SandboxUnavailable(lack)


class _Look(threading.Thread):
    """One measurement."""

    def __init__(self, count: Callable[[], Size]) -> None:
        super().__init__(daemon=True)
        self.seconds = 0.0
        self._count = count
        self._seen: Size | None = None
        self._error = SandboxUnavailable("its files could not be counted")
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        try:
            self._seen = self._count()
        except SandboxUnavailable as error:
            self._error = error
        self.seconds = time.monotonic() - began

    def result(self) -> Size:
        """The measured usage. Raises what `count` raised."""
        if self._seen is None:
            raise self._error
        return self._seen
