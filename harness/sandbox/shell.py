"""The host's end of `supervisor.pl`: one command at a time over a pair of byte streams."""

import secrets
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Literal, Protocol

import anyio

from harness.errors import SandboxError, SandboxLost, SandboxUnavailable
from harness.types import ExecResult

FLOOD_BYTES = 64 * 1024 * 1024  # a command that writes more is killed
MOST_S = 10_000_000  # that a command may take, some months
GRACE_S = 30.0  # for a killed command's last word
# Nothing was changed since: the image that the machine began as, or its last copy (or, where it is
# a copy itself, its start); or something was changed since any of these.
Since = Literal["image", "copy", "change"]
COMMAND_BYTES = 16 * 1024 * 1024  # a longer command is refused
STOP = b"stop\n"
PERL = "/usr/bin/perl"
# Of what the kernel counts by user: signals and timers in flight, bytes of POSIX message queues. An
# ordinary user may have some 30,000 at 8 GB, and 819,200.
SHARES = {"signals": 4096, "queues": 204_800}
# Of a core dump. With another limit, 0 too, the kernel runs the program of the machine that
# `kernel.core_pattern` may name (core(5)), as root and outside of every sandbox.
CORE_BYTES = 1


def supervisor(options: Mapping[str, int | str], perl: Sequence[str] = (PERL,)) -> list[str]:
    """The command of a sandbox's PID 1; `options` are what `supervisor.pl` calls arguments."""
    program = files("harness.sandbox").joinpath("supervisor.pl").read_text()
    return [*perl, "-f", "-e", program, *(f"{k}={v}" for k, v in options.items())]


class Machine(Protocol):
    """One running `supervisor.pl` and the files around it."""

    async def send(self, data: bytes) -> None:
        """Write all of `data` to the supervisor. Raises `SandboxUnavailable` when it is gone."""
        ...

    async def receive(self) -> bytes:
        """The next bytes from the supervisor; empty at its end."""
        ...

    def memory_kills(self) -> int:
        """How many of its processes the kernel has killed at its memory limit so far, as far as
        the supervisor cannot see them; 0 where nobody can tell."""
        ...

    def disk_stops(self) -> int:
        """How many commands it has ended so far since its files took more than they may."""
        ...

    async def outside_cause(self) -> str:
        """Where the machine that it runs on ended it or left it without something: what it was.

        Empty where nothing says so: then it was a command inside.
        """
        ...

    async def copy(self, since: Since, *, used: bool) -> "Machine":
        """Another machine with the same files; `since` says what nothing was changed since.

        `used`: commands have run in it, so that what it holds is no program to begin with.
        """
        ...

    async def destroy(self) -> None:
        """Kill the machine and remove everything."""
        ...


