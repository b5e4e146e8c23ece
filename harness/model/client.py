"""Conversations with a model: budget, ledger, retries and concurrency around a back end."""

import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio

from harness.errors import DelmError, ModelError, ModelUnavailable
from harness.model import prices
from harness.model.backend import Backend, CallKey, Transient
from harness.model.budget import TrialBudget
from harness.model.call_accounting import Request, Speaker, Tally
from harness.model.call_limit import CallLimit
from harness.model.endpoint_health import PATIENCE, EndpointHealth
from harness.model.prices import REQUEST_OVERHEAD_TOKENS, Price
from harness.model.prompt_hash import exact_hash, prompt_hash
from harness.model.resume_cache import PaidCall
from harness.model.text_protocol import parse_reply, render_messages
from harness.model.trial_calls import TrialCalls
from harness.model.usage import counted, total
from harness.store.ledger import CallOutcome, EndedCall, Ledger, NewCall
from harness.text.timestamps import now
from harness.types import Activity, Limits, Message, Reply, Usage

LEAST_TURN_S = 0.001  # what takes less is no wait
UNREAD_AT_MOST = 3  # answers to one call that came, are likely to be billed and are of no use


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Full jitter: before attempt n+1 wait a random time up to `base_s * 2**n`, at most `cap_s`.

    A provider's Retry-After is waited for in full up to `retry_after_cap_s`; beyond that the call
    is given up.
    """

    attempts: int
    base_s: float
    cap_s: float
    retry_after_cap_s: float = 600.0


class ModelClient:
    """One model, shared by every conversation of a run.

    `limit` bounds the attempts under way. `seed` makes waits repeatable; `clock` tells at what hour
    a call is sent, for prices by the time of day. `price` None: costs are None, and not counted.
    `waiting` hears of every wait for another attempt: the trial, and which attempt for what reason.
    `patience` and `lacks`: see `EndpointHealth`.
    """

    def __init__(
        self,
        backend: Backend,
        model: str,
        *,
        price: Price | None,
        ledger: Ledger,
        limit: CallLimit,
        retry: RetryPolicy,
        timeout_s: float,
        max_output_tokens: int,
        text_protocol: bool = False,
        seed: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        waiting: Callable[[int, str], None] = lambda trial_id, why: None,
        patience: int = PATIENCE,
        lacks: Callable[[], str] = lambda: "",
    ) -> None:
        self.model = model
        self.price = price
        self.bills = not backend.name.startswith("replay:")  # else what it answers is free
        self.endpoint_health = EndpointHealth(patience if self.bills else 0, lacks)
        self._backend = backend
        self._ledger = ledger
        self.limit = limit
        self._retry = retry
        self._timeout_s = timeout_s
        self._max_output_tokens = max_output_tokens
        self._text_protocol = text_protocol
        self._waiting = waiting
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311  # spreads retries, guards nothing

    def count_tokens(self, text: str) -> int:
        """How many tokens of the model `text` has."""
        return self._backend.count_tokens(text)

    async def begin(
        self, request: Request, who: Speaker, budget: TrialBudget, trial_calls: TrialCalls
    ) -> Tally:
        """Take the call's worst case from `budget` and from the run, and note that it begins.

        Waits for calls under way that hold what is missing, as long as the trial has time. The
        trial's part is taken first: who waits for the run's money holds none of that. Where
        `LimitReached` says that there is too little, nothing was taken, and it is no step.
        """
        hold = await budget.take(request.worst_usd, request.worst_tokens)
        tally = Tally(hold, priced=self.price is not None)
        with ExitStack() as undo:
            undo.callback(hold.withdraw)
            with budget.in_time():
                limits, moment = budget.trial_limits, trial_calls.moment()
                tally.call_id = await self._begin(request, who, trial_calls, moment, limits=limits)
            undo.pop_all()
        return tally

    async def call(
        self,
        request: Request,
        tally: Tally,
        who: Speaker,
        budget: TrialBudget,
        trial_calls: TrialCalls,
        *,
        shares: bool = False,
    ) -> Reply:
        """Make a call that has begun; its row is closed whatever becomes of it.

        `shares`: another trial, or an earlier attempt, may have asked the same; in a replay each is
        answered, and one has the cost.
        """
        outcome: CallOutcome = "failed"
        reply, error = None, ""
        try:
            try:
                reply = await self._attempts(request, who.trial_id, budget, tally)
            finally:
                if tally.attempts:  # else it has not begun, and nothing waits for its end
                    await self.wait(who, request.key, self._backend.turn)
            outcome = "ok"
            self.endpoint_health.answered(who.trial_id)
        except anyio.get_cancelled_exc_class():
            outcome = "cancelled"
            raise
        except DelmError as problem:
            error = f"{type(problem).__name__}: {problem}"
            if isinstance(problem, ModelError):
                self.endpoint_health.failed(who.trial_id, problem)
            raise
        finally:
            tally.close()
            with anyio.CancelScope(shield=True):
                end = EndedCall(
                    outcome=outcome,
                    reply=reply,
                    usage=total(tally.usages),
                    cost_usd=tally.cost_usd,
                    charged_usd=tally.charged_usd if tally.priced else None,
                    latency_s=tally.latency_s,
                    attempts=tally.attempts,
                    error=error,
                    moment=trial_calls.moment(),
                )
                await self._ledger.end_call(tally.call_id, end)
        if shares and not self.bills:
            await self._ledger.share_call(tally.call_id)
        return reply

    async def wait(
        self, who: Speaker, key: CallKey, turn: Callable[[CallKey], Awaitable[None]]
    ) -> None:
        """Wait for the `turn` of a call, and note it: it is no time of the model."""
        at, began = now(), time.monotonic()
        try:
            await turn(key)
        finally:
            seconds = time.monotonic() - began
            if who.agent and seconds >= LEAST_TURN_S:
                with anyio.CancelScope(shield=True):
                    await self._ledger.note_span(
                        who.trial_id,
                        agent=who.agent,
                        what=Activity.TURN,
                        started_at=at,
                        seconds=seconds,
                    )

    async def _begin(
        self,
        request: Request,
        who: Speaker,
        trial_calls: TrialCalls,
        moment: int,
        paid: PaidCall | None = None,
        limits: Limits | None = None,
    ) -> int:
        return await self._ledger.begin_call(
            NewCall(
                trial_id=who.trial_id,
                conversation=request.key.conversation,
                agent=who.agent,
                position=request.key.position,
                model=self.model,
                prompt_sha256=request.prompt_sha256,
                repeated=trial_calls.repeated(request.messages, request.tools),
                reserved_usd=None if paid else request.worst_usd,
                moment=moment,
                paid_call=paid.call_id if paid else None,
                tools=json.dumps(list(request.offered)),
                limits=limits,
            )
        )

    async def answer(
        self,
        request: Request,
        paid: PaidCall,
        who: Speaker,
        budget: TrialBudget,
        trial_calls: TrialCalls,
        began: int,
    ) -> Reply:
        """Give the answer that is paid for to a call that was made at the moment `began`.

        It counts in the trial's budget, not in the run's, which has it already.
        """
        usage = paid.reply.usage
        budget.spend(paid.cost_usd, usage.prompt_tokens + usage.completion_tokens)
        with anyio.CancelScope(shield=True):
            call_id = await self._begin(request, who, trial_calls, began, paid)
            end = EndedCall(
                outcome="ok",
                reply=paid.reply,
                usage=usage,
                cost_usd=paid.cost_usd,
                charged_usd=None,
                latency_s=0.0,
                attempts=0,
                error="",
                moment=trial_calls.moment(),
            )
            await self._ledger.end_call(call_id, end)
        return paid.reply

    async def _attempts(
        self, request: Request, trial_id: int, budget: TrialBudget, tally: Tally
    ) -> Reply:
        unread = 0
        while True:
            try:
                reply = await self._attempt(request, budget, tally)
            except Transient as problem:
                spent = True
                if counted(problem.usage):
                    self._settle(problem.usage, tally)
                elif problem.unsure:
                    tally.doubts += 1
                    tally.charged_usd += tally.hold.settle(None, None)
                else:
                    spent = False
                unread += problem.answered
                if unread >= UNREAD_AT_MOST:
                    raise ModelUnavailable(
                        f"{unread} answers that are of no use, last: {problem}"
                    ) from None
                seconds = self._wait(problem, budget, tally)
                if spent and request.worst_usd is not None:
                    await self._ledger.charge(tally.call_id, tally.charged_usd)
                attempt = f"attempt {tally.attempts + 1} of {self._retry.attempts}"
                self._waiting(trial_id, f"{attempt} ({problem.brief})")
                await anyio.sleep(seconds)
                await budget.clock.runs()
                if spent:  # the first worst case is used up: the next attempt needs its own
                    await self._hold_again(request, budget, tally)
            else:
                self._settle(reply.usage, tally)
                return reply

    async def _hold_again(self, request: Request, budget: TrialBudget, tally: Tally) -> None:
        tally.hold = await budget.take(request.worst_usd, request.worst_tokens, new_step=False)
        if request.worst_usd is not None:
            with budget.in_time():
                await self._ledger.hold_more(tally.call_id, request.worst_usd, budget.trial_limits)

    async def _attempt(self, request: Request, budget: TrialBudget, tally: Tally) -> Reply:
        async with AsyncExitStack() as slot:
            with budget.in_time():
                await slot.enter_async_context(self.limit.slot())
            budget.check_time()
            tally.attempts += 1
            tally.sent_at = self._clock()
            started = time.monotonic()
            try:
                reply = await self._backend.attempt(
                    request.key,
                    request.messages,
                    request.tools,
                    max_output_tokens=self._max_output_tokens,
                    timeout_s=min(self._timeout_s, budget.remaining_s),
                )
            except anyio.get_cancelled_exc_class():
                tally.cut_off = True
                raise
            finally:
                tally.latency_s += time.monotonic() - started
        if self._text_protocol:
            return parse_reply(reply, f"text_{request.key.position}")
        return reply

    def _wait(self, problem: Transient, budget: TrialBudget, tally: Tally) -> float:
        """Seconds to wait for the next attempt; raises when there is none."""
        asked = problem.retry_after_s or 0.0
        if tally.attempts >= self._retry.attempts or asked > self._retry.retry_after_cap_s:
            times = "once" if tally.attempts == 1 else f"{tally.attempts} times"
            raise ModelUnavailable(f"asked {times}, last: {problem}") from problem
        longest = min(self._retry.cap_s, self._retry.base_s * 2 ** (tally.attempts - 1))
        wait = asked + self._random.uniform(0, self._retry.base_s if asked else longest)
        budget.check_time(wait)
        return wait

    def _settle(self, usage: Usage, tally: Tally) -> None:
        known = self.price is not None and counted(usage)
        at = tally.sent_at if self.bills else None  # a replay costs the same at any hour
        cost = prices.cost(usage, self.price, at) if self.price and known else None
        tally.usages.append(usage)
        tally.costs.append(cost)
        tokens = usage.prompt_tokens + usage.completion_tokens if counted(usage) else None
        tally.charged_usd += tally.hold.settle(cost, tokens)

    def request(
        self,
        key: CallKey,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        exact: bool = False,
    ) -> Request:
        """The call as it will be sent, with its worst case. `exact`: no two prompts are one."""
        offered = tools
        if self._text_protocol:
            messages, tools = render_messages(messages, tools), ()
        text = json.dumps([list(messages), list(tools)], ensure_ascii=False)
        size = len(text.encode("utf-8", "surrogatepass"))
        worst = prices.worst_case(size, self._max_output_tokens, self.price) if self.price else None
        return Request(
            key=key,
            messages=messages,
            tools=tools,
            offered=offered,
            prompt_sha256=(exact_hash if exact else prompt_hash)(messages, tools),
            worst_usd=worst,
            worst_tokens=size + REQUEST_OVERHEAD_TOKENS + self._max_output_tokens,
        )
