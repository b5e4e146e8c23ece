"""The processes that work on one run at the same time, on one machine.

Each holds a lock on a file of its own as long as it lives, so that neither a process id that is
used again nor a time-out fools anybody.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError
from harness.locks import living, lock, sign_in

MEMBERS = ".members"  # a folder in the run's


class Member:
    """This process, among all that work on the run in `folder`. Made by `join`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._members = folder / MEMBERS

    def alive(self) -> set[str]:
        """The members that live, this one among them."""
        return {name for name, _ in living(self._members)}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else is inside such a block of the same run. Blocking."""
        handle = os.open(self._members, os.O_RDONLY | os.O_CLOEXEC)
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
        if not lock(shared, fcntl.LOCK_SH):
            raise UserError(
                f"another process holds {folder} for itself; wait for it, or choose another "
                "--run-id"
            )
        path, handle = sign_in(folder / MEMBERS)
        try:
            yield Member(folder, path.name)
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)
    finally:
        os.close(shared)
