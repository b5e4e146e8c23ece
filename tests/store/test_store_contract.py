"""What every kind of a run's store promises, under real processes: see the fixture `address`."""

import asyncio
import hashlib
import signal
import subprocess
import sys
from contextlib import aclosing

import anyio
import pytest

from harness.errors import LimitReached, StoreConflict, TrialLost
from harness.store.ledger import EndedCall, NewCall
from harness.store.opening import open_store
from harness.store.protocol import Store
from harness.types import Activity, Reply, ToolCall, Usage, Verdict


def trial(number: int = 0, instance: str = "a__a-1", system: str = "single") -> dict:
    one = {"agents": 1, "wanted": 1, "submits": "one"}
    return {"system": system, "instance_id": instance, "number": number} | one


def instance(name: str = "a__a-1") -> dict:
    return {"instance_id": name, "repo": "a/a", "difficulty": "", "length": ""}


@pytest.fixture
async def store(address):
    async with aclosing(await open_store(address)) as made:
        yield made


async def planned(store: Store, count: int = 1) -> None:
    await store.plan([instance()], [trial(number) for number in range(count)])


async def states(store: Store) -> list[tuple[int, int, str]]:
    return [(row["number"], row["attempt"], row["state"]) for row in await store.trials()]


def a_call(trial_id: int, position: int) -> NewCall:
    return NewCall(
        trial_id=trial_id, conversation="c", agent="a", position=position, model="m",
        prompt_sha256="", repeated=0.0, reserved_usd=0.1, moment=position,
    )  # fmt: skip


CLAIM = """
import anyio, sys
from harness.store.opening import open_store

async def work():
    store = await open_store(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    while (row := await store.claim_trial()) is not None:
        print(row["trial_id"], flush=True)
        await anyio.sleep(0.01)  # so that each gets its share
        await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=0)

anyio.run(work)
"""


WRITE = """
import anyio, sys
from harness.store.opening import open_store

async def work():
    store = await open_store(sys.argv[1])
    n = 0
    while True:
        await store.say(1, "c", [{"n": n}])
        print(n, flush=True)
        n += 1

anyio.run(work)
"""


SPEND = """
import anyio, sys
from harness.errors import LimitReached
from harness.store.ledger import EndedCall, NewCall
from harness.store.opening import open_store
from harness.types import Usage

async def work():
    store = await open_store(sys.argv[1], cap_usd=1.0)
    print("ready", flush=True)
    sys.stdin.readline()
    ends = {"reply": None, "usage": Usage(), "latency_s": 0, "attempts": 1, "error": "",
            "outcome": "ok", "cost_usd": 0.0625, "charged_usd": 0.0625, "moment": 2}
    for position in range(40):
        try:
            call = await store.begin_call(NewCall(
                trial_id=1, conversation=sys.argv[2], agent="", position=position, model="m",
                prompt_sha256="", repeated=0, reserved_usd=0.125, moment=1))
        except LimitReached:
            return
        await store.end_call(call, EndedCall(**ends))

anyio.run(work)
"""

SUBMIT = """
import anyio, sys
from harness.errors import StoreConflict
from harness.store.opening import open_store

async def work():
    store = await open_store(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        try:
            await store.submit(1, f"agent-{number}", sys.argv[2], reason="finished", salvaged=False)
        except StoreConflict:
            continue
        print(number, flush=True)

anyio.run(work)
"""

DESCRIBE = """
import anyio, sys
from harness.store.opening import open_store

async def work():
    store = await open_store(sys.argv[1])
    number = 0
    while True:
        number += 1
        await store.describe(a=number, b=number)
        print(number, flush=True)

anyio.run(work)
"""

WORK = """
import anyio, sys
from harness.store.opening import open_store

async def work():
    store = await open_store(sys.argv[1], owner=sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    while (row := await store.claim_trial()) is not None:
        if row["state"] == "running":
            await store.submit(row["trial_id"], "a", "", reason="finished", salvaged=False)
        await store.begin_grading(row["trial_id"], reason="finished", seconds=0)
        await anyio.sleep(0.01)
        await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=0)
        print(row["trial_id"], flush=True)

anyio.run(work)
"""


