"""Tools of agents: what a tool is, and those with which every agent works in its sandbox.

Imported by all of agents but prompts, options and helpers without tools.
"""

from agents.tools.toolbox import DONE, Arguments, BadCall, Finished, ListOf, Tool, Toolbox
from agents.tools.workspace import bash, edit, finish, observation, view, workspace_tools

__all__ = [
    "DONE", "Arguments", "BadCall", "Finished", "ListOf", "Tool", "Toolbox", "bash", "edit",
    "finish", "observation", "view", "workspace_tools",
]  # fmt: skip
