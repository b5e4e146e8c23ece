"""The tools with which an agent of any system works in its copy of the repository."""

from collections.abc import Callable, Mapping, Sequence

from agents import tools
from agents.tools import Tool
from harness.board.vocabulary import ToolName
from harness.protocols import Sandbox, Trial

_MADE: Mapping[str, Callable[[Sandbox], Tool]] = {
    ToolName.EDIT: tools.edit,
    ToolName.VIEW: tools.view,
}


def workspace_tools(trial: Trial, sandbox: Sandbox) -> Sequence[Tool]:
    """Those that the run gives to every agent, on `sandbox`, in the order of the setting."""
    return [
        tools.bash(sandbox, timeout_s=trial.limits.command_s)
        if name == ToolName.BASH
        else _MADE[name](sandbox)
        for name in trial.agent_tools
    ]
