"""The ledger: one row per model call, written before the call is sent and closed after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict

from harness.types import Activity, Limits, Reply, Usage

CallOutcome = Literal["ok", "failed", "cancelled"]


class UsageColumns(TypedDict):
    """The tokens of one call, summed over its attempts."""

    prompt_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    completion_tokens: int
    reasoning_tokens: int


class AnsweredRow(UsageColumns):
    """A call that was answered and paid for. `paid_call` is the call that paid, `reply` what
    `reply_row` made."""

    paid_call: int
    prompt_sha256: str
    reply: Mapping[str, Any]
    cost_usd: float | None


class PaidRow(AnsweredRow):
    """An answered call of an earlier attempt (`trial_id`) at a trial."""

    trial_id: int
    conversation: str
    position: int
    began: int
    ended: int | None


def usage_of(row: UsageColumns) -> Usage:
    """The columns of a call as a `Usage`."""
    return Usage(
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        completion_tokens=row["completion_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A call that begins: the columns of `call` in store.sql that are known at that time.

    `position` counts the calls of a conversation from 0, failed ones included; `moment` the
    beginnings and ends of all calls of the trial. `repeated`: see `TrialCalls.repeated`.
    `paid_call` is the call of an earlier attempt at the trial whose answer this one is given.
    `tools` is the JSON list of the schemas that the model is offered; each list is kept once.
    `limits` are those of its trial: see `Ledger.begin_call`.
    """

    trial_id: int
    conversation: str
    agent: str
    position: int
    model: str
    prompt_sha256: str
    repeated: float
    reserved_usd: float | None
    moment: int
    paid_call: int | None = None
    tools: str = "[]"
    limits: Limits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """How a call ended: the other columns of `call`.

    `usage` and `cost_usd` add up all billed attempts, not only the one that gave `reply`; a cost of
    None is unknown, never nothing. `charged_usd` is what counts against budgets: the cost, and the
    worst case of every attempt of which nobody can tell what is billed for it; None without a
    price. `latency_s` is the time spent in attempts, without waits for a slot, for the next attempt
    or for a recorded turn. `attempts` is how many were sent. `error` is "ErrorName: one line",
    empty for `ok`.
    """

    outcome: CallOutcome
    reply: Reply | None
    usage: Usage
    cost_usd: float | None
    charged_usd: float | None = None
    latency_s: float
    attempts: int
    error: str
    moment: int


class Ledger(Protocol):
    """The durable record of every model call, and of agents' other activities."""

    async def begin_call(self, call: NewCall) -> int:
        """Commit a row in state `started` and return its id. Nothing is sent before this returns.

        If calls under way in any process reserve money that is missing, it waits for them. Raises
        `LimitReached` and adds no row if the money already spent leaves too little: of the run, or
        of a trial whose agents are in several processes, where its steps and tokens count, too, and
        `TrialLost` if the trial is another owner's that this one has not joined, or cancelled.
        """
        ...

    async def charge(self, call_id: int, usd: float) -> None:
        """Count `usd` for the attempts so far and give back the rest of the call's reservation.

        Called before a call waits to be sent again, so that a waiting call reserves no money that
        another one waits for.
        """
        ...

    async def hold_more(self, call_id: int, usd: float, limits: Limits | None = None) -> None:
        """Reserve `usd` for another attempt, after `charge`. Waits and raises as `begin_call`;
        `limits`: those of the call's trial."""
        ...

    async def end_call(self, call_id: int, end: EndedCall) -> None:
        """Close the row. Each row is closed once."""
        ...

    async def share_call(self, call_id: int) -> None:
        """Mark a closed row as a shared answer: another row has the same prompt and answer.

        A replay uses it for what trials share, since it buys nothing and must not wait for another
        trial, and for what an earlier attempt was answered. Of all rows with the same prompt, one
        keeps its cost.
        """
        ...

    async def note_span(
        self, trial_id: int, *, agent: str, what: Activity, started_at: str, seconds: float
    ) -> None:
        """Record an activity of an agent that is no model call.

        `started_at` is UTC in ISO 8601; `seconds` is its duration.
        """
        ...
