"""The folders of sandboxes in one store, each locked by the process that it belongs to.

The lock is the owner's heartbeat: the kernel gives it back whatever way the process ends, and it
holds across containers that share the store. A mark in the folder says that it is ours.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.sandbox.bubblewrap import cgroup, orphans
from harness.sandbox.bubblewrap.confined_programs import remove_tree
from harness.sandbox.owners import Owner

MARK = "delm.json"  # the labels of the sandbox, and its owner for whoever looks
NAME = re.compile(r"[0-9a-f]{32}")


def claim(folder: Path, labels: Mapping[str, str] | None = None) -> int:
    """Make the folder, and lock it until what is returned is closed, or this process ends.

    Its name is a UUID's 32 digits; `labels` say of what run it is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent):
        folder.mkdir(mode=0o700)
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
    mark = {"delm.owner": str(Owner.me()), **(labels or {})}
    try:
        (folder / MARK).write_text(json.dumps(mark))
    except OSError:
        remove_tree(folder)
        os.close(lock)
        raise
    return lock


def sweep(store: Path, *, remove: bool = True) -> list[str]:
    """Remove what sandboxes of dead processes left in `store`; what it was, one line each.

    That is folders with our mark, or empty ones with a name of ours, that nobody has locked, with
    the processes, mounts and control groups of their sandboxes. Unless `remove`: only say it.
    """
    if not store.is_dir():
        return []
    dead = []
    with _locked(store):
        for folder in store.iterdir():
            if not (NAME.fullmatch(folder.name) and _ours(folder)):
                continue
            with contextlib.suppress(OSError):  # gone, or not a folder
                lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                else:
                    dead.append((folder, lock))
    told = [f"bubblewrap sandbox {folder.name[:12]}{_run(folder)}" for folder, _ in dead]
    for folder, lock in dead:
        if remove:
            orphans.kill(folder.name)
            if cgroup.left(group_name(folder)).remove():
                remove_tree(folder)
        os.close(lock)
    return told


def group_name(folder: Path) -> str:
    """The name of the control group of the sandbox in this folder."""
    return f"delm-{folder.name[:16]}"


def _ours(folder: Path) -> bool:
    try:
        return (folder / MARK).is_file() or not any(folder.iterdir())
    except OSError:
        return False


def _run(folder: Path) -> str:
    try:
        run = json.loads((folder / MARK).read_text()).get("delm.run")
    except (OSError, ValueError, AttributeError):
        return ""
    return f" of run {run}" if run else ""


@contextlib.contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Between making a folder and locking it nobody sweeps."""
    lock = os.open(store, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
