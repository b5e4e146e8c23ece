"""Providers by name, behind real HTTP: how each answers, counts, and what it wants back.

    with ScriptedModel(imitation := Imitation("deepseek", script)) as server: ...

`script` is a script of `scripted_model`, for a request in the OpenAI form and an answer as a dict.
The imitation checks every request as that provider does, and refuses with its own 400 what is
missing or changed of its earlier answers; it dresses the answer in the provider's form; it keeps
the bill. Signatures are over what was said, so that nothing has to be remembered: a request from
another process, after a resume, is checked as well.

`overflow(name)` is how the provider refuses a prompt that is too long.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scripted_model import Action, Raw, Script, Status, approved, tokens

Message = dict[str, Any]
Request = dict[str, Any]


@dataclass(frozen=True)
class Tokens:
    """What the provider counts of one answer. `fresh`, `cached` and `written` make the prompt."""

    fresh: int
    cached: int
    written: int
    thought: int
    said: int


@dataclass
class Bill:
    """What the provider bills, in tokens; `answers` that it gave."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    answers: int = 0

    def add(self, used: Tokens) -> None:
        self.fresh += used.fresh
        self.cached += used.cached
        self.written += used.written
        self.output += used.thought + used.said
        self.answers += 1


Dress = Callable[[Message, str], Message]  # the message, the signature of what it says
Check = Callable[[Message, str], str | None]  # what is wrong with a message that came back
Count = Callable[[Tokens], dict[str, Any]]


def _same(message: Message, signature: str) -> Message:
    return message


def _usage(used: Tokens) -> dict[str, Any]:
    """OpenAI's: thoughts are in the completion, cached tokens in the details."""
    prompt, written = used.fresh + used.cached + used.written, used.thought + used.said
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.thought},
    }


@dataclass(frozen=True)
class Provider:
    """How one provider behaves. `model` is its name in litellm; `writes`: it bills cache writes."""

    model: str
    dress: Dress = _same
    check: Check = lambda message, signature: None
    count: Count = _usage
    refusal: Callable[[str], Any] = lambda words: {
        "error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}
    }
    takes: frozenset[str] = frozenset()  # fields of an answer that it takes back
    finish: Callable[[str], str | None] = lambda reason: reason
    call_id: Callable[[int, int], str | None] = lambda n, i: f"call_{n}_{i}"
    body: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
    base: str = "/v1"  # what follows the host in its api_base
    writes: bool = False
    faults: tuple[Action, ...] = ()  # what comes before the first answers, each once, unbilled


def digest(message: Mapping[str, Any]) -> str:
    """What a provider would sign of an answer in the OpenAI form: its words and calls."""
    calls = [
        [call["function"]["name"], _canonical(call["function"]["arguments"])]
        for call in message.get("tool_calls") or ()
    ]
    text = json.dumps([_words(message.get("content")), calls])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _canonical(arguments: object) -> object:
    return json.loads(arguments) if isinstance(arguments, str) and arguments else arguments or {}


def _words(content: object) -> str:
    """The text that a client may read in a content, thoughts left out."""
    if isinstance(content, list):
        texts = [part.get("text", "") for part in content if part.get("type") == "text"]
        return "".join(texts)
    text = content if isinstance(content, str) else ""
    return text.rpartition("</think>")[2].lstrip("\n")


# -- what providers put into an answer, and want back ---------------------------------------------


def _named(name: str) -> Dress:
    return lambda message, signature: message | {name: f"I think of {signature}."}


def _wants(name: str, words: str) -> Check:
    """400 unless every answer with calls comes back with the field as it was."""

    def check(message: Message, signature: str) -> str | None:
        if not message.get("tool_calls"):
            return None
        return None if message.get(name) == f"I think of {signature}." else words

    return check


def _details(message: Message, signature: str) -> Message:
    details = [
        {"type": "reasoning.text", "text": "So.", "signature": signature, "index": 0},
        {"type": "reasoning.encrypted", "data": signature[::-1], "id": "rs_1", "index": 1},
    ]
    return message | {"reasoning": "So.", "reasoning_details": details, "refusal": None}


def _wants_details(message: Message, signature: str) -> str | None:
    wanted = _details({}, signature)["reasoning_details"]
    if message.get("tool_calls") and message.get("reasoning_details") != wanted:
        return "Invalid signature in reasoning_details"
    return None


