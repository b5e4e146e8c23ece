"""The one agent loop: ask, act, observe. Messages are only ever appended."""

import json
from collections.abc import Sequence

from agents.tools import BadCall, Finished, Toolbox
from harness.protocols import Trial
from harness.types import Message, Reply, ToolCall

PATIENCE = 4  # turns in a row without a usable tool call
NO_CALL = (
    "Your answer held no tool call, so nothing was done. Call `bash` to go on, "
    "or `finish` to hand in your work."
)


async def converse(
    trial: Trial, conversation: str, opening: Sequence[Message], tools: Toolbox
) -> str:
    """Let one agent work until it finishes; return why it ended: finished or no_tool_calls.

    Raises what the model and the sandbox raise: `LimitReached`, `ModelError`, `SandboxUnavailable`.
    """
    model = trial.model(conversation)
    messages = list(opening)
    await trial.say(conversation, *messages)
    idle = 0
    while idle < PATIENCE:
        reply = await model.complete(messages, tools.schemas)
        answer = [_assistant(reply, len(messages))]
        await trial.say(conversation, answer[0])
        try:
            acted, observations = await _act(reply, answer[0], tools)
        except Finished:
            return "finished"
        idle = 0 if acted else idle + 1
        await trial.say(conversation, *observations)
        messages += answer + observations
    return "no_tool_calls"


async def _act(reply: Reply, answer: Message, tools: Toolbox) -> tuple[bool, list[Message]]:
    """Carry out the calls in order: whether any could be, and the messages that answer them."""
    if not reply.tool_calls:
        return False, [{"role": "user", "content": NO_CALL}]
    acted = False
    observations: list[Message] = []
    for call, sent in zip(reply.tool_calls, answer["tool_calls"], strict=True):
        try:
            text = await tools.call(call)
            acted = True
        except BadCall as problem:
            text = f"<error>\n{problem}\n</error>"
        observations.append({"role": "tool", "tool_call_id": sent["id"], "content": text})
    return acted, observations


def _assistant(reply: Reply, turn: int) -> Message:
    """The reply as a message that every provider takes back: ids unique, arguments JSON."""
    message: Message = {"role": "assistant", "content": reply.content or None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id or f"call_{turn}_{index}",
                "type": "function",
                "function": {"name": call.name or "unnamed", "arguments": _json(call)},
            }
            for index, call in enumerate(reply.tool_calls)
        ]
    elif not reply.content:
        message["content"] = "(no answer)"
    return message


def _json(call: ToolCall) -> str:
    try:
        if isinstance(json.loads(call.arguments or "{}"), dict):
            return call.arguments or "{}"
    except ValueError:
        pass
    return json.dumps({"not_json": call.arguments[:4000]})
