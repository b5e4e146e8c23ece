"""The workers of a process: each claims a trial of the run and works on it, then the next."""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from harness.model.run_clock import RunClock
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial

LOOK_S = 1.0  # between two looks at what other processes of the run do


class WorkerPool:
    """So many workers as are wanted, which may change while they work.

    They end when no trial is left that this process or another one could come to, or when `stopped`
    says so. While the run is paused none claims a trial.
    """

    def __init__(
        self,
        store: Store,
        clock: RunClock,
        work: Callable[[ClaimedTrial], Awaitable[None]],
        stopped: Callable[[], bool],
        most: int = 0,
    ) -> None:
        """`most`: so many trials are claimed, and none is waited for; 0: all there are."""
        self._most = most
        self._claimed = 0
        self._store = store
        self._clock = clock
        self._work = work
        self._stopped = stopped
        self._wanted = 0
        self._workers = 0
        self._busy = 0  # workers that have a trial
        self._tasks: TaskGroup | None = None
        self._changed = anyio.Event()

    async def run(self, workers: int) -> None:
        """Work until nothing is left to do."""
        async with anyio.create_task_group() as self._tasks:
            self.resize(workers)
        self._tasks = None

    def resize(self, workers: int) -> None:
        """Go on with so many workers; those that are too many end after the trial they have."""
        self._wanted = workers
        while self._tasks is not None and self._workers < workers:
            self._workers += 1
            self._tasks.start_soon(self._worker)
        self.look_again()

    def look_again(self) -> None:
        """Let idle workers see at once what is there for them."""
        self._changed.set()
        self._changed = anyio.Event()

    async def _worker(self) -> None:
        try:
            while not self._stopped() and self._workers <= self._wanted:
                if self._most and self._claimed >= self._most:
                    return
                row = None if self._clock.paused else await self._store.claim_trial()
                if row is not None:
                    self._claimed += 1
                    await self._have(row)
                elif self._most and not self._clock.paused:
                    return
                elif await self._may_come():
                    changed = self._changed
                    with anyio.move_on_after(LOOK_S):
                        await changed.wait()
                else:
                    return
        finally:
            self._workers -= 1

    async def _have(self, row: ClaimedTrial) -> None:
        self._busy += 1
        try:
            await self._work(row)
        finally:
            self._busy -= 1
            self.look_again()

    async def _may_come(self) -> bool:
        """Whether there may be a trial to claim later: one of another process, one that a person
        wants to be run again, or one that waits for the end of a pause."""
        if self._busy or await self._store.others():
            return True
        return self._clock.paused and await self._store.has_waiting()
