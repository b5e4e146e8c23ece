"""The one agent loop: ask, act, observe. Messages are only ever appended."""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain, count

from agents.prompts import enclosed
from agents.tools import DONE, BadCall, Finished, Toolbox
from harness.board.vocabulary import CARRIED, NO_ANSWER
from harness.errors import (
    ContextOverflow,
    ConversationRefused,
    LimitReached,
    ModelError,
    SandboxLost,
)
from harness.protocols import Trial
from harness.types import CUT, Message, Reply, ToolCall

_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")  # of OpenAI's and Anthropic's rules for names
SHOWN_PATHS, SHOWN_CHARS = 5, 100  # of what a patch leaves out
PATIENCE = 4  # turns in a row without a usable tool call
NO_CALL = (
    "Your answer held no tool call, so nothing was done. Call `bash` to go on, "
    "or `finish` to hand in your work."
)
WAS_CUT = (
    "Your answer was cut off at the output limit, so nothing of it was done. Answer again, and "
    "shorter: think less, and split a large file or command into several calls."
)

NOT_ENDED = (
    "Not ended: a call before this one in the same answer failed. Read what it says, and call this "
    "again when nothing is left to do."
)
NOT_ENDED_TOLD = enclosed("error", f"{NOT_ENDED}\n")
AFTER_THE_END = "Not carried out: a call before this one ended the task."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a conversation."""

    reason: str  # finished, turns, long, context, refused; no_tool_calls, or no_valid_tool_calls
    # where its last answers had calls and none could be carried out
    summary: str  # what it finished with
    messages: Sequence[Message]  # all of it
    tokens: int = 0  # of its last prompt and the answer to it


async def no_news() -> str:
    """An empty text."""
    return ""


def no_notices(answer: Message, observations: Sequence[Message]) -> str:
    """An empty text."""
    return ""


async def converse(
    trial: Trial,
    conversation: str,
    opening: Sequence[Message],
    tools: Toolbox,
    *,
    news: Callable[[], Awaitable[str]] = no_news,
    notices: Callable[[Message, Sequence[Message]], str] = no_notices,
    agent: str,
    turns: int = 0,
    long_tokens: int = 0,
    no_call: str = NO_CALL,
    shared: bool = False,
    carried: int = 0,
) -> Ending:
    """Let one agent work until it finishes, falls silent, or has had `turns` answers (0: any).

    `no_call` is what an answer without a tool call is told. Of an answer that was cut at the output
    limit nothing is done, though its calls may look whole.
    What `notices` makes of a turn, and then what `news` returns, stands at the end of its last
    observation. A conversation whose prompt has more than `long_tokens` tokens (0: any), or than
    the model takes, ends as `long`.
    What the provider refuses to go on with ends as `context` where it is too long, or `refused`.
    `agent` is who speaks, for its share of the budget and for the time line; `shared` as in
    `Trial.model`. The first `carried` messages of the opening are those of an earlier conversation,
    which this one goes on with.
    Raises what model and sandbox raise else: `LimitReached`, `ModelError`, `SandboxUnavailable`.
    """
    model = trial.model(conversation, agent=agent, shared=shared)
    messages = list(opening)
    await trial.say(conversation, *_marked(messages, carried))
    idle, taken, tokens = list[bool](), 0, 0  # `idle`: of turns without effect, if they had calls
    while True:
        try:
            reply = with_unique_ids(await model.complete(messages, tools.schemas), messages)
        except ConversationRefused as end:
            reason = ended_by(end)
            if reason == "context" and long_tokens and taken:
                reason = "long"
            return Ending(reason=reason, summary="", messages=messages, tokens=tokens)
        tokens = reply.usage.prompt_tokens + reply.usage.completion_tokens
        answer = answer_message(reply)
        messages.append(answer)
        await trial.say(conversation, answer)
        observations: list[Message] = []
        try:
            acted, finished = await _act(trial, agent, reply, answer, tools, no_call, observations)
        except LimitReached:
            await trial.say(conversation, *observations)
            raise
        if finished:
            await trial.say(conversation, *observations)
            said, messages = finished.summary, messages + observations
            return Ending(reason="finished", summary=said, messages=messages, tokens=tokens)
        observations[-1]["content"] += notices(answer, observations) + await news()
        await trial.say(conversation, *observations)
        messages += observations
        taken, idle = taken + 1, [] if acted else [*idle, bool(reply.tool_calls)]
        if reason := _over(idle, taken, turns, reply.usage.prompt_tokens, long_tokens):
            return Ending(reason=reason, summary="", messages=messages, tokens=tokens)


def _marked(messages: Sequence[Message], carried: int) -> list[Message]:
    """Messages as they are kept: the first `carried` are marked as those of an earlier one."""
    return [{**m, CARRIED: True} for m in messages[:carried]] + list(messages[carried:])


def ended_by(end: LimitReached | ModelError | SandboxLost) -> str:
    """The word for the limit or error that ended an agent's work."""
    if isinstance(end, LimitReached):
        return end.limit
    if isinstance(end, SandboxLost):
        return "sandbox_lost"
    if isinstance(end, ConversationRefused):
        return "context" if isinstance(end, ContextOverflow) else "refused"
    return "model_error"


