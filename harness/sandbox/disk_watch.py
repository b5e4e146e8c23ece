"""Counts what a sandbox's files take where no file system bounds them, while its commands run.

A command that is seen to write beyond the limit is ended, as one that writes too much to its
output. That is late by the time between two looks: so twice the limit is the end of the sandbox.
Between looks there is twenty times as long as one takes, and a second at least.
"""

import contextlib
import stat
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import anyio

from harness.errors import SandboxUnavailable
from harness.no_space import full
from harness.sandbox.bubblewrap.confined_programs import looking
from harness.sandbox.disk_limits import Size

PROC = Path("/proc")
LEAST_S = 1.0  # between two looks
SHARE = 20  # of the time at most one part in so many is for looking
COUNT_S = 60.0  # what takes longer to count is too much
COUNT = 'for what in --block-size=1 --inodes; do du -s -x -c "$what" -- "$@" | tail -n 1; done'
UNCOUNTED = 1 << 62
LOST = 2  # times the limit


class Watch:
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


def written(folders: Sequence[Path]) -> Size:
    """What the files in `folders` take on their file system, each inode once; no link is followed.

    What cannot be read counts as nothing, what cannot be counted in time as more than any limit.
    """
    words = looking(["/bin/sh", "-c", COUNT, "sh"], folders)
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(words, capture_output=True, check=False, env={}, timeout=COUNT_S)
        found = [int(line.split()[0]) for line in done.stdout.splitlines()]
        return Size(bytes=found[0], inodes=found[1]) if len(found) == 2 else Size(bytes=0, inodes=0)
    return Size(bytes=UNCOUNTED, inodes=UNCOUNTED)


def removed(process: int) -> int:
    """The bytes in files without a name that processes beside `process` in its namespace hold."""
    sizes = {}
    for folder in _beside(process):
        with contextlib.suppress(OSError):
            for file in (folder / "fd").iterdir():
                with contextlib.suppress(OSError):
                    there = file.stat()  # of what is open: no name is looked up
                    if stat.S_ISREG(there.st_mode) and there.st_nlink == 0:
                        sizes[there.st_dev, there.st_ino] = there.st_blocks * 512
    return sum(sizes.values())


def _beside(process: int) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        namespace = (PROC / str(process) / "ns" / "pid").readlink()
        for folder in PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (folder / "ns" / "pid").readlink() == namespace:
                    yield folder
