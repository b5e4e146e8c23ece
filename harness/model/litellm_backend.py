"""Answers from a provider, through litellm. The only file that imports it, and late: it takes
seconds."""

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from harness.errors import ContextOverflow, ModelError, ModelRefused
from harness.model import tokens
from harness.model.backend import CallKey, Transient
from harness.model.prices import override_for
from harness.model.usage import parse_usage, usage_of_body
from harness.secrets import learn, redact, redact_error
from harness.types import Message, Reply, ToolCall

_RETRYABLE = {408, 409, 425, 429}
_TOO_LONG = re.compile(
    r"context.?length|context.?window|maximum context|prompt is too long|input is too long"
    r"|too many (?:input )?tokens|exceeds? the (?:maximum|limit).{0,40}tokens",
    re.IGNORECASE,
)
_OUT_OF_MONEY = re.compile(r"insufficient_quota|credit balance is too low", re.IGNORECASE)
_NEVER = re.compile(  # of a provider's own package or credentials: no attempt mends that
    r"No module named|default credentials were not found|Unable to locate credentials"
)
_NO_CONNECTION = re.compile(r"connection error|cannot connect|connection refused", re.IGNORECASE)
_RETRY_DELAY = re.compile(r'"retryDelay":\s*"(\d+(?:\.\d+)?)s"')  # Google says it in the body


