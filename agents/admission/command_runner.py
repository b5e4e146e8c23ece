"""Run commands in clean forks of the base commit, or of it with one patch; each fork is used once.

A state is named by its diff; the base commit is the empty one.
"""

import base64
import json
import random
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio

from agents import sandbox_scripts
from agents.admission.chance import by_chance, form_of
from agents.admission.evidence import Refused
from agents.admission.expected_output import normal
from agents.admission.matching import shown
from agents.copies.attachments import put_files
from harness.errors import SandboxError, SandboxLost
from harness.protocols import Sandbox
from harness.types import ExecResult

LEAST_RUNS, QUICK_RUNS, MOST_RUNS = 2, 8, 12
CHEAP_S = 2.0  # while all runs of a command together took less, it is run again
FORKED_S = 2.0  # the same with their forks, beyond `QUICK_RUNS`
# the same of a command that names a clock, chance or the like: a coin that waits is a coin
CHANCE_LEAST, CHANCE_RUNS, CHANCE_S = 4, 8, 20.0
MORE_RUNS, MOST_EVER = 4, 20  # for each command before whose runs differed; with them all
HASH_SEEDS = 2**32
OWN_S = 120.0  # for what admission runs for itself
OUTPUT_CHARS = 200_000
ENDED = ExecResult(exit_status=None, output="(it ended its sandbox)", output_bytes=0, seconds=0)
NO_FILES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """The outcome of a command in its runs, each in a fork of its own."""

    runs: tuple[ExecResult, ...]
    by_chance: bool = False  # it can be another one elsewhere, or at another time

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
    def lasting(self) -> bool:
        """Whether a later trial may believe it."""
        return self.stable and not self.cut_short and not self.by_chance

    @property
    def differs(self) -> bool:
        """Whether two runs ended or printed otherwise, but for times, addresses and such."""
        return not self.stable or len({normal(output) for output in self._outputs}) > 1

    @property
    def _outputs(self) -> set[str]:
        return {run.output for run in self.runs}

    @property
    def output(self) -> str:
        """What the first run printed."""
        return self.runs[0].output

    @property
    def seconds(self) -> float:
        """The duration of all runs, without forking."""
        return sum(run.seconds for run in self.runs)


Question = tuple[str, str, str]
"""A state, a command and its files."""


