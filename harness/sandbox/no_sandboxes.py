"""What a benchmark has that needs no sandboxes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from harness.errors import SandboxUnavailable
from harness.protocols import Sandbox
from harness.types import Item


class NoSandboxes:
    """`harness.protocols.Sandboxes` of questions about documents."""

    kind = "none"

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Nothing is to be got ready: the documents were read with the rows."""

    @asynccontextmanager
    async def holding(self, item: Item) -> AsyncIterator[None]:
        """Nothing has to stay."""
        yield

    def fingerprint(self, item: Item) -> str:
        """The hash of the document."""
        return item.instance.question.document if item.instance.question else ""

    async def open(self, item: Item, *, purpose: Literal["agents", "grading"]) -> Sandbox:
        """Refused."""
        raise SandboxUnavailable(f"{item.instance.instance_id} asks about a text: no sandbox")

    def close(self) -> None:
        """There is no connection."""
