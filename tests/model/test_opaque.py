"""What the provider wants back with an answer: kept, served again after a cut, shown to nobody."""

import json

import pytest
from model_bench import BASH, FAST, unlimited
from provider_answers import entry, look
from provider_server import PROVIDERS, Imitation
from scripted_model import ScriptedModel

from agents.loop import answer_message, with_unique_ids
from harness.exports.atif_steps import conversation_steps
from harness.exports.recording import record
from harness.exports.trajectories import trajectory_files
from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient
from harness.model.conversation import start_conversation
from harness.model.litellm_backend import LitellmBackend
from harness.model.prices import find_price
from harness.model.replay import ReplayBackend, load_recording
from harness.model.response_body import as_received
from harness.model.resume_cache import ResumeCache
from harness.model.text_protocol import parse_reply, render_messages
from harness.model.trial_calls import TrialCalls
from harness.store.ledger import NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import CUT, Reply

pytestmark = pytest.mark.anyio

ANSWERS = [look(0), look(1), look(2), {"content": "done"}]
OPENING = [{"role": "system", "content": "A test."}, {"role": "user", "content": "Go."}]
SIGNED = ("deepseek", "gemini over chat completions", "gemini", "anthropic", "openrouter", "kimi",
          "databricks", "mistral")  # fmt: skip


async def planned(store: SqliteStore) -> int:
    """The next attempt at the one trial of the run."""
    instance = {"instance_id": "a__b-1", "repo": "a/b", "difficulty": "", "length": ""}
    trial = {"system": "single", "instance_id": "a__b-1", "number": 0, "agents": 1, "wanted": 1,
             "submits": "one"}  # fmt: skip
    await store.plan([instance], [trial])
    row = await store.claim_trial()
    return row["trial_id"]


async def speak(store, trial_id, backend, price, turns, *, resumed=False):
    """So many turns of the conversation, as an agent's loop has them."""
    client = ModelClient(
        backend, backend.name, price=price, ledger=store, limit=CallLimit(4),
        timeout_s=20, retry=FAST, max_output_tokens=8192,
    )  # fmt: skip
    key = CallKey(system="single", instance_id="a__b-1", trial=0, conversation="", position=0)
    talk = start_conversation(
        client, trial_id, system="single", instance_id="a__b-1", trial=0, conversation="agent-1",
        agent="", budget=TrialBudget(unlimited()), trial_calls=TrialCalls(),
        paid=ResumeCache(key, await store.paid(trial_id)) if resumed else None,
    )  # fmt: skip
    messages = list(OPENING)
    for _ in range(turns):
        reply = with_unique_ids(await talk.complete(messages, [BASH]), messages)
        messages.append(answer_message(reply))
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "nothing"}
                     for call in reply.tool_calls]  # fmt: skip
    await store.say(trial_id, "agent-1", messages)
    return messages


