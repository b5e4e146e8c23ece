"""A trial's sandbox: limited by the trial's wall clock, and with secrets redacted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import LimitReached
from harness.protocols import Sandbox
from harness.secrets import redact, redact_bytes
from harness.types import ExecResult


class TimedSandbox:
    """A `Sandbox` in which no command gets more time than the trial has left, nor a fork's.

    Files can be read and written, and differences taken, when there is none: what was done is
    saved. What comes out holds no secret: a model may know one, and have it put together inside.
    It is taken out here, before anybody cuts a text: of half a secret nobody can tell.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        remaining_s: Callable[[], float],
        paused_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`paused_s`: for how long the run was paused until now."""
        self._sandbox = sandbox
        self._remaining_s = remaining_s
        self._paused_s = paused_s

    async def exec(self, command: str, *, timeout_s: float = 60, **more: Any) -> ExecResult:
        """See `Sandbox.exec`. `LimitReached` (wall_clock) where no time is left, or where the
        trial's end cut the command off: it is then no command that took too long. Where the run
        was paused meanwhile the trial has time left, and it is one."""
        left, paused_s = self._remaining_s(), self._paused_s()
        if left <= 0:
            raise LimitReached("wall_clock", "wall_clock: no time is left; it was not run")
        result = await self._sandbox.exec(command, timeout_s=min(timeout_s, left), **more)
        if result.timed_out and left < timeout_s and self._paused_s() == paused_s:
            cut = f"it was cut off after {result.seconds:.0f} s, when the trial's time was used up"
            raise LimitReached("wall_clock", f"wall_clock: {cut}")
        return replace(result, output=redact(result.output))

    async def fork(self) -> "TimedSandbox":
        """See `Sandbox.fork`."""
        return TimedSandbox(await self._sandbox.fork(), self._remaining_s, self._paused_s)

    async def read(self, path: str, *, max_bytes: int = 10_000_000) -> bytes:
        """See `Sandbox.read`."""
        return redact_bytes(await self._sandbox.read(path, max_bytes=max_bytes))

    async def write(self, path: str, data: bytes) -> None:
        """See `Sandbox.write`."""
        await self._sandbox.write(path, data)

    async def diff(self) -> str:
        """See `Sandbox.diff`."""
        return redact(await self._sandbox.diff())

    @property
    def left_out(self) -> Sequence[str]:
        """See `Sandbox.left_out`."""
        return [redact(path) for path in self._sandbox.left_out]

    async def close(self) -> None:
        """See `Sandbox.close`."""
        await self._sandbox.close()
