"""What comes back in a 200: answers in every form that is read, failures, what nobody can read."""

import json
from dataclasses import replace

import pytest
from model_bench import BASH, HELLO, PRICE, SECRET, bench
from provider_answers import entry
from provider_server import BUSY, IN_CHOICE, NETWORK, PROVIDERS, UPSTREAM, Imitation
from scripted_model import Garbage, Raw, ScriptedModel

from agents.loop import answer_message
from harness.errors import ModelUnavailable
from harness.model.backend import CallKey, Transient
from harness.model.litellm_backend import LitellmBackend
from harness.model.prices import cost, worst_case
from harness.model.response_body import openai_reply
from harness.score.cost import spent
from harness.types import CUT, Usage

pytestmark = [pytest.mark.anyio, pytest.mark.slow(seconds=13)]

COUNTED = {"prompt_tokens": 40, "completion_tokens": 6, "total_tokens": 46}
ONE = cost(Usage(prompt_tokens=40, completion_tokens=6), PRICE)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", SECRET)


def raw(body) -> Raw:
    return Raw(json.dumps(body).encode())


def choice(message, reason="stop", **more) -> Raw:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    return raw({"id": "x", "usage": COUNTED} | body | more)


FAILURES = {
    "an upstream's error object": UPSTREAM,
    "an error in the choice": IN_CHOICE,
    "a finish reason of z.ai's": NETWORK,
    "a rate limit of MiniMax's": BUSY,
    "an error in a list": raw([{"error": {"code": 503, "message": "The model is overloaded."}}]),
    "an error that is a text": raw({"error": "upstream connect error"}),
    "an error without an object": raw({"object": "error", "message": "engine died", "code": 500}),
    "a detail": raw({"detail": "Internal server error"}),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_a_failure_in_a_200_is_a_failure_and_costs_nothing(failure):
    async with bench([failure, failure, failure, choice({"content": "at last"})]) as b:
        reply = await b.talk().complete(HELLO, [BASH])
    assert reply.content == "at last"
    (row,) = b.ledger.rows
    assert (row["outcome"], row["attempts"]) == ("ok", 4)
    assert row["cost_usd"] == row["charged_usd"] == pytest.approx(ONE)


READABLE = {
    "pieces": ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                            {"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
               "one two"),
    "texts in a list": ({"content": ["one ", "two"]}, "one two"),
    "thoughts aloud": ({"content": "<think>\nhm\n</think>\n\none two"}, "one two"),
    "a refusal": ({"content": None, "refusal": "I would rather not."}, "I would rather not."),
    "no role": ({"content": "one two"}, "one two"),
    "an empty error object": ({"content": "one two"}, "one two"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "words"), READABLE.values(), ids=READABLE)
async def test_whatever_can_be_read_is_read_and_bought_once(message, words, request):
    more = {"error": {}} if "error" in request.node.callspec.id else {}
    async with bench([choice(message, **more)]) as b:
        reply = await b.talk().complete(HELLO, [])
    assert reply.content == words
    assert reply.usage == Usage(prompt_tokens=40, completion_tokens=6)
    assert len(b.server.requests) == 1


async def test_arguments_that_are_no_text_are_read():
    call = {"type": "function", "function": {"name": "bash", "arguments": {"command": "ls"}}}
    async with bench([choice({"content": None, "tool_calls": [call]}, "tool_calls")]) as b:
        (called,) = (await b.talk().complete(HELLO, [BASH])).tool_calls
    assert (called.name, json.loads(called.arguments)) == ("bash", {"command": "ls"})


NOTHING = {
    "a web page": Garbage(),
    "nothing": Raw(b""),
    "no choices": raw({"id": "x", "choices": []}),
    "a stream that nobody asked for": Raw(b'data: {"choices": []}\n\ndata: [DONE]\n\n'),
}


@pytest.mark.parametrize("answer", NOTHING.values(), ids=NOTHING)
async def test_an_answer_that_nobody_can_read_has_an_unknown_cost_and_is_bought_three_times(answer):
    async with bench(lambda request, n: answer) as b:
        with pytest.raises(ModelUnavailable, match="3 answers that are of no use"):
            await b.talk().complete(HELLO, [])
    (row,) = b.ledger.rows
    assert row["attempts"] == len(b.server.requests) == 3
    assert row["cost_usd"] is None
    size = len(json.dumps([HELLO, []]).encode())
    assert row["charged_usd"] == pytest.approx(3 * worst_case(size, 50, PRICE))
    assert spent([row]).unsure_usd == pytest.approx(row["charged_usd"])


async def test_an_answer_that_is_counted_and_cannot_be_read_costs_what_was_counted():
    broken = raw({"id": "x", "choices": None, "usage": COUNTED})
    async with bench([broken, choice({"content": "whole"})]) as b:
        await b.talk().complete(HELLO, [])
    assert b.ledger.rows[0]["cost_usd"] == b.ledger.rows[0]["charged_usd"] == pytest.approx(2 * ONE)


@pytest.mark.parametrize("usage", [None, "none", {}, {"prompt_tokens": None}])
async def test_an_answer_without_a_count_has_an_unknown_cost(usage):
    async with bench([choice({"content": "x"}, usage=usage)]) as b:
        reply = await b.talk().complete(HELLO, [])
    assert reply.usage == Usage()
    assert b.ledger.rows[0]["cost_usd"] is None
    assert b.ledger.rows[0]["charged_usd"] > 0


@pytest.mark.parametrize("model", ["openai/scripted", "deepseek/scripted"])
@pytest.mark.parametrize("way", ["refused", "a proxy that is down"])
async def test_a_request_that_never_left_charges_nothing(model, way, monkeypatch):
    address = "http://127.0.0.1:9/v1"
    if way != "refused":
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        address = "http://provider.invalid/v1"
    entry = {"api_base": address, "api_key_env": "SCRIPTED_API_KEY"}
    gone = LitellmBackend(model, overrides={model: entry})
    async with bench([]) as b:
        b.client._backend = gone
        with pytest.raises(ModelUnavailable):
            await b.talk().complete(HELLO, [])
        await gone.aclose()
    (row,) = b.ledger.rows
    assert (row["attempts"], row["cost_usd"], row["charged_usd"]) == (4, 0, 0)


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
async def test_every_word_for_the_output_limit_is_one(reason):
    async with bench([choice({"content": "and then I"}, reason)]) as b:
        assert (await b.talk().complete(HELLO, [])).finish_reason == CUT


async def test_an_answer_as_long_as_it_may_be_is_cut_whatever_it_is_called():
    usage = {"prompt_tokens": 40, "completion_tokens": 50, "total_tokens": 90}
    async with bench([choice({"content": "and then I"}, "tool_calls", usage=usage)]) as b:
        assert (await b.talk().complete(HELLO, [])).finish_reason == CUT


@pytest.mark.parametrize("name", ["anthropic", "gemini", "openai"])
@pytest.mark.parametrize(
    "command",
    ['"echo \\ud83d"', "NaN", "-Infinity", "1e999"],
    ids=["surrogate", "nan", "inf", "big"],
)
async def test_arguments_that_only_python_can_read_do_not_stop_the_next_call(name, command):
    call = {"id": "a1", "function": {"name": "bash", "arguments": f'{{"command": {command}}}'}}
    reply = openai_reply({"choices": [{"message": {"content": None, "tool_calls": [call]}}]})
    (sent,) = answer_message(reply)["tool_calls"]
    model, talk = PROVIDERS[name].model, [*HELLO, answer_message(reply)]
    talk.append({"role": "tool", "tool_call_id": sent["id"], "content": "no such thing"})
    imitation = Imitation(name, lambda request, n: {"content": "done"})
    imitation.provider = replace(imitation.provider, check=lambda message, signature: None)
    imitation._faults.clear()
    with ScriptedModel(imitation) as server:
        backend = LitellmBackend(model, overrides={model: entry(server, name)})
        key = CallKey(system="s", instance_id="i", trial=0, conversation="c", position=1)
        again = await backend.attempt(key, talk, [BASH], max_output_tokens=100, timeout_s=20)
        await backend.aclose()
    assert again.content == "done"


def test_arguments_that_any_reader_takes_are_left_as_they_came():
    for text in ('{"a":  1.50, "b": "\\ud83d\\ude00"}', '{"a": "x', "[" * 100_000, ""):
        call = {"id": "a1", "function": {"name": "bash", "arguments": text}}
        reply = openai_reply({"choices": [{"message": {"tool_calls": [call]}}]})
        assert reply.tool_calls[0].arguments == text


async def test_a_request_that_nothing_can_hold_charges_nothing():
    model = PROVIDERS["anthropic"].model
    with ScriptedModel(Imitation("anthropic", lambda request, n: {"content": "x"})) as server:
        backend = LitellmBackend(model, overrides={model: entry(server, "anthropic")})
        key = CallKey(system="s", instance_id="i", trial=0, conversation="c", position=1)
        talk = [{"role": "user", "content": "half of a pair: \ud83d"}]
        with pytest.raises(Transient) as problem:
            await backend.attempt(key, talk, [], max_output_tokens=100, timeout_s=20)
        await backend.aclose()
        assert server.requests == []
    assert (problem.value.unsure, problem.value.answered) == (False, False)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 0, "completion_tokens": 6},
        {"prompt_tokens": None, "completion_tokens": 6, "total_tokens": 46},
        {"prompt_tokens": 40, "completion_tokens": None, "total_tokens": None},
        {"prompt_tokens": 40, "completion_tokens": 0, "total_tokens": 40},
    ],
    ids=["no prompt", "null prompt", "null completion", "no completion"],
)
async def test_half_a_count_is_no_cost(usage):
    async with bench([choice({"content": "said"}, usage=usage)]) as b:
        await b.talk().complete(HELLO, [BASH])
    (row,) = b.ledger.rows
    assert row["cost_usd"] is None
    assert row["charged_usd"] > ONE
