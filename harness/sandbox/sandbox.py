"""`harness.protocols.Sandbox` over any machine that runs `supervisor.pl`.

Files are read, written and compared by commands inside, never by the host: a link that leads out
of the repository leads to the sandbox's own files, and no file in it is ever trusted outside.
"""

import base64
import posixpath
import re
import secrets
import shlex
from collections.abc import Awaitable, Callable, Mapping

import anyio

from harness.errors import FileMissing, FileTooLarge, SandboxError, SandboxUnavailable
from harness.sandbox import scripts
from harness.sandbox.cleanup import or_undo
from harness.sandbox.difference import Base, CannotCompare, Difference, compare, noted
from harness.sandbox.scripts import ROOT
from harness.sandbox.shell import FLOOD_BYTES, Machine, Shell, Since
from harness.sandbox.testbed_copy import CHUNK_BYTES, WITHIN_S, carry, decoded
from harness.types import ExecResult

READ_BYTES = FLOOD_BYTES // 2  # more is not read, whatever `max_bytes` says: base64 is longer
REFUSALS = {
    scripts.UNRESOLVED: "its path cannot be resolved",
    scripts.OUTSIDE: "it leads out of /testbed through a link",
    scripts.MISSING: "there is no such file",
    scripts.NO_FILE: "it is not a file",
    scripts.TOO_LARGE: "it is too large",
}
KINDS = {scripts.MISSING: FileMissing, scripts.TOO_LARGE: FileTooLarge}  # else `SandboxError`


