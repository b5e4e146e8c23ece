"""What one trial of a run has paid for and the others of it may have: the preparation of a text.

Only conversations that say so take part: what they ask depends on the document alone, so that each
trial and system of the run would ask the same again. Two processes that ask at the same moment
both pay; within one, the second waits for the first.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from harness.model.paid import PaidCall, paid_call


class Shared:
    """The run's answers by prompt. `answered` finds the row of an answered call, or None."""

    def __init__(self, answered: Callable[[str], Mapping[str, Any] | None]) -> None:
        self._answered = answered
        self._locks: dict[str, anyio.Lock] = {}

    @asynccontextmanager
    async def once(self, prompt_sha256: str) -> AsyncIterator[PaidCall | None]:
        """Nobody else in this process asks this prompt meanwhile; its answer, if there is one."""
        async with self._locks.setdefault(prompt_sha256, anyio.Lock()):
            row = self._answered(prompt_sha256)
            yield paid_call(row) if row else None
