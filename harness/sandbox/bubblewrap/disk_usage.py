"""What a sandbox's files take on this machine, counted from outside it, of either kind of sandbox.

The program that counts is confined by bubblewrap, where that is installed: it reads names that a
sandbox has made.
"""

import contextlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.sandbox.bubblewrap.confined_programs import looking
from harness.sandbox.disk_limits import Size

PROC = Path("/proc")
COUNT_S = 60.0  # what takes longer to count is too much
COUNT = 'du -s -x -c --block-size=1 -- "$@" | tail -n 1; find "$@" -xdev -printf x | wc -c'
REMOVED_S = 2.0  # of a processor, for files without a name
UNCOUNTED = 1 << 62


def written(folders: Sequence[Path]) -> Size:
    """What the files in `folders` take on their file system, and how many names they have.

    No link is followed. The bytes of a file with many names count once, its names all count: each
    is a record on the disk, and whatever copies the files handles each.
    What cannot be read counts as nothing, what cannot be counted in time as more than any limit.
    """
    words = looking(["/bin/sh", "-c", COUNT, "sh"], folders)
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(words, capture_output=True, check=False, env={}, timeout=COUNT_S)
        found = [int(line.split()[0]) for line in done.stdout.splitlines()]
        return Size(bytes=found[0], inodes=found[1]) if len(found) == 2 else Size(bytes=0, inodes=0)
    return Size(bytes=UNCOUNTED, inodes=UNCOUNTED)


def removed(process: int) -> int:
    """The bytes of deleted files that are still open in the namespace of `process`.

    A count that takes too long returns more than any limit.
    """
    sizes = {}
    began = time.thread_time()
    for folder in _beside(process):
        if time.thread_time() - began > REMOVED_S:
            return UNCOUNTED
        with contextlib.suppress(OSError), _opened(folder / "fd") as descriptors:
            for entry in os.scandir(descriptors):
                with contextlib.suppress(OSError):
                    there = entry.stat()  # of what is open: no name is looked up
                    if stat.S_ISREG(there.st_mode) and there.st_nlink == 0:
                        sizes[there.st_dev, there.st_ino] = there.st_blocks * 512
    return sum(sizes.values())


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _beside(process: int) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        namespace = (PROC / str(process) / "ns" / "pid").readlink()
        for folder in PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (folder / "ns" / "pid").readlink() == namespace:
                    yield folder
