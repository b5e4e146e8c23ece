"""What went wrong with an attempt at a call, as one of our errors."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any

from harness.errors import ContextOverflow, ModelError, ModelRefused
from harness.model.answers import Failure, body_of
from harness.model.backend import Transient
from harness.model.usage import counted, usage_of_body
from harness.secrets import redact_error

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


def translated(model: str, problem: Exception) -> ModelError:
    """litellm's error as one of ours: by HTTP status, as its classes are not consistent."""
    text = one_line(model, problem)
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
    texts = _texts(problem)
    body = body_of(texts[-1] if texts else None)
    return Transient(
        text,
        retry_after_s=_retry_after(problem),
        usage=usage_of_body(body),
        unsure=lost(problem),
        brief=_brief(status, text),
    )


def failed_inside(model: str, failure: Failure, body: object) -> ModelError:
    """A failure that a provider told in the body of a 200, as one of ours.

    What the body says was used is billed; without that, a failure is not.
    """
    text = one_line(model, failure.message)
    if failure.status == 413 or (failure.status in {400, 422} and _TOO_LONG.search(text)):
        return ContextOverflow(text)
    usage = usage_of_body(body)
    return Transient(text, usage=usage, answered=counted(usage), brief=_brief(failure.status, text))


def unreadable(model: str, text: str) -> Transient:
    """A 200 in which nobody finds an answer. What it cost is what it says, or is unknown."""
    usage = usage_of_body(body_of(text))
    start = " ".join(text[:200].split()) or "nothing"
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
    texts = [body for body in bodies if isinstance(body, str)] or undecoded
    return texts[-1] if texts else None


def one_line(model: str, problem: object) -> str:
    """What went wrong, in one line without keys."""
    text = str(problem).partition("Traceback (most recent call last)")[0]
    text = " ".join(redact_error(text).split())
    return f"{model}: {text[:400]}"


def lost(problem: BaseException) -> bool:
    """Whether the connection broke, or nothing came, after the request was on its way."""
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
    """The error, what it came from, and so on."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _brief(status: object, text: str) -> str:
    if _NO_CONNECTION.search(text):
        return "cannot connect"
    if status == 429:
        return "the provider asks to slow down"
    return f"the provider failed: {status}" if isinstance(status, int) else "the provider failed"


def _texts(problem: BaseException) -> list[object]:
    """The bodies of error answers: some providers say in there what they billed."""
    responses: list[Any] = [getattr(cause, "response", None) for cause in causes(problem)]
    return [response.text for response in responses if getattr(response, "content", None)]


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
