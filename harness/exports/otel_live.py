"""The traces of a run while it works: each trial is sent when it has ended, by a thread of its own.

The thread reads the run's store over a connection of its own and shares nothing with the run but a
queue of trial ids. An endpoint that is slow, refuses, or does not answer therefore delays nothing
and fails nothing: what could not be sent is counted.
"""

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from harness import event_loop
from harness.errors import DelmError
from harness.exports.otel_spans import Span

LAST_S = 5.0  # how long the end of a run waits for what is still to be sent
_FAILED_LAST_S = 1.0  # the same, where the last attempt failed
_REST_S = 30.0  # after a failure, so that an endpoint that is away does not keep the thread busy


class Sends(Protocol):
    """What sends spans; True if they have arrived."""

    def send(self, spans: Sequence[Span]) -> bool:
        """Send them."""
        ...

    def close(self) -> None:
        """Stop waiting for an endpoint."""
        ...


Read = Callable[[int], Awaitable[Sequence[Span]]]
"""The spans of a trial, by its id."""


class LiveTraces:
    """Sends the spans of each trial that `ended` is told."""

    def __init__(self, exporter: Sends, read: Read) -> None:
        self._exporter = exporter
        self._read = read
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._told = 0
        self._sent = 0
        self._failing = False
        self._until = float("inf")
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    def ended(self, trial_id: int) -> None:
        """A trial has ended. Returns at once."""
        self._told += 1
        self._queue.put(trial_id)

    def close(self, wait_s: float = LAST_S) -> int:
        """Send what is left for at most about `wait_s` seconds; how many trials were not sent."""
        wait_s = min(wait_s, _FAILED_LAST_S) if self._failing else wait_s
        self._until = time.monotonic() + wait_s
        self._queue.put(None)
        self._thread.join(wait_s)
        self._exporter.close()
        return self._told - self._sent

    def _work(self) -> None:
        left: list[int] = []
        rest_until = 0.0
        going = True
        while going:
            new, going = self._next(rest_until - time.monotonic() if left else None)
            left += new
            if going and time.monotonic() < rest_until:
                continue
            left = self._send(left, last=not going)
            rest_until = time.monotonic() + _REST_S if left else 0.0

    def _next(self, wait_s: float | None) -> tuple[list[int], bool]:
        """The trials in the queue, waiting for the first; False at the end."""
        found: list[int] = []
        try:
            first = self._queue.get(timeout=None if wait_s is None else max(0.0, wait_s))
            while first is not None:
                found.append(first)
                first = self._queue.get_nowait()
        except Empty:
            return found, True
        return found, False

    def _send(self, trials: Sequence[int], *, last: bool) -> list[int]:
        """Send trials and return those that are left.

        Stops at the first that fails, and puts it behind the others; only at the `last` attempt
        each is tried until the time is over.
        """
        failed: list[int] = []
        for index, trial_id in enumerate(trials):
            if time.monotonic() > self._until:
                return [*trials[index:], *failed]
            self._failing = not self._one(trial_id)
            if not self._failing:
                self._sent += 1
                continue
            failed.append(trial_id)
            if not last:
                return [*trials[index + 1 :], *failed]
        return failed

    def _one(self, trial_id: int) -> bool:
        try:
            return self._exporter.send(event_loop.run(self._read, trial_id))
        except DelmError:  # the store is away: the run itself says so
            return False