class CommandRunner:
    """Answers "what does this command do in that state", each question once.

    The cache holds results only, and none of a run that a limit ended. Where runs differed, the
    same command with idle changes (see `form_of`) has the same answer: trying again does not help.
    A lock per form lets concurrent askers share one answer.
    """

    def __init__(self, pristine: Sandbox, *, command_s: float) -> None:
        self._pristine = pristine
        self._command_s = command_s
        self._known: dict[Question, CommandOutcome] = {}
        self._differing: dict[Question, CommandOutcome] = {}  # by form
        self._asking: dict[Question, anyio.Lock] = {}
        self._random = random.SystemRandom()

    async def outcome(
        self, diff: str, command: str, files: Mapping[str, str] = NO_FILES, *, fresh: bool = False
    ) -> CommandOutcome:
        """Two to twenty runs of `command`. `Refused` where `diff` does not apply.

        `files` are the shared files that it names, by name. `fresh`: whatever is known already is
        not believed.
        """
        if fresh:
            return await self._run_often(diff, command, files)
        question, form = _question(diff, command, files), (diff, form_of(command, files), "")
        async with self._asking.setdefault(form, anyio.Lock()):
            if known := self._known.get(question) or self._differing.get(form):
                return known
            return self._remembered(question, form, await self._run_often(diff, command, files))

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

    async def after(
        self, script: str, diff: str, command: str, files: Mapping[str, str] = NO_FILES
    ) -> ExecResult:
        """The outcome of the command after a script of `sandbox_scripts`."""
        async with self.patched(diff) as sandbox:
            await put_files(sandbox, files)
            await sandbox.exec(script, timeout_s=OWN_S)
            return await self.execute(sandbox, command, "0")

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

    async def more(
        self, diff: str, command: str, files: Mapping[str, str], outcome: CommandOutcome
    ) -> CommandOutcome:
        """The outcome with as many runs as what depends on chance has."""
        question, form = _question(diff, command, files), (diff, form_of(command, files), "")
        async with self._asking.setdefault(form, anyio.Lock()):
            more = await self._run_often(diff, command, files, chance=True, runs=outcome.runs)
            return self._remembered(question, form, more)

    def _remembered(
        self, question: Question, form: Question, outcome: CommandOutcome
    ) -> CommandOutcome:
        if not outcome.cut_short:
            self._known[question] = outcome
            if outcome.differs:
                self._differing[form] = outcome
        return outcome

    async def _run_often(
        self,
        diff: str,
        command: str,
        files: Mapping[str, str],
        *,
        chance: bool | None = None,
        runs: Sequence[ExecResult] = (),
    ) -> CommandOutcome:
        """`runs`: those that there were already."""
        chance = by_chance(command, files) if chance is None else chance
        runs = list(runs)
        began = anyio.current_time()
        while self._again(runs, chance, anyio.current_time() - began):
            seed = self._random.randrange(HASH_SEEDS) if runs else 0  # nobody can know the others
            run = await self._run_once(diff, command, files, str(seed))
            if runs and run.output == runs[0].output:
                run = replace(run, output=runs[0].output)  # kept once, however long it is
            runs.append(run)
            if run.exit_status is None or run.exit_status != runs[0].exit_status:
                break  # nothing can be claimed of a run that was killed
        return CommandOutcome(runs=tuple(runs), by_chance=chance)

    def _again(self, runs: Sequence[ExecResult], chance: bool, forked_s: float) -> bool:
        """Whether to run a command once more: what is quick often, what is slow at least twice.

        `forked_s`: how long it took so far, with forking.
        """
        number, took = len(runs), sum(run.seconds for run in runs)
        more = min(MORE_RUNS * len(self._differing), MOST_EVER - MOST_RUNS)
        if number < (CHANCE_LEAST if chance else LEAST_RUNS):
            return True
        if chance and number < CHANCE_RUNS and took < CHANCE_S:
            return True
        if number >= QUICK_RUNS + more and forked_s >= FORKED_S:
            return False
        return number < MOST_RUNS + more and took < CHEAP_S

    async def _run_once(
        self, diff: str, command: str, files: Mapping[str, str], hash_seed: str
    ) -> ExecResult:
        """One run. A command that ends its own sandbox is an outcome, not an error."""
        async with self.patched(diff) as sandbox:
            await put_files(sandbox, files)
            try:
                return await self.execute(sandbox, command, hash_seed)
            except SandboxLost:
                return ENDED

    async def execute(
        self, sandbox: Sandbox, command: str, hash_seed: str, *, limit_s: float | None = None
    ) -> ExecResult:
        """One run in a sandbox that is ready. Raises `SandboxLost` where the command ends it."""
        return await sandbox.exec(
            command,
            timeout_s=min(self._command_s, limit_s or self._command_s),
            env={"PYTHONHASHSEED": hash_seed},
            max_output_chars=OUTPUT_CHARS,
        )


def _question(diff: str, command: str, files: Mapping[str, str]) -> Question:
    return diff, command, json.dumps(files, sort_keys=True)


async def python(
    sandbox: Sandbox, script: str, argument: str, *, max_chars: int = OUTPUT_CHARS
) -> ExecResult:
    """Run `script` with the instance's Python."""
    call = f'python - {shlex.quote(argument)} <<< "$(base64 -d <<< {_coded(script)})"'
    return await sandbox.exec(call, timeout_s=OWN_S, max_output_chars=max_chars)


def answer(result: ExecResult) -> dict[str, Any]:
    """What a script printed as JSON; nothing where it cannot be read."""
    try:
        found = json.loads(result.output.rpartition("\nDELM")[2])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
