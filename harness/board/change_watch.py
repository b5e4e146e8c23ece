"""What waits for changes of a trial's board, whatever database holds it."""

from typing import Protocol


class Watch(Protocol):
    """The waiters of one process."""

    def version(self, trial_id: int) -> int:
        """A number that grows with each change of the trial's board that this process can see."""
        ...

    async def wait(self, trial_id: int, since: int, *, timeout_s: float) -> int:
        """See `harness.board.protocols.TaskQueue.wait`."""
        ...
