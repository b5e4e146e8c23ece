"""Who uses which image, and who is pulling one, seen by all processes of one cache folder.

A use is a shared lock on the file that stands for the image; a pull under way is a locked file that
says what it will take. The kernel gives locks back whatever way a process ends.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from harness.locks import living, lock, sign_in
from harness.sandbox.docker.image_layers import ImageSize, of_json, to_json

LOOK_S = 0.1  # between two looks whether an image that is being removed is gone


class PullReservation:
    """Disk space that is reserved for a pull, until `end` or the end of the process."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    def end(self) -> None:
        """End the reservation, whether the pull succeeded or not."""
        self._path.unlink(missing_ok=True)
        os.close(self._handle)


class ImageLeases:
    """The leases and pull reservations in one folder."""

    def __init__(self, folder: Path) -> None:
        self._images = folder / "images"
        self._pulls = folder / "pulls"

    @asynccontextmanager
    async def holding(self, image: str) -> AsyncIterator[None]:
        """Nobody who asks `unused` removes the image while the block lasts.

        Waits while somebody is removing it.
        """
        self._images.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path(image), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not lock(handle, fcntl.LOCK_SH):  # noqa: ASYNC110 - another process does it
                await anyio.sleep(LOOK_S)
            os.utime(handle)
            try:
                yield
            finally:
                os.utime(handle)
        finally:
            os.close(handle)

    @contextmanager
    def unused(self, image: str) -> Iterator[bool]:
        """Yield whether the image is unused; if so, nobody can lease it during the block."""
        self._images.mkdir(parents=True, exist_ok=True)
        path = self._path(image)
        there = path.exists()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not there:
            os.utime(handle, (0, 0))  # to look is not to use
        try:
            yield lock(handle, fcntl.LOCK_EX)
        finally:
            os.close(handle)

    def last(self, image: str) -> float:
        """The time of the last use, in seconds since the epoch; 0 if never used here."""
        try:
            return self._path(image).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def promise(self, weight: ImageSize) -> PullReservation:
        """Reserve space for a pull. The caller makes sure that only one does so at a time."""
        return PullReservation(*sign_in(self._pulls, json.dumps(to_json(weight)).encode()))

    def promised(self) -> list[ImageSize]:
        """The space reserved by pulls under way. Removes reservations of dead processes."""
        return [of_json(json.loads(content)) for _, content in living(self._pulls)]

    def _path(self, image: str) -> Path:
        return self._images / hashlib.sha256(image.encode()).hexdigest()