class LitellmBackend:
    """One model behind litellm. One of these a process: litellm's connections are shared.

    `parameters` go into every request as they are (temperature, reasoning_effort, ...).
    """

    def __init__(
        self,
        model: str,
        *,
        overrides: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = model
        self._parameters = dict(parameters or {})
        own = override_for(model, overrides or {})
        self._endpoint: dict[str, str] = {}
        if own is not None and own.api_base:
            self._endpoint["api_base"] = own.api_base
        if own is not None and own.api_key_env:
            self._endpoint["api_key"] = os.environ.get(own.api_key_env, "")
        elif own is not None and own.api_base:
            self._endpoint["api_key"] = "none"  # a client refuses to have no key at all
        learn(self._endpoint.get("api_key", ""))
        self._loaded: tuple[Any, type[Exception]] | None = None  # litellm and its errors' root

    async def warm_up(self) -> None:
        """Import litellm now, in a thread, instead of at the first attempt."""
        await self._load()

    async def attempt(
        self,
        key: CallKey,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        max_output_tokens: int,
        timeout_s: float,
    ) -> Reply:
        """Ask once, as `Backend.attempt` promises. `key` is of no use to a provider."""
        litellm, litellm_error = await self._load()
        bodies: list[object] = []
        request = {
            **self._parameters,
            **self._endpoint,
            "model": self.name,
            "messages": _mark_cache(messages) if _wants_marks(self.name) else list(messages),
            "max_tokens": max_output_tokens,
            "timeout": timeout_s,
            "num_retries": 0,  # retries are the client's; which of the two counts, depends on
            "max_retries": 0,  # litellm's version and on the provider
            "logger_fn": lambda event: bodies.append(event.get("original_response")),
        }
        if tools:
            request["tools"] = list(tools)
        try:
            # litellm's own limit is between two bytes for some providers; this one is for all of it
            with anyio.fail_after(timeout_s):
                response = await litellm.acompletion(**request)
        except TimeoutError:
            raise Transient(f"no answer within {timeout_s:g} s", unsure=True) from None
        except ImportError as problem:  # the provider's package
            raise ModelRefused(self._one_line(problem)) from None
        except litellm_error as problem:
            # Without its cause: litellm's own errors hold the request, and so the key.
            raise self._translate(problem, bodies) from None
        return self._parse(response)

    async def turn(self, key: CallKey) -> None:
        """A live answer is given when it comes."""

    def count_tokens(self, text: str) -> int:
        """With the model's own tokenizer where litellm ships it, and its fallback otherwise."""
        if self._loaded is None:
            return tokens.count(text)
        litellm, _ = self._loaded
        return int(litellm.token_counter(model=self.name, text=text))

    async def aclose(self) -> None:
        """Close litellm's connections and end its background work.

        litellm starts tasks after a call has returned (logging, closing): each gets its turn, and
        nothing of it is left for the next event loop.
        """
        if self._loaded is None:
            return
        from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

        litellm, _ = self._loaded
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(5):
            await GLOBAL_LOGGING_WORKER.flush()
        await GLOBAL_LOGGING_WORKER.stop()
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()
        await anyio.lowlevel.checkpoint()

    async def _load(self) -> tuple[Any, type[Exception]]:
        if self._loaded is None:
            self._loaded = await anyio.to_thread.run_sync(_import_litellm)
        return self._loaded

    def _parse(self, response: Any) -> Reply:
        usage = parse_usage(_plain(getattr(response, "usage", None)))
        choices = getattr(response, "choices", None) or [None]
        message = getattr(choices[0], "message", None)
        if message is None:
            raise Transient("the answer holds no choice", usage=usage)
        return Reply(
            content=_clean(message.content) if isinstance(message.content, str) else "",
            tool_calls=tuple(
                _tool_call(call, i)
                for i, call in enumerate(getattr(message, "tool_calls", None) or ())
            ),
            usage=usage,
            finish_reason=_clean(str(getattr(choices[0], "finish_reason", None) or "")),
        )

    def _translate(self, problem: Exception, bodies: Sequence[object]) -> ModelError:
        """litellm's error as one of ours: by HTTP status, as its classes are not consistent."""
        text = self._one_line(problem)
        status = getattr(problem, "status_code", None)
        overflow = type(problem).__name__ == "ContextWindowExceededError" or status == 413
        if overflow or (status in {400, 422} and _TOO_LONG.search(text)):
            return ContextOverflow(text)
        if status == 429 and _OUT_OF_MONEY.search(f"{text} {getattr(problem, 'body', None)}"):
            return ModelRefused(text)
        if isinstance(status, int) and 400 <= status < 500 and status not in _RETRYABLE:
            return ModelRefused(text)
        if _NEVER.search(text):
            return ModelRefused(text)
        return Transient(
            text,
            retry_after_s=_retry_after(problem),
            usage=usage_of_body(_last_body([*_texts(problem), *bodies])),
            unsure=_lost(problem),
            brief=_brief(status, text),
        )

    def _one_line(self, problem: Exception) -> str:
        text = str(problem).partition("Traceback (most recent call last)")[0]
        text = " ".join(redact_error(text).split())
        return f"{self.name}: {text[:400]}"


def _import_litellm() -> tuple[Any, type[Exception]]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import fetches a table
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # else it reads a .env file
    import litellm
    from openai import OpenAIError

    # what a call that is cut off just before it is sent leaves behind is no harm
    warnings.filterwarnings("ignore", r"coroutine '\S+' was never awaited", RuntimeWarning)
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm, OpenAIError


def _brief(status: object, text: str) -> str:
    if _NO_CONNECTION.search(text):
        return "cannot connect"
    if status == 429:
        return "the provider asks to slow down"
    return f"the provider failed: {status}" if isinstance(status, int) else "the provider failed"


def _lost(problem: BaseException) -> bool:
    """Whether the connection broke, or nothing came, after the request was on its way."""
    import httpx  # what litellm and the providers' packages speak HTTP with

    for cause in _causes(problem):
        if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return False
        if isinstance(cause, httpx.TransportError):
            return True
    return False


def _texts(problem: BaseException) -> list[object]:
    """The bodies of error answers: some providers say in there what they billed."""
    responses: list[Any] = [getattr(cause, "response", None) for cause in _causes(problem)]
    return [response.text for response in responses if getattr(response, "content", None)]


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _wants_marks(model: str) -> bool:
    return "anthropic" in model or "claude" in model


def _mark_cache(messages: Sequence[Message]) -> list[Message]:
    """The messages with Anthropic's cache marks at the end and after the part that agents share.

    That part is everything up to the first user message; with only the mark at the end, as
    mini-swe-agent sets it, the agents of a trial would not read each other's cache.
    """
    marked = [dict(message) for message in messages]
    users = [i for i, message in enumerate(marked) if message["role"] == "user"]
    for i in {*users[:1], len(marked) - 1} if marked else ():
        marked[i] = _marked(marked[i])
    return marked


def _marked(message: Message) -> Message:
    mark = {"type": "ephemeral"}
    content = message.get("content")
    if not content or message["role"] == "tool":
        return message | {"cache_control": mark}
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return message | {"content": [*parts[:-1], parts[-1] | {"cache_control": mark}]}


def _tool_call(call: Any, index: int) -> ToolCall:
    function = getattr(call, "function", None)
    arguments = getattr(function, "arguments", None)
    return ToolCall(
        id=_clean(str(getattr(call, "id", None) or f"call_{index}")),
        name=_clean(str(getattr(function, "name", None) or "")),
        arguments=_clean(arguments if isinstance(arguments, str) else json.dumps(arguments or {})),
    )


def _clean(text: str) -> str:
    """`text` without secrets, which a model may have seen in an error, and without halves of
    surrogate pairs, which models emit and no file can hold."""
    return redact(text.encode("utf-8", "replace").decode())


def _plain(usage: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = usage.model_dump() if hasattr(usage, "model_dump") else {}
    return found


def _last_body(bodies: Sequence[object]) -> object:
    """The provider's last answer as JSON, or None."""
    texts = [body for body in bodies if isinstance(body, str)]
    try:
        return json.loads(texts[-1]) if texts else None
    except ValueError:
        return None


def _retry_after(problem: Exception) -> float | None:
    """Seconds until the provider wants to be asked again: a number or a date in the header."""
    own = getattr(problem, "litellm_response_headers", None)
    headers = own or getattr(getattr(problem, "response", None), "headers", None) or {}
    value = next((str(v) for k, v in headers.items() if str(k).lower() == "retry-after"), "")
    if not value and (delay := _RETRY_DELAY.search(str(problem))):
        value = delay[1]
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - datetime.now(UTC).timestamp())
