"""Wait for changes of a trial's board, by this process (at once) or by others (by polling)."""

from collections.abc import Callable

import anyio
import anyio.lowlevel

from harness.store.sqlite.connection import Connection

LOOK_S = 0.05  # between two looks at what other processes have written
CROWD = 16  # more waiters of a trial are woken together, at the next look


class ChangeWatch:
    """The waiters of one connection.

    One of the waiters looks every `LOOK_S` seconds whether another process has written; when it is
    done waiting, another one does. A write of this process wakes the trial's waiters at once. More
    than `CROWD` waiters are woken at the next look, once for all changes until then.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.connection: Connection  # it tells this watch of its writes: made after
        self._clock = clock
        self._waiting: dict[int, dict[anyio.Event, int]] = {}  # trial: waiter, its `since`
        self._looking = False
        self._crowds: set[int] = set()  # trials with a change that their waiters do not know yet
        self._others = -1
        self._seen: dict[int, tuple[float, int]] = {}  # trial: last look at leases, lapses so far

    def version(self, trial_id: int) -> int:
        """The number of the trial's events plus the leases that this process saw run out."""
        since, lapses = self._seen.get(trial_id, (0.0, 0))
        now = self._clock()
        (row,) = self.connection.rows("version", trial_id, since=min(since, now), now=now)
        lapses += int(row["lapsed"])
        self._seen[trial_id] = (now, lapses)
        return int(row["events"]) + lapses

    def changed(self, trial_id: int) -> None:
        """Note that this connection has written to the trial."""
        waiters = self._waiting.get(trial_id)
        if waiters and len(waiters) <= CROWD:
            self._wake(trial_id)
        elif waiters:
            self._crowds.add(trial_id)

    async def wait(self, trial_id: int, since: int, *, timeout_s: float) -> int:
        """See `TaskQueue.wait`. A lease that runs out counts as a change."""
        deadline = anyio.current_time() + timeout_s
        await anyio.lowlevel.checkpoint()
        while (version := self.version(trial_id)) <= since:
            left = deadline - anyio.current_time()
            if left <= 0:
                break
            now = self._clock()
            (row,) = self.connection.rows("next_lapse", trial_id, now=now)
            if row["lease"] is not None:
                left = min(left, row["lease"] - now + 0.001)
            await self._sleep(trial_id, since, left)
        return version

    async def _sleep(self, trial_id: int, since: int, seconds: float) -> None:
        woken = anyio.Event()
        waiters = self._waiting.setdefault(trial_id, {})
        waiters[woken] = since
        try:
            with anyio.move_on_after(seconds):
                if self._looking:
                    await woken.wait()
                else:
                    await self._look_until(woken)
        finally:
            del waiters[woken]
            if not waiters:
                self._waiting.pop(trial_id, None)

    async def _look_until(self, woken: anyio.Event) -> None:
        self._looking = True
        try:
            while not woken.is_set():
                with anyio.move_on_after(LOOK_S):
                    await woken.wait()
                self._look()
        finally:
            self._looking = False
            self._pass_on(woken)

    def _look(self) -> None:
        others = self.connection.others_wrote()
        trials = list(self._waiting) if others != self._others else self._crowds
        self._others = others
        for trial_id in trials:
            self._wake(trial_id)
        self._crowds.clear()

    def _wake(self, trial_id: int) -> None:
        version = self.version(trial_id)
        for woken, since in self._waiting.get(trial_id, {}).items():
            if version > since:
                woken.set()

    def _pass_on(self, woken: anyio.Event) -> None:
        """Let another waiter do the looking: it wakes, finds nothing, and begins."""
        for waiters in self._waiting.values():
            for other in waiters:
                if other is not woken and not other.is_set():
                    other.set()
                    return
