"""Track whether the model answers at all, so that a run can stop in time."""

from collections.abc import Callable

from harness.errors import EndpointRefused, ModelError, ModelRefused, ModelUnavailable

PATIENCE = 3  # trials in a row without any answer


class EndpointHealth:
    """What became of the calls of this process, over all of its trials.

    Once the endpoint refuses everything (a wrong key, no money left), or `patience` trials in a row
    got no answer, it is `closed`: nothing is sent any more, and who asks is turned away. A patience
    of 0 never ends; replays have it. Nor is anything sent while `lacks()` says what the machine
    lacks to keep an answer, which would be paid for and lost.
    """

    def __init__(self, patience: int = PATIENCE, lacks: Callable[[], str] = lambda: "") -> None:
        self.closed = ""  # why nothing is sent any more
        self.lacking = False  # whether that is because the machine lacks something
        self._lacks = lacks
        self._patience = patience
        self._unanswered: set[int] = set()  # trials, since the last answer to anybody
        self._tried: set[int] = set()
        self._heard: set[int] = set()
        self._turned_away: set[int] = set()

    def check(self, trial_id: int) -> None:
        """Call before a trial starts. Raises `EndpointRefused` if the endpoint refuses
        everything."""
        if not self.closed and (lack := self._lacks()):
            self.closed, self.lacking = lack, True
        if self.closed:
            self._turned_away.add(trial_id)
            raise EndpointRefused(self.closed)
        self._tried.add(trial_id)

    def answered(self, trial_id: int) -> None:
        """Record an answered call of a trial."""
        self._heard.add(trial_id)
        self._unanswered.clear()

    def failed(self, trial_id: int, problem: ModelError) -> None:
        """Record a call without an answer after all its attempts."""
        if not self._patience or not isinstance(problem, ModelRefused | ModelUnavailable):
            return
        self._unanswered.add(trial_id)
        if isinstance(problem, EndpointRefused):
            self._turned_away.add(trial_id)
            self.closed = self.closed or str(problem)
        elif len(self._unanswered) >= self._patience:
            count = len(self._unanswered)
            self.closed = self.closed or f"no answer in {count} trials in a row; last: {problem}"

    def turned_away(self, trial_id: int) -> bool:
        """Whether a trial lacks answers because the run stopped sending calls."""
        return trial_id in self._turned_away

    def silent(self, trial_id: int) -> bool:
        """Whether a trial has made calls and none was answered."""
        return trial_id in self._tried - self._heard