@pytest.mark.parametrize("name", SIGNED)
async def test_it_outlives_the_process_and_goes_into_a_recording(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", "sk-test-0123456789abcdefghij")

    def script(request, n):
        return ANSWERS[sum(m["role"] == "assistant" for m in request["messages"])]

    imitation, model = Imitation(name, script), PROVIDERS[name].model
    store = SqliteStore(tmp_path / "run.db")
    with ScriptedModel(imitation) as server:
        overrides = {model: entry(server, name)}
        price = find_price(model, overrides)
        backend = LitellmBackend(model, overrides=overrides)
        cut = await planned(store)
        await speak(store, cut, backend, price, 2)
        await store.finish_trial(cut, "cancelled", reason="the process ended", seconds=1.0)
        again = await planned(store)
        said = await speak(store, again, backend, price, 4, resumed=True)
        await backend.aclose()
    assert imitation.refused == []
    assert imitation.bill.answers == 4, "what was paid for is not bought again"
    await store.finish_trial(again, "done", reason="finished", seconds=1.0)
    await store.describe(model=model, config={"dataset": {"name": "x"}})

    assert record(await store.read(), tmp_path / "recording.jsonl") == 4
    store.close()
    replayed = ReplayBackend(load_recording(tmp_path / "recording.jsonl"), lambda _: None)
    with_store = SqliteStore(tmp_path / "replay.db")
    heard = await speak(with_store, await planned(with_store), replayed, price, 4)
    with_store.close()
    assert heard == said
    assert replayed.mismatches == 0
    assert any(message.get("opaque") for message in heard)


async def test_a_store_and_a_recording_from_before_it_was_kept_are_read(tmp_path):
    store = SqliteStore(tmp_path / "run.db")
    trial = await planned(store)
    call = await store.begin_call(NewCall(
        trial_id=trial, conversation="agent-1", agent="", position=0, model="m",
        prompt_sha256="0", repeated=0.0, reserved_usd=None, moment=1,
    ))  # fmt: skip
    old = json.dumps({"content": "hello", "tool_calls": [], "finish_reason": "stop"})
    store._connection.db.execute(
        "UPDATE call SET outcome='ok', reply=? WHERE call_id=?", (old, call)
    )
    await store.finish_trial(trial, "cancelled", reason="the process ended", seconds=1.0)
    again = await planned(store)
    (row,) = await store.paid(again)
    key = CallKey(
        system="single", instance_id="a__b-1", trial=0, conversation="agent-1", position=0
    )
    assert ResumeCache(key, [row]).answer(key, "0").reply == Reply(
        content="hello", finish_reason="stop"
    )
    store.close()


def test_a_message_goes_back_as_it_came_and_nothing_of_ours_is_in_it():
    message = {
        "role": "assistant",
        "content": "Look.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "x", "arguments": "{}"}}
        ],
        "opaque": {
            "content": [{"type": "text", "text": "Look."}],
            "reasoning_content": "hm",
            "tool_calls": [{"extra_content": {"google": {"thought_signature": "s"}}}],
        },
    }  # fmt: skip
    before = json.dumps(message)
    sent = as_received(message)
    assert sent == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Look."}],
        "reasoning_content": "hm",
        "tool_calls": [
            message["tool_calls"][0] | {"extra_content": {"google": {"thought_signature": "s"}}}
        ],
    }
    assert json.dumps(message) == before
    assert as_received(OPENING[0]) is OPENING[0]


def test_calls_as_text_keep_the_thoughts_and_not_the_text_behind_the_first_call():
    said = "Look.\n```bash\nls\n```\nand then I imagine the output"
    reply = parse_reply(
        Reply(content=said, opaque={"reasoning_content": "hm", "content": [{"text": said}]})
    )
    assert reply.opaque == {"reasoning_content": "hm"}
    *_, sent = render_messages([*OPENING, answer_message(reply)], [])
    assert as_received(sent) == {
        "role": "assistant", "content": "Look.\n```bash\nls\n```\n", "reasoning_content": "hm",
    }  # fmt: skip


def test_exports_show_thoughts_as_thoughts_and_mark_the_rest():
    message = answer_message(
        Reply(
            content="I look.",
            opaque={
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "So.", "signature": "S"},
                    {"type": "reasoning.encrypted", "data": "XYZ"},
                ]
            },
        )
    )  # fmt: skip
    (step,) = conversation_steps([message], [])
    assert (step["message"], step["reasoning_content"]) == ("I look.", "So.")
    assert "XYZ" not in json.dumps(step)
    trial = {
        "reason": "finished",
        "instance_id": "i",
        "number": 0,
        "attempt": 0,
        "system": "single",
    }
    (text,) = trajectory_files(trial, {"agent-1": [message]}, [], [], {"model": "m"}).values()
    (said,) = json.loads(text)["messages"]
    assert set(said) == {"role", "content", "extra"}
    assert said["extra"]["opaque"] == message["opaque"]


@pytest.mark.parametrize("odd", ["So.", ["So."], {"text": "So."}, 5, [{"text": None}]])
def test_thoughts_in_any_form_are_exported_or_left_out(odd):
    for name in ("reasoning_details", "thinking_blocks"):
        (step,) = conversation_steps([answer_message(Reply(content="x", opaque={name: odd}))], [])
        assert step["message"] == "x"


def test_a_block_in_a_thought_that_was_cut_off_is_no_call():
    said = "<think>\nI could\n```bash\nrm -rf .\n```\nbut"
    assert parse_reply(Reply(content=said, finish_reason=CUT)).tool_calls == ()
    done = parse_reply(Reply(content=f"{said} no.\n</think>\n```bash\nls\n```\n"))
    assert [json.loads(call.arguments)["command"] for call in done.tool_calls] == ["ls"]
