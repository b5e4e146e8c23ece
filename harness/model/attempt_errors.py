"""Translate a failed attempt at a call into one of our errors."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any

from harness.errors import (
    ContextOverflow,
    ConversationRefused,
    EndpointRefused,
    ModelError,
    ModelRefused,
)
from harness.model.backend import Transient, Unreachable
from harness.model.error_responses import ErrorMeaning, read_refusal
from harness.model.response_body import Failure, body_of
from harness.model.usage import counted, usage_of_body
from harness.secrets import redact_error

OVERLOADED = (503, 529)  # statuses; 429 and its like are read as "busy"
MOST = 400  # characters of what went wrong
_NEVER = re.compile(  # of a provider's own package or credentials: no attempt mends that
    r"No module named|default credentials were not found|Unable to locate credentials"
)
_CLASS = re.compile(r"litellm\.\w+: |\b(\w+(?:Error|Exception)): (?=\1: )")  # said by litellm
_RETRY_DELAY = re.compile(r'"retryDelay":\s*"(\d+(?:\.\d+)?)s"')  # Google says it in the body


def translated(model: str, problem: Exception, address: str) -> tuple[ModelError, ErrorMeaning]:
    """litellm's error as one of ours, and how the provider's answer was read.

    It is read from the provider's own status and body: litellm's classes and messages are not
    consistent. `address` is where the call was meant to go, for what could not be connected.
    """
    chain = list(causes(problem))
    never = _unconnected(chain)
    if never is not None:
        told = f"{model}: cannot connect to {_where(never, address)}: {_why(chain, never)}"
        return Unreachable(told), ErrorMeaning(meaning="fault")
    answers: list[Any] = [getattr(cause, "response", None) for cause in chain]
    elsewhere = next((where for answer in answers if (where := _redirected(answer))), "")
    if elsewhere:
        told = (
            f"{redact_error(address) or 'the address'} sends calls on to {elsewhere}, and a key is "
            "sent to no other address than its own: if that one is right, set it (api_base)"
        )
        return EndpointRefused(one_line(model, told)), ErrorMeaning(meaning="refused")
    answers = [answer for answer in answers if getattr(answer, "content", None)]
    texts: list[object] = [answer.text for answer in answers]
    status = answers[0].status_code if answers else getattr(problem, "status_code", None)
    parsed = [getattr(cause, "body", None) for cause in chain]
    reading = read_refusal(status, [*texts, *parsed], str(problem))
    text = one_line(model, f"{status or 'no status'}: {reading.said or _without_class(problem)}")
    if isinstance(problem, ImportError) or _NEVER.search(str(problem)):
        return EndpointRefused(one_line(model, problem)), reading
    return refusal_of(reading, text, address) or Transient(
        text,
        retry_after_s=_retry_after(problem),
        usage=usage_of_body(body_of(texts[-1] if texts else None)),
        unsure=lost(problem),
        overloaded=reading.meaning == "busy" or status in OVERLOADED,
        brief=_brief(status, reading),
    ), reading


def refusal_of(reading: ErrorMeaning, text: str, address: str = "") -> ModelError | None:
    """The error, with `text`, if another attempt cannot help; None if it may help."""
    if reading.hint:
        text = f"{text} ({reading.hint})"
    match reading.meaning:
        case "overflow":
            return ContextOverflow(text)
        case "filtered":
            return ConversationRefused(text)
        case "model" if address:
            return EndpointRefused(f"{text} (asked at {redact_error(address)})")
        case "model" | "money" | "key":
            return EndpointRefused(text)
        case "tools" | "parameter" | "refused":
            return ModelRefused(text)
        case "busy" | "fault":
            return None


def failed_inside(model: str, failure: Failure, body: object) -> ModelError:
    """A failure that a provider told in the body of a 200, as one of ours.

    What the body says was used is billed; without that, a failure is not. A bad request that is
    told so may be a passing fault of a provider behind the one that was asked: it is asked again.
    """
    reading = read_refusal(failure.status or 200, [body])
    text = one_line(model, failure.message)
    refusal = None if reading.meaning == "refused" else refusal_of(reading, text)
    usage = usage_of_body(body)
    brief = _brief(failure.status, reading)
    busy = reading.meaning == "busy" or failure.status in OVERLOADED
    return refusal or Transient(
        text, usage=usage, answered=counted(usage), overloaded=busy, brief=brief
    )


def unreadable(model: str, text: str) -> Transient:
    """A 200 in which nobody finds an answer. What it cost is what it says, or is unknown."""
    usage = usage_of_body(body_of(text))
    start = " ".join(redact_error(text).split())[:200] or "nothing"
    return Transient(
        one_line(model, f"the answer cannot be read: {start}"),
        usage=usage,
        unsure=not counted(usage),
        answered=True,
        brief="the answer cannot be read",
    )


def answered_text(problem: BaseException, bodies: Sequence[object]) -> str | None:
    """The body of a 200 that litellm could not read; None where there was none.

    `bodies` are those that litellm logged. What it could not even decode is in the decoder's error.
    """
    import httpx  # what litellm and the providers' packages speak HTTP with

    chain = list(causes(problem))
    if any(isinstance(cause, httpx.HTTPStatusError | httpx.TransportError) for cause in chain):
        return None
    if any(type(cause).__module__.startswith("openai") for cause in chain):
        return None  # that package's own error: a status, or no answer
    undecoded = [cause.doc for cause in chain if isinstance(cause, JSONDecodeError)]
    errors = {str(cause) for cause in chain}  # litellm logs these as if they were answers
    texts = [b for b in bodies if isinstance(b, str) and b not in errors] or undecoded
    return texts[-1] if texts else None


def one_line(model: str, problem: object) -> str:
    """The error in one line, without keys."""
    text = str(problem).partition("Traceback (most recent call last)")[0]
    text = " ".join(redact_error(text).split())
    return f"{model}: {text[:MOST]}"


def lost(problem: BaseException) -> bool:
    """Whether the connection broke or stayed silent after the request was sent."""
    import httpx

    before = (
        httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError,
        httpx.UnsupportedProtocol, httpx.LocalProtocolError,
    )  # fmt: skip
    for cause in causes(problem):
        if isinstance(cause, before):
            return False
        if isinstance(cause, httpx.TransportError):
            return True
    return False


def causes(problem: BaseException | None) -> Iterator[BaseException]:
    """The error and its chain of causes."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _unconnected(chain: Sequence[BaseException]) -> BaseException | None:
    """The error of a connection that was never established, so that nothing was sent."""
    import httpx

    never = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
    return next((cause for cause in chain if isinstance(cause, never)), None)


def _redirected(answer: Any) -> str:
    """The target of a redirect, without secrets; empty if the answer is not a redirect."""
    where = str(getattr(answer, "headers", {}).get("location", ""))
    if not where or not 300 <= getattr(answer, "status_code", 0) < 400:
        return ""
    return redact_error(where.partition("?")[0])


def _where(never: BaseException, address: str) -> str:
    """The address that was tried, if the error names it."""
    request: Any = getattr(never, "_request", None)
    return redact_error(str(request.url) if request is not None else address or "its address")


def _why(chain: Sequence[BaseException], never: BaseException) -> str:
    """The system's reason, such as refused, unknown host or untrusted certificate."""
    last = chain[-1]
    why = last if isinstance(last, OSError) and str(last) else never
    return " ".join(redact_error(str(why)).split())


def _without_class(problem: object) -> str:
    return _CLASS.sub("", str(problem))


def _brief(status: object, reading: ErrorMeaning) -> str:
    if reading.meaning == "busy":
        return "the provider asks to slow down"
    return f"the provider failed: {status}" if isinstance(status, int) else "the provider failed"


def _retry_after(problem: Exception) -> float | None:
    """Seconds until the next request, from the Retry-After header (a number or a date)."""
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
