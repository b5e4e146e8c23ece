"""`single`: one agent, one linear conversation, a shell. The baseline of every comparison.

In the manner of mini-swe-agent; unlike it, whatever way the conversation ends, what was changed by
then is submitted.
"""

import anyio

from agents import tools
from agents.loop import converse, ended_by
from agents.prompts import render
from harness.errors import LimitReached, ModelError, SandboxError
from harness.protocols import Sandbox, Trial

AUTHOR = "agent-1"


class Single:
    """One agent with `bash` and `finish`."""

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        sandbox = await trial.sandbox()
        reason = "interrupted"
        try:
            ending = await converse(
                trial,
                AUTHOR,
                [
                    {
                        "role": "system",
                        "content": render(
                            "single_system",
                            root="/testbed",
                            command_s=trial.limits.command_s,
                            steps=trial.limits.steps or "any number of",
                        ),
                    },
                    {
                        "role": "user",
                        "content": render("single_task", instance=trial.instance),
                    },
                ],
                tools.Toolbox(
                    tools.bash(sandbox, timeout_s=trial.limits.command_s), tools.finish()
                ),
            )
            reason = ending.reason
        except (LimitReached, ModelError) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await hand_in(trial, sandbox, reason)


async def hand_in(trial: Trial, sandbox: Sandbox, reason: str) -> None:
    """Submit what differs in `sandbox`; an oversized or unreadable difference is an empty patch."""
    try:
        patch = await sandbox.diff()
    except SandboxError as error:
        patch, reason = "", f"{reason}; no patch: {error}"
    await trial.submit(AUTHOR, patch, reason=reason, salvaged=not reason.startswith("finished"))
