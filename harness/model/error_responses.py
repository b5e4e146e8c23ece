"""What a provider's error answer means, read from its HTTP status and its whole body.

Providers agree on little: one code for one thing, or a sentence and no code; a status of 400, 413,
422, 429 or 500 for a prompt that is too long; a body inside a string of another body. So the body
is taken apart into its codes and its sentences, and these are looked up in a table. The table's
rows go from the special to the general; the first one that fits decides.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.secrets import redact

Meaning = Literal[
    "money",  # no money is left: nothing is answered before somebody pays
    "key",  # the key is wrong, or is not allowed to do this
    "model",  # there is no such model, or nothing that speaks the protocol at the address
    "busy",  # too many requests or tokens in some time: later it would be answered
    "overflow",  # the prompt does not fit the model's context window
    "filtered",  # what was said in the conversation is not allowed
    "tools",  # tool calls are not spoken here
    "parameter",  # a parameter is not taken: `ErrorMeaning.hint` says which, and what to do
    "refused",  # a bad request of another kind
    "fault",  # the provider failed
]
_BUSY = {408, 409, 425, 429}
_CODES = {"code", "type", "status", "reason", "error_code", "errorcode", "err_code"}
_TEXTS = {"message", "error", "detail", "details", "msg", "raw", "error_message", "errors"}
_REQUEST = {"input", "messages", "tools", "request", "prompt"}  # what some repeat of it
_DEEP = 8  # objects and bodies inside bodies
_SENTENCE, _MANY = 2_000, 20  # characters of one, and entries of a list, that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMeaning:
    """The meaning of an error response, the provider's own sentence, and advice for the user."""

    meaning: Meaning
    said: str = ""
    hint: str = ""
    mending: str = (
        ""  # the way of `harness.model.request_variants` that asks again without the fault
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """One row: an answer at one of the statuses that has one of the codes or such a sentence.

    A row without codes and sentence is for every answer at its statuses.
    """

    meaning: Meaning
    codes: frozenset[str] = frozenset()
    says: re.Pattern[str] | None = None
    at: frozenset[int] = frozenset(range(400, 500))
    hint: str = ""
    mending: str = ""

    def fits(self, status: int, codes: set[str], text: str) -> bool:
        """Whether a response matches this rule."""
        if status not in self.at:
            return False
        if not self.codes and self.says is None:
            return True
        return bool(self.codes & codes) or bool(self.says and self.says.search(text))


def _says(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


_LONG = frozenset({400, 413, 422, 500})  # 500: Ollama, llama.cpp, TensorRT-LLM
SIGNS: Sequence[ErrorRule] = (
    ErrorRule(
        meaning="money",
        codes=frozenset(
            {
                "insufficient_quota",  # OpenAI, with 429
                "billing_hard_limit_reached",
                "billing_not_active",
                "billing_error",  # Anthropic
                "insufficient_balance",
                "insufficient_credits",
                "exceeded_current_quota_error",  # Kimi, with 429
                "arrearage",  # DashScope, with 400
                "1113",  # z.ai, with 429
                "payment_required",
            }
        ),
        says=_says(
            r"credit balance is too low",  # Anthropic, with 400
            r"insufficient (?:account )?(?:balance|credits?|funds)",  # DeepSeek; z.ai
            r"requires more credits|can only afford",  # OpenRouter
            r"credits are depleted|run out of credits|used all available credits",  # Gemini; xAI
            r"account is in good standing|in arrears|余额不足|欠费",  # DashScope and others
        ),
    ),
    ErrorRule(meaning="money", at=frozenset({402})),
    ErrorRule(
        meaning="tools",
        says=_says(
            r"tool choice requires|--enable-auto-tool-choice|tool-call-parser",  # vLLM; SGLang
            r"does not support (?:the )?(?:tools?\b|tool use|tool call|function)",  # Ollama
            r"support tool use",  # OpenRouter, with 404
            r"tools? (?:param(?:eter)? )?requires? --jinja",  # llama.cpp, with 500
            r"\btools?(?:[ _-](?:use|calls?|calling|choice))? (?:is|are) not supported",
            r"unsupported parameter:? ['\"`]?tools?\b",
        ),
        at=frozenset({400, 404, 422, 500, 501}),
        hint="this model takes no tools as it is served there: set model.tools=text",
    ),
    ErrorRule(
        meaning="parameter",
        says=_says(r"use ['\"`]?max_completion_tokens['\"`]? instead"),
        mending="max_completion_tokens",
        hint="it takes max_completion_tokens instead of max_tokens",
    ),
    ErrorRule(
        meaning="parameter",
        says=_says(
            r"only supports? (?:the )?stream|stream(?:ing)? (?:mode )?is required",
            r"['\"`]?stream['\"`]? must be (?:set to )?['\"`]?true|enable the stream parameter",
        ),
        at=frozenset({400, 422}),
        mending="stream",
        hint="it only answers in a stream",
    ),
    ErrorRule(
        meaning="overflow",
        codes=frozenset(
            {
                "context_length_exceeded",  # OpenAI, Azure, Groq, Cerebras
                "exceed_context_size_error",  # llama.cpp
                "request_too_large",  # Anthropic, with 413
                "model_context_window_exceeded",
                "string_above_max_length",  # OpenAI: of one message
                "1261",  # z.ai
            }
        ),
        says=_says(
            # OpenAI, Azure, DeepSeek, OpenRouter, vLLM: "maximum context length is N tokens"
            r"maximum context length|maximum model length|max(?:imum)? context window",
            r"exceeds? (?:the |its |this model's )?(?:\S+ )?context (?:window|length|limit|size)",
            r"exceeds? (?:the )?available context",  # llama.cpp
            r"context (?:window|length|size) (?:is |was |has been )?exceed",
            r"(?:prompt|input|request) (?:is )?too long",  # Anthropic; Bedrock, Databricks; Ollama
            r"exceed context limit",  # Anthropic: input and max_tokens together
            r"token count .{0,40}exceeds the (?:maximum|limit)",  # Gemini; Copilot
            r"maximum prompt length",  # xAI
            r"reduce the length of the (?:messages|prompt|input)",  # Groq, Cerebras
            r"exceeded model token limit",  # Kimi
            r"prompt exceeds max length|prompt 超长",  # z.ai
            r"range of input length should be",  # DashScope
            r"`?inputs`? tokens \+ `?max_new_tokens`?",  # Together, TGI
            r"longer than the (?:model's )?(?:maximum )?(?:context|model) length",  # SGLang; vLLM
            r"prompt length .{0,60}(?:should not exceed|exceeds)",  # TensorRT-LLM
            r"input tokens exceed the configured limit",
            r"too large for model with \d+ maximum context",  # Mistral
            r"greater than the context length|context length is only",  # LM Studio; vLLM
            r"input length .{0,40}exceeds",  # Ollama, OpenRouter
            r"too many (?:input )?tokens in|total number of tokens .{0,40}cannot exceed",  # Cohere
        ),
        at=_LONG,
    ),
    ErrorRule(
        meaning="filtered",
        codes=frozenset(
            {
                "content_filter",  # Azure
                "responsibleaipolicyviolation",
                "content_policy_violation",  # OpenAI
                "data_inspection_failed",  # DashScope
                "datainspectionfailed",
                "1301",  # z.ai
            }
        ),
        says=_says(
            r"content management policy|content[ _-]filter",
            r"violat\w+ (?:our |the )?(?:\w+ )?usage (?:polic|guideline)",  # OpenAI; xAI
            r"(?:input|prompt|request|content)\b.{0,20}(?:was|were|been) flagged",  # OpenRouter
            r"inappropriate content|safety system|blocked by .{0,20}(?:safety|content)",
            r"considered high risk",  # Kimi
        ),
        at=frozenset({400, 403, 422, 451, 500}),
    ),
    # a firewall in front of the provider, which dislikes what is quoted in the prompt
    ErrorRule(meaning="filtered", at=frozenset({403}), says=_says(r"<html|<!doctype|cloudflare")),
    ErrorRule(
        meaning="busy",
        codes=frozenset({"rate_limit_exceeded", "rate_limit_error", "throttlingexception"}),
        at=frozenset({400, 403, 413, 429, 500, 503, 529}),
    ),
    ErrorRule(meaning="busy", at=frozenset(_BUSY)),
    ErrorRule(
        meaning="key",
        codes=frozenset({"invalid_api_key", "api_key_invalid", "authentication_error"}),
        says=_says(
            r"(?:incorrect|invalid|wrong) api[ _-]?key|api[ _-]?key (?:is )?(?:not valid|invalid)"
        ),
    ),
    ErrorRule(meaning="key", at=frozenset({401, 403})),
    ErrorRule(
        meaning="model",
        codes=frozenset({"model_not_found", "deploymentnotfound", "model_not_exist", "1211"}),
        says=_says(r"model .{0,80}(?:does not exist|not found|not exist\b)|unknown model"),
    ),
    ErrorRule(meaning="model", at=frozenset({404, 405})),
    ErrorRule(meaning="overflow", at=frozenset({413})),
    ErrorRule(
        meaning="parameter",
        says=_says(r"['\"`]?temperature['\"`]?.{0,60}(?:support|deprecat|only|allowed)"),
        hint="set model.temperature=null, or to a value that this model takes",
    ),
    ErrorRule(
        meaning="parameter",
        says=_says(
            r"max_(?:completion_|output_|new_)?tokens.{0,80}(?:too large|exceed|at most|less|>)",
            r"(?:too large|exceed|at most|maximum allowed).{0,80}max_(?:completion_)?tokens",
        ),
        hint="lower model.max_output_tokens",
    ),
    ErrorRule(meaning="refused"),
)
_ASKED = re.compile(r"limit:? (\d+).{0,60}?requested:? (\d+)", re.IGNORECASE)


def read_refusal(status: int | None, bodies: Sequence[object], text: str = "") -> ErrorMeaning:
    """What an error means that came with this status and these bodies (JSON text or parsed).

    `text` is what a library made of it: looked at only where there is no body. A status of None is
    none: nothing was answered. One of 200 is that of an error inside an answer: the body's own
    code counts, where it has one.
    """
    codes, texts = _facts(bodies)
    said = " ".join(texts)
    status = _own_status(status, codes)
    found = next(
        (sign for sign in SIGNS if sign.fits(status, codes, said or text)),
        ErrorRule(meaning="fault"),
    )
    meaning = found.meaning
    if meaning == "busy" and _never_fits(said):
        meaning = "filtered"
    return ErrorMeaning(
        meaning=meaning, said=_sentence(texts), hint=found.hint, mending=found.mending
    )


def _never_fits(said: str) -> bool:
    """Whether one request exceeds the tokens-per-minute limit, so that waiting cannot help."""
    return any(int(asked) > int(limit) for limit, asked in _ASKED.findall(said))


def _own_status(status: int | None, codes: set[str]) -> int:
    if status is not None and status != 200:
        return status
    own = [int(code) for code in codes if code.isdigit() and 400 <= int(code) < 600]
    return min(own) if own and status == 200 else 0


def _sentence(texts: Sequence[str]) -> str:
    """The provider's own words: the longest sentence, as what wraps it says less."""
    return " ".join(max(texts, key=len, default="").split())


def _facts(bodies: Sequence[object]) -> tuple[set[str], list[str]]:
    """The codes in the bodies, in lower case, and their sentences, each once."""
    codes: set[str] = set()
    texts: dict[str, None] = {}
    for body in bodies:
        for kind, value in _walk(body, _DEEP):
            if kind == "code":
                codes.add(value.lower())
            else:
                texts[redact(value)[:_SENTENCE]] = None  # of half a secret nobody can tell
    return codes, list(texts)


def _walk(body: object, deep: int) -> Iterator[tuple[Literal["code", "text"], str]]:
    """Every code and every sentence in a body; what it repeats of the request is passed over."""
    if deep == 0:
        return
    inner = _json(body) if isinstance(body, str) else body
    if isinstance(inner, str):
        yield "text", inner
    elif isinstance(inner, Mapping):
        for name, value in inner.items():
            key = str(name).lower()
            if key in _CODES and isinstance(value, str | int):
                yield "code", str(value)
            elif key in _TEXTS or (key not in _REQUEST and isinstance(value, Mapping | list)):
                yield from _walk(value, deep - 1)
    elif isinstance(inner, list):
        for value in inner[:_MANY]:
            if not isinstance(value, str):
                yield from _walk(value, deep - 1)


def _json(text: str) -> Any:
    """The JSON object or list in a text, else the text."""
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
