"""Runs of a command in which its calls into the repository's code are noted, or return another
object."""

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agents import sandbox_scripts
from agents.admission.changes import TEST_PATH
from agents.admission.command_runner import ENDED, OWN_S, CommandRunner, python
from agents.admission.patch_text import new_tests
from agents.admission.watch_report import MOST_LINES, TESTS_S, Report, report_of, stacks_of
from agents.copies.attachments import put_files
from agents.sandbox_scripts import watch
from agents.sandbox_scripts.later import OTHER_USER
from harness.errors import SandboxLost
from harness.types import ExecResult

How = Literal["like", "all like", "turned", "nothing", "anything", "raises", "same"]
"""What calls do instead: give another value of the same type, as true or as false, or another
exception ("like": but where another call is given it; "all like": there, too); give a value of the
same type, false where it was true ("turned"); return something
false, empty and equal to nothing, or true and equal to everything; or raise what nearly every
`except` catches. "same": what they do, in a run that is otherwise as these."""
LATER_S = 400 * 86_400 + 5 * 3_600  # another year, month, day of the week, and hour


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCall:
    """A call of a function of the repository by code that is none of it."""

    path: str
    line: int
    name: str
    arguments: str  # simple values as they are, others by their type's name
    owner: str  # "own": the command's text or a script; "test": a test file; "outer": neither
    gives: tuple[str, ...] = ()  # of "value", "raised", "none"; "effect": it changes an argument;
    # "fed": it gives what another call is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error that ended the command's own code: its main module, or a test of its own."""

    error: str  # the name of its class
    message: str
    by: str  # "own", "test", "code": whose line is the last one that is no library's
    how: str  # "asserts"; "raises": that line raises it itself; else nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a command's Python processes did."""

    run: ExecResult
    python_ran: bool
    own_ran: bool  # code of the command's own, or of a test
    imported: bool  # a module of the repository
    edited: tuple[str, ...] = ()  # files of the repository that the command had changed
    chance: tuple[str, ...] = ()  # clocks and sources of chance that the command or the code asked
    looked: bool = False  # at the files of the watching program
    unwatched: str = ""  # why it was not watched to its end
    faults: tuple[Fault, ...] = ()
    cut: tuple[str, ...] = ()  # its own code that exits without an error before its end
    network: tuple[str, ...] = ()  # other machines that it asked, errors of a network
    tools: frozenset[str] = frozenset()  # that print: "pytest", "unittest", "python" (an error)
    printed: tuple[str, ...] = ()  # by its own code; a NUL for what is no plain value
    stacks: str = ""  # where Pythons were that a signal ended
    calls: tuple[CodeCall, ...]

    @property
    def breakable(self) -> tuple[CodeCall, ...]:
        """The calls by its own code and by tests, or else all, where there is no such code."""
        own = tuple(call for call in self.calls if call.owner != "outer")
        return own if own or self.own_ran else self.calls


