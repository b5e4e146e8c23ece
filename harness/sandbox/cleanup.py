"""What was begun is undone where the rest of it fails, or is cancelled."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio


@asynccontextmanager
async def or_undo(undo: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """`undo()`, which nothing cancels, unless the block comes to its end."""
    whole = False
    try:
        yield
        whole = True
    finally:
        if not whole:
            with anyio.CancelScope(shield=True):
                await undo()
