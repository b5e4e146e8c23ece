"""What a sandbox's files take on this machine, counted from outside it, of either kind of sandbox.

The program that counts is confined by bubblewrap, where that is installed: it reads names that a
sandbox has made.
"""

import contextlib
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.sandbox.bubblewrap.confined_programs import looking
from harness.sandbox.disk_limits import Size

PROC = Path("/proc")
COUNT_S = 60.0  # what takes longer to count is too much
COUNT = 'for what in --block-size=1 --inodes; do du -s -x -c "$what" -- "$@" | tail -n 1; done'
UNCOUNTED = 1 << 62


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
