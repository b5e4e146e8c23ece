"""Ctrl-C, SIGTERM and SIGHUP: the first saves, a second says what is waited for, a third gives up.

The signals are Python's own, not the event loop's: a loop that is busy writing CSVs, or that waits
in a shielded scope for a patch, must not keep anybody waiting.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import anyio

from harness.errors import DelmError, leaf

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 3  # signals
STOPPED = 130  # the exit code of what a signal has stopped
FIRST = "stopping: saving what there is and removing the sandboxes …"
Say = Callable[[str], None]


class Stop:
    """What the signals do while `listening`.

    Before `until` runs any work, a signal is Ctrl-C as Python has it: `KeyboardInterrupt`. After
    the third nothing is saved any more: the store is whole at every moment, what is left of a trial
    is taken up by the next start, and so are sandboxes.
    """

    def __init__(self, waiting_for: Callable[[], str] = lambda: "") -> None:
        self.waiting_for = waiting_for  # in words; empty where it is nothing in particular
        self.resume_command = ""  # what the user pastes to resume
        self._heard = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancel: Callable[[], None] | None = None  # while there is work to cut short

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals during this block. An ignored SIGHUP stays ignored (nohup)."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            del before[signal.SIGHUP]
        for number in before:
            signal.signal(number, self._hear)
        try:
            yield
        finally:
            for number, earlier in before.items():
                signal.signal(number, earlier)

    async def until(self, work: Callable[[], Awaitable[None]], say: Say) -> bool:
        """Run `work()`; True if a signal cut it short, after it has cleaned up."""
        with anyio.CancelScope() as scope:

            def cancel() -> None:
                say(FIRST)
                scope.cancel()

            self._loop, self._cancel = asyncio.get_running_loop(), cancel
            try:
                await work()
            except BaseExceptionGroup as group:
                ours, rest = group.split(DelmError)
                if ours is not None and rest is None:
                    raise leaf(ours) from None
                raise
            finally:
                self._cancel = None
        return bool(self._heard)

    def ask(self) -> None:
        """Stop as after the first signal: a person wants it who does not sit at this terminal."""
        self._heard = max(self._heard, 1)
        if self._cancel:
            self._cancel()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._loop is None:
            raise KeyboardInterrupt
        if self._heard and number == signal.SIGHUP:  # of a terminal that closes there are several
            return
        self._heard += 1
        if self._heard == 1 and self._cancel:
            self._loop.call_soon_threadsafe(self._cancel)
        elif self._heard < PATIENCE:
            times = "once" if self._heard == PATIENCE - 1 else "twice"
            _tell(f"waiting for {self.waiting_for() or 'what is under way'}; {times} more gives up")
        else:
            again = f"; to resume: {self.resume_command}" if self.resume_command else ""
            _tell(f"giving up: what is not saved is lost, a start removes what is left{again}")
            os._exit(STOPPED)


async def until_signal(work: Callable[[], Awaitable[None]], say: Say) -> bool:
    """`Stop.until` with `listening`, for a command with nothing more to report."""
    stop = Stop()
    with stop.listening():
        return await stop.until(work, say)


def _tell(line: str) -> None:
    """To standard error, around all buffers: the signal may have come in the middle of a write."""
    with contextlib.suppress(OSError):  # of a terminal that is gone
        os.write(2, f"\n{line}\n".encode())
