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
    """A main agent, and one sub-agent at a time in the one workspace."""

    Options = CentralizedOptions

    def __init__(self, options: CentralizedOptions | None = None) -> None:
        self.rules = options or CentralizedOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        rules = self.rules
        async with WaitingSubagents(trial, ["sub-1"]) as waiting:
            delegation = SequentialDelegation(trial, await trial.sandbox(), waiting, rules=rules)
            opening = render("central_system", attempts=rules.attempts, turns=rules.turns)
            await lead(trial, delegation, opening)


class CentralizedParallel:
    """A main agent, and up to N sub-agents a round, each in its own copy of the workspace."""

    Options = CentralizedOptions

    def __init__(self, options: CentralizedOptions | None = None) -> None:
        self.rules = options or CentralizedOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        rules = self.rules
        slots = [f"sub-{number + 1}" for number in range(trial.agents)]
        async with WaitingSubagents(trial, slots) as waiting:
            delegation = ParallelDelegation(
                trial, await trial.sandbox(), waiting, slots, rules=rules
            )
            opening = render(
                "central_parallel_system",
                agents=trial.agents,
                attempts=rules.attempts,
                turns=rules.turns,
            )
            await lead(trial, delegation, opening)


async def lead(trial: Trial, delegation: Delegation, system: str) -> None:
    """The main agent's whole work, from its first word to the submission.

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
            trial, MAIN, opening, box, news=delegation.news, agent=MAIN, no_call=NO_CALL
        )
        reason = "delegations" if delegation.used_up else ending.reason
    except (LimitReached, ModelError, SandboxLost) as end:
        reason = ended_by(end)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await hand_in(trial, delegation, reason)


def submit(delegation: Delegation) -> Tool:
    """End the work, unless something speaks against it; the second time it ends."""
    asked: list[str] = []

    async def act(arguments: Arguments) -> str:
        missing = "" if asked else await delegation.missing()
        if missing:
            asked.append(missing)
            raise BadCall(f"{missing} If you leave it so, call `submit` again.")
        raise Finished(arguments["summary"])

    return Tool(
        name=ToolName.SUBMIT,
        description="Hand the workspace in as it is. The patch is everything that differs then.",
        parameters={"summary": "What was wrong, what was changed, and how you know that it works."},
        act=act,
        activity=None,
    )


async def hand_in(trial: Trial, delegation: Delegation, reason: str) -> None:
    """Submit what differs in the workspace; where work was cut off and nothing does, the best
    patch that was seen."""
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
