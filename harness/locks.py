"""Files that are locked as long as a process lives: the kernel gives locks back at its end."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def lock(handle: int, kind: int) -> bool:
    """Try to lock an open file (`fcntl.LOCK_SH` or `LOCK_EX`), without a wait; whether it is."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sign_in(folder: Path, content: bytes = b"") -> tuple[Path, int]:
    """A file of this process in `folder`, with a name of its own, and the handle that locks it.

    It is there once it is locked: nobody sees it before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{os.getpid()}-{secrets.token_hex(4)}"
    beside = folder.with_name(f".{folder.name}-{name}")
    handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    lock(handle, fcntl.LOCK_EX)
    os.write(handle, content)
    return beside.rename(folder / name), handle


def process_id(name: str) -> str:
    """The id of the process that created the name with `sign_in`."""
    return name.partition("-")[0]


def living(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that a living process has locked. What the dead left goes."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # it ended just now
            continue
        try:
            if lock(handle, fcntl.LOCK_EX):
                path.unlink(missing_ok=True)
            else:
                yield path.name, path.read_bytes()
        except FileNotFoundError:
            continue
        finally:
            os.close(handle)
