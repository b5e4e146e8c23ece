"""What a benchmark has that needs no sandboxes."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from harness.errors import DelmError
from harness.protocols import Sandbox
from harness.types import Item


class NoSandboxes:
    """`harness.protocols.Sandboxes` of instances that nothing is run for."""

    kind = "none"

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Nothing is to be got ready."""

    @asynccontextmanager
    async def holding(self, item: Item) -> AsyncIterator[None]:
        """Nothing has to stay."""
        yield

    def fingerprint(self, item: Item) -> str:
        """A hash of the instance."""
        return hashlib.sha256(repr(item.instance).encode()).hexdigest()

    async def open(self, item: Item, *, purpose: Literal["agents", "grading"]) -> Sandbox:
        """Refused."""
        raise DelmError(f"{item.instance.instance_id} is of a benchmark without sandboxes")

    def close(self) -> None:
        """There is no connection."""
