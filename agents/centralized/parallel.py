"""Subagents in rounds: several at once, each in its own copy of the workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from agents.centralized.report import Report, changed, failed, shown
from agents.centralized.sequential import (
    CONTEXT,
    INSTRUCTION,
    CentralizedOptions,
    WaitingSubagents,
    not_empty,
)
from agents.centralized.subagent import Subtask, run_subagent
from agents.copies.merging import merge
from agents.prompts import render
from agents.tools import Arguments, BadCall, ListOf, Tool
from harness.board.vocabulary import ToolName
from harness.errors import SandboxError, SandboxUnavailable, leaf
from harness.protocols import Sandbox, Trial
from harness.types import Activity

RESCUE_S = 60  # for reading what a sub-agent that was cut off has changed


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentResult:
    """The result of a subagent in a round."""

    subtask: Subtask
    report: Report
    patch: str  # all that differed in its copy from the base commit
    changes: Mapping[str, str]  # by file, what it changed in this round
    unread: str = ""  # why its changes could not be read
    broken: SandboxUnavailable | None = None


class ParallelDelegation:
    """Up to N subagents at once in copies of the workspace; the orchestrator merges some
    changes.
    """

    def __init__(
        self,
        trial: Trial,
        workspace: Sandbox,
        waiting: WaitingSubagents,
        slots: Sequence[str],
        *,
        options: CentralizedOptions,
    ) -> None:
        self.workspace = workspace
        self.used_up = False
        self._trial = trial
        self._waiting = waiting
        self._slots = slots
        self._options = options
        self._done = 0
        self._start = ""  # the workspace's patch when the round began
        self._results: dict[str, SubagentResult] = {}  # of the last round, by sub-agent
        self._taken: set[str] = set()
        self._unread = False  # the main agent has not seen the reports yet

    def tools(self) -> Sequence[Tool]:
        """See `agents.centralized.sequential.Delegation`."""
        subtasks = ListOf(
            meaning=f"One to {len(self._slots)} subtasks, each for an engineer of its own.",
            fields={"instruction": INSTRUCTION, "context": CONTEXT},
        )
        agents = ListOf(meaning="Whose changes, in this order, as the reports name them.")
        return (
            Tool(
                name=ToolName.DELEGATE,
                description="Start a round: have several subtasks done at once, each by an "
                "engineer in its own copy of the main workspace, and read all the reports.",
                parameters={},
                lists={"subtasks": subtasks},
                act=self._delegate,
                activity=Activity.PEER,
            ),
            Tool(
                name=ToolName.TAKE,
                description="Bring what engineers changed in the last round into the main "
                "workspace.",
                parameters={},
                lists={"agents": agents},
                act=self._take,
            ),
        )

    async def news(self) -> str:
        """See `agents.centralized.sequential.Delegation`."""
        self._unread = False
        return ""

    async def objection(self) -> str:
        """See `agents.centralized.sequential.Delegation`."""
        if self._unread:
            return "A round has just ended: read its reports, and take what is good, first."
        try:
            if await self.workspace.diff():
                return ""
        except SandboxError as error:
            return f"What differs in the main workspace cannot be handed in: {error}."
        return "Nothing differs in the main workspace: that would be an empty patch."

    def best(self) -> str:
        """See `agents.centralized.sequential.Delegation`."""
        ranks = {"done": 0, "partial": 1}
        made = [result for result in self._results.values() if result.changes and result.patch]
        made.sort(key=lambda result: ranks.get(result.report.status, 2))
        return made[0].patch if made else ""

    async def _delegate(self, arguments: Arguments) -> str:
        given = arguments["subtasks"]
        self._check(given)
        self._done += 1
        self._start = await self.workspace.diff()
        self._results, self._taken = {}, set()
        subtasks = [
            Subtask(agent=slot, round=self._done, **subtask)
            for slot, subtask in zip(self._slots, given, strict=False)
        ]
        barrier = Barrier(self._trial, len(subtasks))
        try:
            async with anyio.create_task_group() as group:
                for subtask in subtasks:
                    group.start_soon(self._work, subtask, barrier)
        except BaseExceptionGroup as failures:
            raise leaf(failures) from None
        self._unread = True
        results = [self._results[subtask.agent] for subtask in subtasks]
        broken = [result.broken for result in results if result.broken]
        if len(broken) == len(results):
            raise broken[0]
        told = [shown(r.subtask.agent, r.report, r.changes, unread=r.unread) for r in results]
        left = self._options.attempts - self._done
        return "\n\n".join([*told, render("central_left", left=left, what="round").strip()])

    def _check(self, subtasks: Sequence[Mapping[str, str]]) -> None:
        if self._unread:
            raise BadCall(
                "A round has just ended and you have not read its reports. Put all the subtasks of "
                "a round into one call, and wait for its reports."
            )
        if self._done >= self._options.attempts:
            raise BadCall("No round is left. Take what is good of the last one, and `submit`.")
        if not 1 <= len(subtasks) <= len(self._slots):
            raise BadCall(
                f"A round has 1 to {len(self._slots)} subtasks, not {len(subtasks)}. Nothing was "
                "started."
            )
        for subtask in subtasks:
            not_empty(subtask["instruction"])

    async def _work(self, subtask: Subtask, barrier: "Barrier") -> None:
        """One subagent's part of a round. Keeps its changes, however it ends."""
        await self._waiting.end(subtask.agent)
        options = self._options
        report, broken = failed("was cut off"), None
        fork: Sandbox | None = None
        try:
            fork = await self.workspace.fork()
            report = await run_subagent(
                self._trial, subtask, fork, turns=options.turns, chars=options.report_chars
            )
        except SandboxUnavailable as failure:
            report, broken = failed("lost its workspace, and ended without a report"), failure
        finally:
            with anyio.CancelScope(shield=True):
                self._results[subtask.agent] = await self._result(subtask, report, fork, broken)
        await barrier.wait(subtask.agent)
        await self._waiting.begin(subtask.agent)

    async def _result(
        self,
        subtask: Subtask,
        report: Report,
        fork: Sandbox | None,
        broken: SandboxUnavailable | None,
    ) -> SubagentResult:
        patch, unread = self._start, ""
        if fork is not None:
            unread = "it took too long"
            try:
                with anyio.move_on_after(RESCUE_S):
                    patch, unread = await fork.diff(), ""
            except (SandboxError, SandboxUnavailable) as error:
                unread = str(error)
            await fork.close()
        return SubagentResult(
            subtask=subtask,
            report=report,
            patch=patch,
            changes=changed(self._start, patch),
            unread=unread,
            broken=broken,
        )

    async def _take(self, arguments: Arguments) -> str:
        if self._unread:
            raise BadCall("Read the reports of the round first; nothing was taken.")
        agents = list(dict.fromkeys(name.strip() for name in arguments["agents"]))
        offered = [name for name, result in self._results.items() if result.changes]
        if unknown := [name for name in agents if name not in self._results]:
            raise BadCall(
                f"{unknown[0]!r} was not in the last round, nothing was taken. What can be taken "
                f"is of: {', '.join(offered) or 'nobody'}."
            )
        if not agents:
            raise BadCall(f"Name whose changes to take: {', '.join(offered) or 'nobody has any'}.")
        lines = [f"{name}: {await self._take_one(self._results[name])}" for name in agents]
        differs = changed("", await self.workspace.diff())
        state = "\n".join(f"- {file}" for file in differs) or "nothing"
        return "\n".join([*lines, "", f"In the main workspace now differs:\n{state}"])

    async def _take_one(self, result: SubagentResult) -> str:
        name = result.subtask.agent
        if name in self._taken:
            return "is taken already."
        if not result.changes:
            return "changed nothing, so there is nothing to take."
        contradicts = await merge(self.workspace, start=self._start, theirs=result.patch)
        if contradicts:
            return (
                "NOT taken, its changes contradict what is in the main workspace. Have them made "
                f"again on top of that, or leave them. They contradict here:\n{contradicts}"
            )
        self._taken.add(name)
        return "taken."


class Barrier:
    """Lets the subagents of a round continue when all of them have arrived."""

    def __init__(self, trial: Trial, expected: int) -> None:
        self._trial = trial
        self._absent = expected
        self._open = anyio.Event()

    async def wait(self, agent: str) -> None:
        """Arrive as `agent` and wait for the others."""
        self._absent -= 1
        if not self._absent:
            self._open.set()
            return
        async with self._trial.doing(agent, Activity.BARRIER):
            await self._open.wait()
