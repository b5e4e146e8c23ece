"""What a provider answered, read from the body that it sent: litellm rewrites finish reasons, drops
what it does not know, and fails over bodies that can well be read.

Bodies in the form of OpenAI's chat completions are read here, whoever sends them; of every other
form litellm's translation is taken, which takes back what it handed out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from harness.model.usage import counted, parse_usage, usage_of_body
from harness.secrets import redact
from harness.types import CUT, Message, Reply, ToolCall, Usage

_CUT = {"length", "max_tokens", "model_length", "max_output_tokens", "max_length"}
_FAILED = {"error", "network_error", "insufficient_system_resource"}
_OURS = {"role", "content", "tool_calls"}
_OUTPUT_ONLY = {"annotations", "function_call", "audio", "images"}  # no provider takes these back
_THOUGHT = re.compile(r"\s*<(think|thinking)>.*?</\1>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a provider says of its own failure in a body. `status` as in HTTP; None: not said."""

    status: int | None
    message: str


def body_of(text: object) -> object:
    """A body as JSON; None where it is none."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def failure_in(body: object) -> Failure | None:
    """The failure that a body tells instead of an answer, or None."""
    if isinstance(body, list) and body:  # Google's error objects come in a list
        body = body[0]
    if not isinstance(body, Mapping):
        return None
    choice = _choice(body)
    if choice is not None:
        said = _failure(choice.get("error"))
        reason = str(choice.get("finish_reason") or "").lower()
        if said is None and reason in _FAILED:
            said = Failure(status=None, message=f"the answer ended with {reason!r}")
        return said
    return _failure(body.get("error")) or _bare_failure(body)


def openai_reply(body: object) -> Reply | None:
    """The answer in a chat completion; None where there is none in it.

    `failure_in` comes first: this one does not look for failures.
    """
    choice = _choice(body)
    message = choice.get("message") if choice else None
    if not isinstance(body, Mapping) or choice is None or not isinstance(message, Mapping):
        return None
    content, calls = message.get("content"), message.get("tool_calls")
    calls = [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    text = _text(content)
    if not text and not calls and isinstance(message.get("refusal"), str):
        text = message["refusal"]
    opaque = {
        name: value
        for name, value in message.items()
        if name not in _OURS | _OUTPUT_ONLY and value not in (None, [], {})
    }
    if content and content != text:
        opaque["content"] = content
    return _reply(
        text,
        [_call(call.get("id"), call.get("function")) for call in calls],
        usage_of_body(body),
        str(choice.get("finish_reason") or choice.get("finish_details") or ""),
        opaque | _opaque_calls(calls),
    )


def litellm_reply(response: Any, body: object) -> Reply | None:
    """The answer in a response of litellm's; None where there is none in it.

    Tokens are those of `body`, the provider's own, where it is of a form that is known: litellm
    makes up what is missing.
    """
    choices: list[Any] = getattr(response, "choices", None) or []
    if not choices or choices[0].message is None:
        return None
    message: Any = choices[0].message
    plain: dict[str, Any] = message.model_dump(exclude_none=True)
    calls: list[dict[str, Any]] = plain.get("tool_calls") or []
    opaque = {
        name: value
        for name, value in plain.items()
        if name not in _OURS | _OUTPUT_ONLY and value not in (None, [], {})
    }
    usage = usage_of_body(body)
    if not counted(usage) and not _known_form(body):
        found: Any = getattr(response, "usage", None)
        usage = parse_usage(found.model_dump() if hasattr(found, "model_dump") else {})
    return _reply(
        _text(plain.get("content")),
        [_call(call.get("id"), call.get("function")) for call in calls],
        usage,
        _own_finish(body) or str(getattr(choices[0], "finish_reason", None) or ""),
        opaque | _opaque_calls(calls),
    )


def cut_by_count(reply: Reply, max_output_tokens: int) -> Reply:
    """`reply`, cut where it has exactly as many tokens as it was allowed to have.

    Several servers call the finish of an answer `tool_calls` or `stop` whatever ended it.
    """
    if reply.usage.completion_tokens == max_output_tokens:
        return replace(reply, finish_reason=CUT)
    return reply


def as_received(message: Message) -> Message:
    """A message as its provider wants it back: with all that it held when it came."""
    if "opaque" not in message:
        return message
    opaque = dict(message["opaque"])
    extras: Sequence[Mapping[str, Any]] = opaque.pop("tool_calls", ())
    plain = {name: value for name, value in message.items() if name != "opaque"} | opaque
    calls = message.get("tool_calls") or []
    if extras and len(extras) == len(calls):
        plain["tool_calls"] = [
            {**call, **extra, "function": call["function"] | extra.get("function", {})}
            for call, extra in zip(calls, extras, strict=True)
        ]
    return plain


def readable_thoughts(opaque: Mapping[str, Any]) -> str:
    """What of it a person can read: the model's thoughts, without signatures and ciphertext."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(opaque.get(name), str) and opaque[name]:
            return str(opaque[name])
    found = opaque.get("thinking_blocks") or opaque.get("reasoning_details")
    if isinstance(found, str):
        return found
    blocks = [b for b in found if isinstance(b, Mapping)] if isinstance(found, list) else []
    texts = [block.get("thinking") or block.get("text") for block in blocks]
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def _reply(
    content: str,
    calls: Sequence[ToolCall],
    usage: Usage,
    finish_reason: str,
    opaque: Mapping[str, Any],
) -> Reply:
    if (content or calls) and not usage.completion_tokens:
        usage = Usage()  # nobody says something in no tokens: it was not counted
    return Reply(
        content=_clean(content),
        tool_calls=tuple(calls),
        usage=usage,
        finish_reason=CUT if finish_reason.lower() in _CUT else _clean(finish_reason),
        opaque=_cleaned(opaque),
    )


