"""Run commands in clean forks of the base commit, or of it with one patch; each fork is used once.

A state is named by its diff; the base commit is the empty one.
"""

import base64
import json
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from agents import sandbox_scripts
from agents.admission.evidence import Refused
from agents.admission.matching import shown
from agents.copies.attachments import put_files
from harness.errors import SandboxError, SandboxLost
from harness.protocols import Sandbox
from harness.types import ExecResult

LEAST_RUNS, MOST_RUNS = 2, 8
CHEAP_S = 1.0  # while all runs of a command together took less, it is run again
OWN_S = 120.0  # for what admission runs for itself
OUTPUT_CHARS = 200_000
NO_FILES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """The outcome of a command in its runs, each in a fork of its own."""

    runs: tuple[ExecResult, ...]

    @property
    def exit_status(self) -> int | None:
        """The status of every run; None if they differ or the command was killed."""
        statuses = {run.exit_status for run in self.runs}
        return statuses.pop() if len(statuses) == 1 else None

    @property
    def stable(self) -> bool:
        """Whether every run ended with the same status."""
        return len({run.exit_status for run in self.runs}) == 1

    @property
    def cut_short(self) -> bool:
        """Whether a limit or a lost sandbox ended a run, so that another run could end
        otherwise."""
        return any(run.cut_short or run.exit_status is None for run in self.runs)

    @property
    def output(self) -> str:
        """What the first run printed."""
        return self.runs[0].output

    @property
    def seconds(self) -> float:
        """The duration of all runs, without forking."""
        return sum(run.seconds for run in self.runs)


class CommandRunner:
    """Answers "what does this command do in that state", each question once.

    The cache holds results only. A lock per question lets concurrent askers share one answer.
    """

    def __init__(self, pristine: Sandbox, *, command_s: float) -> None:
        self._pristine = pristine
        self._command_s = command_s
        self._known: dict[tuple[str, str, str], CommandOutcome] = {}
        self._asking: dict[tuple[str, str, str], anyio.Lock] = {}

    async def outcome(
        self, diff: str, command: str, files: Mapping[str, str] = NO_FILES, *, fresh: bool = False
    ) -> CommandOutcome:
        """Two to eight runs of `command`. `Refused` where `diff` does not apply.

        `files` are the shared files that it names, by name. `fresh`: whatever is known already is
        not believed.
        """
        if fresh:
            return await self._run_often(diff, command, files)
        question = _question(diff, command, files)
        async with self._asking.setdefault(question, anyio.Lock()):
            if question not in self._known:
                self._known[question] = await self._run_often(diff, command, files)
            return self._known[question]

    async def first(self, diff: str, command: str, files: Mapping[str, str]) -> ExecResult:
        """The first run of `command`, which is its only one where nothing is known yet."""
        known = self._known.get(_question(diff, command, files))
        return known.runs[0] if known else await self._run_once(diff, command, files, "0")

    async def read(self, diff: str, path: str) -> str:
        """A file in that state. `Refused` when there is none that can be read."""
        try:
            if not diff:
                return _text(await self._pristine.read(path))
            async with self.patched(diff) as sandbox:
                return _text(await sandbox.read(path))
        except SandboxError as error:
            raise Refused(f"{str(error)[:300]}. Give the path of a file in that state.") from None

    async def without_code(
        self, diff: str, command: str, files: Mapping[str, str] = NO_FILES
    ) -> ExecResult:
        """The outcome of the command when every file of the repository is gone."""
        async with self.patched(diff) as sandbox:
            await put_files(sandbox, files)
            await sandbox.exec(sandbox_scripts.EMPTY, timeout_s=OWN_S)
            return await self._exec(sandbox, command, "0")

    @asynccontextmanager
    async def patched(self, diff: str, *, commit: bool = True) -> AsyncIterator[Sandbox]:
        """A fork with `diff` applied, and made part of its commit; closed whatever happens.

        Bytes that are no UTF-8 stand in `diff` as Python's surrogate escapes.
        """
        sandbox = await self._pristine.fork()
        try:
            if diff:
                await sandbox.write(sandbox_scripts.DIFF, diff.encode(errors="surrogateescape"))
                script = sandbox_scripts.APPLY + (sandbox_scripts.COMMIT if commit else "")
                result = await sandbox.exec(script, timeout_s=OWN_S)
                if result.exit_status != 0:
                    raise Refused(
                        "The patch does not apply to the base commit; git says: "
                        f"{shown(result.output)}\nSend what `git diff` prints, unchanged."
                    )
            yield sandbox
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()

    async def _run_often(self, diff: str, command: str, files: Mapping[str, str]) -> CommandOutcome:
        runs: list[ExecResult] = []
        while len(runs) < LEAST_RUNS or (
            len(runs) < MOST_RUNS and sum(run.seconds for run in runs) < CHEAP_S
        ):
            run = await self._run_once(diff, command, files, str(len(runs)))
            if runs and run.output == runs[0].output:
                run = replace(run, output=runs[0].output)  # kept once, however long it is
            runs.append(run)
            if run.exit_status != runs[0].exit_status:
                break
        return CommandOutcome(runs=tuple(runs))

    async def _run_once(
        self, diff: str, command: str, files: Mapping[str, str], hash_seed: str
    ) -> ExecResult:
        """One run. A command that ends its own sandbox is an outcome, not an error."""
        async with self.patched(diff) as sandbox:
            await put_files(sandbox, files)
            try:
                return await self._exec(sandbox, command, hash_seed)
            except SandboxLost:
                pass
        return ExecResult(
            exit_status=None, output="(it ended its sandbox)", output_bytes=0, seconds=0
        )

    async def _exec(self, sandbox: Sandbox, command: str, hash_seed: str) -> ExecResult:
        return await sandbox.exec(
            command,
            timeout_s=self._command_s,
            env={"PYTHONHASHSEED": hash_seed},
            max_output_chars=OUTPUT_CHARS,
        )


def _question(diff: str, command: str, files: Mapping[str, str]) -> tuple[str, str, str]:
    return diff, command, json.dumps(files, sort_keys=True)


async def python(sandbox: Sandbox, script: str, argument: str) -> ExecResult:
    """Run `script` with the instance's Python."""
    call = f'python - {shlex.quote(argument)} <<< "$(base64 -d <<< {_coded(script)})"'
    return await sandbox.exec(call, timeout_s=OWN_S, max_output_chars=OUTPUT_CHARS)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
