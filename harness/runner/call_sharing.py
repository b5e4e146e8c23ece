"""Share the limits of model calls with the other processes of a run, over its store.

A process tells what its calls met with, and takes its part of the limit, once a second, and at once
when the provider refuses a call. No call waits for that: while the store is away the last known
part holds.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio

from harness.errors import StoreUnavailable
from harness.model.client import ModelClient
from harness.store.call_limits import CallSlots
from harness.store.protocol import Store

LOOK_S = 1.0  # between two looks at the others
LOOKS_A_SECOND = 50  # of all processes together, where they are many

Alive = Callable[[], Awaitable[Collection[str]]]
"""The names of the processes that work on the run."""


@asynccontextmanager
async def shared_calls(
    clients: Collection[ModelClient], store: Store, name: str, alive: Alive
) -> AsyncIterator[None]:
    """Share the limits of `clients` during this block; `name` is this process's; where it has
    none, nothing is shared."""
    limited = [client for client in clients if name and client.limit.is_limited]
    if not limited:
        yield
        return
    try:
        async with anyio.create_task_group() as tasks:
            for client in limited:
                client.limit.owner = name
                await _exchange(client, store, alive)
                tasks.start_soon(_follow, client, store, alive)
            yield
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(LOOK_S, shield=True), suppress(StoreUnavailable):
            await store.leave_calls()


async def _follow(client: ModelClient, store: Store, alive: Alive) -> None:
    others: Sequence[CallSlots] = ()
    while True:
        with anyio.move_on_after(max(LOOK_S, len(others) / LOOKS_A_SECOND)):
            await client.limit.urgent()
        others = await _exchange(client, store, alive)


async def _exchange(client: ModelClient, store: Store, alive: Alive) -> Sequence[CallSlots]:
    """Tell what is new here, and take what the others told."""
    limit = client.limit
    mine, news = limit.slots, limit.take_news()
    try:
        state, others = await store.share_calls(
            client.model, busy=mine.busy, waiting=mine.waiting, ceiling=int(limit.ceiling),
            change=partial(limit.changed, news), alive=await alive(),
        )  # fmt: skip
    except StoreUnavailable:
        limit.take_back(news)
        return ()
    limit.take(state, others)
    return others