def _signed_calls(message: Message, signature: str) -> Message:
    """Gemini: the first call of an answer is signed."""
    calls = [dict(call) for call in message.get("tool_calls") or ()]
    for call in calls[:1]:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return message | ({"tool_calls": calls} if calls else {})


def _wants_signed_calls(message: Message, signature: str) -> str | None:
    for call in (message.get("tool_calls") or ())[:1]:
        if call.get("extra_content") != {"google": {"thought_signature": signature}}:
            name = call["function"]["name"]
            return f"Function call `default_api:{name}` is missing a thought_signature"
    return None


def _chunks(kind: str) -> Dress:
    """The content comes in pieces, the first of them a thought."""

    def dress(message: Message, signature: str) -> Message:
        if kind == "thinking":  # Mistral
            thought: Any = {"thinking": [{"type": "text", "text": signature}]}
        else:  # Databricks
            thought = {"summary": [{"type": "summary_text", "text": "So.", "signature": signature}]}
        text = message.get("content") or ""
        halves = [text[: len(text) // 2], text[len(text) // 2 :]]
        words = [{"type": "text", "text": half} for half in halves if half]
        return message | {"content": [{"type": kind} | thought, *words]}

    return dress


def _wants_chunks(kind: str) -> Check:
    def check(message: Message, signature: str) -> str | None:
        if not message.get("tool_calls"):
            return None
        wanted = _chunks(kind)({"content": _words(message.get("content"))}, signature)["content"]
        if message.get("content") != wanted:
            return f"Expected `{kind}` in messages.content, as it was answered"
        return None

    return check


def _aloud(message: Message, signature: str) -> Message:
    return message | {
        "content": f"<think>\n{signature}\n</think>\n\n{message.get('content') or ''}"
    }


def _wants_aloud(message: Message, signature: str) -> str | None:
    if message.get("tool_calls") and signature not in str(message.get("content")):
        return "the thinking of an earlier turn was removed"
    return None


# -- how they count --------------------------------------------------------------------------------


def _deepseek_usage(used: Tokens) -> dict[str, Any]:
    return _usage(used) | {
        "prompt_cache_hit_tokens": used.cached,
        "prompt_cache_miss_tokens": used.fresh,
        "prompt_tokens_details": None,
    }


def _top_level_cached(used: Tokens) -> dict[str, Any]:
    return _usage(used) | {"cached_tokens": used.cached, "prompt_tokens_details": None}


def _thoughts_in_total_only(used: Tokens) -> dict[str, Any]:
    prompt = used.fresh + used.cached
    return {
        "prompt_tokens": prompt,
        "completion_tokens": used.said,
        "total_tokens": prompt + used.said + used.thought,
        "prompt_tokens_details": {"cached_tokens": used.cached},
    }


def _thoughts_beside(used: Tokens) -> dict[str, Any]:
    return _thoughts_in_total_only(used) | {
        "completion_tokens_details": {"reasoning_tokens": used.thought}
    }


def _nulls(used: Tokens) -> dict[str, Any]:
    """Everything is said to be fresh; what is not known is null or negative."""
    return _usage(used) | {
        "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": -1},
    }


def _written(used: Tokens) -> dict[str, Any]:
    details = {"cached_tokens": used.cached, "cache_write_tokens": used.written}
    return _usage(used) | {"prompt_tokens_details": details, "cost": 0.0}


def _prompt_without_cache(used: Tokens) -> dict[str, Any]:
    """Databricks serves Claude's counts: what was cached is only in the details and the total."""
    return {
        "prompt_tokens": used.fresh,
        "completion_tokens": used.thought + used.said,
        "total_tokens": used.fresh + used.cached + used.written + used.thought + used.said,
        "cache_read_input_tokens": used.cached,
        "cache_creation_input_tokens": used.written,
    }


# -- forms of their own ----------------------------------------------------------------------------


def _from_claude(request: Request) -> Request:
    """A request to Anthropic's Messages API in the OpenAI form, thinking kept apart."""
    system = "".join(part["text"] for part in _parts(request.get("system") or ""))
    messages: list[Message] = [{"role": "system", "content": system}]
    for message in request["messages"]:
        blocks = _parts(message["content"])
        words = "".join(block["text"] for block in blocks if block["type"] == "text")
        calls = [
            {"id": b["id"], "function": {"name": b["name"], "arguments": b["input"]}}
            for b in blocks
            if b["type"] == "tool_use"
        ]
        thoughts = [b for b in blocks if b["type"].endswith("thinking")]
        results = [b for b in blocks if b["type"] == "tool_result"]
        messages += [{"role": "tool", "tool_call_id": b["tool_use_id"], "content": b["content"]}
                     for b in results]  # fmt: skip
        if words or calls or not results:
            messages.append({"role": message["role"], "content": words, "thoughts": thoughts}
                            | ({"tool_calls": calls} if calls else {}))  # fmt: skip
    tools = [{"function": tool} for tool in request.get("tools") or ()]
    return {"model": request.get("model"), "messages": messages, "tools": tools}


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _claude_thoughts(signature: str) -> list[Any]:
    return [
        {"type": "thinking", "thinking": "So.", "signature": signature},
        {"type": "redacted_thinking", "data": signature[::-1]},
    ]


def _wants_claude_thoughts(message: Message, signature: str) -> str | None:
    thoughts = [{k: v for k, v in t.items() if k != "cache_control"} for t in message["thoughts"]]
    if message.get("tool_calls") and thoughts != _claude_thoughts(signature):
        return "messages.1.content.0: Invalid `signature` in `thinking` block"
    return None


def _to_claude(body: dict[str, Any], used: Tokens) -> dict[str, Any]:
    message, reason = body["choices"][0]["message"], body["choices"][0]["finish_reason"]
    blocks: list[Any] = _claude_thoughts(digest(message))
    if message.get("content"):
        blocks.append({"type": "text", "text": message["content"]})
    blocks += [
        {"type": "tool_use", "id": call["id"], "name": call["function"]["name"],
         "input": json.loads(call["function"]["arguments"])}
        for call in message.get("tool_calls") or ()
    ]  # fmt: skip
    return {
        "id": body["id"], "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": blocks,
        "stop_reason": {"length": "max_tokens", "tool_calls": "tool_use"}.get(reason, "end_turn"),
        "usage": {
            "input_tokens": used.fresh,
            "cache_creation_input_tokens": used.written,
            "cache_read_input_tokens": used.cached,
            "output_tokens": used.thought + used.said,
        },
    }  # fmt: skip


def _from_gemini(request: Request) -> Request:
    """A request to Google's generateContent in the OpenAI form, signatures kept on the calls."""
    system = "".join(
        part["text"] for part in request.get("system_instruction", {"parts": []})["parts"]
    )
    messages: list[Message] = [{"role": "system", "content": system}]
    for content in request["contents"]:
        parts = content["parts"]
        words = "".join(p["text"] for p in parts if "text" in p and not p.get("thought"))
        calls = [
            {
                "id": p["function_call"].get("id", ""),
                "function": {
                    "name": p["function_call"]["name"],
                    "arguments": p["function_call"].get("args") or {},
                },
                "extra_content": {"google": {"thought_signature": p.get("thoughtSignature")}},
            }
            for p in parts
            if "function_call" in p
        ]
        results = [p["function_response"] for p in parts if "function_response" in p]
        messages += [{"role": "tool", "tool_call_id": r.get("id"), "content": json.dumps(r)}
                     for r in results]  # fmt: skip
        if words or calls:
            role = "assistant" if content["role"] == "model" else "user"
            messages.append({"role": role, "content": words}
                            | ({"tool_calls": calls} if calls else {}))  # fmt: skip
    declared = [d for tool in request.get("tools") or () for d in tool["function_declarations"]]
    return {"messages": messages, "tools": [{"function": each} for each in declared]}


def _to_gemini(body: dict[str, Any], used: Tokens) -> dict[str, Any]:
    message, reason = body["choices"][0]["message"], body["choices"][0]["finish_reason"]
    parts: list[Any] = [{"text": message["content"]}] if message.get("content") else []
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        part: dict[str, Any] = {
            "functionCall": {"name": function["name"], "args": json.loads(function["arguments"])}
        }
        parts.append(part | ({} if index else {"thoughtSignature": digest(message)}))
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": parts},
                "finishReason": "MAX_TOKENS" if reason == "length" else "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": used.fresh + used.cached,
            "cachedContentTokenCount": used.cached,
            "candidatesTokenCount": used.said,
            "thoughtsTokenCount": used.thought,
            "totalTokenCount": used.fresh + used.cached + used.said + used.thought,
        },
    }


