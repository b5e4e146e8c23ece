"""One model call through the real litellm over real HTTP: ledger, cost, budget, concurrency."""

import asyncio
import json
import re
from contextlib import aclosing
from time import monotonic

import anyio
import pytest
from midway import cancelled_when
from model_bench import BASH, HELLO, SECRET, bench, unlimited
from scripted_model import Cut, Hang, Raw, Status

from harness.errors import LimitReached, ModelRefused
from harness.store.ledger import EndedCall, NewCall
from harness.store.opening import open_store
from harness.types import Usage

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", SECRET)


@pytest.fixture
async def store(tmp_path):
    """Of a run that may spend a fifth of a cent, with the trial of which the bench speaks."""
    async with aclosing(await open_store(str(tmp_path / "run.db"), cap_usd=0.002)) as made:
        trial = {"system": "s", "instance_id": "i", "agents": 1, "wanted": 1, "submits": "one"}
        instance = {"instance_id": "i", "repo": "r", "difficulty": "", "length": ""}
        await made.plan([instance], [trial | {"number": n} for n in range(7)])
        yield made


async def test_a_reply_comes_with_its_tool_calls_usage_and_ledger_row():
    call = {"name": "bash", "arguments": {"command": "ls"}}
    usage = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920}
    async with bench([{"content": "look", "tool_calls": [call], "usage": usage}]) as b:
        reply = await b.talk().complete(HELLO, [BASH])
        assert reply.content == "look"
        assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [
            ("bash", {"command": "ls"})
        ]
        assert reply.usage == Usage(prompt_tokens=900, completion_tokens=20)
        assert reply.finish_reason == "tool_calls"
        request = b.server.requests[0]
        assert (request["messages"], request["tools"], request["max_tokens"]) == (HELLO, [BASH], 50)
        row = b.ledger.rows[0]
        assert (row["trial_id"], row["conversation"], row["position"]) == (7, "agent-1", 0)
        assert (row["outcome"], row["attempts"], row["error"]) == ("ok", 1, "")
        assert row["reply"] == reply
        assert 0 < row["latency_s"] < 30
        assert row["reserved_usd"] > row["cost_usd"] == pytest.approx(900 * 5e-07 + 20 * 3e-06)


async def test_cached_written_and_reasoning_tokens_have_their_own_price():
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 30,
        "total_tokens": 1030,
        "prompt_tokens_details": {"cached_tokens": 600, "cache_creation_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 10},
    }
    async with bench([{"content": "x", "usage": usage}]) as b:
        reply = await b.talk().complete(HELLO, [])
        assert reply.usage == Usage(
            prompt_tokens=1000,
            cached_tokens=600,
            cache_write_tokens=100,
            completion_tokens=30,
            reasoning_tokens=10,
        )
        by_hand = 300 * 5e-07 + 600 * 5e-08 + 100 * 6e-07 + 30 * 3e-06
        assert b.ledger.rows[0]["cost_usd"] == pytest.approx(by_hand)
        assert b.budget.dollars.spent == pytest.approx(by_hand)
        assert b.budget.tokens == 1030


async def test_an_unusable_answer_that_was_billed_is_paid_for():
    usage = b'"usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}'
    nothing = Raw(b'{"choices": [{"index": 0, "message": null}], ' + usage + b"}")
    none = Raw(b'{"choices": [], ' + usage + b"}")
    fine = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    async with bench([nothing, none, {"content": "x", "usage": fine}]) as b:
        await b.talk().complete(HELLO, [])
        (row,) = b.ledger.rows
        assert row["usage"] == Usage(prompt_tokens=300, completion_tokens=15)
        assert row["cost_usd"] == pytest.approx(300 * 5e-07 + 15 * 3e-06)
        assert row["attempts"] == 3
        assert b.budget.dollars.spent == pytest.approx(row["cost_usd"])
        assert (b.budget.tokens, b.budget.steps) == (315, 1)


async def test_billed_failures_cannot_pass_the_cap_between_attempts():
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
    billed = Raw(json.dumps({"choices": [], "usage": usage}).encode())
    worst = 0.0011  # a little over what the short prompt and 50 tokens can cost at most
    async with bench(lambda request, n: billed, limits=unlimited(cost_usd=worst)) as b:
        with pytest.raises(LimitReached) as caught:
            await b.talk().complete(HELLO, [])
        assert caught.value.limit == "cost"
        assert b.budget.dollars.spent <= worst
        assert len(b.server.requests) == 1
        assert b.ledger.rows[0]["error"].startswith("LimitReached: ")


