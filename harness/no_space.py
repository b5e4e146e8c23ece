"""A machine that has run out of room on a disk, of inodes, of a quota, or of open files.

That is no fault of a program, and somebody can mend it: it is told in one line, and never taken for
something that a command in a sandbox did.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import SandboxUnavailable, StoreFull, leaf

ROOM_BYTES = 1 << 24  # a disk with less is full
ROOM_INODES = 50  # as a file system with fewer, where it counts them
LACKS = {
    errno.ENOSPC: "no room is left",
    errno.EDQUOT: "the disk quota is used up",
    errno.EMFILE: "this process has as many open files as it may (ulimit -n)",
    errno.ENFILE: "the machine has as many open files as it may",
}


def lack(error: BaseException) -> str:
    """What the machine lacks by this error, or the first in a group; empty: it tells of no lack."""
    first = leaf(error)
    if isinstance(first, StoreFull):
        return LACKS[errno.ENOSPC]
    if not isinstance(first, OSError):
        return ""
    told = LACKS.get(first.errno or 0, "")
    return f"{told} at {first.filename}" if told and first.filename else told


@contextmanager
def sandbox_unavailable() -> Iterator[None]:
    """`SandboxUnavailable` for what the machine lacks to make or copy a sandbox in this block."""
    try:
        yield
    except OSError as error:
        if not (lacking := lack(error)):
            raise
        raise SandboxUnavailable(f"{lacking}, for a sandbox") from error


def full(folder: Path) -> str:
    """What the disk of `folder` lacks; empty where it has room for more. Takes microseconds."""
    there = os.statvfs(folder)
    if there.f_bavail * there.f_frsize < ROOM_BYTES:
        return f"{LACKS[errno.ENOSPC]} at {folder}"
    if there.f_files and there.f_favail < ROOM_INODES:
        return f"{LACKS[errno.ENOSPC]} for more files at {folder}"
    return ""