class ShellSandbox:
    """One machine, its shell, and what the diff is taken against."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._shell = Shell(machine)
        self._base = Base("", "", "")
        self._unchanged_since: Since = "image"  # read and set in the shell's turn
        self._closed = False
        self.left_out: tuple[str, ...] = ()  # see `harness.protocols.Sandbox.left_out`
        self.audit = ""  # what the audit at the start found; "ok", or empty where none was made

    @classmethod
    async def start(cls, machine: Machine) -> "ShellSandbox":
        """Wait for the supervisor and note the base of every later `diff`.

        Raises `SandboxUnavailable`, after destroying the machine, when it does not come up.
        """
        sandbox = cls(machine)
        await sandbox._or_destroy(sandbox._note_base())
        return sandbox

    async def _or_destroy(self, first: Awaitable[None]) -> None:
        async with or_undo(self._machine.destroy):
            await first

    async def _note_base(self) -> None:
        result = await self._quietly(scripts.START, timeout_s=120, max_output_chars=FLOOD_BYTES)
        self._base = noted(result)

    async def _trust(self) -> None:
        """Prepare a new sandbox, apart from recording the base of its diffs."""
        result = await self._quietly(scripts.TRUST, timeout_s=120)
        if result.exit_status != 0:
            raise SandboxUnavailable(f"{ROOT} cannot be used: {result.output[-300:]}")

    async def exec(
        self,
        command: str,
        *,
        timeout_s: float = 60,
        cwd: str = ROOT,
        env: Mapping[str, str] | None = None,
        max_output_chars: int = 16_000,
    ) -> ExecResult:
        """See `harness.protocols.Sandbox.exec`."""
        for name in env or {}:
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                raise SandboxError(f"{name!r} is not the name of an environment variable")
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in (env or {}).items())
        async with self._shell.turn:
            self._unchanged_since = "change"
            self._shell.used = True
            return await self._shell.run_in_turn(
                f"cd -- {shlex.quote(posixpath.join(ROOT, cwd))} || exit 126\n{exports}{command}",
                timeout_s=timeout_s,
                max_output_chars=max_output_chars,
            )

    async def read(self, path: str, *, max_bytes: int = 10_000_000) -> bytes:
        """See `harness.protocols.Sandbox.read`."""
        target = shlex.quote(_absolute(path))
        most = min(max_bytes, READ_BYTES)
        result = await self._quietly(
            scripts.READ.format(path=target, checked=target, max_bytes=most, stop_at=most + 1),
            max_output_chars=FLOOD_BYTES,
        )
        _refuse(path, result)
        data = decoded(result.output)
        if len(data) > most:  # its size was not what it said, as in /proc
            raise FileTooLarge(f"{path}: {REFUSALS[scripts.TOO_LARGE]}")
        return data

    async def write(self, path: str, data: bytes) -> None:
        """See `harness.protocols.Sandbox.write`. A link at `path` is replaced, not followed."""
        target = _absolute(path)
        part = f"/tmp/.delm-{secrets.token_hex(8)}"  # noqa: S108 - inside the sandbox
        for at in range(0, len(data), CHUNK_BYTES):
            text = base64.b64encode(data[at : at + CHUNK_BYTES]).decode()
            append = scripts.APPEND.format(text=text, part=part)
            _refuse(path, await self._change(append))
        script = scripts.WRITE.format(
            path=shlex.quote(target), checked=shlex.quote(posixpath.dirname(target)), part=part
        )
        _refuse(path, await self._change(script))

    async def diff(self) -> str:
        """See `harness.protocols.Sandbox.diff`. `SandboxError` when it is over 20 MB."""
        async with self._shell.turn:
            try:
                found = await compare(self._shell, self._base, until=_in_time())
            except CannotCompare:
                found = await self._compare_elsewhere()
        self.left_out = found.left_out
        return found.patch

    async def fork(self) -> "ShellSandbox":
        """See `harness.protocols.Sandbox.fork`."""
        async with self._shell.turn:
            self._shell.check()
            since = self._unchanged_since
            try:
                machine = await self._machine.copy(since, used=self._shell.used)
            except SandboxUnavailable as error:
                raise await self._shell.blame(error) from error
            if since != "image":
                self._unchanged_since = "copy"
        twin = ShellSandbox(machine)
        if since == "image":
            await twin._or_destroy(twin._trust())
        else:
            twin._unchanged_since = "copy"
        twin._base = self._base
        twin._shell.used = self._shell.used
        twin.audit = self.audit
        return twin

    async def close(self) -> None:
        """See `harness.protocols.Sandbox.close`. It is done to its end, whoever cancels."""
        if not self._closed:
            self._closed = True
            with anyio.CancelScope(shield=True):
                await self._machine.destroy()

    async def inspect(self, script: str, *, timeout_s: float = 300) -> ExecResult:
        """Run a trusted script that changes nothing."""
        return await self._quietly(script, max_output_chars=1_000_000, timeout_s=timeout_s)

    async def amend(
        self, script: str, *, timeout_s: float, changed: Callable[[ExecResult], bool]
    ) -> ExecResult:
        """Run a trusted script whose exit status says whether it changed anything."""
        async with self._shell.turn:
            before, self._unchanged_since = self._unchanged_since, "change"
            result = await self._shell.run_in_turn(
                scripts.HEAD + script, max_output_chars=1_000_000, timeout_s=timeout_s
            )
            if not changed(result):
                self._unchanged_since = before
            return result

    async def _compare_elsewhere(self) -> Difference:
        """The difference of these files in a new machine, which has the image's own repository."""
        until = _in_time()
        machine = await self._machine.copy("image", used=True)
        fresh = ShellSandbox(machine)
        fresh._shell.used = True  # by files that commands have made
        try:
            await carry(self._shell, fresh._shell, until=until)
            async with fresh._shell.turn:
                return await compare(fresh._shell, self._base, until=until)
        except CannotCompare as error:
            raise SandboxError(f"the patch: git fails on the files as they are: {error}") from None
        finally:
            await fresh.close()

    async def _change(self, script: str) -> ExecResult:
        return await self.amend(script, timeout_s=300, changed=lambda _: True)

    async def _quietly(
        self, script: str, *, max_output_chars: int = 10_000, timeout_s: float = 60
    ) -> ExecResult:
        return await self._shell.run(
            scripts.HEAD + script, timeout_s=timeout_s, max_output_chars=max_output_chars
        )


def _in_time() -> float:
    """The time by which a comparison that starts now must end."""
    return anyio.current_time() + WITHIN_S


def _absolute(path: str) -> str:
    if "\0" in path or not path:
        raise SandboxError(f"{path!r} is not a path")
    return "/" + posixpath.normpath(posixpath.join(ROOT, path)).lstrip("/")


def _refuse(what: str, result: ExecResult) -> None:
    if result.exit_status == 0:
        return
    detail = "it took too long" if result.timed_out else _last_words(result)
    status = result.exit_status or 0
    raise KINDS.get(status, SandboxError)(f"{what}: {REFUSALS.get(status, detail)}")


def _last_words(result: ExecResult) -> str:
    said = result.output.strip().splitlines()
    return said[-1][:300] if said else f"exit status {result.exit_status}"
