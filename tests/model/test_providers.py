"""Each provider by name, through the real litellm: what it wants back, what it bills."""

import json

import pytest
from model_bench import BASH, FAST, MemoryLedger, unlimited
from provider_answers import billed, entry, look
from provider_server import PROVIDERS, Imitation
from scripted_model import ScriptedModel

from agents.loop import answer_message, with_unique_ids
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient
from harness.model.conversation import start_conversation
from harness.model.litellm_backend import LitellmBackend
from harness.model.prices import find_price
from harness.model.trial_calls import TrialCalls

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_provider_gets_back_what_it_said_and_its_bill_is_ours(name, monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", "sk-test-0123456789abcdefghij")
    answers = [look(0), look(1, "pwd"), look(2) | {"content": None}, {"content": "done"}]

    def script(request, n):
        return answers[sum(m["role"] == "assistant" for m in request["messages"])]

    imitation = Imitation(name, script)
    with ScriptedModel(imitation) as server:
        model = PROVIDERS[name].model
        overrides = {model: entry(server, name)}
        backend = LitellmBackend(model, overrides=overrides)
        await backend.warm_up()
        ledger = MemoryLedger()
        client = ModelClient(
            backend, model, price=find_price(model, overrides), ledger=ledger,
            limit=CallLimit(4), timeout_s=20, retry=FAST,
            max_output_tokens=8192,
        )  # fmt: skip
        talk = start_conversation(
            client, 1, system="single", instance_id="i", trial=0, conversation="agent-1", agent="",
            budget=TrialBudget(unlimited()), trial_calls=TrialCalls(),
        )  # fmt: skip
        messages = [{"role": "system", "content": "A test."}, {"role": "user", "content": "Go."}]
        try:
            for answer in answers:
                reply = await talk.complete(messages, [BASH])
                reply = with_unique_ids(reply, messages)
                assert reply.content == (answer["content"] or "")
                commands = [json.loads(call.arguments)["command"] for call in reply.tool_calls]
                assert len(commands) == len(answer.get("tool_calls", ()))
                messages.append(answer_message(reply))
                messages += [
                    {"role": "tool", "tool_call_id": call.id, "content": "nothing"}
                    for call in reply.tool_calls
                ]
        finally:
            await backend.aclose()
    assert imitation.refused == []
    assert imitation.bill.answers == len(answers), "no answer was bought twice"
    assert sum(row["cost_usd"] for row in ledger.rows) == pytest.approx(billed(imitation))
