"""Sandboxes whose images and environments are made ready when an instance needs them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import anyio

from harness.protocols import OpenedSandbox, Sandboxes
from harness.types import Item


class OnDemand:
    """A `harness.protocols.Sandboxes` for a process that works on a few of a run's instances."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._ready: set[str] = set()
        self._turn = anyio.Lock()
        self._say: Callable[[str], None] = lambda line: None

    @property
    def kind(self) -> str:
        """See `Sandboxes.kind`."""
        return self._sandboxes.kind

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Nothing yet but to look that sandboxes can be made at all."""
        self._say = say
        await self._sandboxes.prepare([], say)

    @asynccontextmanager
    async def holding(self, item: Item) -> AsyncIterator[None]:
        """See `Sandboxes.holding`. `UserError`, which ends the process: this machine cannot have
        what the item needs, and would soon have had every trial of the run."""
        name = item.instance.instance_id
        if name not in self._ready:
            async with self._turn:
                if name not in self._ready:
                    await self._sandboxes.prepare([item], self._say)
                self._ready.add(name)
        async with self._sandboxes.holding(item):
            yield

    def fingerprint(self, item: Item) -> str:
        """See `Sandboxes.fingerprint`."""
        return self._sandboxes.fingerprint(item)

    async def open(self, item: Item, *, purpose: Literal["agents", "grading"]) -> OpenedSandbox:
        """See `Sandboxes.open`."""
        return await self._sandboxes.open(item, purpose=purpose)

    def close(self) -> None:
        """See `Sandboxes.close`."""
        self._sandboxes.close()