class Capture:
    """Keeps the head and the tail of a stream, half of `limit` bytes each, and counts the rest."""

    def __init__(self, limit: int) -> None:
        self.head = bytearray()
        self.tail = bytearray()
        self.half = max(1, limit // 2)
        self.total = 0

    def feed(self, data: bytes | bytearray) -> None:
        """Add the next bytes."""
        self.total += len(data)
        room = self.half - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        if len(self.tail) > 4 * self.half:
            del self.tail[: -self.half]

    def text(self) -> str:
        """The kept text, with a line between head and tail that gives the number of omitted
        bytes."""
        tail = self.tail[-self.half :]
        left_out = self.total - len(self.head) - len(tail)
        middle = f"\n[... {left_out} bytes left out ...]\n".encode() if left_out > 0 else b""
        return bytes(self.head + middle + tail).decode(errors="replace")


class Shell:
    """Runs commands through a machine's supervisor.

    `turn` keeps them one at a time; whoever copies the machine's files holds it too.
    `used`: whether a command of somebody else's than the harness has run.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.turn = anyio.Lock()
        self.used = False
        self._broken: SandboxUnavailable | None = None

    async def run(self, command: str, *, timeout_s: float, max_output_chars: int) -> ExecResult:
        """Run `command` when it is its turn; see `harness.protocols.Sandbox.exec`.

        Raises `SandboxError` where it cannot be a command: a NUL, half a character, too long.
        """
        async with self.turn:
            return await self.run_in_turn(
                command, timeout_s=timeout_s, max_output_chars=max_output_chars
            )

    async def run_in_turn(
        self, command: str, *, timeout_s: float, max_output_chars: int
    ) -> ExecResult:
        """`run` for a caller that already holds the turn."""
        script = _encode(command)
        self.check()
        try:
            return await self._run(script, timeout_s, max_output_chars)
        except SandboxUnavailable as error:
            self._broken = await self.blame(error)
            raise self._broken from error

    def check(self) -> None:
        """Raise `SandboxUnavailable` where an earlier command already did."""
        if self._broken is not None:
            raise type(self._broken)(str(self._broken))

    async def blame(self, error: SandboxUnavailable) -> SandboxUnavailable:
        """`error` as infrastructure or as the doing of the commands, `SandboxLost`.

        Where commands have run in a sandbox, all that becomes of it is theirs, unless the machine
        that it runs on is seen to be the cause: else a command could have its trial run again.
        """
        with anyio.CancelScope(shield=True):
            if not self.used:
                return error
            cause = await self.machine.outside_cause()
        if cause:
            return SandboxUnavailable(f"{error} ({cause})")
        return SandboxLost(str(error))

    async def _run(self, script: bytes, timeout_s: float, max_output_chars: int) -> ExecResult:
        nonce = secrets.token_hex(12)
        stream = _Stream(nonce, Capture(max_output_chars))
        started = anyio.current_time()
        before, stops = self.machine.memory_kills(), self.machine.disk_stops()
        header = f"{nonce} {len(script)} {int(min(max(timeout_s, 0), MOST_S)) + 60}\n".encode()
        await self._send(header + script)
        try:
            with anyio.move_on_after(timeout_s) as clock:
                while stream.status is None and stream.capture.total <= FLOOD_BYTES:
                    stream.feed(await self.machine.receive())
        finally:
            if stream.status is None:
                with anyio.CancelScope(shield=True):
                    await self._kill(stream)
        killed = stream.status == "killed"
        return ExecResult(
            exit_status=None if killed else int(stream.status or 0),
            output=stream.capture.text(),
            output_bytes=stream.capture.total,
            seconds=anyio.current_time() - started,
            timed_out=killed and clock.cancelled_caught,
            flooded=killed and stream.capture.total > FLOOD_BYTES,
            disk_full=killed and self.machine.disk_stops() > stops,
            memory_kills=stream.memory_kills + self.machine.memory_kills() - before,
        )

    async def _send(self, data: bytes) -> None:
        """Send all of it despite cancellation, because half a command would be read as one
        later."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(GRACE_S):
            await self.machine.send(data)
            return
        raise SandboxUnavailable(f"the sandbox did not take a command within {GRACE_S:.0f} s")

    async def _kill(self, stream: "_Stream") -> None:
        """End the current command; after this the supervisor waits for the next one."""
        with anyio.move_on_after(GRACE_S):
            await self.machine.send(STOP)
            while stream.status is None:
                stream.feed(await self.machine.receive())
        if stream.status is None:
            raise SandboxUnavailable(f"the sandbox did not end a command within {GRACE_S:.0f} s")


def _encode(command: str) -> bytes:
    try:
        script = command.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise SandboxError(f"the command is not Unicode text: {error.reason}") from None
    if b"\0" in script:
        raise SandboxError("a command cannot hold a NUL character; write the bytes to a file")
    if len(script) > COMMAND_BYTES:
        raise SandboxError(
            f"the command is {len(script)} bytes, at most {COMMAND_BYTES} are taken; "
            "write the text to a file and run that"
        )
    return script


class _Stream:
    """Finds one command's output, and its status behind the supervisor's mark.

    The mark holds the nonce, which no command can know before its end.
    """

    def __init__(self, nonce: str, capture: Capture) -> None:
        self.capture = capture
        self.status: str | None = None
        self.memory_kills = 0
        self._end = f"\0{nonce} ".encode()
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        if not data:
            raise SandboxUnavailable("the sandbox ended while a command ran in it")
        self._buffer += data
        at = self._buffer.find(self._end)
        if at < 0:
            keep = len(self._end) - 1
            if len(self._buffer) > keep:
                self.capture.feed(self._buffer[:-keep])
                del self._buffer[:-keep]
            return
        line_end = self._buffer.find(b"\n", at + len(self._end))
        if line_end >= 0:
            self.capture.feed(self._buffer[:at])
            said = self._buffer[at + len(self._end) : line_end].decode()
            self.status, _, kills = said.partition(" ")
            self.memory_kills = int(kills or 0)
