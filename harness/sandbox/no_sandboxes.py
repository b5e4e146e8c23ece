"""The sandbox provider of benchmarks that need no sandboxes."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from harness.errors import DelmError
from harness.protocols import OpenedSandbox
from harness.types import Item


class NoSandboxes:
    """A `harness.protocols.Sandboxes` that cannot open sandboxes."""

    kind = "none"

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Does nothing."""

    @asynccontextmanager
    async def holding(self, item: Item) -> AsyncIterator[None]:
        """Does nothing."""
        yield

    def fingerprint(self, item: Item) -> str:
        """A hash of the instance."""
        return hashlib.sha256(repr(item.instance).encode()).hexdigest()

    async def open(self, item: Item, *, purpose: Literal["agents", "grading"]) -> OpenedSandbox:
        """Raises, because the benchmark needs no sandbox."""
        raise DelmError(f"{item.instance.instance_id} is of a benchmark without sandboxes")

    def close(self) -> None:
        """Does nothing."""
