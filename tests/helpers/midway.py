"""To cancel what is under way at a certain point, however fast the machine is."""

from collections.abc import Awaitable, Callable

import anyio

BUSY_S = 60  # until a point is reached, on a busy machine


async def cancelled_when(
    point: Callable[[], object], work: Callable[[], Awaitable[object]]
) -> None:
    """Begin `work()`; once `point()` holds and all that runs waits for something, cancel it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        with anyio.fail_after(BUSY_S):
            while not point():
                await anyio.sleep(0.005)
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