def started(code: str, address: str, names: list[str]) -> list[subprocess.Popen[str]]:
    """Processes that go on at the same moment, each with a name of its own."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, address, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(names)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


async def begun(store: Store, position: int = 0, reserved: float | None = 0.5) -> int:
    if not await store.trials():
        await planned(store)
        await store.claim_trial()
    return await store.begin_call(NewCall(
        trial_id=1, conversation="agent-1", agent="agent-1", position=position, model="m",
        prompt_sha256="p", repeated=0.25, reserved_usd=reserved, moment=2 * position + 1,
    ))  # fmt: skip


async def ended(store: Store, call: int, outcome: str = "ok", **more: object) -> None:
    values = {
        "reply": None, "usage": Usage(), "cost_usd": None, "latency_s": 0.0, "attempts": 1,
        "error": "", "moment": 2,
    }  # fmt: skip
    await store.end_call(call, EndedCall(outcome=outcome, **(values | more)))


class TestStore:
    async def test_trials_are_claimed_in_the_order_of_the_instances_each_once(self, store):
        names = ["b__b-2", "a__a-1"]
        await store.plan(
            [instance(name) for name in names],
            [trial(n, name, system) for name in names for n in (0, 1) for system in ("x", "y")],
        )
        claimed = []
        while (row := await store.claim_trial()) is not None:
            claimed.append((row["instance_id"], row["number"], row["system"]))
        assert claimed == [
            (name, n, system) for name in names for n in (0, 1) for system in ("x", "y")
        ]
        assert {row["state"] for row in await store.trials()} == {"running"}
        assert all(row["started_at"] for row in await store.trials())

    async def test_the_texts_of_an_instance_are_kept_once_and_belong_to_no_trial(self, store):
        await planned(store)
        assert await store.instance_text("a__a-1") is None
        text = {"instance_id": "a__a-1", "asked": "an issue\u202e", "gold": "a diff"}
        await store.keep_texts([text])
        await store.keep_texts([text | {"asked": "another"}])
        assert await store.instance_text("a__a-1") == text
        assert await store.instance_text("b__b-2") is None
        assert not {"asked", "gold"} & (await store.trials())[0].keys()
        with pytest.raises(StoreConflict):
            await store.keep_texts([text | {"instance_id": "unknown"}])

    async def test_tasks_of_one_loop_never_claim_the_same_trial(self, store):
        await planned(store, 50)
        rows = await asyncio.gather(*(store.claim_trial() for _ in range(60)))
        ids = [row["trial_id"] for row in rows if row is not None]
        assert sorted(ids) == sorted(set(ids))
        assert len(ids) == 50

    async def test_processes_never_claim_the_same_trial(self, store, address):
        await planned(store, 200)
        processes = started(CLAIM, address, ["a", "b", "c"])
        said = [process.communicate(timeout=60)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0]
        claimed = [int(word) for words in said for word in words]
        assert sorted(claimed) == list(range(1, 201))
        assert sum(bool(words) for words in said) > 1  # they did run at the same time

    @pytest.mark.parametrize(
        ("state", "again"), [("done", False), ("error", True), ("cancelled", True)]
    )
    async def test_only_what_failed_or_was_cut_short_gets_another_attempt(
        self, store, state, again
    ):
        await planned(store)
        row = await store.claim_trial()
        await store.finish_trial(
            row["trial_id"], state, reason="because", seconds=1.5, detail="trace"
        )
        await planned(store)
        await planned(store)  # planning twice is planning once
        first, *rest = await store.trials()
        assert (first["state"], first["reason"], first["detail"]) == (state, "because", "trace")
        assert (first["seconds"], bool(first["finished_at"])) == (1.5, True)
        assert [(row["attempt"], row["state"]) for row in rest] == (
            [(1, "waiting")] if again else []
        )
        next_row = await store.claim_trial()
        assert (next_row is not None) == again
        assert not again or next_row["attempt"] == 1

    async def test_what_a_dead_process_left_running_is_cancelled_and_planned_again(self, store):
        await planned(store, 2)
        await store.claim_trial()
        await planned(store, 2)
        assert await states(store) == [(0, 0, "cancelled"), (0, 1, "waiting"), (1, 0, "waiting")]
        assert (await store.trials())[0]["reason"] == "the process ended"

    async def test_a_trial_that_has_ended_stays_as_it_ended(self, store):
        await planned(store)
        row = await store.claim_trial()
        await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=1)
        await store.finish_trial(row["trial_id"], "error", reason="too late", seconds=2)
        assert ((await store.trials())[0]["state"], (await store.trials())[0]["reason"]) == (
            "done",
            "finished",
        )

    async def test_more_trials_can_be_planned_later(self, store):
        await planned(store, 1)
        row = await store.claim_trial()
        await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=1)
        await planned(store, 3)
        assert await states(store) == [(0, 0, "done"), (1, 0, "waiting"), (2, 0, "waiting")]

    async def test_a_call_is_a_row_before_it_is_sent_and_complete_after(self, store):
        call = await begun(store)
        (row,) = await store.calls()
        assert (row["outcome"], row["cost_usd"], row["reserved_usd"]) == ("started", None, 0.5)
        usage = Usage(prompt_tokens=10, cached_tokens=4, cache_write_tokens=1, completion_tokens=5,
                      reasoning_tokens=2)  # fmt: skip
        reply = Reply(
            content="so", tool_calls=(ToolCall(id="c", name="bash", arguments="{"),),
            finish_reason="tool_calls",
        )  # fmt: skip
        await ended(store, call, reply=reply, usage=usage, cost_usd=0.25, attempts=3, latency_s=1.5)
        (row,) = await store.calls()
        assert row["reply"] == {
            "content": "so",
            "tool_calls": [{"id": "c", "name": "bash", "arguments": "{"}],
            "finish_reason": "tool_calls",
        }
        assert [row[key] for key in ("prompt_tokens", "cached_tokens", "cache_write_tokens",
                "completion_tokens", "reasoning_tokens")] == [10, 4, 1, 5, 2]  # fmt: skip
        assert (row["outcome"], row["cost_usd"], row["attempts"]) == ("ok", 0.25, 3)
        assert (row["system"], row["instance_id"], row["trial"]) == ("single", "a__a-1", 0)

    async def test_each_list_of_tools_is_kept_once_and_calls_name_it(self, store):
        await begun(store)
        for position, tools in ((1, '["bash"]'), (2, '["view"]'), (3, '["bash"]')):
            await store.begin_call(NewCall(
                trial_id=1, conversation="agent-1", agent="agent-1", position=position, model="m",
                prompt_sha256="p", repeated=0, reserved_usd=None, moment=2, tools=tools,
            ))  # fmt: skip
        lists = await store.tool_lists()
        assert sorted(lists.values()) == ['["bash"]', '["view"]', "[]"]
        named = [lists[call["tools_sha256"]] for call in await store.calls()]
        assert named == ["[]", '["bash"]', '["view"]', '["bash"]']

    async def test_one_trial_is_read_as_it_stands_among_all(self, store):
        await planned(store, 2)
        for number in (1, 2):
            await store.claim_trial()
            call = await store.begin_call(NewCall(
                trial_id=number, conversation="agent-1", agent="agent-1", position=0, model="m",
                prompt_sha256="p", repeated=0, reserved_usd=None, moment=1,
            ))  # fmt: skip
            await ended(store, call, reply=Reply(content=f"{number}"), cost_usd=0.25)
            moment = "2026-01-01T00:00:00.000+00:00"
            await store.note_span(
                number, agent="agent-1", what=Activity.COMMAND, started_at=moment, seconds=1
            )
            made = await store.submit(number, "agent-1", "diff", reason="finished", salvaged=False)
            await store.grade(made, Verdict(outcome="resolved", reason="", report={}, seconds=1))
        whole, one = await store.read(), await store.read_trial(2)
        assert one.facts == whole.facts
        for name in ("trials", "calls", "submissions", "spans"):
            mine = [row for row in getattr(whole, name) if row["trial_id"] == 2]
            assert getattr(one, name) == mine
            assert len(mine) == 1
        beside = await store.read_beside(2)  # all trials of its instance: here the whole run
        for name in ("trials", "calls", "submissions", "spans"):
            assert getattr(beside, name) == getattr(whole, name)
        assert (await store.read_beside(99)).trials == []
        nobody = await store.read_trial(99)
        assert (nobody.trials, nobody.calls, nobody.submissions, nobody.spans) == ([], [], [], [])

    async def test_a_trial_has_those_before_and_after_it(self, store):
        names = ["b__b-1", "a__a-2", "c__c-3"]
        rows = [trial(number, name) for name in names for number in (0, 1)]
        await store.plan([instance(name) for name in names], rows)
        found = {
            row["trial_id"]: (row["instance_id"], row["number"]) for row in await store.trials()
        }
        around = {found[key]: await store.around(key) for key in found}
        for number in (0, 1):
            ids = [key for name in names for key in found if found[key] == (name, number)]
            assert around["b__b-1", number] == (0, ids[1])
            assert around["a__a-2", number] == (ids[0], ids[2])
            assert around["c__c-3", number] == (ids[1], 0)
        assert await store.around(99) == (0, 0)

    async def test_a_call_is_closed_once(self, store):
        call = await begun(store)
        await ended(store, call, cost_usd=0.25)
        await ended(store, call, "failed", cost_usd=99.0, error="again")
        (row,) = await store.calls()
        assert (row["outcome"], row["cost_usd"], row["error"]) == ("ok", 0.25, "")

    async def test_a_place_in_a_conversation_is_taken_once(self, store):
        await begun(store, 0)
        with pytest.raises(StoreConflict):
            await begun(store, 0)
        await begun(store, 1)  # the failed transaction left nothing open
        assert [row["position"] for row in await store.calls()] == [0, 1]

    async def test_what_was_spent_counts_the_worst_case_where_nobody_can_tell(self, store):
        assert await store.spent() == 0
        await ended(store, await begun(store, 0), cost_usd=0.125)
        await ended(store, await begun(store, 1), "failed", cost_usd=0.0)
        await ended(store, await begun(store, 2), "cancelled", cost_usd=None)
        await begun(store, 3)  # the process died with it
        assert await store.spent() == 0.125 + 0 + 0.5 + 0.5
        await ended(
            store, await begun(store, 4, reserved=None), cost_usd=None
        )  # a model of no price
        assert await store.spent() == 1.125

    async def test_a_trajectory_keeps_its_messages_in_order_whatever_they_hold(self, store):
        await planned(store)
        hostile = [
            {"role": "user", "content": "nul \0, escape \x1b[31m, half \ud800, line \u2028"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]},
        ]
        await store.say(1, "one", hostile[:1])
        await store.say(1, "two", [{"role": "user", "content": "other"}])
        await store.say(1, "one", hostile[1:])
        assert await store.messages(1) == {
            "one": hostile,
            "two": [{"role": "user", "content": "other"}],
        }

    async def test_text_that_no_file_can_hold_is_stored_with_a_replacement(self, store):
        call = await begun(store)
        await ended(store, call, "failed", error="half \ud800 of a pair")
        assert (await store.calls())[0]["error"] == "half ? of a pair"

    async def test_an_author_submits_once_and_a_submission_is_graded_once(self, store):
        await planned(store)
        first = await store.submit(1, "agent-1", "diff\n", reason="finished", salvaged=False)
        with pytest.raises(StoreConflict):
            await store.submit(1, "agent-1", "other\n", reason="finished", salvaged=False)
        linked = {"built_on": "P1", "copy_of": "P2"}
        await store.submit(1, "agent-2", "", reason="steps", salvaged=True, **linked)
        verdict = Verdict(outcome="resolved", reason="", report={"a": 1}, seconds=2.0)
        await store.grade(first, verdict)
        with pytest.raises(StoreConflict):
            await store.grade(first, verdict)
        one, two = await store.submissions()
        assert (one["patch"], one["outcome"], one["grade_cached"]) == ("diff\n", "resolved", 0)
        assert one["patch_sha256"] == hashlib.sha256(b"diff\n").hexdigest()
        assert (two["author"], two["salvaged"], two["outcome"]) == ("agent-2", 1, None)
        assert [(row["built_on"], row["copy_of"]) for row in (one, two)] == [("", ""), ("P1", "P2")]

    async def test_the_description_keeps_json_and_the_last_word(self, store):
        await store.describe(config={"a": [1, None]}, model="m")
        await store.describe(model="n")
        assert await store.description() == {"config": {"a": [1, None]}, "model": "n"}

    async def test_a_failed_transaction_leaves_nothing_of_itself(self, store):
        bad = [trial(), {**trial(1), "wanted": None}]
        with pytest.raises(StoreConflict):
            await store.plan([instance()], bad)
        assert await store.trials() == []
        await planned(store)
        assert len(await store.trials()) == 1

    async def test_a_killed_process_loses_nothing_that_it_wrote(self, store, address):
        await planned(store)
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, address], stdout=subprocess.PIPE, text=True
        )
        said = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        said += process.communicate(timeout=30)[0].splitlines()
        kept = [message["n"] for message in (await store.messages(1))["c"]]
        assert kept == list(range(len(kept)))
        assert len(kept) >= int(said[-1]) + 1 >= 200

    async def test_processes_never_spend_more_than_the_cap_and_spend_all_of_it(
        self, store, address
    ):
        await planned(store)
        for process in started(SPEND, address, ["a", "b", "c"]):
            process.communicate(timeout=60)
            assert process.returncode == 0
        assert await store.spent() == 0.9375, "the next call could cost 0.125 dollars"
        assert len(await store.calls()) == 15

    async def test_a_call_that_finds_the_money_held_begins_when_another_one_has_given_it_back(
        self, address
    ):
        async with aclosing(await open_store(address, cap_usd=1.0)) as store:
            first = await begun(store, 0, 0.75)
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(begun, store, 1, 0.75)
                    await anyio.sleep(0.01)
                    assert len(await store.calls()) == 1
                    await ended(store, first, cost_usd=0.25, charged_usd=0.25)
                with pytest.raises(
                    LimitReached, match=r"\$0\.8000, and \$0\.2500 of \$1\.0000"
                ) as told:
                    await begun(store, 2, 0.8)
            assert told.value.limit == "run_cost"
            assert len(await store.calls()) == 2, "what is refused is no call"

    async def test_calls_that_are_sent_again_wait_for_money_and_never_for_one_another(
        self, address
    ):
        async with aclosing(await open_store(address, cap_usd=1.0)) as store:
            calls = [await begun(store, n, 0.25) for n in range(4)]

            async def sent_again(call: int) -> None:
                await store.charge(call, 0.125)
                await anyio.sleep(0)
                await store.hold_more(call, 0.25)
                assert await store.spent() <= 1.0
                await ended(store, call, cost_usd=0.1875, charged_usd=0.1875)

            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    for call in calls:
                        tasks.start_soon(sent_again, call)
            assert await store.spent() == 0.75

    async def test_a_call_that_cannot_be_sent_again_for_money_is_refused_and_keeps_what_it_spent(
        self, address
    ):
        async with aclosing(await open_store(address, cap_usd=1.0)) as store:
            call = await begun(store, 0, 0.75)
            await store.charge(call, 0.75)
            with pytest.raises(LimitReached, match="run_cost"):
                await store.hold_more(call, 0.75)
            await ended(store, call, "failed", cost_usd=None, charged_usd=0.75)
            assert await store.spent() == 0.75
            (row,) = await store.calls()
            assert (row["charged_usd"], row["reserved_usd"]) == (0.75, 0.75)

    async def test_what_a_killed_process_was_charged_and_held_is_spent_once(self, store):
        call = await begun(store, 0, 0.5)
        await store.charge(call, 0.25)
        waiting = await begun(store, 1, 0.5)
        await store.charge(waiting, 0.125)
        await store.hold_more(waiting, 0.5)
        for _ in range(2):
            await store.take_over(set())
            assert await store.spent() == 0.25 + 0.125 + 0.5
        assert (await store.standing()).usd == 0.875, "nothing is held any more"

    async def test_of_processes_that_submit_for_one_author_one_does(self, store, address):
        await planned(store)
        said = []
        for process in started(SUBMIT, address, ["a", "b", "c"]):
            said += process.communicate(timeout=60)[0].split()
            assert process.returncode == 0
        assert sorted(map(int, said)) == list(range(40))
        assert len(await store.submissions()) == 40

    async def test_what_is_read_together_is_of_one_moment(self, store, address):
        await store.describe(a=0, b=0)
        process = subprocess.Popen(
            [sys.executable, "-c", DESCRIBE, address], stdout=subprocess.PIPE, text=True
        )
        try:
            while int(process.stdout.readline()) < 200:
                facts = (await store.read()).facts
                assert facts["a"] == facts["b"]
        finally:
            process.kill()
            process.communicate()
        assert facts["a"] > 0

    async def test_what_killed_workers_had_is_done_by_others_once(self, store, address):
        await planned(store, 40)
        dead, alive = started(WORK, address, ["dead", "alive"])
        for _ in range(3):
            dead.stdout.readline()
        dead.kill()
        dead.communicate()
        alive.communicate(timeout=60)
        await store.take_over({"alive"})
        (last,) = started(WORK, address, ["last"])
        last.communicate(timeout=60)
        rows = await store.trials()
        done = [row["number"] for row in rows if row["state"] == "done"]
        assert sorted(done) == list(range(40))
        assert {row["state"] for row in rows} <= {"done", "cancelled"}
        assert len(rows) - len(done) <= 1, "what one process had in its hands"

    async def test_a_process_that_lost_its_trial_makes_no_call_for_it(self, store, address):
        await planned(store)
        async with (
            aclosing(await open_store(address, owner="old", cap_usd=1)) as old,
            aclosing(await open_store(address, owner="new", cap_usd=1)) as new,
        ):
            mine = await old.claim_trial()
            begun = await old.begin_call(a_call(mine["trial_id"], 0))
            await old.charge(begun, 0.1)
            await new.take_over(["new"])
            for owner in (old, new):
                with pytest.raises(TrialLost):
                    await owner.begin_call(a_call(mine["trial_id"], 1))
            with pytest.raises(TrialLost):
                await old.hold_more(begun, 0.1)
            again = await new.claim_trial()
            with pytest.raises(TrialLost):
                await old.begin_call(a_call(again["trial_id"], 0))
            await new.begin_call(a_call(again["trial_id"], 0))
            assert [call["trial_id"] for call in await store.calls()] == [1, 2]

    async def test_a_call_begins_before_its_trial_is_taken_over_and_is_charged_or_never(
        self, store, address
    ):
        count = 12
        await planned(store, count)
        async with (
            aclosing(await open_store(address, owner="old")) as old,
            aclosing(await open_store(address, owner="new")) as new,
        ):
            for _ in range(count):
                await old.claim_trial()
            refused = 0

            async def begin(trial_id: int) -> None:
                nonlocal refused
                for position in range(40):
                    try:
                        await old.begin_call(a_call(trial_id, position))
                    except TrialLost:
                        refused += 1
                        return
                    await anyio.sleep(0.001)

            async with anyio.create_task_group() as tasks:
                for trial_id in range(1, count + 1):
                    tasks.start_soon(begin, trial_id)
                await anyio.sleep(0.03)
                await new.take_over(["new"])
            calls = await store.calls()
            assert refused == count
            assert calls
            assert {call["charged_usd"] for call in calls} == {0.1}

    async def test_closing_twice_is_closing_once(self, store):
        await store.aclose()
        await store.aclose()


def labelled(**more: object) -> dict:
    one = {"trial_id": 1, "submission_id": None, "label": "legitimate", "author": "Ada",
           "by_model": 0, "confidence": 0.5, "comment": "", "evidence": [],
           "replaces": None}  # fmt: skip
    return one | more


async def test_labels_stand_beside_each_other_and_a_correction_replaces_one(store):
    await planned(store, 2)
    seen = [{"place": "call:1", "quote": "it's done"}]
    first = await store.label(labelled(evidence=seen))
    await store.label(labelled(author="Bob", label="cheated", confidence=None))
    again = await store.label(labelled(label="agent's fault", replaces=first))
    rows = await store.labels()
    assert [(row["author"], row["label"], row["replaced_by"]) for row in rows] == [
        ("Ada", "legitimate", again), ("Bob", "cheated", None), ("Ada", "agent's fault", None),
    ]  # fmt: skip
    assert rows[0]["evidence"] == seen
    assert (rows[1]["system"], rows[1]["instance_id"], rows[1]["trial"]) == ("single", "a__a-1", 0)


@pytest.mark.parametrize("wrong", [
    {"trial_id": 9}, {"label": "nice"}, {"author": ""}, {"confidence": 1.5},
    {"submission_id": 1},  # it is the other trial's
    {"submission_id": 9},
    {"replaces": 9},
    {"replaces": 1, "author": "Bob"},
    {"replaces": 1, "by_model": 1},
    {"replaces": 1, "trial_id": 2},
    {"replaces": 2},  # it has been replaced
], ids=str)  # fmt: skip
async def test_a_label_that_does_not_fit_is_refused_and_leaves_nothing(store, wrong):
    await planned(store, 2)
    await store.submit(2, "a", "", reason="", salvaged=False)
    await store.label(labelled())
    old = await store.label(labelled(author="Cy"))
    await store.label(labelled(author="Cy", replaces=old))
    before = await store.labels()
    with pytest.raises(StoreConflict):
        await store.label(
            labelled(**{"author": "Cy"} | wrong if wrong == {"replaces": 2} else wrong)
        )
    assert await store.labels() == before
