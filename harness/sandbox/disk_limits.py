"""How much a sandbox may write: the size of all its files together, and their number."""

from dataclasses import dataclass

from harness.config import SandboxLimits

OF_MEMORY = 2  # files in memory take one part in so many of a sandbox's memory at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a file system has room for: bytes, and inodes (files, folders, links)."""

    bytes: int
    inodes: int

    def options(self) -> str:
        """As options of a tmpfs."""
        return f"size={self.bytes},nr_inodes={self.inodes},mode=0755"

    def over(self, other: "Size", *, times: int = 1) -> bool:
        """Whether it exceeds `times` the other one, in bytes or in inodes."""
        return self.bytes > times * other.bytes or self.inodes > times * other.inodes

    def minus(self, other: "Size") -> "Size":
        """What is left without `other`."""
        return Size(
            bytes=max(0, self.bytes - other.bytes), inodes=max(0, self.inodes - other.inodes)
        )

    def __str__(self) -> str:
        return f"{self.bytes >> 20} MB in {self.inodes} files"


def on_disk(limits: SandboxLimits) -> Size:
    """The size of the files where they are on a disk, and counted."""
    return Size(bytes=limits.disk_mb << 20, inodes=limits.inodes)


def in_memory(limits: SandboxLimits) -> Size:
    """The size of the files where they are in memory: they count as the sandbox's memory, too.

    With more than half of that a full file system would have commands killed for memory before
    anything says that no space is left.
    """
    least = min(limits.disk_mb, limits.memory_mb // OF_MEMORY)
    return Size(bytes=least << 20, inodes=limits.inodes)
