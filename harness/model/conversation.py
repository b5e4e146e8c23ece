"""One conversation with a model: answers come from the model, the ledger or a replay."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_accounting import Request, Speaker
from harness.model.call_gate import CallGate, NoGate
from harness.model.client import ModelClient
from harness.model.resume_cache import PaidCall, ResumeCache
from harness.model.shared_cache import SharedCache
from harness.model.trial_calls import TrialCalls
from harness.types import Message, Reply


class Conversation:
    """A `harness.protocols.Model`: numbers its calls and gives them to the client."""

    def __init__(
        self,
        client: ModelClient,
        who: Speaker,
        key: CallKey,
        budget: TrialBudget,
        trial_calls: TrialCalls,
        *,
        paid: ResumeCache | None,
        shared: SharedCache | None,
        gate: CallGate,
    ) -> None:
        self._client = client
        self._gate = gate
        self._paid = paid
        self._shared = shared
        self._trial_calls = trial_calls
        self._who = who
        self._key = key
        self._budget = budget
        self._calls = 0

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        """Ask once, as `harness.protocols.Model.complete` promises."""
        await self._gate.enter(self._who.agent)
        reply = await self._completed(messages, tools)
        await self._gate.leave(self._who.agent)
        return reply

    async def _completed(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        key = replace(self._key, position=self._calls)
        exact = self._shared is not None  # the answer may be given to another trial
        request = self._client.request(key, messages, tools, exact=exact)
        paid = self._paid.answer(key, request.prompt_sha256) if self._paid else None
        if paid is not None and self._paid:
            if not self._client.bills:  # it answers again, in its order; the first has the cost
                return await self._asked(request, again=True)
            began = self._trial_calls.moment()  # before the wait: others may not be answered first
            await self._client.wait(self._who, key, self._paid.turn)
            return await self._served(request, paid, began)
        if self._shared is None or not self._client.bills:
            return await self._asked(request)
        async with self._shared.once(request.prompt_sha256) as known:
            if known is not None:
                return await self._served(request, known, self._trial_calls.moment())
            return await self._asked(request)

    async def _served(self, request: Request, paid: PaidCall, began: int) -> Reply:
        self._calls += 1
        return await self._client.answer(
            request, paid, self._who, self._budget, self._trial_calls, began
        )

    async def _asked(self, request: Request, *, again: bool = False) -> Reply:
        self._client.endpoint_health.check(self._who.trial_id)
        tally = await self._client.begin(request, self._who, self._budget, self._trial_calls)
        self._calls += 1
        shares = again or self._shared is not None
        return await self._client.call(
            request, tally, self._who, self._budget, self._trial_calls, shares=shares
        )


def start_conversation(
    client: ModelClient,
    trial_id: int,
    *,
    system: str,
    instance_id: str,
    trial: int,
    conversation: str,
    agent: str,
    budget: TrialBudget,
    trial_calls: TrialCalls,
    paid: ResumeCache | None = None,
    shared: SharedCache | None = None,
    gate: CallGate | None = None,
) -> Conversation:
    """A conversation on the trial's `budget` and `trial_calls`.

    `trial_id` is the ledger's; system, instance, trial and conversation are the key of recordings.
    What is `paid` for is not asked again, nor what is `shared` with other trials. Each call passes
    the `gate`.
    """
    key = CallKey(
        system=system,
        instance_id=instance_id,
        trial=trial,
        conversation=conversation,
        position=0,
    )
    speaker = Speaker(trial_id, agent)
    return Conversation(
        client,
        speaker,
        key,
        budget,
        trial_calls,
        paid=paid,
        shared=shared,
        gate=gate or NoGate(),
    )
