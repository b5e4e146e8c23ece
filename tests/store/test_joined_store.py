"""What a PostgreSQL server's store promises of trials whose agents are in several processes."""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from itertools import count
from typing import Any

import anyio
import pytest

from agents.concurrency import together
from harness.errors import LimitReached, StoreConflict, TrialLost
from harness.store.joined_agents import JoinableStore
from harness.store.ledger import EndedCall, NewCall
from harness.store.opening import open_store
from harness.store.protocol import Store
from harness.types import Limits, Usage

RUNS = count()
PROCESSES = 4


@pytest.fixture
async def stores(postgres_server):
    """Of one run, each of another owner; the first one runs its only trial, with two agents."""
    address = f"{postgres_server.url}#joined-{os.getpid()}-{next(RUNS)}"
    async with AsyncExitStack() as undo:
        made = [
            await undo.enter_async_context(aclosing(await open_store(address, owner=f"p{n}")))
            for n in range(PROCESSES)
        ]
        await made[0].plan(
            [{"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}],
            [{"system": "delm", "instance_id": "a__a-1", "number": n, "agents": 2, "wanted": 2,
              "submits": "shared"} for n in range(2)],
        )  # fmt: skip
        assert (await made[0].claim_trial() or {})["trial_id"] == 1
        for number in range(PROCESSES):
            await lives(made[0], f"p{number}")
        yield made


async def lives(store: Any, owner: str, lease_s: float = 60) -> None:
    """Have a process say that it lives."""
    await store._database.run("join_run", owner=owner, place="here", lease_s=lease_s)


async def dies(store: Any, owner: str) -> None:
    """Have the lease of a process end."""
    ended = "UPDATE worker SET alive_until = '-infinity', lease_s = -1e9 WHERE owner = $1"
    await store._database.transaction(lambda made: made.execute(ended, owner))


def new_call(who: str, position: int, **more: Any) -> NewCall:
    plain = {"trial_id": 1, "conversation": who, "agent": who, "position": position, "model": "m",
             "prompt_sha256": "", "repeated": 0.0, "reserved_usd": 0.125, "moment": 1}  # fmt: skip
    return NewCall(**{**plain, **more})


async def end(store: Store, call_id: int, usd: float = 0.0625) -> None:
    ended = EndedCall(
        outcome="ok", reply=None, usage=Usage(prompt_tokens=90, completion_tokens=10),
        cost_usd=usd, charged_usd=usd, latency_s=0, attempts=1, error="", moment=2,
    )  # fmt: skip
    await store.end_call(call_id, ended)


async def each(stores: list[Store], work: Callable[[Store, str], Awaitable[None]]) -> None:
    await together(
        lambda store=store, n=n: work(store, f"agent-{n}") for n, store in enumerate(stores)
    )


async def test_agents_that_join_at_once_have_names_of_their_own(stores):
    names: list[str] = []

    async def join(store: JoinableStore, who: str) -> None:
        for _ in range(5):
            names.extend((await store.join_trial(1, 2, by="me", name="agent-{}".format)).agents)

    await each(stores, join)
    assert sorted(names, key=lambda name: int(name[6:])) == [f"agent-{n}" for n in range(3, 43)]


async def test_only_a_trial_that_a_process_runs_is_joined_and_as_long_as_it_does(stores):
    for trial in (2, 99):
        with pytest.raises(StoreConflict, match=f"no process runs trial {trial}"):
            await stores[1].join_trial(trial, 1, by="me", name="agent-{}".format)
    joined = await stores[1].join_trial(1, 1, by="me", name="agent-{}".format)
    assert (joined.owner, joined.row["number"], joined.row["agents"]) == ("p0", 0, 2)
    assert await stores[1].goes_on(joined)
    await stores[0].begin_grading(1, reason="finished", seconds=1)
    assert not await stores[1].goes_on(joined)
    with pytest.raises(StoreConflict):
        await stores[2].join_trial(1, 1, by="me", name="agent-{}".format)


@pytest.mark.parametrize(
    ("limits", "most", "name"),
    [
        (Limits(steps=20, cost_usd=0, tokens=0, wall_clock_s=0, command_s=1), 20, "steps"),
        (Limits(steps=0, cost_usd=1.0, tokens=0, wall_clock_s=0, command_s=1), 16, "cost"),
    ],
)
async def test_all_processes_together_have_the_limits_of_the_trial(stores, limits, most, name):
    """Their calls race; none is beyond the limit, and nobody is refused before it."""
    for store in stores[1:]:
        await store.join_trial(1, 1, by="me", name="agent-{}".format)
    reached = []

    async def spend(store: Store, who: str) -> None:
        for position in range(40):
            try:
                call_id = await store.begin_call(new_call(who, position, limits=limits))
            except LimitReached as limit:
                reached.append(limit.limit)
                return
            await anyio.sleep(0.001)
            await end(store, call_id)

    await each(stores, spend)
    calls = await stores[0].calls()
    spent = sum(call["cost_usd"] for call in calls)
    assert set(reached) == {name}
    if name == "steps":
        assert len(calls) == most
    else:  # the last one has to have room for what it can cost at most
        assert limits.cost_usd - 0.125 < spent <= limits.cost_usd


async def test_only_who_has_joined_makes_calls_and_only_as_long_as_the_trial_runs(stores):
    with pytest.raises(TrialLost):
        await stores[1].begin_call(new_call("agent-3", 0))
    await stores[1].join_trial(1, 1, by="me", name="agent-{}".format)
    call_id = await stores[1].begin_call(new_call("agent-3", 0))
    await stores[0].begin_grading(1, reason="finished", seconds=1)
    with pytest.raises(TrialLost):
        await stores[1].begin_call(new_call("agent-3", 1))
    with pytest.raises(TrialLost):
        await stores[1].hold_more(call_id, 0.1)


async def test_used_tokens_of_all_count(stores):
    limits = Limits(steps=0, cost_usd=0, tokens=250, wall_clock_s=0, command_s=1)
    for store in stores[1:3]:
        await store.join_trial(1, 1, by="me", name="agent-{}".format)
    for n, store in enumerate(stores[:3]):
        await end(store, await store.begin_call(new_call(f"agent-{n}", 0, limits=limits)))
    with pytest.raises(LimitReached, match="tokens"):
        await stores[0].begin_call(new_call("agent-9", 0, limits=limits))


async def test_a_trial_that_nobody_joined_is_held_to_its_limits_by_its_process_alone(stores):
    limits = Limits(steps=1, cost_usd=0, tokens=0, wall_clock_s=0, command_s=1)
    for position in range(2):
        await stores[0].begin_call(new_call("agent-1", position, limits=limits))


async def test_an_answer_that_is_paid_for_is_given_beyond_every_limit(stores):
    limits = Limits(steps=1, cost_usd=0.1, tokens=0, wall_clock_s=0, command_s=1)
    paid = await stores[0].begin_call(new_call("agent-1", 0))
    await end(stores[0], paid)
    await stores[1].join_trial(1, 1, by="me", name="agent-{}".format)
    again = new_call("agent-1", 1, limits=limits, paid_call=paid, reserved_usd=None)
    assert await stores[0].begin_call(again)


async def test_a_trial_whose_process_is_gone_is_not_joined_and_does_not_go_on(stores):
    joined = await stores[1].join_trial(1, 1, by="me", name="agent-{}".format)
    await dies(stores[0], "p0")
    assert not await stores[1].goes_on(joined)
    with pytest.raises(StoreConflict):
        await stores[2].join_trial(1, 1, by="me", name="agent-{}".format)


async def test_what_an_agent_that_is_gone_had_reserved_is_charged_and_holds_up_nobody(stores):
    """Its trial goes on, with the rest of its money and of the run's."""
    limits = Limits(steps=0, cost_usd=1.0, tokens=0, wall_clock_s=0, command_s=1)
    joined = await stores[1].join_trial(1, 1, by="me", name="agent-{}".format)
    (name,) = joined.agents
    await stores[1].begin_call(new_call(name, 0, reserved_usd=0.5, limits=limits))
    own = await stores[0].begin_call(new_call("agent-1", 0, limits=limits))
    assert "p1" in await stores[0].others()
    await dies(stores[0], "p1")
    await stores[0]._database.transaction(
        lambda made: made.execute("UPDATE worker SET since = '-infinity' WHERE owner = 'p0'")
    )
    await stores[0].take_over({"p0", "p2", "p3"})
    assert "p1" not in await stores[0].others(), "it is done once"
    charged = {call["agent"]: call["charged_usd"] for call in await stores[0].calls()}
    assert charged == {name: 0.5, "agent-1": None}, "only its own"
    await end(stores[0], own)
    with anyio.fail_after(10), pytest.raises(LimitReached, match="cost"):
        await stores[0].begin_call(new_call("agent-1", 1, reserved_usd=0.5, limits=limits))
    assert await stores[0].begin_call(new_call("agent-1", 1, reserved_usd=0.4, limits=limits))


async def test_another_attempt_at_a_call_is_held_to_the_limits_of_the_trial_too(stores):
    limits = Limits(steps=0, cost_usd=1.0, tokens=0, wall_clock_s=0, command_s=1)
    await stores[1].join_trial(1, 1, by="me", name="agent-{}".format)
    first = await stores[0].begin_call(new_call("agent-1", 0, reserved_usd=0.5, limits=limits))
    await stores[0].charge(first, 0.5)  # it broke off, and nobody can tell what is billed
    other = await stores[1].begin_call(new_call("agent-3", 0, reserved_usd=0.5, limits=limits))
    with anyio.move_on_after(0.5) as waiting:
        await stores[0].hold_more(first, 0.5, limits)
    assert waiting.cancelled_caught, "the other one may need it"
    await end(stores[1], other, usd=0.4)
    with anyio.fail_after(10), pytest.raises(LimitReached, match="cost"):
        await stores[0].hold_more(first, 0.5, limits)
    await stores[0].hold_more(first, 0.1, limits)
