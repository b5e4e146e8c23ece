"""A small file system of a test's own, which it can fill."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCK = 4096


@dataclass(frozen=True)
class Disk:
    """A file system that is gone with the test, however that ends."""

    folder: Path

    @property
    def free(self) -> int:
        there = os.statvfs(self.folder)
        return there.f_bavail * there.f_frsize

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, leave: int = 0) -> None:
        """Take all room but so many bytes."""
        with self.filler.open("ab") as filler, contextlib.suppress(OSError):
            while (most := self.free - leave) >= BLOCK:
                filler.write(bytes(min(most, 1 << 20)))
                filler.flush()

    def make_room(self) -> None:
        self.filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int = 64, inodes: int = 5000) -> Iterator[Disk]:
    """One at `folder`; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m,nr_inodes={inodes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
