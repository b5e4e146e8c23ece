"""The clock of a run: it stands still while a person has paused the run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio


class RunClock:
    """Seconds that a run has worked, from any beginning; of one event loop.

    What waits for a moment of it (`until`) is given the time of a pause on top.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lost = 0.0  # seconds of all pauses that are over
        self._stopped_at: float | None = None
        self._holds = False
        self._changed = anyio.Event()
        self._scopes: dict[anyio.CancelScope, float] = {}  # with the moment that ends each

    def __call__(self) -> float:
        """The seconds now."""
        now = self._clock() if self._stopped_at is None else self._stopped_at
        return now - self._lost

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._stopped_at is not None

    @property
    def lost_s(self) -> float:
        """For how long it has stood still until now."""
        now = self._clock()
        return self._lost + (0.0 if self._stopped_at is None else now - self._stopped_at)

    @property
    def holds(self) -> bool:
        """Whether answers are held back, too."""
        return self._holds

    def pause(self, *, holds: bool = False) -> None:
        """Stand still. `holds`: what has been answered is held back, too."""
        self._holds = holds
        if self._stopped_at is None:
            self._stopped_at = self._clock()
            for scope in self._scopes:
                scope.deadline = float("inf")
        self.tell()

    def resume(self) -> None:
        """Go on."""
        if self._stopped_at is None:
            return
        self._lost += self._clock() - self._stopped_at
        self._stopped_at, self._holds = None, False
        for scope, moment in self._scopes.items():
            scope.deadline = anyio.current_time() + moment - self()
        self.tell()

    async def runs(self) -> None:
        """Wait until it does not stand still."""
        while self.paused:
            await self.changed()

    async def changed(self) -> None:
        """Wait for a pause, its end, or `tell`."""
        await self._changed.wait()

    @contextmanager
    def until(self, moment: float) -> Iterator[anyio.CancelScope]:
        """Cancel this block at a moment of this clock, which may be infinite."""
        left = float("inf") if self.paused else moment - self()
        with anyio.CancelScope(deadline=anyio.current_time() + left) as scope:
            self._scopes[scope] = moment
            try:
                yield scope
            finally:
                del self._scopes[scope]

    def tell(self) -> None:
        """Let those who wait for a change look again."""
        self._changed.set()
        self._changed = anyio.Event()
