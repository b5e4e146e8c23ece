"""What the watching program reports of a run: whole, or else it shows nothing."""

import ast
import re
from collections import defaultdict
from dataclasses import dataclass

from agents.admission.changes import is_test
from agents.sandbox_scripts import watch
from harness.errors import SandboxError, SandboxLost
from harness.protocols import Sandbox
from harness.types import ExecResult

MOST_LINES = 2_000  # of one process
TESTS_S = 4.0  # processor seconds that a process is watched which runs the repository's tests only
REPORT_BYTES, STACKS_BYTES = 4_000_000, 100_000
SIGNALLED = frozenset((124, 137, 143))  # the statuses of what a time limit ended

_FRAME = re.compile(r' *File "([^"]*)", line \d+')

Line = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The lines of all Python processes of a run."""

    lines: tuple[Line, ...] = ()
    fault: str = ""  # why it cannot be believed
    unended: bool = False  # a process that ran code of the command's own has no last line

    @property
    def looked(self) -> bool:
        """Whether the command looked at the files of the watching program, or called it."""
        return any(line[0] == "looked" for line in self.lines)

    def unwatched(self, run: ExecResult) -> str:
        """Why the run was not watched to its end; nothing where it was.

        What a time limit of the command's own ends has no end to be seen.
        """
        if run.cut_short or run.exit_status is None:
            return "it was ended while it was watched, which takes longer"
        said = {line[0] for line in self.lines}
        if "full" in said:
            return "it does too much"
        if "thread" in said:
            return "it starts a thread past `threading`"
        if ("ended", False) in self.lines:
            return "another trace function took the place of the watch"
        if self.unended and run.exit_status not in SIGNALLED:
            return "a Python of it ended without its usual end"
        return self.fault


async def report_of(sandbox: Sandbox, key: str) -> Report:
    """The report in a sandbox in which a watched command has run."""
    try:
        text = (await sandbox.read(watch.REPORT, max_bytes=REPORT_BYTES)).decode("ascii")
    except (SandboxError, SandboxLost, UnicodeDecodeError):
        return Report(fault="what was noted cannot be read")
    return read_report(text, key)


async def stacks_of(sandbox: Sandbox) -> str:
    """Where the Pythons of a sandbox were when a signal ended them, the innermost place first."""
    try:
        found = await sandbox.read(watch.STACKS, max_bytes=STACKS_BYTES)
    except (SandboxError, SandboxLost):
        return ""
    return found.decode(errors="replace")


def read_report(text: str, key: str) -> Report:
    """The report with this key: each process has a first line, and numbers without a gap."""
    processes: dict[str, dict[int, Line]] = defaultdict(dict)
    for line in text.split("\n")[:-1]:
        found = _parsed(line)
        if found is None or found[0] != key or found[2] in processes[found[1]]:
            return Report(fault="something else wrote into what was noted")
        processes[found[1]][found[2]] = found[3]
    lines: list[Line] = []
    unended = False
    for numbered in processes.values():
        if sorted(numbered) != list(range(len(numbered))) or numbered[0][0] not in _FIRST:
            return Report(fault="something else wrote into what was noted")
        lines += (numbered[number] for number in sorted(numbered))
        said = {line[0] for line in numbered.values()}
        forked = numbered[0][0] == "forked"  # by a test runner, whose workers end without it
        unended = unended or ("own" in said and "ended" not in said and not forked)
    if text and not text.endswith("\n"):
        return Report(fault="something else wrote into what was noted")
    return Report(tuple(lines), unended=unended)


def in_the_code(stacks: str, text: str) -> bool:
    """Whether a Python that a signal ended was in the repository's code, not in the command's.

    `text`: of the command and its files.
    """
    for line in stacks.split("\n"):
        if frame := _FRAME.match(line):
            path = frame[1].removeprefix("/testbed/")
            if path != frame[1]:
                return path not in text and not is_test(path)
            if path.startswith(("<string>", "<stdin>", "/tmp/")):  # noqa: S108 - inside a sandbox
                return False
    return False


_FIRST = ("began", "forked")


def _parsed(line: str) -> tuple[str, str, int, Line] | None:
    """The key, the process, the number and what is said."""
    try:
        value = ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    match value:
        case (str(key), str(process), int(number), str(), *_):
            return key, process, number, tuple(value[3:])
    return None
