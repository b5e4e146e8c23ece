"""Everything that goes wrong between the real litellm and a real HTTP server."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import anyio
import pytest
from model_bench import BASH, HELLO, SECRET, bench
from scripted_model import Cut, Drip, Garbage, Hang, Raw, Status

from harness.errors import ContextOverflow, ModelRefused, ModelUnavailable
from harness.model.litellm_backend import LitellmBackend
from harness.types import Reply

pytestmark = [pytest.mark.anyio, pytest.mark.slow(seconds=9)]


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", SECRET)


FAULTS = {
    "rate limit": Status(429),
    "server error": Status(500),
    "overloaded": Status(529),
    "gateway": Status(504),
    "cut in the body": Cut(),
    "not JSON": Garbage(),
    "an empty object": Raw(b"{}"),
    "a list": Raw(b"[]"),
    "null": Raw(b"null"),
    "no choice": Raw(b'{"choices": []}'),
    "no message": Raw(b'{"choices": [{"index": 0, "message": null}]}'),
    "an upstream error in a 200": Raw(b'{"error": {"message": "upstream", "code": 502}}'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_passing_fault_is_survived_and_counted(fault):
    async with bench([fault, fault, {"content": "at last"}]) as b:
        reply = await b.talk().complete(HELLO, [BASH])
        assert reply.content == "at last"
        assert len(b.server.requests) == 3
        (row,) = b.ledger.rows
        assert (row["outcome"], row["attempts"], row["error"]) == ("ok", 3, "")
        assert b.budget.steps == 1


async def test_every_wait_for_another_attempt_is_told_with_its_reason():
    heard = []
    script = [Status(429), Status(500), {"content": "at last"}]
    async with bench(script, waiting=lambda trial, why: heard.append((trial, why))) as b:
        await b.talk().complete(HELLO, [])
    assert heard == [
        (7, "attempt 2 of 4 (the provider asks to slow down)"),
        (7, "attempt 3 of 4 (the provider failed: 500)"),
    ]


async def test_a_provider_that_cannot_be_reached_is_called_that():
    heard = []
    async with bench([], waiting=lambda trial, why: heard.append(why)) as b:
        gone = LitellmBackend(
            "openai/scripted", overrides={"openai/scripted": {"api_base": "http://127.0.0.1:9/v1"}}
        )
        b.client._backend = gone
        with pytest.raises(ModelUnavailable):
            await b.talk().complete(HELLO, [])
        await gone.aclose()
    assert heard == [f"attempt {n} of 4 (cannot connect)" for n in (2, 3, 4)]


@pytest.mark.parametrize(
    "hang", [Hang(30), Hang(30, after_headers=True), Drip(30)], ids=["silent", "no body", "drip"]
)
async def test_a_hanging_server_costs_one_time_limit_and_no_more(hang):
    async with bench([hang, {"content": "awake"}], timeout_s=1) as b:
        started = monotonic()
        reply = await b.talk().complete(HELLO, [])
        assert reply.content == "awake"
        assert monotonic() - started < 3
        assert b.ledger.rows[0]["attempts"] == 2


async def test_a_fault_that_stays_ends_as_unavailable_after_all_attempts():
    async with bench(lambda request, n: Status(503, "down for tea")) as b:
        with pytest.raises(ModelUnavailable, match=r"asked 4 times.*down for tea"):
            await b.talk().complete(HELLO, [])
        (row,) = b.ledger.rows
        assert (row["outcome"], row["attempts"], row["reply"]) == ("failed", 4, None)
        assert row["error"].startswith("ModelUnavailable: ")
        assert row["cost_usd"] == 0
        assert (b.budget.dollars.spent, b.budget.dollars.reserved) == (0, 0)


async def test_retry_after_in_seconds_is_waited_for():
    async with bench([Status(429, retry_after=0.4), {"content": "ok"}]) as b:
        started = monotonic()
        await b.talk().complete(HELLO, [])
        took = monotonic() - started
        assert took >= 0.4
        assert b.ledger.rows[0]["latency_s"] <= took - 0.4, "waiting is no latency of the provider"


async def test_retry_after_as_a_date_is_waited_for():
    def script(request, n):
        at = datetime.now(UTC) + timedelta(seconds=2)  # a header has whole seconds: 1 s or more
        return {"content": "ok"} if n else Status(429, retry_after=format_datetime(at, usegmt=True))

    async with bench(script) as b:
        started = monotonic()
        await b.talk().complete(HELLO, [])
        assert 0.9 <= monotonic() - started < 4


async def test_a_retry_after_beyond_reason_gives_up_at_once():
    async with bench([Status(429, retry_after=86_400)]) as b:
        with pytest.raises(ModelUnavailable, match="asked once"):
            await b.talk().complete(HELLO, [])


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
async def test_a_refusal_is_asked_exactly_once_and_never_tells_the_key(code):
    said = f"Incorrect API key provided: {SECRET}"
    async with bench(lambda request, n: Status(code, said)) as b:
        with pytest.raises(ModelRefused) as caught:
            await b.talk().complete(HELLO, [])
        assert len(b.server.requests) == 1
        (row,) = b.ledger.rows
        assert (row["outcome"], row["attempts"]) == ("failed", 1)
        assert row["error"].startswith("EndpointRefused: ")
        assert "\n" not in row["error"]
        assert SECRET not in repr(b.ledger.rows) + str(caught.value)
        assert "[key]" in str(caught.value)


async def test_a_key_stays_out_of_errors_that_are_retried():
    async with bench(lambda request, n: Status(500, f"Bearer {SECRET} exploded")) as b:
        with pytest.raises(ModelUnavailable) as caught:
            await b.talk().complete(HELLO, [])
        assert SECRET not in repr(b.ledger.rows) + repr(caught.getrepr(style="long"))


@pytest.mark.parametrize("before", [195, 1995])
@pytest.mark.parametrize("code", [200, 500])
async def test_no_half_of_a_key_is_left_where_an_answer_is_cut(before, code):
    said = " " * before + SECRET
    body = said if code == 200 else json.dumps({"error": {"message": said}})
    async with bench(lambda request, n: Raw(body.encode(), code)) as b:
        with pytest.raises(ModelUnavailable) as caught:
            await b.talk().complete(HELLO, [])
        told = repr(b.ledger.rows) + str(caught.value)
        assert not any(SECRET[at : at + 5] in told for at in range(6))


async def test_no_money_left_is_no_rate_limit():
    quota = Status(429, "You exceeded your current quota", error={"code": "insufficient_quota"})
    async with bench([quota]) as b:
        with pytest.raises(ModelRefused):
            await b.talk().complete(HELLO, [])


@pytest.mark.parametrize(
    "fault",
    [
        Status(
            400,
            "This model's maximum context length is 1000 tokens. However, you requested 2000.",
            error={"code": "context_length_exceeded"},
        ),
        Status(400, "prompt is too long: 2000 tokens > 1000 maximum"),
        Status(413, "request too large"),
    ],
    ids=["openai", "anthropic", "413"],
)
async def test_a_prompt_that_does_not_fit_is_asked_exactly_once(fault):
    async with bench([fault]) as b:
        with pytest.raises(ContextOverflow):
            await b.talk().complete(HELLO, [])
        assert b.ledger.rows[0]["error"].startswith("ContextOverflow: ")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"name": "rm_rf", "arguments": {}}, ("rm_rf", "{}")),
        ({"name": "bash", "arguments": '{"command": "ls'}, ("bash", '{"command": "ls')),
        ({"name": "bash", "arguments": ""}, ("bash", "")),
        ({"name": "", "arguments": "[1]"}, ("", "[1]")),
    ],
    ids=["unknown tool", "cut JSON", "no arguments", "no name"],
)
async def test_a_strange_tool_call_reaches_the_agent_as_it_is(call, expected):
    async with bench([{"content": None, "tool_calls": [call]}]) as b:
        reply = await b.talk().complete(HELLO, [BASH])
        assert [(c.name, c.arguments) for c in reply.tool_calls] == [expected]
        assert b.ledger.rows[0]["attempts"] == 1


@pytest.mark.parametrize("content", ["", None])
async def test_an_empty_answer_is_an_answer(content):
    async with bench([{"content": content}]) as b:
        assert await b.talk().complete(HELLO, [BASH]) == Reply(
            content="", usage=b.ledger.rows[0]["usage"], finish_reason="stop"
        )
        assert b.ledger.rows[0]["outcome"] == "ok"


async def test_half_a_surrogate_pair_does_not_reach_anybody():
    cut = {"content": "smile \ud83d", "tool_calls": [{"name": "bash", "arguments": '{"a\ud83d'}]}
    async with bench([cut]) as b:
        reply = await b.talk().complete(HELLO, [BASH])
        assert (reply.content, reply.tool_calls[0].arguments) == ("smile ?", '{"a?')


async def test_waits_between_attempts_hold_no_slot():
    def script(request, n):
        slow = request["messages"][-1]["content"] == "slow"
        return Status(429, retry_after=1) if slow and n == 0 else {"content": "x"}

    async with bench(script, slots=1) as b:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(b.talk("a").complete, [{"role": "user", "content": "slow"}], [])
            await anyio.sleep(0.3)
            await b.talk("b").complete(HELLO, [])
        said = [request["messages"][-1]["content"] for request in b.server.requests]
        assert said == ["slow", "Hello", "slow"]
