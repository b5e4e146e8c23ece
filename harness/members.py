"""The processes that work on one run at the same time, on one machine.

Each holds a lock on a file of its own as long as it lives: the kernel gives it back whatever way
the process ends, so that a process id that is used again can fool nobody.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError


class Member:
    """This process, among all that work on the run in `folder`. Made by `join`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._folder = folder

    def alive(self) -> set[str]:
        """The members that live, this one among them. What the dead left here is removed."""
        found = set()
        for path in _places(self._folder).iterdir():
            if path.name == self.name or not _lock_of_dead(path):
                found.add(path.name)
        return found

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else is inside such a block of the same run. Blocking."""
        handle = os.open(self._folder / ".turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


@contextmanager
def join(folder: Path) -> Iterator[Member]:
    """Be one of those that work on the run in `folder`, as long as the block lasts.

    `UserError` while a process holds the run for itself (`RunFolder.lock`).
    """
    shared = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(shared, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another process holds {folder} for itself; wait for it, or choose another "
                "--run-id"
            ) from None
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        places = _places(folder)
        places.mkdir(exist_ok=True)
        # under a name that nobody looks for until it is locked
        unlocked = places.with_name(f".{name}")
        mine = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(mine, fcntl.LOCK_EX)
            unlocked.rename(places / name)
            yield Member(folder, name)
            (places / name).unlink(missing_ok=True)
        finally:
            os.close(mine)
    finally:
        os.close(shared)


def _places(folder: Path) -> Path:
    return folder / ".members"


def _lock_of_dead(path: Path) -> bool:
    """Whether nobody holds the lock; the file is removed then."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(handle)
