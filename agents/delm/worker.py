"""One agent of a team: it claims tasks, works in its own fork, and finishes them."""

import shlex
from collections.abc import Awaitable, Callable, Sequence

import anyio

from agents import tools
from agents.board import session as board_tools
from agents.board.publishing import publish
from agents.board.session import BoardSession
from agents.board.task_loop import TaskLoop, result_of
from agents.delm.team import OWN, DelmTrial
from agents.loop import Ending, converse, no_news
from agents.prompts import render
from harness.board.evidence import Patch
from harness.board.protocols import Claim, NewTask, Task
from harness.board.vocabulary import ResultKey, TaskKind, compacted_name, conversation_name
from harness.errors import AgentLimitReached, SandboxError, SandboxLost, SandboxUnavailable
from harness.protocols import Sandbox
from harness.types import Message

CANDIDATE = "/tmp/candidate.patch"  # noqa: S108 - inside the sandbox
KEPT_COMMANDS, KEPT_DIFF, KEPT_WORDS = 40, 20_000, 8_000


class Worker:
    """An agent of a team that solves an issue."""

    def __init__(self, team: DelmTrial, name: str) -> None:
        self.name = name
        self._team = team
        self._queue = team.queue

    async def live(self) -> None:
        """Claim and work until no task is left; see `TaskLoop.live`."""
        task_loop = TaskLoop(
            self._team.trial, self.name, lease_s=self._team.options.lease_s, work=self._work
        )
        await task_loop.live()

    async def _work(self, claim: Claim) -> Claim | None:
        task = claim.task
        if task.kind == TaskKind.DECIDE and not await self._worth_a_thought(task):
            await self._queue.finish(claim, result={ResultKey.SUMMARY: "every submission is made"})
            await self._queue.close(by=self.name, reason="every submission is made")
            return None
        workspace = await self._team.pristine.fork()
        try:
            await self._lay_out(workspace, task)
            following = await _Job(self._team, self.name, claim, workspace).run()
        finally:
            with anyio.CancelScope(shield=True):
                await self._rescue(claim, workspace)
                await workspace.close()
        if task.kind == TaskKind.DECIDE and not await self._anything_open():
            await self._queue.close(by=self.name, reason="no more tasks")
        return following

    async def _worth_a_thought(self, task: Task) -> bool:
        if self._team.options.apart:
            return False
        number = int(task.label.rpartition("-")[2])
        return number <= self._team.options.rounds and bool(await self._team.unsettled())

    async def _anything_open(self) -> bool:
        return any(task.state in {"open", "claimed"} for task in await self._queue.tasks())

    async def _lay_out(self, workspace: Sandbox, task: Task) -> None:
        """Apply the candidate that the task is about to the workspace."""
        patch = ""
        if task.kind == TaskKind.TEST:
            tested = await self._team.context.entry(task.subject)
            patch = tested.evidence.diff if tested and isinstance(tested.evidence, Patch) else ""
        elif task.kind == TaskKind.REPAIR:
            works = {work.seat: work.patch for work in await self._team.works()}
            patch = works.get(task.subject, "")
        if not patch:
            return
        await workspace.write(CANDIDATE, patch.encode())
        path = shlex.quote(CANDIDATE)
        done = await workspace.exec(f"git apply --whitespace=nowarn {path} && rm {path}")
        if done.exit_status != 0:
            raise SandboxLost(f"the candidate does not apply: {done.output[-300:]}")

    async def _rescue(self, claim: Claim, workspace: Sandbox) -> None:
        """Keep the current state of a patch when the work is interrupted."""
        if claim.task.kind != TaskKind.PATCH:
            return
        try:
            with anyio.move_on_after(60):
                diff = await workspace.diff()
                if diff:
                    self._team.salvage[claim.task.label] = (self.name, diff)
        except (SandboxError, SandboxUnavailable):
            return  # then there is nothing to keep


