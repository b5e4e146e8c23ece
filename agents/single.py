"""`single` and `independent`: agents with one linear conversation each.

`single` is the baseline of every comparison; `independent` is N of it that know nothing of each
other.

In the manner of mini-swe-agent; unlike it, whatever way the conversation ends, what was changed by
then is submitted.
"""

from contextlib import suppress
from functools import partial

import anyio

from agents import tools
from agents.concurrency import together
from agents.loop import converse, ended_by, with_left_out
from agents.prompts import render
from harness.board.vocabulary import agent_name
from harness.errors import AgentLimitReached, LimitReached, ModelError, SandboxError, SandboxLost
from harness.protocols import Sandbox, Trial

AUTHOR = agent_name(1)


class Single:
    """One agent with the tools of the run and `finish`."""

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        await work_alone(trial, await trial.sandbox(), AUTHOR, steps=trial.limits.steps)


class Independent:
    """N agents that do not communicate, each with its share of the budget."""

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        steps = -(-trial.limits.steps // trial.agents)

        async def work(author: str) -> None:
            with suppress(AgentLimitReached):  # the others go on
                await work_alone(trial, await trial.sandbox(), author, steps=steps)

        await together(partial(work, agent_name(number + 1)) for number in range(trial.agents))


async def work_alone(trial: Trial, sandbox: Sandbox, author: str, *, steps: int) -> None:
    """One agent's whole work on the issue, from its first word to its submission.

    Raises what the model and the sandbox raise, after submitting what there is.
    """
    reason = "interrupted"
    opening = [
        {
            "role": "system",
            "content": render(
                "single_system",
                root="/testbed",
                command_s=trial.limits.command_s,
                steps=steps or "any number of",
            ),
        },
        {"role": "user", "content": render("single_task", instance=trial.instance)},
    ]
    box = tools.Toolbox(*tools.workspace_tools(trial, sandbox), tools.finish())
    try:
        ending = await converse(trial, author, opening, box, agent=author)
        reason = ending.reason
    except (LimitReached, ModelError, SandboxLost) as end:
        reason = ended_by(end)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await hand_in(trial, sandbox, author, reason)


async def hand_in(trial: Trial, sandbox: Sandbox, author: str, reason: str) -> None:
    """Submit the diff of `sandbox`. A diff that is too large or unreadable becomes an empty
    patch.
    """
    try:
        patch = await sandbox.diff()
        reason = with_left_out(reason, sandbox.left_out)
    except (SandboxError, SandboxLost) as error:
        patch, reason = "", f"{reason}; no patch: {error}"
    await trial.submit(author, patch, reason=reason, salvaged=not reason.startswith("finished"))