async def test_an_answer_without_usage_costs_unknown_and_uses_up_its_worst_case():
    silent = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}}]}
    async with bench([Raw(json.dumps(silent).encode())]) as b:
        await b.talk().complete(HELLO, [])
        (row,) = b.ledger.rows
        assert (row["outcome"], row["cost_usd"]) == ("ok", None)
        assert b.budget.dollars.spent == row["reserved_usd"] > 0


async def test_an_unknown_price_is_blank_and_never_nothing():
    async with bench([{"content": "x"}], price=None, limits=unlimited(cost_usd=1e-9)) as b:
        await b.talk().complete(HELLO, [])
        (row,) = b.ledger.rows
        assert (row["reserved_usd"], row["cost_usd"], row["outcome"]) == (None, None, "ok")


async def test_nothing_is_sent_or_written_when_the_budget_does_not_cover_the_worst_case():
    for limits, name in (({"cost_usd": 1e-6}, "cost"), ({"tokens": 60}, "tokens")):
        async with bench([], limits=unlimited(**limits)) as b:
            with pytest.raises(LimitReached) as caught:
                await b.talk().complete(HELLO, [])
            assert caught.value.limit == name
            assert (b.server.requests, b.ledger.rows) == ([], [])


async def test_what_the_runs_money_does_not_cover_is_not_sent_and_no_step_or_place(store):
    async with bench([{"content": "x"}], ledger=store) as b:
        talk = b.talk()
        with pytest.raises(LimitReached) as caught:
            await talk.complete([*HELLO, {"role": "user", "content": "x" * 9_000}], [])
        assert caught.value.limit == "run_cost"
        assert (b.server.requests, await store.calls()) == ([], [])
        budget = b.budget
        assert (budget.steps, budget.tokens, budget.dollars.reserved) == (0, 0, 0)
        await talk.complete(HELLO, [])
        (held,) = await store.calls()
        assert (held["position"], budget.steps) == (0, 1)


async def test_a_wait_for_the_runs_money_ends_with_the_trials_wall_clock_and_takes_nothing(store):
    async with bench([], ledger=store, limits=unlimited(wall_clock_s=0.2)) as b:
        await store.begin_call(NewCall(
            trial_id=1, conversation="other", agent="", position=0, model="m", prompt_sha256="",
            repeated=0, reserved_usd=0.0015, moment=1,
        ))  # fmt: skip
        with anyio.fail_after(20), pytest.raises(LimitReached) as caught:
            await b.talk().complete(HELLO, [])
        assert caught.value.limit == "wall_clock"
        assert (b.budget.steps, b.budget.dollars.reserved, b.server.requests) == (0, 0, [])
        assert len(await store.calls()) == 1


async def test_a_call_that_was_billed_without_an_answer_waits_for_the_runs_money(store):
    async with bench([Cut(), {"content": "x"}], ledger=store) as b:
        other = await store.begin_call(NewCall(
            trial_id=1, conversation="other", agent="", position=0, model="m", prompt_sha256="",
            repeated=0, reserved_usd=0.0005, moment=1,
        ))  # fmt: skip
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(b.talk().complete, HELLO, [])
            while (await store.calls())[-1]["charged_usd"] is None:
                await anyio.sleep(0.005)
            await anyio.sleep(0.02)
            assert len(b.server.requests) == 1
            await store.end_call(
                other,
                EndedCall(outcome="ok", reply=None, usage=Usage(), cost_usd=0.0, charged_usd=0.0,
                          latency_s=0, attempts=1, error="", moment=2),
            )  # fmt: skip
        row = (await store.calls())[-1]
        assert (row["outcome"], row["attempts"]) == ("ok", 2)
        assert row["cost_usd"] < row["charged_usd"] < row["reserved_usd"] < 0.002
        assert await store.spent() == pytest.approx(row["charged_usd"])


async def test_steps_and_wall_clock_stop_a_trial():
    async with bench(lambda request, n: {"content": "x"}, limits=unlimited(steps=2)) as b:
        model = b.talk()
        await model.complete(HELLO, [])
        await model.complete(HELLO, [])
        with pytest.raises(LimitReached, match="steps"):
            await model.complete(HELLO, [])
        assert [row["position"] for row in b.ledger.rows] == [0, 1]
    async with bench([Hang(30)], limits=unlimited(wall_clock_s=0.3)) as b:
        started = monotonic()
        with pytest.raises(LimitReached) as caught:
            await b.talk().complete(HELLO, [])
        assert caught.value.limit == "wall_clock"
        assert monotonic() - started < 3, "the wall clock also bounds a call under way"