def with_left_out(reason: str, paths: Sequence[str]) -> str:
    """The `reason`, with the changed paths that the patch does not contain."""
    if not paths:
        return reason
    shown = ", ".join(repr(path[:SHOWN_CHARS]) for path in paths[:SHOWN_PATHS])
    more = f" and {len(paths) - SHOWN_PATHS} more" if len(paths) > SHOWN_PATHS else ""
    return f"{reason}; not in the patch, git refuses it: {shown}{more}"


def _over(idle: Sequence[bool], taken: int, turns: int, tokens: int, long_tokens: int) -> str:
    if len(idle) >= PATIENCE:
        return "no_valid_tool_calls" if any(idle) else "no_tool_calls"
    if turns and taken >= turns:
        return "turns"
    return "long" if long_tokens and tokens > long_tokens else ""


async def _act(
    trial: Trial,
    agent: str,
    reply: Reply,
    answer: Message,
    tools: Toolbox,
    no_call: str,
    observations: list[Message],
) -> tuple[bool, Finished | None]:
    """Carry out the calls in order: whether any could be, and the end, if it was declared.

    The messages that answer them are added to `observations`, also that of a call at which a limit
    was reached; no further call is carried out then.
    An end behind a call that failed is not carried out: the agent has not seen yet what became of
    that call, such as a finding that was refused.
    """
    cut = reply.finish_reason == CUT
    if not reply.tool_calls:
        observations.append({"role": "user", "content": WAS_CUT if cut else no_call})
        return False, None
    if cut:
        told = enclosed("error", f"{WAS_CUT}\n")
        observations += [_result(sent, told) for sent in answer["tool_calls"]]
        return False, None
    acted = failed = False
    finished: Finished | None = None
    for call, sent in zip(reply.tool_calls, answer["tool_calls"], strict=True):
        if finished:
            observations.append(_result(sent, enclosed("error", f"{AFTER_THE_END}\n")))
            continue
        try:
            activity = tools.activity(call.name)
            async with trial.doing(agent, activity) if activity else nullcontext():
                text = await tools.call(call)
            acted = True
        except Finished as end:
            text = end.told
            if failed:
                text = f"{text}\n{NOT_ENDED_TOLD}" if end.told != DONE else NOT_ENDED_TOLD
            else:
                finished, acted = end, True
        except BadCall as problem:
            failed = True
            text = enclosed("error", f"{problem}\n")
        except LimitReached as limit:
            observations.append(_result(sent, enclosed("error", f"{limit}\n")))
            raise
        observations.append(_result(sent, text))
    return acted, finished


def _result(call: Message, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call["id"], "content": text}


def answer_message(reply: Reply) -> Message:
    """The reply as a message that every provider takes back: arguments are JSON, nothing is empty,
    and what else the provider wants back is with it."""
    message: Message = {"role": "assistant", "content": reply.content or None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": _name(call), "arguments": _json(call)},
            }
            for call in reply.tool_calls
        ]
    elif not reply.content:
        message["content"] = NO_ANSWER
    return message | ({"opaque": dict(reply.opaque)} if reply.opaque else {})


def with_unique_ids(reply: Reply, messages: Sequence[Message]) -> Reply:
    """`reply` with ids of tool calls that no other call in `messages` or in it has.

    Providers refuse a conversation in which two calls have one id, and some give none, or count
    from 0 in each answer. An id that is unique stays as it is: providers recognise theirs.
    """
    used = {call["id"] for message in messages for call in message.get("tool_calls") or ()}
    calls = []
    for index, call in enumerate(reply.tool_calls):
        names = (f"call_{len(messages)}_{index}{'x' * n}" for n in count())
        unique = next(name for name in chain([call.id], names) if name and name not in used)
        used.add(unique)
        calls.append(replace(call, id=unique))
    return replace(reply, tool_calls=tuple(calls))


def _name(call: ToolCall) -> str:
    """The name with nothing in it that a provider refuses, such as the marks of a template."""
    return _NO_NAME.sub("_", call.name)[:64] or "unnamed"


def _json(call: ToolCall) -> str:
    try:
        if isinstance(json.loads(call.arguments or "{}"), dict):
            return call.arguments or "{}"
    except (ValueError, RecursionError):
        pass
    return json.dumps({"not_json": call.arguments[:4000]})
