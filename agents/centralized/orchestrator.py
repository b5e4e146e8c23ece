"""`centralized` and `centralized-parallel`: a main agent plans, sub-agents work, it decides.

After AOrchestra and its parallel variant, with the limits they were published with. Unlike there,
the issue's discussion is never shown, and whatever way a trial ends, what there is is submitted.
"""

import anyio

from agents.centralized.parallel import ParallelDelegation
from agents.centralized.sequential import (
    CentralizedOptions,
    Delegation,
    SequentialDelegation,
    WaitingSubagents,
)
from agents.loop import converse, ended_by, with_left_out
from agents.prompts import render
from agents.tools import Arguments, BadCall, Finished, Tool, Toolbox
from harness.board.vocabulary import MAIN, ToolName
from harness.errors import LimitReached, ModelError, SandboxError, SandboxLost, SandboxUnavailable
from harness.protocols import Trial
from harness.types import Message

NO_CALL = (
    "Your answer held no tool call, so nothing was done. Call `delegate` to have something done, "
    "or `submit` to hand the work in."
)


class Centralized:
    """An orchestrator with one subagent at a time, all in one workspace."""

    Options = CentralizedOptions

    def __init__(self, options: CentralizedOptions | None = None) -> None:
        self.options = options or CentralizedOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        options = self.options
        async with WaitingSubagents(trial, ["sub-1"]) as waiting:
            delegation = SequentialDelegation(
                trial, await trial.sandbox(), waiting, options=options
            )
            opening = render(
                "central_system",
                edits=ToolName.EDIT in trial.agent_tools,
                attempts=options.attempts,
                turns=options.turns,
            )
            await lead(trial, delegation, opening, turns=options.main_turns)


class CentralizedParallel:
    """An orchestrator with up to N subagents a round, each in its own copy of the workspace."""

    Options = CentralizedOptions

    def __init__(self, options: CentralizedOptions | None = None) -> None:
        self.options = options or CentralizedOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        options = self.options
        slots = [f"sub-{number + 1}" for number in range(trial.agents)]
        async with WaitingSubagents(trial, slots) as waiting:
            delegation = ParallelDelegation(
                trial, await trial.sandbox(), waiting, slots, options=options
            )
            opening = render(
                "central_parallel_system",
                agents=trial.agents,
                edits=ToolName.EDIT in trial.agent_tools,
                attempts=options.attempts,
                turns=options.turns,
            )
            await lead(trial, delegation, opening, turns=options.main_turns)


async def lead(trial: Trial, delegation: Delegation, system: str, *, turns: int) -> None:
    """The main agent's whole work in at most `turns` turns (0: any), up to the submission.

    Raises what the model and the sandboxes raise, after submitting what there is.
    """
    reason = "interrupted"
    opening: list[Message] = [
        {"role": "system", "content": system},
        {"role": "user", "content": render("central_issue", instance=trial.instance)},
    ]
    box = Toolbox(*delegation.tools(), submit(delegation))
    try:
        ending = await converse(
            trial,
            MAIN,
            opening,
            box,
            news=delegation.news,
            agent=MAIN,
            turns=turns,
            no_call=NO_CALL,
        )
        reason = "delegations" if delegation.used_up else ending.reason
    except (LimitReached, ModelError, SandboxLost) as end:
        reason = ended_by(end)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await hand_in(trial, delegation, reason)


def submit(delegation: Delegation) -> Tool:
    """End the work. The first call is refused if there is an objection; the second one ends it."""
    asked: list[str] = []

    async def act(arguments: Arguments) -> str:
        objection = "" if asked else await delegation.objection()
        if objection:
            asked.append(objection)
            raise BadCall(f"{objection} If you leave it so, call `submit` again.")
        raise Finished(arguments["summary"])

    return Tool(
        name=ToolName.SUBMIT,
        description="Hand the workspace in as it is. The patch is everything that differs then.",
        parameters={"summary": "What was wrong, what was changed, and how you know that it works."},
        act=act,
        activity=None,
    )


async def hand_in(trial: Trial, delegation: Delegation, reason: str) -> None:
    """Submit the diff of the workspace; if interrupted with no diff, the best patch so far."""
    finished = reason == "finished"
    patch = ""
    try:
        patch = await delegation.workspace.diff()
        reason = with_left_out(reason, delegation.workspace.left_out)
    except (SandboxError, SandboxLost) as error:  # too large, no text, or gone
        reason = f"{reason}; no patch: {error}"
        finished = finished and not isinstance(error, SandboxLost)
    except SandboxUnavailable:
        if finished or not delegation.best():
            raise
    if not patch and not finished:
        patch = delegation.best()
    await trial.submit(MAIN, patch, reason=reason, salvaged=not finished)