async def test_a_cancelled_call_has_a_row_that_says_so_and_may_have_been_billed():
    async with bench([Hang(30)]) as b:
        await cancelled_when(lambda: b.server.requests, lambda: b.talk().complete(HELLO, []))
        (row,) = b.ledger.rows
        assert (row["outcome"], row["cost_usd"], row["attempts"]) == ("cancelled", None, 1)
        assert b.budget.dollars.reserved == 0
        assert b.budget.dollars.spent == row["charged_usd"] == row["reserved_usd"] > 0


async def test_a_call_that_is_cancelled_before_it_was_sent_costs_nothing():
    async with bench([Hang(30)], slots=1) as b, anyio.create_task_group() as tasks:
        tasks.start_soon(b.talk("first").complete, HELLO, [])
        await anyio.sleep(0.1)
        with anyio.move_on_after(0.1):
            await b.talk("second").complete(HELLO, [])
        assert (b.ledger.rows[1]["outcome"], b.ledger.rows[1]["attempts"]) == ("cancelled", 0)
        assert (b.ledger.rows[1]["cost_usd"], b.ledger.rows[1]["charged_usd"]) == (0, 0)
        assert b.budget.dollars.spent == 0
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "lost", [Hang(30), Hang(0.1), Cut()], ids=["no answer in time", "closed", "cut in the body"]
)
async def test_an_attempt_that_may_have_been_billed_is_counted_in_full_and_once(lost):
    async with bench([lost, Status(500), {"content": "x"}], timeout_s=1) as b:
        await b.talk().complete(HELLO, [])
        (row,) = b.ledger.rows
        worst = row["reserved_usd"] / 2  # as much again was held for the attempt that was answered
        assert row["charged_usd"] == pytest.approx(row["cost_usd"] + worst)
        assert b.budget.dollars.spent == pytest.approx(row["charged_usd"])
        assert 0 < row["cost_usd"] < row["reserved_usd"]
        assert b.budget.tokens > row["usage"].prompt_tokens + 1000


async def test_attempts_that_may_have_been_billed_cannot_pass_the_cap():
    async with bench(lambda request, n: Cut(), limits=unlimited(cost_usd=0.0015)) as b:
        with pytest.raises(LimitReached, match="cost"):
            await b.talk().complete(HELLO, [])
        assert len(b.server.requests) == 1, "two at their worst would be dearer than the cap"


async def test_nothing_of_litellm_outlives_its_closing():
    before = asyncio.all_tasks()
    async with bench([{"content": "x"}, Status(401)]) as b:
        await b.talk().complete(HELLO, [])
        with pytest.raises(ModelRefused):
            await b.talk().complete(HELLO, [])
    assert asyncio.all_tasks() <= before


async def test_no_more_calls_are_in_flight_than_the_limiter_has_slots():
    def script(request, n):
        return {"content": "x"}

    async with bench(script, slots=3) as b:
        async with anyio.create_task_group() as tasks:
            for i in range(30):
                tasks.start_soon(b.talk(f"agent-{i}").complete, HELLO, [])
        assert len(b.server.requests) == 30
        assert b.server.peak <= 3


async def test_fifty_parallel_calls_never_pass_the_cap():
    def script(request, n):
        return {"content": "x" * 100}

    async with bench(script, slots=50, limits=unlimited(cost_usd=0.004)) as b:
        refused = 0

        async def one(i: int) -> None:
            nonlocal refused
            try:
                await b.talk(f"agent-{i}").complete(HELLO, [])
            except LimitReached:
                refused += 1

        async with anyio.create_task_group() as tasks:
            for i in range(50):
                tasks.start_soon(one, i)
        assert 0 < refused < 50
        assert sum(row["cost_usd"] for row in b.ledger.rows) <= 0.004
        assert len(b.server.requests) == 50 - refused


async def test_a_model_without_tools_calls_them_in_text():
    async with bench(
        [{"content": "I look.\n```bash\nls -la\n```\nDone!"}], text_protocol=True
    ) as b:
        reply = await b.talk().complete(HELLO, [BASH])
        assert [(c.name, c.arguments) for c in reply.tool_calls] == [
            ("bash", '{"command": "ls -la"}')
        ]
        assert "Done!" not in reply.content
        request = b.server.requests[0]
        assert "tools" not in request
        assert re.search("## bash", request["messages"][0]["content"])
