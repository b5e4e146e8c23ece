"""Let blocking code in a thread call the event loop."""

from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from harness.errors import leaf

T = TypeVar("T")


class ThreadPortal:
    """Lets one piece of blocking code ask the event loop for what only that can do.

    What it asks is awaited in the scope of `carry`, so whatever cancels that cancels it too. After
    a failure or a cancellation every `ask` raises `concurrent.futures.CancelledError`, which is to
    end the thread. (What `anyio.from_thread.run` is asked after a cancellation goes on unharmed.)
    """

    def __init__(self) -> None:
        self._asked = anyio.Event()
        self._call: tuple[Callable[[], Awaitable[Any]], Future[Any]] | None = None
        self._cut = False

    def ask(self, work: Callable[[], Awaitable[T]]) -> T:
        """Called in the thread: run `work` in the event loop and wait for it."""
        answer = Future[T]()
        from_thread.run_sync(self._put, work, answer)
        return answer.result()

    async def carry(self, blocking: Callable[[], T]) -> T:
        """What `blocking` returns in a thread, which has ended when this does, whatever ends it.

        Raises what `blocking` raises, or what it asked for does.
        """
        results: list[T] = []
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._serve)
                with suppress(CancelledError):  # cut off: the group raises by what
                    # a thread beside those of the default limiter, which may be waiting for it
                    limiter = anyio.CapacityLimiter(1)
                    results.append(await to_thread.run_sync(blocking, limiter=limiter))
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise leaf(failures) from None
        if not results:
            await checkpoint_if_cancelled()
        return results[0]

    def _put(self, work: Callable[[], Awaitable[T]], answer: Future[T]) -> None:
        if self._cut:
            answer.cancel()
        else:
            self._call = work, answer
            self._asked.set()

    async def _serve(self) -> None:
        try:
            while True:
                await self._asked.wait()
                self._asked = anyio.Event()
                assert self._call is not None
                work, answer = self._call
                answer.set_result(await work())
        finally:
            self._cut = True
            if self._call is not None:
                self._call[1].cancel()  # nothing, where it was answered