def _choice(body: object) -> Mapping[str, Any] | None:
    choices = body.get("choices") if isinstance(body, Mapping) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else None


def _own_finish(body: object) -> str:
    """The provider's own word for an answer that was cut, in other forms than chat completions:
    litellm calls one with a tool call `tool_calls`, however it ended. Empty: it was not cut."""
    if not isinstance(body, Mapping):
        return ""
    candidates = body.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else {}
    google = first.get("finishReason") if isinstance(first, Mapping) else None
    word = str(google or body.get("stop_reason") or body.get("done_reason") or "")
    return word if word.lower() in _CUT else ""


def _known_form(body: object) -> bool:
    """Whether the tokens of such a body stand at a place that is known."""
    forms = ("choices", "usageMetadata", "candidates", "stop_reason")
    return isinstance(body, Mapping) and any(name in body for name in forms)


def _failure(error: object) -> Failure | None:
    if isinstance(error, str) and error:
        return Failure(status=None, message=error)
    if not isinstance(error, Mapping):
        return None
    code = error.get("code") or error.get("status") or error.get("http_status")
    message = error.get("message") or error.get("msg") or ""
    if not code and not message:  # some servers send an empty error object with every answer
        return None
    return Failure(status=_status(code), message=f"{message} {json.dumps(error)}".strip())


def _bare_failure(body: Mapping[str, Any]) -> Failure | None:
    """A failure without an error object around it: vLLM's, DashScope's, z.ai's, MiniMax's."""
    nested = body.get("base_resp")
    if isinstance(nested, Mapping) and nested.get("status_code"):
        return Failure(status=None, message=json.dumps(nested))
    message = body.get("message") or body.get("msg") or body.get("detail")
    if isinstance(message, str) and message and ("code" in body or "detail" in body):
        return Failure(status=_status(body.get("code")), message=json.dumps(body))
    return None


def _status(code: object) -> int | None:
    text = str(code)
    return int(text) if text.isdecimal() and 400 <= int(text) < 600 else None


def _text(content: object) -> str:
    """The words of a content, which may come in pieces; thoughts are not among them."""
    if isinstance(content, str):
        return _THOUGHT.sub("", content, count=1) if _THOUGHT.match(content) else content
    parts = content if isinstance(content, list) else []
    words = [part if isinstance(part, str) else _part_text(part) for part in parts]
    return "".join(words)


def _part_text(part: object) -> str:
    if not isinstance(part, Mapping) or part.get("type", "text") not in {"text", "output_text"}:
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _call(identity: object, function: object) -> ToolCall:
    parts = function if isinstance(function, Mapping) else {}
    arguments = parts.get("arguments")
    return ToolCall(
        id=_clean(str(identity or "")),
        name=_clean(str(parts.get("name") or "")),
        arguments=_clean(
            _strict(arguments) if isinstance(arguments, str) else json.dumps(arguments or {})
        ),
    )


def _strict(arguments: str) -> str:
    """`arguments` as a strict reader of JSON takes them too, where anybody can read them.

    Python reads NaN, 1e999 and escaped halves of surrogate pairs, and no request can hold them.
    """
    odd: list[str] = []

    def as_words(number: str) -> str:
        odd.append(number)
        return number

    def finite(number: str) -> float | str:
        return float(number) if isfinite(float(number)) else as_words(number)

    try:
        parsed = json.loads(arguments, parse_constant=as_words, parse_float=finite)
        text = json.dumps(parsed, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
    whole = text.encode("utf-8", "replace").decode()
    return whole if odd or whole != text else arguments


def _opaque_calls(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What calls hold beside id and function, one entry a call; nothing where none does."""
    extras = []
    for call in calls:
        ours = {"id", "type", "index", "function"}
        extra = {k: v for k, v in call.items() if k not in ours and v is not None}
        function = call.get("function")
        inner = function if isinstance(function, Mapping) else {}
        more = {k: v for k, v in inner.items() if k not in {"name", "arguments"} and v is not None}
        extras.append(extra | ({"function": more} if more else {}))
    return {"tool_calls": extras} if any(extras) else {}


def _clean(text: str) -> str:
    """`text` without secrets, which a model may have seen in an error, and without halves of
    surrogate pairs, which models emit and no file can hold."""
    return redact(text.encode("utf-8", "replace").decode())


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {_clean(str(name)): _cleaned(item) for name, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list | tuple) else value
