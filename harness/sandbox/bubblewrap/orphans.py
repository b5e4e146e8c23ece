"""Processes that a dead owner's bubblewrap sandbox has left."""

import contextlib
import os
import signal
from pathlib import Path

PROC = Path("/proc")


def kill(name: str) -> int:
    """End every process that has the sandbox's files mounted in a namespace of its own; how many.

    The folder's name is a UUID: nothing but its sandbox has a mount that names it, by its place or
    as its file system, and none lies in the mount namespace of this process.
    """
    mine = _mount_namespace("self")
    killed = 0
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is another user's
            handle = os.pidfd_open(int(folder.name))
            try:
                theirs = _mount_namespace(folder.name)
                if theirs != mine and name in (folder / "mountinfo").read_text(errors="replace"):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    killed += 1
            finally:
                os.close(handle)
    return killed


def _mount_namespace(process: str) -> Path:
    return (PROC / process / "ns" / "mnt").readlink()
