"""The event loop of every command. It waits with poll(2).

With epoll(7), asyncio's own choice, the kernel counts by user how many files are watched, and a
command in a sandbox may count as this process's user: it could take all, and this process could
then wait for nothing.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


def run(work: Callable[[*Arguments], Awaitable[T]], *arguments: *Arguments) -> T:
    """What `work` returns for these arguments, run to its end in a loop of its own."""
    return anyio.run(work, *arguments, backend_options={"loop_factory": new})  # noqa: TID251


def new() -> asyncio.AbstractEventLoop:
    """An event loop that waits with poll(2)."""
    return asyncio.SelectorEventLoop(selectors.PollSelector())
