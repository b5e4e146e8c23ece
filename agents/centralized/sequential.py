"""Delegation to subagents, and its simplest form: one at a time in one workspace."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol

import anyio

from agents.centralized.report import Report, changed, shown
from agents.centralized.subagent import Subtask, run_subagent
from agents.options import Natural, Options, Positive
from agents.prompts import render
from agents.tools import Arguments, BadCall, Finished, Tool
from harness.board.vocabulary import ToolName
from harness.errors import SandboxError
from harness.protocols import Sandbox, Trial
from harness.types import Activity

INSTRUCTION = "The whole task: the goal, where, how it is to be checked, what to report."
ENGINEER = "The engineer"  # the only one, so that it needs no name
CONTEXT = "What is known already and the engineer needs: files, findings, what was tried."


class CentralizedOptions(Options):
    """The options of both centralized systems."""

    attempts: Positive = 10  # delegations, or rounds; after the last, what there is is handed in
    turns: Natural = 50  # of one subagent; 0: any number
    main_turns: Natural = 50  # of the main agent; 0: any number
    report_chars: Positive = 6000  # of a report, as the main agent reads it


class Delegation(Protocol):
    """The subagents of an orchestrator, and the workspace that is submitted."""

    workspace: Sandbox
    used_up: bool  # it ended the main agent's work: no delegation was left

    def tools(self) -> Sequence[Tool]:
        """What the main agent can have them do."""
        ...

    async def news(self) -> str:
        """What is to be said at the end of the main agent's turn."""
        ...

    async def objection(self) -> str:
        """The reason not to submit now, or an empty string."""
        ...

    def best(self) -> str:
        """The best patch so far, for the case that the workspace has no changes."""
        ...


class WaitingSubagents:
    """Records in the time line which subagents wait for the orchestrator."""

    def __init__(self, trial: Trial, slots: Sequence[str]) -> None:
        self._trial = trial
        self._slots = slots
        self._waits: dict[str, AsyncExitStack] = {}

    async def __aenter__(self) -> "WaitingSubagents":
        for slot in self._slots:
            await self.begin(slot)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            for slot in list(self._waits):
                await self.end(slot)

    async def begin(self, slot: str) -> None:
        """From now on `slot` waits for work."""
        stack = self._waits[slot] = AsyncExitStack()
        await stack.enter_async_context(self._trial.doing(slot, Activity.MAIN))

    async def end(self, slot: str) -> None:
        """`slot` has received work."""
        await self._waits.pop(slot).aclose()


class SequentialDelegation:
    """One subagent at a time; its changes stay for the next one."""

    def __init__(
        self,
        trial: Trial,
        workspace: Sandbox,
        waiting: WaitingSubagents,
        *,
        options: CentralizedOptions,
    ) -> None:
        self.workspace = workspace
        self.used_up = False
        self._trial = trial
        self._waiting = waiting
        self._options = options
        self._done = 0
        self._seen = ""  # the last patch, and the last one that was not empty
        self._best = ""

    def tools(self) -> Sequence[Tool]:
        """See `agents.centralized.sequential.Delegation`."""
        return (
            Tool(
                name=ToolName.DELEGATE,
                description="Have an engineer do one piece of work, and read its report.",
                parameters={"instruction": INSTRUCTION, "context": CONTEXT},
                act=self._delegate,
                activity=Activity.PEER,
            ),
        )

    async def news(self) -> str:
        """See `agents.centralized.sequential.Delegation`."""
        return ""

    async def objection(self) -> str:
        """See `agents.centralized.sequential.Delegation`."""
        try:
            differs = await self.workspace.diff()
        except SandboxError as error:
            return f"What differs in the workspace cannot be handed in: {error}."
        return "" if differs else "Nothing differs in the workspace: that would be an empty patch."

    def best(self) -> str:
        """See `agents.centralized.sequential.Delegation`."""
        return self._best

    async def _delegate(self, arguments: Arguments) -> str:
        not_empty(arguments["instruction"])
        self._done += 1
        subtask = Subtask(
            agent="sub-1",
            round=self._done,
            instruction=arguments["instruction"],
            context=arguments["context"],
        )
        await self._waiting.end(subtask.agent)
        options = self._options
        report = await run_subagent(
            self._trial, subtask, self.workspace, turns=options.turns, chars=options.report_chars
        )
        await self._waiting.begin(subtask.agent)
        told = await self._told(report)
        left = options.attempts - self._done
        if not left:
            self.used_up = True
            raise Finished(told)
        return told + "\n\n" + render("central_left", left=left, what="delegation").strip()

    async def _told(self, report: Report) -> str:
        before = self._seen
        try:
            self._seen = await self.workspace.diff()
        except SandboxError as error:
            return shown(ENGINEER, report, {}, unread=str(error))
        self._best = self._seen or self._best
        return shown(ENGINEER, report, changed(before, self._seen))


def not_empty(instruction: str) -> None:
    """Raise `BadCall` for an empty instruction."""
    if not instruction.strip():
        raise BadCall("The instruction is empty. Say what is to be done. Nothing was started.")
