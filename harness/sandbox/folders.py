"""The folders of sandboxes in one store, each locked by the process that it belongs to."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from harness.sandbox import cgroup
from harness.sandbox.namespace import remove_tree


def claim(folder: Path) -> int:
    """Make the folder, and lock it until what is returned is closed, or this process ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent):
        folder.mkdir(mode=0o700)
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def sweep(store: Path) -> int:
    """Remove what sandboxes of dead processes left in `store`; return how many there were."""
    if not store.is_dir():
        return 0
    dead = []
    with _locked(store):
        for folder in store.iterdir():
            with contextlib.suppress(OSError):  # gone, or not a folder
                lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                else:
                    dead.append((folder, lock))
    for folder, lock in dead:
        cgroup.left(group_name(folder)).remove()
        remove_tree(folder)
        os.close(lock)
    return len(dead)


def group_name(folder: Path) -> str:
    """The control group of the sandbox that has this folder."""
    return f"delm-{folder.name[:16]}"


@contextlib.contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Between making a folder and locking it nobody sweeps."""
    lock = os.open(store, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