class _Job:
    """One claimed task: its conversation and its result."""

    def __init__(self, team: DelmTrial, name: str, claim: Claim, workspace: Sandbox) -> None:
        self._team = team
        self._claim = claim
        self._task = claim.task
        self._workspace = workspace
        self._turns = team.options.turns_of(claim.task.kind)
        self._session = BoardSession(
            queue=team.queue,
            context=team.context,
            judge=team.judge,
            claim=claim,
            conversation=conversation_name(claim.task.label, claim.fence),
            workspace=workspace,
            sharing=team.options.sharing,
            max_tasks=team.options.max_tasks,
        )

    async def run(self) -> Claim | None:
        """Converse, and finish the task with its result and what follows from it.

        The agent's next claim, where there is a task for it.
        """
        ending = await self._ending()
        result = result_of(ending)
        then: Sequence[NewTask] = ()
        if self._task.kind in OWN:
            patch = await self._diff()
            entry = self._session.patch[0] if self._session.patch[1] == patch else ""
            result |= {ResultKey.PATCH: patch, ResultKey.ENTRY: entry}
            if patch and self._workspace.left_out:
                result[ResultKey.LEFT_OUT] = list(self._workspace.left_out)
            then = await self._team.following(entry, self._task, self._claim.agent)
        _, following = await self._team.queue.finish_and_claim(
            self._claim, result=result, then=then, lease_s=self._team.options.lease_s
        )
        return following

    async def _ending(self) -> Ending:
        """How the conversation ended; where agents are apart, what cuts one off ends its seat too.

        Else another agent takes the task over.
        """
        try:
            return await self._converse()
        except AgentLimitReached as end:
            if not self._team.options.apart:
                raise
            return Ending(reason=end.limit, summary="", messages=[])

    async def _diff(self) -> str:
        try:
            return await self._workspace.diff()
        except SandboxError:
            return ""  # too large, or no text: no patch

    async def _converse(self) -> Ending:
        opening = [
            {"role": "system", "content": self._system()},
            {"role": "user", "content": render("delm_issue", instance=self._team.trial.instance)},
            {"role": "user", "content": await self._assignment()},
        ]
        session, options = self._session, self._team.options
        ending = await self._talk(session.conversation, opening, long_tokens=options.long_tokens)
        if ending.reason == "long":
            opening[2] = {"role": "user", "content": await self._assignment(anew=True)}
            opening.append({"role": "user", "content": await self._compacted(ending.messages)})
            session.conversation = compacted_name(session.conversation)
            ending = await self._talk(session.conversation, opening)
        return ending

    async def _talk(
        self, conversation: str, opening: Sequence[Message], *, long_tokens: int = 0
    ) -> Ending:
        session = self._session
        news: Callable[[], Awaitable[str]] = session.news
        if self._team.options.refresh == "dispatch":
            news = no_news
        ending = await converse(
            self._team.trial,
            conversation,
            opening,
            self._tools(),
            news=news,
            agent=self._claim.agent,
            turns=self._turns,
            long_tokens=long_tokens,
        )
        await session.cite(list(ending.messages))
        return ending

    def _system(self) -> str:
        command_s = self._team.trial.limits.command_s
        return render("delm_system", root="/testbed", command_s=command_s)

    async def _assignment(self, *, anew: bool = False) -> str:
        session = self._session
        if anew:
            session.read_to = session.links_to = 0
            session.known.clear()
        text = self._task.text
        if self._task.kind == TaskKind.DECIDE:
            text = render("task_decide", open=await self._team.unsettled())
        return render(
            "delm_task",
            lines=await session.lines(),
            label=self._task.label,
            text=text,
            turns=self._turns,
        )

    async def _compacted(self, messages: Sequence[Message]) -> str:
        diff = await self._diff()
        last = [m["content"] for m in messages if m["role"] == "assistant" and m["content"]]
        return render(
            "compacted",
            commands=_commands(messages)[-KEPT_COMMANDS:],
            diff=diff[:KEPT_DIFF],
            last=last[-1][-KEPT_WORDS:] if last else "",
        )

    def _tools(self) -> tools.Toolbox:
        limits = self._team.trial.limits
        workspace, session = self._workspace, self._session
        seats = self._team.seats if self._task.kind == TaskKind.DECIDE else ()
        return tools.Toolbox(
            tools.bash(workspace, timeout_s=limits.command_s),
            tools.view(workspace),
            tools.edit(workspace),
            board_tools.unfold(session),
            publish(session),
            board_tools.add_task(session, seats),
            board_tools.finish_task(self._unfinished),
        )

    async def _unfinished(self) -> str:
        """What the agent should still do before it finishes the task, or an empty string."""
        if self._task.kind not in OWN or self._team.options.apart:
            return ""
        patch = await self._diff()
        if not patch:
            return "Nothing differs in your copy: that would be an empty patch."
        label, admitted = self._session.patch
        if not label:
            return "Your patch was not admitted yet: publish it as a PATCH with its command."
        if admitted != patch:
            return f"Your copy has changed since {label} was admitted: publish the PATCH again."
        return ""


def _commands(messages: Sequence[Message]) -> list[str]:
    """The commands of a conversation, each with the first line of its output."""
    outcomes = {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}
    return [
        f"{call['function']['name']} {call['function']['arguments'][:300]}: "
        f"{[line[:300] for line in outcomes.get(call['id'], '').strip().splitlines()[:1]]}"
        for message in messages
        for call in message.get("tool_calls") or ()
    ]
