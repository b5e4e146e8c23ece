"""Build something once across processes; a killed builder leaves nothing half-built."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

LOCK_POLL_SECONDS = 0.1


@asynccontextmanager
async def scratch(target: Path, *, on_progress: Callable[[str], None]) -> AsyncIterator[Path]:
    """An empty folder on the file system of `target`, for the one builder of `target`.

    Look again whether there is anything left to do: another may have built while this waited. When
    done, rename the folder or move out of it what shall stay; the rest is removed. The lock guards
    the folder's name, so what is found there at the start is a dead builder's.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f"{target.name}.lock"), thread_local=False)
    await _acquire(lock, lambda: on_progress(f"waiting for another builder of {target.name}"))
    beside = target.with_name(f"{target.name}.building")
    try:
        await anyio.to_thread.run_sync(_sweep, beside)
        beside.mkdir()
        try:
            yield beside
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_remove, beside)
    finally:
        lock.release()


async def _acquire(lock: FileLock, on_wait: Callable[[], None]) -> None:
    """Take the lock without blocking a thread, so that waiting can be cancelled."""
    waited = False
    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not waited:
                on_wait()
            waited = True
            await anyio.sleep(LOCK_POLL_SECONDS)
        else:
            return


def _sweep(beside: Path) -> None:
    """Remove what dead builders left: at `beside`, whose lock we have, and next to it."""
    for left in beside.parent.glob("*.building"):
        if left == beside:
            shutil.rmtree(left)
            continue
        try:
            with FileLock(left.with_suffix(".lock"), timeout=0):
                _remove(left)
        except Timeout:
            continue  # its builder is alive


def sweep(place: Path, *, remove: bool = True) -> list[str]:
    """Remove the folders of dead builders in `place`, or only name them. No other has a lock."""
    found = []
    for left in sorted(place.glob("*.building")):
        lock = left.with_suffix(".lock")
        if not lock.exists():
            continue  # not made by `scratch`
        try:
            with FileLock(lock, timeout=0):
                found.append(left.name)
                if remove:
                    _remove(left)
        except Timeout:
            continue
    return found


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
