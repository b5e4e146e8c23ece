"""Run several coroutines at the same time."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import anyio

from harness.errors import leaf


async def together(works: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Start all and wait for all. The first failure cancels the others and is raised."""
    try:
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(work)
    except BaseExceptionGroup as failures:
        raise leaf(failures) from None
