"""What one trial of a run has paid for and the others of it may have: the preparation of a text.

Only conversations that say so take part: what they ask depends on the document alone, so that each
trial and system of the run would ask the same again. Who asks second waits for the first, in
another process that works on the run, too.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import anyio

from harness.model.resume_cache import PaidCall, paid_call
from harness.store.ledger import AnsweredRow

OneAtATime = Callable[[str], AbstractAsyncContextManager[None]]


class SharedCache:
    """The run's answers by prompt.

    `answered` finds the row of an answered call, or None; inside `one_at_a_time` no other process
    asks the same prompt.
    """

    def __init__(
        self,
        answered: Callable[[str], Awaitable[AnsweredRow | None]],
        one_at_a_time: OneAtATime = lambda _: nullcontext(),
    ) -> None:
        self._answered = answered
        self._one_at_a_time = one_at_a_time
        self._locks: dict[str, anyio.Lock] = {}

    @asynccontextmanager
    async def once(self, prompt_sha256: str) -> AsyncIterator[PaidCall | None]:
        """Nobody else in this run asks this prompt meanwhile; its answer, if there is one."""
        lock = self._locks.setdefault(prompt_sha256, anyio.Lock())
        try:
            async with lock, self._one_at_a_time(prompt_sha256):
                row = await self._answered(prompt_sha256)
                yield paid_call(row) if row else None
        finally:
            if not (lock.locked() or lock.statistics().tasks_waiting):
                self._locks.pop(prompt_sha256, None)