def _json(body: object) -> Raw:
    return Raw(json.dumps(body).encode())


_THINKING = "The reasoning_content in the thinking mode must be passed back to the API."
_KIMI = "thinking is enabled but reasoning_content is missing in assistant tool call message"
UPSTREAM = _json({"error": {"code": 502, "message": "Provider returned error", "metadata": {}}})
IN_CHOICE = _json(
    {
        "id": "gen-1",
        "choices": [
            {
                "index": 0,
                "finish_reason": "error",
                "native_finish_reason": "error",
                "error": {"code": 502, "message": "the upstream broke off"},
                "message": {"role": "assistant", "content": "I will n"},
            }
        ],
    }
)
NETWORK = _json(
    {
        "choices": [
            {"finish_reason": "network_error", "message": {"role": "assistant", "content": ""}}
        ]
    }
)
BUSY = _json({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None})

PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider("openai/gpt-scripted"),
    "azure": Provider(
        "openai/azure-scripted",
        body=lambda body: body | {"prompt_filter_results": [{"prompt_index": 0}]},
    ),
    "deepseek": Provider(
        "deepseek/deepseek-scripted",
        dress=_named("reasoning_content"),
        check=_wants("reasoning_content", _THINKING),
        count=_deepseek_usage,
        takes=frozenset({"reasoning_content"}),
        faults=(
            _json({"choices": [{"finish_reason": "insufficient_system_resource",
                                "message": {"role": "assistant", "content": ""}}]}),
        ),
    ),
    "gemini over chat completions": Provider(
        "openai/gemini-scripted",
        dress=_signed_calls,
        check=_wants_signed_calls,
        count=_thoughts_in_total_only,
        refusal=lambda words: [{"error": {"code": 400, "message": words,
                                          "status": "INVALID_ARGUMENT"}}],
        takes=frozenset({"extra_content"}),
    ),
    "gemini": Provider(
        "gemini/gemini-3-flash-preview",
        check=_wants_signed_calls,
        refusal=lambda words: {"error": {"code": 400, "message": words,
                                         "status": "INVALID_ARGUMENT"}},
        base="",
    ),
    "anthropic": Provider(
        "anthropic/claude-sonnet-4-5",
        check=_wants_claude_thoughts,
        refusal=lambda words: {"type": "error",
                               "error": {"type": "invalid_request_error", "message": words}},
        base="",
        writes=True,
        faults=(Status(529, "Overloaded", error={"type": "overloaded_error"}),),
    ),
    "openrouter": Provider(
        "openrouter/vendor/scripted",
        dress=_details,
        check=_wants_details,
        count=_written,
        takes=frozenset({"reasoning", "reasoning_details"}),
        writes=True,
        faults=(UPSTREAM, IN_CHOICE),
    ),
    "groq": Provider(
        "groq/scripted",
        dress=_named("reasoning"),
        count=_nulls,
        takes=frozenset({"reasoning"}),
        body=lambda body: body | {"x_groq": {"id": "req_1"}},
    ),
    "xai": Provider(
        "xai/grok-scripted",
        dress=_named("reasoning_content"),
        count=_thoughts_beside,
        takes=frozenset({"reasoning_content"}),
    ),
    "kimi": Provider(
        "moonshot/kimi-scripted",
        dress=_named("reasoning_content"),
        check=_wants("reasoning_content", _KIMI),
        count=_top_level_cached,
        takes=frozenset({"reasoning_content"}),
        call_id=lambda n, i: f"functions.bash:{i}",  # from 0 in each answer
    ),
    "zai": Provider(
        "zai/glm-scripted",
        dress=_named("reasoning_content"),
        check=_wants("reasoning_content", "messages illegal"),
        refusal=lambda words: {"error": {"code": "1214", "message": words}},
        takes=frozenset({"reasoning_content"}),
        faults=(NETWORK,),
    ),
    "dashscope": Provider(
        "dashscope/qwen-scripted",
        dress=_named("reasoning_content"),
        takes=frozenset({"reasoning_content"}),
        call_id=lambda n, i: "",
        faults=(_json({"code": "InternalError.Algo", "message": "inference failed"}),),
    ),
    "together": Provider("together_ai/vendor/scripted", count=_top_level_cached),
    "databricks": Provider(
        "openai/databricks-scripted",
        dress=_chunks("reasoning"),
        check=_wants_chunks("reasoning"),
        count=_prompt_without_cache,
        writes=True,
    ),
    "mistral": Provider(
        "openai/magistral-scripted",
        dress=_chunks("thinking"),
        check=_wants_chunks("thinking"),
        refusal=lambda words: {"object": "error", "type": "invalid_request_error",
                               "message": words, "code": "3051"},
    ),
    "vllm": Provider(
        "hosted_vllm/scripted",
        dress=_named("reasoning"),
        takes=frozenset({"reasoning"}),
        finish=lambda reason: "tool_calls" if reason == "length" else reason,
        body=lambda body: body | {"prompt_logprobs": None, "kv_transfer_params": None},
    ),
    "ollama": Provider(
        "openai/ollama-scripted",
        dress=_named("reasoning"),
        count=_nulls,
        takes=frozenset({"reasoning"}),
        call_id=lambda n, i: f"call_{i}",
        finish=lambda reason: "stop" if reason == "tool_calls" else reason,
    ),
    "llama.cpp": Provider(
        "openai/llamacpp-scripted",
        dress=_named("reasoning_content"),
        takes=frozenset({"reasoning_content"}),
        call_id=lambda n, i: None,
        body=lambda body: body | {"timings": {"prompt_n": 3, "predicted_n": 4}},
    ),
    "minimax": Provider(
        "openai/minimax-scripted", dress=_aloud, check=_wants_aloud, faults=(BUSY,)
    ),
}  # fmt: skip


