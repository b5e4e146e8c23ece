"""What agents queue for in the simulation: processors, connections, and the lock of a trial.

Where nobody is in the way a request passes without an event of its own, which is what makes
100,000 agents possible. `times` is how often a request is made at once: a simulated agent can stand
for several (see `designs.py`).
"""

from collections import deque

import simpy


class Processors:
    """`cores` processors that serve in the order of arrival.

    Approximation of Seidmann et al. (1987): one server that is `cores` times as fast, and behind it
    a delay of (cores - 1) / cores of the service. Exact for one processor, and for the throughput
    of any number.
    """

    def __init__(self, env: simpy.Environment, cores: float) -> None:
        self._env = env
        self._cores = cores
        self._free_at = 0.0
        self.busy_s = 0.0  # of all processors together

    def take(self, seconds: float, times: int = 1) -> float:
        """Reserve processor time; in how many seconds it is done."""
        work = seconds * times
        self.busy_s += work
        self._free_at = max(self._env.now, self._free_at) + work / self._cores
        return self._free_at - self._env.now + seconds * (self._cores - 1) / self._cores


class Slots:
    """So many requests at once; the others wait in the order of arrival."""

    def __init__(self, env: simpy.Environment, slots: int) -> None:
        self._env = env
        self._free = slots
        self._waiting: deque[simpy.Event] = deque()

    def take(self) -> simpy.Event | None:
        """None: taken. Else what to wait for; then it is taken."""
        if self._free:
            self._free -= 1
            return None
        event = self._env.event()
        self._waiting.append(event)
        return event

    def give(self) -> None:
        """Give it back."""
        if self._waiting:
            self._waiting.popleft().succeed()
        else:
            self._free += 1


class TrialLock:
    """PostgreSQL's advisory lock of a trial: shared by many or held by one, in order of arrival."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._shared = 0
        self._alone = False
        self._waiting: deque[tuple[bool, simpy.Event]] = deque()

    def take(self, alone: bool) -> simpy.Event | None:
        """None: taken. Else what to wait for; then it is taken."""
        if not self._waiting and self._may(alone):
            self._grant(alone)
            return None
        event = self._env.event()
        self._waiting.append((alone, event))
        return event

    def give(self, alone: bool) -> None:
        """Give it back."""
        if alone:
            self._alone = False
        else:
            self._shared -= 1
        while self._waiting and self._may(self._waiting[0][0]):
            kind, event = self._waiting.popleft()
            self._grant(kind)
            event.succeed()

    def _may(self, alone: bool) -> bool:
        return not self._alone and not (alone and self._shared)

    def _grant(self, alone: bool) -> None:
        if alone:
            self._alone = True
        else:
            self._shared += 1
