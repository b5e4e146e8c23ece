"""What prompts say of the tools of a conversation: never of another one's."""

from agents.tools import Toolbox


def no_call(box: Toolbox) -> str:
    """What an answer without a tool call is told."""
    return f"Your answer held no tool call. Go on with one of your tools: {box.listed}."
