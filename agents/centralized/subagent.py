"""One delegation to a subagent: one task in a new conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.centralized.report import Report, failed
from agents.loop import Ending, converse
from agents.prompts import render, shortened
from agents.tools import Arguments, BadCall, Finished, Tool, Toolbox, workspace_tools
from harness.board.vocabulary import ToolName
from harness.errors import AgentLimitReached
from harness.protocols import Sandbox, Trial
from harness.types import Message

STATUSES = ("done", "partial")
WARNED = (5, 1)  # turns that are left when a sub-agent is told so
ENDINGS = {
    "turns": "used up its turns without a report; this is what it said last",
    "no_tool_calls": "ended without a report; this is what it said last",
    "no_valid_tool_calls": "ended without a report, because its last tool calls could not be "
    "carried out; this is what it said last",
    "context": "outgrew what the model can read at once, and ended without a report; this is what "
    "it said last",
    "refused": "was refused an answer by the model's provider, and ended without a report; this is "
    "what it said last",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtask:
    """One task for a subagent."""

    agent: str  # sub-1, sub-2 …
    round: int  # from 1
    instruction: str
    context: str

    @property
    def label(self) -> str:
        """The name of the task and of its conversation in the trial."""
        return f"{self.agent}.{self.round}"


async def run_subagent(
    trial: Trial, subtask: Subtask, sandbox: Sandbox, *, turns: int, chars: int
) -> Report:
    """Let a sub-agent work until it hands back, falls silent, or has had `turns` turns (0: any).

    A report is cut to `chars` characters. Raises as `converse` does.
    """
    opening: list[Message] = [
        {
            "role": "system",
            "content": render(
                "sub_system", root="/testbed", command_s=trial.limits.command_s, turns=turns
            ),
        },
        {"role": "user", "content": render("central_issue", instance=trial.instance)},
        {
            "role": "user",
            "content": render(
                "sub_task",
                label=subtask.label,
                instruction=subtask.instruction,
                context=subtask.context,
            ),
        },
    ]
    said: list[str] = []
    taken = 0

    async def news() -> str:
        nonlocal taken
        taken += 1
        left = turns - taken
        return "\n\n" + render("sub_turns", left=left).strip() if turns and left in WARNED else ""

    box = Toolbox(*workspace_tools(trial, sandbox), hand_back(said))
    try:
        ending = await converse(
            trial, subtask.label, opening, box, news=news, agent=subtask.agent, turns=turns
        )
    except AgentLimitReached:  # a sub-agent has no share of its own: a person has stopped it
        return failed("was stopped by a person, and takes no more work")
    return _report(ending, said, chars)


def hand_back(said: list[str]) -> Tool:
    """Hand the work back; puts its status into `said`."""

    async def act(arguments: Arguments) -> str:
        status = arguments["status"].strip().lower()
        if status not in STATUSES:
            raise BadCall(f"The status is {' or '.join(STATUSES)}, not {status!r}.")
        if not arguments["report"].strip():
            raise BadCall("The report is empty, and it is all that the lead will read. Write one.")
        said.append(status)
        raise Finished(arguments["report"])

    return Tool(
        name=ToolName.FINISH,
        description="Hand your work back to the lead, with a report.",
        parameters={
            "status": "`done` when all that the task asks for is done and checked; else `partial`.",
            "report": "What you found and changed, how it was checked, and what is left.",
        },
        act=act,
        activity=None,
    )


def _report(ending: Ending, said: Sequence[str], chars: int) -> Report:
    if said:
        status, text = said[-1], ending.summary
        return Report(
            status=status, ending=f"handed its work back as {status}", text=shortened(text, chars)
        )
    words = [m["content"] for m in ending.messages if m["role"] == "assistant" and m["content"]]
    last = words[-1] if words else ""
    return Report(status="failed", ending=ENDINGS[ending.reason], text=shortened(last, chars))
