"""How prompts name the tools of a conversation, so that they name no others."""

from agents.tools import Toolbox


def no_call(box: Toolbox) -> str:
    """The message for an answer without a tool call. It lists the tools of `box`."""
    return f"Your answer held no tool call. Go on with one of your tools: {box.listed}."
