"""The critic: one agent that labels an ended trial, with evidence that stands in it.

It works in a fresh sandbox of the instance, where it may apply the trial's patches and run tests.
What it reads of the trial is data. Its label is taken from a call of `label` alone, whose
quotations the harness compares with what stands there.
"""

from collections.abc import Sequence

from agents.critic.tools import checked_bash, label, read
from agents.loop import converse
from agents.prompts import enclosed, render
from agents.tools import Toolbox
from harness.protocols import Critique
from harness.types import Message

AUTHOR = "critic"
CONVERSATION = "critique"
WARNED = 3  # turns before the last at which it is told
NO_CALL = "Your answer held no tool call, so nothing was done. Give your label with `label`."


class Critic:
    """Reads, checks and labels."""

    async def run(self, trial: Critique) -> None:
        """Work on `trial` until it has its label, or its budget is used up.

        Raises what the model and the sandbox raise.
        """
        tools = [read(trial), label(trial)]
        if trial.sandboxed:
            sandbox = await trial.sandbox()
            for path, text in trial.files.items():
                await sandbox.write(path, text.encode())
            tools.insert(0, checked_bash(trial, sandbox))
        turns = trial.limits.steps
        taken = 0

        def warning(answer: Message, observations: Sequence[Message]) -> str:
            nonlocal taken
            taken += 1
            left = turns - taken
            return f"\n\nYou have {left} turns left: label now." if 0 < left <= WARNED else ""

        ending = await converse(
            trial,
            CONVERSATION,
            _opening(trial),
            Toolbox(*tools),
            agent=AUTHOR,
            turns=turns,
            notices=warning,
            no_call=NO_CALL,
        )
        reason = ending.reason
        await trial.submit(AUTHOR, ending.summary, reason=reason, salvaged=reason != "finished")


def _opening(trial: Critique) -> list[Message]:
    rules = render(
        "critic_system",
        labels=trial.labels,
        sandboxed=trial.sandboxed,
        files=list(trial.files),
        command_s=trial.limits.command_s,
    )
    parts = [f"{heading}:\n{enclosed('data', text)}" for heading, text in trial.overview]
    return [
        {"role": "system", "content": rules},
        {"role": "user", "content": "\n\n".join([*parts, "Label this trial."])},
    ]
