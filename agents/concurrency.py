"""Several pieces of work at the same time."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import anyio

from harness.errors import leaf


async def together(works: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Begin all and wait for all. The first that fails ends the others, and is raised itself."""
    try:
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(work)
    except BaseExceptionGroup as failures:
        raise leaf(failures) from None
