"""One claimed task: its conversation, its tools and its result."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from agents.board import tools as board_tools
from agents.board.publishing import publish
from agents.board.session import BoardSession
from agents.board.task_loop import result_of
from agents.board.verdicts import Verdicts
from agents.delm import candidate_tools
from agents.delm.at_work import at_work, reports
from agents.delm.candidates import OWN
from agents.delm.notices import Notices
from agents.delm.team import DelmTrial
from agents.delm.workspaces import Carried, diff_of
from agents.loop import Ending, converse
from agents.prompts import render
from agents.tools import Toolbox, workspace_tools
from harness.board.evidence import ATTACHED
from harness.board.protocols import Claim, NewTask
from harness.board.vocabulary import ResultKey, TaskKind, compacted_name, conversation_name
from harness.errors import AgentLimitReached, leaf
from harness.protocols import Sandbox
from harness.types import Message

SHORTEST = 3  # turns of a compacted conversation that is compacted again
KEPT_COMMANDS, KEPT_DIFF, KEPT_WORDS = 40, 20_000, 8_000


class Job:
    """A claimed task in the hands of one agent."""

    def __init__(
        self, team: DelmTrial, claim: Claim, workspace: Sandbox, carried: Carried | None
    ) -> None:
        """`carried` is the earlier conversation that it goes on with, in the same workspace."""
        self._team = team
        self._claim = claim
        self._task = claim.task
        self._workspace = workspace
        self._turns = team.options.turns_of(claim.task.kind)
        self._before = carried
        self._ending: Ending | None = None
        self._session = BoardSession(
            queue=team.queue,
            context=team.context,
            claim=claim,
            conversation=conversation_name(claim.task.label, claim.fence),
            workspace=workspace,
            sharing=team.options.sharing,
            peers=team.options.refresh == "step",
            max_tasks=team.options.max_tasks,
            context_tokens=team.options.context_tokens,
            diff_chars=team.options.diff_chars if claim.task.kind in OWN else 0,
            count_tokens=team.trial.count_tokens,
        )
        if carried:
            self._session.go_on_from(carried.session)
        self._notices = Notices(
            turns=self._turns,
            left=partial(team.trial.budget_left, claim.agent),
            told=self._session.warned,
        )
        self._taken = 0  # turns
        self._ran = _commands(carried.messages) if carried else []

    async def run(self) -> Claim | None:
        """Converse, and finish the task with its result and what follows from it.

        The agent's next claim, where there is a task for it.
        """
        try:
            async with anyio.create_task_group() as checks:
                ending = await self._until_its_end(checks)
        except BaseExceptionGroup as failures:
            raise leaf(failures) from None
        self._ending = ending
        result = result_of(ending)
        if self._session.report:
            result[ResultKey.REPORT] = self._session.report
        then: Sequence[NewTask] = ()
        if self._task.kind in OWN:
            candidates, agent = self._team.candidates, self._claim.agent
            if self._session.same and ending.reason == "finished":
                follows = await candidates.copied(self._session.same, self._task, agent)
            else:
                result |= await self._own_patch()
                follows = await candidates.following(result[ResultKey.ENTRY], self._task, agent)
            result |= follows.result
            then = follows.tasks
        _, following = await self._team.queue.finish_and_claim(
            self._claim, result=result, then=then, lease_s=self._team.options.lease_s
        )
        return following

    async def _own_patch(self) -> dict[str, Any]:
        """The part of the task's result that says what differs in the copy."""
        patch = await diff_of(self._workspace)
        entry = self._session.patch[0] if self._session.patch[1] == patch else ""
        result: dict[str, Any] = {ResultKey.PATCH: patch, ResultKey.ENTRY: entry}
        if patch and self._workspace.left_out:
            result[ResultKey.LEFT_OUT] = list(self._workspace.left_out)
        if patch and (others := await self.built_on()):
            result[ResultKey.BUILT_ON] = others
        return result

    async def built_on(self) -> list[str]:
        """The PATCHes of other seats that the agent has merged into its copy."""
        return await self._team.of_others(self._session.applied, self._task)

    def carried(self) -> Carried | None:
        """What the agent's next task may go on with; None where this one came to no good end."""
        ending = self._ending
        if ending is None or ending.reason != "finished" or not self._team.options.carry_tokens:
            return None
        return Carried(
            task=self._task,
            messages=ending.messages,
            tokens=ending.tokens,
            session=self._session,
            workspace=self._workspace,
        )

    async def _until_its_end(self, checks: TaskGroup) -> Ending:
        """How the conversation ended, when every finding of it is ruled on.

        Where agents are apart, what cuts one off ends its seat too. Else another agent takes the
        task over.
        """
        if await self._is_done_already():
            assert self._before
            return Ending(
                reason="finished",
                summary=f"{self._session.patch[0]} was admitted on {self._before.task.label}",
                messages=self._before.messages,
                tokens=self._before.tokens,
            )
        self._session.verdicts = Verdicts(self._team.judge, checks)
        try:
            ending = await self._converse(self._session.verdicts)
        except AgentLimitReached as end:
            if not self._team.options.apart:
                raise
            return Ending(reason=end.limit, summary="", messages=[])
        self._session.verdicts.start()
        await self._session.rule()
        return ending

    async def _is_done_already(self) -> bool:
        """Whether the seat's patch was admitted on the task before, as it stands in the copy."""
        if self._task.kind != TaskKind.PATCH or not self._session.patch[0]:
            return False
        return self._session.patch[1] == await diff_of(self._workspace)

    async def _converse(self, verdicts: Verdicts) -> Ending:
        session, before = self._session, self._before
        assignment = {"role": "user", "content": await self._assignment()}
        opening = [*before.messages, assignment] if before else [*self._preamble(), assignment]
        ending = await self._talk(verdicts, opening, carried=len(before.messages) if before else 0)
        while ending.reason == "long":
            session.forget()
            anew = [
                *self._preamble(),
                {"role": "user", "content": await self._assignment()},
                {"role": "user", "content": await self._compacted(ending.messages)},
            ]
            session.conversation = compacted_name(session.conversation)
            taken = self._taken
            ending = await self._talk(verdicts, anew)
            if ending.reason == "long" and self._taken - taken < SHORTEST:
                return replace(ending, reason="context")  # what it begins with is too long
        return ending

    async def _talk(
        self, verdicts: Verdicts, opening: Sequence[Message], *, carried: int = 0
    ) -> Ending:
        session, turns = self._session, self._turns
        ending = await converse(
            self._team.trial,
            session.conversation,
            opening,
            self._tools(verdicts),
            news=self._news,
            notices=self._notices.after,
            agent=self._claim.agent,
            turns=max(1, turns - self._taken) if turns else 0,
            long_tokens=self._team.options.long_tokens,
            carried=carried,
        )
        new = ending.messages[len(opening) :]
        self._taken += sum(message["role"] == "assistant" for message in new)
        self._ran += _commands(new)
        await session.cite(list(ending.messages[carried:]))
        return ending

    async def _news(self) -> str:
        """What the agent is told at the end of a turn."""
        news = await self._session.news()
        await self._team.turn_ended(self._task.label)
        return news

    def _preamble(self) -> list[Message]:
        """What every conversation of the trial begins with."""
        trial = self._team.trial
        system = render(
            "delm_system",
            root="/testbed",
            command_s=trial.limits.command_s,
            attached=ATTACHED,
        )
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": render("delm_issue", instance=trial.instance)},
        ]

    async def _assignment(self) -> str:
        text = self._task.text
        if self._task.kind == TaskKind.DECIDE:
            text = render("task_decide", open=await self._team.unsettled())
        return render(
            "delm_task",
            goes_on=self._before is not None,
            lines=await self._session.lines(opening=True),
            reports=await self._reports(),
            at_work=await self._at_work(),
            label=self._task.label,
            text=text,
            turns=self._turns,
        )

    async def _at_work(self) -> str:
        if not self._team.options.queue:
            return ""
        return at_work(await self._team.queue.tasks(), self._task.label)

    async def _reports(self) -> list[str]:
        """What was reported since the conversation was told last."""
        if not self._team.options.sharing:
            return []
        found = reports(await self._team.queue.tasks(), self._session.reported)
        self._session.reported.update(found)
        return list(found.values())

    async def _compacted(self, messages: Sequence[Message]) -> str:
        diff = await diff_of(self._workspace)
        last = [m["content"] for m in messages if m["role"] == "assistant" and m["content"]]
        return render(
            "compacted",
            commands=self._ran[-KEPT_COMMANDS:],
            diff=diff[:KEPT_DIFF],
            last=last[-1][-KEPT_WORDS:] if last else "",
        )

    def _tools(self, verdicts: Verdicts) -> Toolbox:
        workspace, session, options = self._workspace, self._session, self._team.options
        seats = self._team.seats if self._task.kind == TaskKind.DECIDE else ()
        return Toolbox(
            *workspace_tools(self._team.trial, workspace),
            publish(
                session,
                verdicts,
                at_once=options.verdicts == "at_once",
                patch_ends=options.patch_ends,
            ),
            candidate_tools.check(self._team, session, workspace),
            candidate_tools.apply(session, workspace),
            board_tools.unfold(session),
            board_tools.search(session),
            board_tools.add_task(session, seats),
            board_tools.finish_task(
                session, self._unfinished, candidate_tools.take(self._team, session)
            ),
        )

    async def _unfinished(self) -> str:
        """What the agent should still do before it finishes the task, or an empty string."""
        if self._task.kind not in OWN or self._team.options.apart:
            return ""
        patch = await diff_of(self._workspace)
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