@dataclass
class Imitation:
    """A script of `scripted_model` that behaves as the provider `name`; `bill` is what it bills."""

    name: str
    script: Script
    bill: Bill = field(default_factory=Bill)
    answers_comparisons: bool = True  # of findings with their evidence: it bills them, too
    refused: list[str] = field(default_factory=list)  # what it answered with 400, and why
    first_bill: Bill = field(default_factory=Bill)  # of what a run asks before anything else

    def __post_init__(self) -> None:
        self.provider = PROVIDERS[self.name]
        self._faults = list(self.provider.faults)
        self._lock = threading.Lock()

    def __call__(self, request: Request, n: int) -> Action:
        """The provider's answer to `request`."""
        plain = self._plain(request)
        wrong = self._wrong(plain)
        if wrong:
            self.refused.append(wrong)
            return _refusal(400, self.provider.refusal(wrong))
        with self._lock:
            if self._faults:
                return self._faults.pop(0)
        answer = approved(plain) or self.script(plain, n)
        return self._dressed(plain, answer, n, self.bill) if isinstance(answer, dict) else answer

    def first(self, request: Request) -> Action:
        """Its answer to a run's first call."""
        return self._dressed(self._plain(request), {"content": "Yes."}, 0, self.first_bill)

    def _plain(self, request: Request) -> Request:
        forms = {"anthropic": _from_claude, "gemini": _from_gemini}
        return forms[self.name](request) if self.name in forms else request

    def _wrong(self, request: Request) -> str | None:
        """Why the provider refuses the request; None: it does not."""
        ids: set[str] = set()
        for index, message in enumerate(request["messages"]):
            own = {"role", "content", "tool_calls", "tool_call_id", "thoughts", "cache_control"}
            unknown = set(message) - own - self.provider.takes
            if unknown:
                return f"Unknown parameter: 'messages[{index}].{min(unknown)}'."
            for call in message.get("tool_calls") or ():
                if not call.get("id") or call["id"] in ids:
                    return f"Duplicate value for 'tool_call_id' of {call.get('id')!r}"
                ids.add(call["id"])
            if message["role"] == "tool" and message["tool_call_id"] not in ids:
                return "messages with role 'tool' must be a response to a preceding message"
            if message["role"] == "assistant":
                wrong = self.provider.check(message, digest(message))
                if wrong:
                    return wrong
        return None

    def _dressed(self, request: Request, answer: dict[str, Any], n: int, bill: Bill) -> Action:
        calls = [
            {
                "id": self.provider.call_id(n, i),
                "type": "function",
                "function": {"name": c["name"], "arguments": _as_text(c["arguments"])},
            }
            for i, c in enumerate(answer.get("tool_calls") or ())
        ]
        message = {"role": "assistant", "content": answer.get("content")}
        message |= {"tool_calls": calls} if calls else {}
        used = self._tokens(request, message)
        if answer.get("finish_reason") == "length" and "max_tokens" in request:
            used = replace(used, said=request["max_tokens"] - used.thought)
        with self._lock:
            bill.add(used)
        reason = answer.get("finish_reason", "tool_calls" if calls else "stop")
        body = {
            "id": f"gen-{n}",
            "object": "chat.completion",
            "created": 1,
            "model": request.get("model", "scripted"),
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        }
        forms = {"anthropic": _to_claude, "gemini": _to_gemini}
        if self.name in forms:
            return _json(forms[self.name](body, used))
        body["choices"] = [
            {
                "index": 0,
                "message": self.provider.dress(message, digest(message)),
                "finish_reason": self.provider.finish(reason),
            }
        ]
        usage = answer.get("usage", self.provider.count(used))
        return _json(self.provider.body(body | ({"usage": usage} if usage else {})))

    def _tokens(self, request: Request, message: Message) -> Tokens:
        """What is counted: a third of the prompt is cached, a tenth written, where that is told."""
        prompt, said = tokens([request["messages"], request.get("tools")]), tokens(message)
        cached = 0 if self.provider.count is _nulls else prompt // 3
        written = prompt // 10 if self.provider.writes else 0
        return Tokens(prompt - cached - written, cached, written, said // 2, said)


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


# -- a prompt that is too long ---------------------------------------------------------------------


def _error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None} | more}


