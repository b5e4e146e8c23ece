"""What tests of the model client share: a ledger in memory, a client on a scripted server."""

from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

import anyio
from scripted_model import ScriptedModel

from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient, RetryPolicy
from harness.model.conversation import start_conversation
from harness.model.litellm_backend import LitellmBackend
from harness.model.prices import Price
from harness.model.trial_calls import TrialCalls
from harness.store.ledger import EndedCall, NewCall
from harness.types import Limits, Reply

SECRET = "sk-test-0123456789abcdefghij"
FAST = RetryPolicy(attempts=4, base_s=0.001, cap_s=0.005)
SETTINGS = {"timeout_s": 30.0, "max_output_tokens": 50, "retry": FAST}
PRICE = Price(
    input=5e-07,
    cached_input=5e-08,
    cache_write=6e-07,
    output=3e-06,
    context_tokens=1000,
    max_output_tokens=100,
    supports_tools=True,
    source="this test",
)
BASH = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a command.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
    },
}
HELLO = [{"role": "system", "content": "You are a test."}, {"role": "user", "content": "Hello"}]


@dataclass
class MemoryLedger:
    rows: list[dict] = field(default_factory=list)
    spans: list[dict] = field(default_factory=list)

    async def note_span(self, trial_id: int, **row) -> None:
        await anyio.sleep(0.001)
        self.spans.append(row | {"trial_id": trial_id})

    async def begin_call(self, call: NewCall) -> int:
        await anyio.sleep(0.001)
        self.rows.append(asdict(call) | {"outcome": "started"})
        return len(self.rows) - 1

    async def charge(self, call_id: int, usd: float) -> None:
        self.rows[call_id] |= {"charged_usd": usd, "reserved_usd": usd}

    async def hold_more(self, call_id: int, usd: float, limits: Limits | None = None) -> None:
        row = self.rows[call_id]
        assert row["reserved_usd"] == row["charged_usd"], "who waits for money holds none"
        row["reserved_usd"] += usd

    async def end_call(self, call_id: int, end: EndedCall) -> None:
        await anyio.sleep(0.001)  # as a data base would: here a cancelled caller is cancelled
        assert self.rows[call_id]["outcome"] == "started", "a row is closed once"
        self.rows[call_id] |= asdict(end) | {"usage": end.usage, "reply": end.reply}


def unlimited(**limits) -> Limits:
    nothing = {"steps": 0, "cost_usd": 0, "tokens": 0, "wall_clock_s": 0, "command_s": 0}
    return Limits(**nothing | limits)


@dataclass
class Bench:
    server: ScriptedModel
    client: ModelClient
    ledger: MemoryLedger
    budget: TrialBudget
    trial_calls: TrialCalls = field(default_factory=TrialCalls)

    def talk(self, conversation: str = "agent-1"):
        return start_conversation(
            self.client,
            7,
            system="single",
            instance_id="a__b-1",
            trial=0,
            conversation=conversation,
            agent="",
            budget=self.budget,
            trial_calls=self.trial_calls,
        )


_ANSWERED: list[Reply] = []


async def _answered_once() -> None:
    """Let the process have its first answer: it takes a second, and many on a busy machine."""
    if _ANSWERED:
        return
    key = CallKey(system="s", instance_id="i", trial=0, conversation="first", position=0)
    with ScriptedModel(lambda request, n: {"content": "x"}) as server:
        backend = LitellmBackend("openai/scripted", overrides=_overrides(server))
        _ANSWERED.append(await backend.attempt(key, HELLO, [], max_output_tokens=50, timeout_s=300))
        await backend.aclose()


def _overrides(server: ScriptedModel) -> dict[str, dict[str, str]]:
    return {"openai/scripted": {"api_base": server.base_url, "api_key_env": "SCRIPTED_API_KEY"}}


@asynccontextmanager
async def bench(script, *, limits=None, ledger=None, slots=8, price=PRICE, **client):
    """A client on the real litellm against `script`: a function, or one action for each request."""
    await _answered_once()
    actions = script if callable(script) else lambda request, n: script[n]
    with ScriptedModel(actions) as server:
        backend = LitellmBackend("openai/scripted", overrides=_overrides(server))
        ledger = ledger or MemoryLedger()
        model = ModelClient(
            backend,
            "openai/scripted",
            price=price,
            ledger=ledger,
            limit=CallLimit(slots),
            **SETTINGS | client,
        )
        try:
            yield Bench(server, model, ledger, TrialBudget(limits or unlimited()))
        finally:
            await backend.aclose()
