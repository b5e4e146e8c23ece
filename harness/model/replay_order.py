"""The order in which a replay answers, so that agents meet as they did when it was recorded."""

from collections.abc import Iterable

import anyio

from harness.model.backend import CallKey
from harness.model.run_clock import RunClock

PATIENCE_S = 30.0
Trial = tuple[str, str, int]


class ReplayOrder:
    """Holds an answer back until everything that came before it in the recording has happened.

    What an agent sees of the others depends on who was first. Recorded calls carry the number of
    the moment at which they began and ended, among all of their trial; an answer is given once all
    earlier moments are past. Where one of them never comes, because the replay went another way,
    the trial goes on without an order after `patience_s` seconds.
    """

    def __init__(
        self,
        moments: Iterable[tuple[CallKey, int, int]],
        *,
        patience_s: float = PATIENCE_S,
        clock: RunClock | None = None,
    ) -> None:
        """`moments`: each call with when it began and ended; 0 where that is not known.

        While `clock` stands still nobody loses patience.
        """
        self._clock = clock or RunClock()
        self._patience_s = patience_s
        self._began: dict[CallKey, int] = {}
        self._ended: dict[CallKey, int] = {}
        self._awaited: dict[Trial, set[int]] = {}
        self._changed: dict[Trial, anyio.Event] = {}
        for key, began, ended in moments:
            if began and ended:
                self._began[key], self._ended[key] = began, ended
                self._awaited.setdefault(_trial(key), set()).update((began, ended))

    def begin(self, key: CallKey) -> None:
        """The call was made."""
        self._pass(_trial(key), self._began.get(key, 0))

    async def end(self, key: CallKey) -> None:
        """Wait for the turn of the call's answer."""
        trial, mine = _trial(key), self._ended.get(key, 0)
        with self._clock.until(self._clock() + self._patience_s) as waiting:
            while any(moment < mine for moment in self._awaited.get(trial, ())):
                await self._changed.setdefault(trial, anyio.Event()).wait()
        if waiting.cancelled_caught:
            self._awaited.pop(trial, None)
        self._pass(trial, mine)

    def forget(self, key: CallKey) -> None:
        """The call will not be made."""
        for moments in (self._began, self._ended):
            self._pass(_trial(key), moments.get(key, 0))

    def _pass(self, trial: Trial, moment: int) -> None:
        self._awaited.get(trial, set()).discard(moment)
        self._changed.pop(trial, anyio.Event()).set()


def _trial(key: CallKey) -> Trial:
    return key.system, key.instance_id, key.trial
