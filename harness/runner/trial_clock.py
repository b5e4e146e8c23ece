"""The duration of a trial."""

from harness.model.run_clock import RunClock


class TrialClock:
    """Seconds of a trial: `before`, plus the time since `start` without the run's pauses."""

    def __init__(self, before: float, clock: RunClock) -> None:
        self._before = before
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Start the clock."""
        self._started = self._clock()

    @property
    def seconds(self) -> float:
        """The duration so far."""
        return self._before + (0.0 if self._started is None else self._clock() - self._started)
