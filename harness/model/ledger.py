"""The ledger: a row before a call is sent, the same row closed after. And the hash of a prompt."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, Protocol

from harness.types import Activity, Message, Reply, Usage

CallOutcome = Literal["ok", "failed", "cancelled"]


class Ledger(Protocol):
    """The durable record of every model call, and of what was waited for around it."""

    async def begin_call(
        self,
        *,
        trial_id: int,
        conversation: str,
        agent: str,
        position: int,
        model: str,
        prompt_sha256: str,
        repeated: float,
        reserved_usd: float | None,
        moment: int,
        paid_call: int | None = None,
    ) -> int:
        """Commit a row in state `started` and return its id. Nothing is sent before this returns.

        `paid_call` is the call of an earlier attempt at the trial whose answer this one is given.
        `LimitReached` where the run's money does not cover it.
        `position` counts the calls of a conversation from 0, failed ones included; `moment` the
        beginnings and ends of all calls of the trial. `repeated`: see `Exchange.repeated`.
        """
        ...

    async def hold_more(self, call_id: int, usd: float) -> None:
        """Have `usd` reserved for the call in all: it is sent again. `LimitReached` as above."""
        ...

    async def end_call(
        self,
        call_id: int,
        *,
        outcome: CallOutcome,
        reply: Reply | None,
        usage: Usage,
        cost_usd: float | None,
        charged_usd: float | None,
        latency_s: float,
        attempts: int,
        error: str,
        moment: int,
    ) -> None:
        """Close the row, once.

        `usage` and `cost_usd` add up all billed attempts, not only the one that gave `reply`;
        a cost of None is unknown, never nothing. `charged_usd` is what counts against budgets: the
        cost, and the worst case of every attempt of which nobody can tell what is billed for it;
        None without a price. `latency_s` is the time spent in attempts, without waits for a slot,
        for the next attempt or for a recorded turn. `attempts` is how many were sent. `error` is
        "ErrorName: one line", empty for `ok`.
        """
        ...

    async def share_call(self, call_id: int) -> None:
        """Note that the answer of a closed row is that of another one with the same prompt.

        So a replay tells what trials share, which buys nothing and must not wait for another trial.
        Of the rows with one prompt exactly one keeps its cost.
        """
        ...

    async def note_span(
        self, trial_id: int, *, agent: str, what: Activity, started_at: str, seconds: float
    ) -> None:
        """What an agent was busy with, from when, for how long."""
        ...


def prompt_hash(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
    """The sha256 of a request, the same when the same commands print other times and addresses."""
    both = (
        "[" + ",".join(_steady_json(json.dumps(each)) for each in part) + "]"
        for part in (messages, tools)
    )
    text = "[" + ",".join(both) + "]"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_LONG = 200  # characters; what is shorter is not worth a place in the memo
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?"
_ZONE = r"(?:Z|\s?[+-]\d\d:?\d\d)?"
_VOLATILE = re.compile(
    "|".join(
        (
            rf"(?P<stamp>\b\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?{_ZONE})?"
            rf"|\b{_DAY}{_MONTH}\s+\d{{1,2}}(?:,?\s+\d{{4}})?\b"
            rf"|\b{_DAY}\d{{1,2}}\s+{_MONTH}\s+\d{{4}}\b)",
            r"(?P<clock>\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b)",
            r"(?P<duration>\b\d+(?:\.\d+)?(?:e-?\d+)?\s?"
            r"(?:ns|us|µs|ms|s|secs?|seconds?|min|minutes?|h|hours?)\b)",
            r"(?P<address>\b0x[0-9a-fA-F]{6,}\b)",
            r"(?P<tmp>\btmp[a-z0-9_]{8}\b|\btmp\.[A-Za-z0-9]{6,}\b|\bpytest-of-\w+/pytest-\d+)",
        )
    )
)


def _steady(value: Any) -> Any:
    if isinstance(value, str):
        return _steady_text(value) if len(value) < _LONG else _steady_digest(value)
    if isinstance(value, Mapping):
        return {str(key): _steady(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_steady(item) for item in value]
    return value


def _steady_text(text: str) -> str:
    return _VOLATILE.sub(lambda match: f"<{match.lastgroup}>", text)


@lru_cache(maxsize=8192)
def _steady_json(text: str) -> str:
    """One message or tool. A memo, because every call repeats what the earlier ones sent."""
    steady = _steady(json.loads(text))
    return json.dumps(steady, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _steady_digest(text: str) -> str:
    return hashlib.sha256(_steady_text(text).encode("utf-8", "surrogatepass")).hexdigest()