class WatchedRuns:
    """Runs commands with the watching program; what they call is asked once."""

    def __init__(self, runs: CommandRunner) -> None:
        self._runs = runs
        self._random = random.SystemRandom()
        self._traces: dict[tuple[str, str, str], Trace | None] = {}

    async def traced(self, diff: str, command: str, files: Mapping[str, str]) -> Trace | None:
        """What a run of `command` calls; None where no Python of the sandbox can be watched."""
        asked = (diff, command, repr(sorted(files.items())))
        if asked not in self._traces:
            self._traces[asked] = await self._trace(diff, command, files)
        return self._traces[asked]

    async def _trace(self, diff: str, command: str, files: Mapping[str, str]) -> Trace | None:
        seen = await self._watched(diff, command, files, {"how": "", "targets": []})
        if seen is None:
            return None
        run, report, stacks = seen
        lines = report.lines
        calls = [line[1:] for line in lines if line[0] == "call" and len(line) == 6]
        said = {line[0] for line in lines}

        def names(what: str) -> tuple[str, ...]:
            return tuple(str(line[1]) for line in lines if line[0] == what and line[1:])

        gives: dict[tuple[object, object], list[str]] = {}
        for _, path, line, what in (line for line in lines if line[0] == "gives" and line[3:]):
            gives.setdefault((path, line), []).append(str(what))
        return Trace(
            run=run,
            python_ran="began" in said,
            own_ran="own" in said,
            imported="imported" in said,
            edited=names("edited"),
            chance=names("chance"),
            looked=report.looked,
            unwatched=report.unwatched(run),
            faults=tuple(
                Fault(error=error, message=message, by=by, how=how)
                for _, error, message, by, how, *_ in (
                    map(str, line) for line in lines if line[0] == "fault" and line[4:]
                )
            ),
            cut=names("cut"),
            network=names("network"),
            tools=frozenset(names("tool")),
            printed=names("printed"),
            stacks=stacks,
            calls=tuple(
                CodeCall(
                    path=str(path),
                    line=line if isinstance(line, int) else 0,
                    name=str(name),
                    arguments=str(arguments),
                    owner=str(owner),
                    gives=tuple(gives.get((path, line), ())),
                )
                for path, line, name, arguments, owner in calls
            ),
        )

    async def with_other_returns(
        self,
        diff: str,
        command: str,
        files: Mapping[str, str],
        calls: Sequence[CodeCall],
        how: How,
        *,
        limit_s: float | None = None,
        elsewhere: bool = False,
        idle: Sequence[str] = (),
    ) -> ExecResult:
        """One run in which such calls do something else.

        Without `calls`, what the command's own code imports of the repository holds other objects.
        `elsewhere`: on another day, for another user. `idle`: files that get lines without meaning.
        """
        asked = {
            "later": LATER_S if elsewhere else 0,
            "how": how,
            "targets": sorted({call.path for call in calls}),
            "owners": sorted({call.owner for call in calls}),
            "gives": sorted({(call.path, call.line, call.gives) for call in calls}),
        }
        if elsewhere:
            command = f"{OTHER_USER}\n{command}"
        seen = await self._watched(diff, command, files, asked, limit_s, idle)
        return seen[0] if seen and not seen[1].looked else ENDED

    async def passes_before(self, diff: str, command: str, files: Mapping[str, str]) -> bool:
        """Whether the command exits with 0 at the base commit with the new tests of `diff`."""
        return (await self._runs.first(new_tests(diff), command, files)).exit_status == 0

    async def without_code(self, diff: str, command: str, files: Mapping[str, str]) -> ExecResult:
        """One run of the command where every file of the repository is empty."""
        return await self._runs.after(sandbox_scripts.EMPTY, diff, command, files)

    async def without_programs(
        self, diff: str, command: str, files: Mapping[str, str]
    ) -> ExecResult:
        """One run where the repository's programs that are no Python are empty."""
        return await self._runs.after(sandbox_scripts.EMPTY_PROGRAMS, diff, command, files)

    async def _watched(
        self,
        diff: str,
        command: str,
        files: Mapping[str, str],
        asked: Mapping[str, object],
        limit_s: float | None = None,
        idle: Sequence[str] = (),
    ) -> tuple[ExecResult, Report, str] | None:
        key = secrets.token_hex()
        drawn = {
            "shift": self._random.randint(1, 8),
            "word": f"other{self._random.randrange(10**11, 10**12)}",
        }
        given = {
            "root": "/testbed", "most": MOST_LINES, "tests_s": TESTS_S, "key": key, **drawn, **asked
        }  # fmt: skip
        argument = repr((watch.FOLDER, TEST_PATH.pattern, given, watch.HOOK))
        async with self._runs.patched(diff) as sandbox:
            if idle:
                await sandbox.write(sandbox_scripts.LIST, "\n".join([*idle, ""]).encode())
                await sandbox.exec(sandbox_scripts.IDLE_LINES, timeout_s=OWN_S)
            await put_files(sandbox, files)
            ready = await python(sandbox, watch.SET_UP, argument)
            if not ready.output.endswith("DELM[true]\n"):
                return None
            try:
                run = await self._runs.execute(
                    sandbox, f"{watch.FIRST}\n{command}", "0", limit_s=limit_s
                )
            except SandboxLost:
                return ENDED, Report(), ""
            return run, await report_of(sandbox, key), await stacks_of(sandbox)
