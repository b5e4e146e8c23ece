"""A gate over one real sandbox of a tiny repository."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.admission.command_runner import CommandRunner
from agents.admission.dependence import needs_code
from agents.admission.evidence import Refused
from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.admission.watched_runs import WatchedRuns
from harness.board.evidence import EVIDENCE, Command
from harness.board.protocols import Proposal, Ruling
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import EntryKind

ADD = "python -c 'from pkg.core import add; assert add(1, 1) == 2'"
MEND = """\
--- a/pkg/core.py
+++ b/pkg/core.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""
NAME_PYTHON = """for there in python3 /opt/*/bin/python3; do
  found=$(command -v $there) && ln -s "$found" /usr/local/bin/python && exit; done; exit 1"""
COMMIT = "git -c user.name=a -c user.email=a commit -qm more"


class Court:
    """A gate over one real sandbox."""

    def __init__(self, sandbox: Any, folder: Path, *, base: str = "", issue: str = "") -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.base = base.strip()
        self.board = SqliteBoard(folder / f"board{self.base}.db")
        self.context = self.board.of(1).context
        self.checks = ExecutedEvidence(
            sandbox, self.context, command_s=5, time_limit_s=60,
            count_tokens=lambda text: len(text.split()), issue=issue,
        )  # fmt: skip
        self.gate = Gate(self.context, self.checks.by_form())
        self.issue = issue
        self._said = 0

    async def say(self, kind: Any, **evidence: Any) -> Ruling:
        self._said += 1
        return await self.gate.submit(
            Proposal(kind=kind, gist=f"Finding {self._said} {self.issue}", summary="", author="a",
                     task="t", evidence=EVIDENCE.validate_python(evidence))
        )  # fmt: skip

    async def patch(self, diff: str, command: str = ADD) -> Ruling:
        return await self.say("PATCH", form="patch", diff=diff, command=command)

    async def ran(self, command: str, status: int, output: str, state: str = "base") -> Ruling:
        return await self.say(
            "FACT", form="command", command=command, exit_status=status, output=output, state=state
        )

    @asynccontextmanager
    async def after(self, script: str) -> AsyncIterator["Court"]:
        """A gate over a repository that `script` has changed, and that has committed it."""
        fork = await self.sandbox.fork()
        try:
            done = await fork.exec(f"{script}; git add -A; {COMMIT}")
            assert done.exit_status == 0, done.output
            # the sandbox's own base is the first commit still: its diff would have both changes
            yield Court(fork, self.folder, base=(await fork.exec("git rev-parse HEAD")).output)
        finally:
            await fork.close()

    async def diff_of(self, script: str) -> str:
        """What a workspace differs in after `script`."""
        fork = await self.sandbox.fork()
        try:
            result = await fork.exec(script)
            assert result.exit_status == 0, result.output
            if self.base:
                shown = await fork.exec(f"git add -A; git diff --no-renames {self.base}")
                return str(shown.output)
            return str(await fork.diff())
        finally:
            await fork.close()


# what these check is the gate's own doing; that both kinds keep what they promise, other tests show
ONE_KIND = pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True, scope="session")


@asynccontextmanager
async def court_of(sandbox: Any, kind: Any, folder: Path) -> AsyncIterator[Court]:
    """The pristine sandbox is as it was after each test; its fixture looks for forks that stay."""
    if kind.name == "docker" and (await sandbox.exec(NAME_PYTHON)).exit_status != 0:
        pytest.skip("the Docker image of these tests has no Python")
    made = Court(sandbox, folder)
    try:
        yield made
    finally:
        made.board.close()
    assert await sandbox.diff() == ""


async def judged(sandbox, command: str, status: int, output: str, kind: str = "FACT") -> str:
    """Why the command does not count; nothing where it does."""
    runs = WatchedRuns(CommandRunner(sandbox, command_s=30))
    expected = Command(command=command, exit_status=status, output=output)
    try:
        await needs_code(runs, EntryKind(kind), expected, "")
    except Refused as refusal:
        return str(refusal)
    return ""