_OVERFLOWS: Mapping[str, tuple[int, Any]] = {
    "openai": (400, _error(
        "This model's maximum context length is 128000 tokens. However, your messages resulted in "
        "130411 tokens. Please reduce the length of the messages.",
        param="messages", code="context_length_exceeded",
    )),
    "azure": (400, _error(
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in "
        "272912 tokens. Please reduce the length of the messages.",
        param="messages", code="context_length_exceeded",
    )),
    "deepseek": (400, _error(
        "This model's maximum context length is 131072 tokens. However, you requested 140001 "
        "tokens (123617 in the messages, 16384 in the completion).", code="invalid_request_error",
    )),
    "gemini over chat completions": (400, [{"error": {
        "code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count exceeds the maximum number of tokens allowed 1048576.",
    }}]),
    "gemini": (400, {"error": {
        "code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count (1200345) exceeds the maximum number of tokens allowed "
        "(1048576).",
    }}),
    "anthropic": (400, {"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "prompt is too long: 208310 tokens > 200000 maximum",
    }}),
    "openrouter": (400, {"error": {"code": 400, "message": "This endpoint's maximum context length "
        "is 131072 tokens. However, you requested about 140233 tokens."}}),
    "groq": (400, _error(
        "Please reduce the length of the messages or completion.", param="messages",
        code="context_length_exceeded",
    )),
    "xai": (400, {
        "code": "Client specified an invalid argument",
        "error": "This model's maximum prompt length is 131072 but the request contains 140002 "
        "tokens.",
    }),
    "kimi": (400, _error("Invalid request: Your request exceeded model token limit: 262144")),
    "zai": (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}),
    "dashscope": (400, _error(
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
        code="invalid_parameter_error",
    )),
    "together": (422, _error(
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9001 "
        "`inputs` tokens and 512 `max_new_tokens`",
    )),
    "databricks": (400, {
        "error_code": "BAD_REQUEST",
        "message": json.dumps({"message": "Input is too long for requested model."}),
    }),
    "mistral": (400, {
        "object": "error", "type": "invalid_request_error", "code": "3051",
        "message": "Prompt contains 40007 tokens and 0 draft tokens, too large for model with "
        "32768 maximum context length",
    }),
    "vllm": (400, {
        "object": "error", "type": "BadRequestError", "param": None, "code": 400,
        "message": "This model's maximum context length is 4096 tokens. However, you requested "
        "5120 tokens (4608 in the messages, 512 in the completion).",
    }),
    "tensorrt-llm": (400, {
        "object": "error", "type": "BadRequestError", "code": 400,
        "message": "The sum of prompt length (9001) and query length (0) should not exceed "
        "max_num_tokens (8192)",
    }),
    "ollama": (500, {"error": {
        "message": "the input length exceeds the context length", "type": "api_error",
    }}),
    "llama.cpp": (400, {"error": {
        "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 5120, "n_ctx": 4096,
        "message": "the request exceeds the available context size, try increasing it",
    }}),
    "minimax": (400, _error("invalid params, context window exceeds limit (2013)")),
}  # fmt: skip


def overflow(name: str) -> Action:
    """How the provider `name`, or TensorRT-LLM, refuses a prompt that is too long."""
    code, body = _OVERFLOWS[name]
    return _refusal(code, body)


def _refusal(code: int, body: Any) -> Action:
    return Raw(json.dumps(body).encode(), code)
