"""The run's store: states of trials, the ledger, and what survives what."""

import asyncio
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import anyio
import pytest

from harness.board.protocols import NewTask
from harness.board.sqlite.board import SqliteBoard
from harness.errors import StoreConflict, UserError
from harness.store.sqlite import SqliteStore
from harness.types import Reply, ToolCall, Usage, Verdict


def trial(number: int = 0, instance: str = "a__a-1", system: str = "single") -> dict:
    one = {"agents": 1, "wanted": 1, "submits": "one"}
    return {"system": system, "instance_id": instance, "number": number} | one


def instance(name: str = "a__a-1") -> dict:
    return {"instance_id": name, "repo": "a/a", "difficulty": "", "length": ""}


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "run.db")
    yield made
    made.close()


async def planned(store: SqliteStore, count: int = 1) -> None:
    await store.plan([instance()], [trial(number) for number in range(count)])


async def states(store: SqliteStore) -> list[tuple[int, int, str]]:
    return [(row["number"], row["attempt"], row["state"]) for row in await store.trials()]


async def test_trials_are_claimed_in_the_order_of_the_instances_each_once(store):
    names = ["b__b-2", "a__a-1"]
    await store.plan(
        [instance(name) for name in names],
        [trial(n, name, system) for name in names for n in (0, 1) for system in ("x", "y")],
    )
    claimed = []
    while (row := await store.claim_trial()) is not None:
        claimed.append((row["instance_id"], row["number"], row["system"]))
    assert claimed == [(name, n, system) for name in names for n in (0, 1) for system in ("x", "y")]
    assert {row["state"] for row in await store.trials()} == {"running"}
    assert all(row["started_at"] for row in await store.trials())


async def test_tasks_of_one_loop_never_claim_the_same_trial(store):
    await planned(store, 50)
    rows = await asyncio.gather(*(store.claim_trial() for _ in range(60)))
    ids = [row["trial_id"] for row in rows if row is not None]
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) == 50


CLAIM = """
import anyio, sys
from pathlib import Path
from harness.store.sqlite import SqliteStore

async def work():
    store = SqliteStore(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    while (row := await store.claim_trial()) is not None:
        print(row["trial_id"], flush=True)
        await anyio.sleep(0.01)  # so that each gets its share
        await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=0)

anyio.run(work)
"""


async def test_processes_never_claim_the_same_trial(store):
    await planned(store, 200)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(store.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    claimed = [int(word) for words in said for word in words]
    assert sorted(claimed) == list(range(1, 201))
    assert sum(bool(words) for words in said) > 1  # they did run at the same time


@pytest.mark.parametrize(
    ("state", "again"), [("done", False), ("error", True), ("cancelled", True)]
)
async def test_only_what_failed_or_was_cut_short_gets_another_attempt(store, state, again):
    await planned(store)
    row = await store.claim_trial()
    await store.finish_trial(row["trial_id"], state, reason="because", seconds=1.5, detail="trace")
    await planned(store)
    await planned(store)  # planning twice is planning once
    first, *rest = await store.trials()
    assert (first["state"], first["reason"], first["detail"]) == (state, "because", "trace")
    assert (first["seconds"], bool(first["finished_at"])) == (1.5, True)
    assert [(row["attempt"], row["state"]) for row in rest] == ([(1, "waiting")] if again else [])
    next_row = await store.claim_trial()
    assert (next_row is not None) == again
    assert not again or next_row["attempt"] == 1


async def test_what_a_dead_process_left_running_is_cancelled_and_planned_again(store):
    await planned(store, 2)
    await store.claim_trial()
    await planned(store, 2)
    assert await states(store) == [(0, 0, "cancelled"), (0, 1, "waiting"), (1, 0, "waiting")]
    assert (await store.trials())[0]["reason"] == "the process ended"


async def test_a_trial_that_has_ended_stays_as_it_ended(store):
    await planned(store)
    row = await store.claim_trial()
    await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=1)
    await store.finish_trial(row["trial_id"], "error", reason="too late", seconds=2)
    assert ((await store.trials())[0]["state"], (await store.trials())[0]["reason"]) == (
        "done",
        "finished",
    )


async def test_a_trial_cannot_have_two_live_attempts(store):
    await planned(store)
    with pytest.raises(sqlite3.IntegrityError), store._db:
        store._db.execute(
            "INSERT INTO trial (system, instance_id, number, attempt, agents, wanted) "
            "VALUES ('single', 'a__a-1', 0, 1, 1, 1)"
        )


async def test_more_trials_can_be_planned_later(store):
    await planned(store, 1)
    row = await store.claim_trial()
    await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=1)
    await planned(store, 3)
    assert await states(store) == [(0, 0, "done"), (1, 0, "waiting"), (2, 0, "waiting")]


async def begun(store: SqliteStore, position: int = 0, reserved: float | None = 0.5) -> int:
    if not await store.trials():
        await planned(store)
        await store.claim_trial()
    return await store.begin_call(
        trial_id=1, conversation="agent-1", agent="agent-1", position=position, model="m",
        prompt_sha256="p", repeated=0.25, reserved_usd=reserved, moment=2 * position + 1,
    )  # fmt: skip


async def ended(store: SqliteStore, call: int, outcome: str = "ok", **more: object) -> None:
    values = {
        "reply": None, "usage": Usage(), "cost_usd": None, "latency_s": 0.0, "attempts": 1,
        "error": "", "moment": 2,
    }  # fmt: skip
    await store.end_call(call, outcome=outcome, **(values | more))


async def test_a_call_is_a_row_before_it_is_sent_and_complete_after(store):
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
    assert json.loads(row["reply"]) == {
        "content": "so",
        "tool_calls": [{"id": "c", "name": "bash", "arguments": "{"}],
        "finish_reason": "tool_calls",
    }
    assert [row[key] for key in ("prompt_tokens", "cached_tokens", "cache_write_tokens",
            "completion_tokens", "reasoning_tokens")] == [10, 4, 1, 5, 2]  # fmt: skip
    assert (row["outcome"], row["cost_usd"], row["attempts"]) == ("ok", 0.25, 3)
    assert (row["system"], row["instance_id"], row["trial"]) == ("single", "a__a-1", 0)


async def test_a_call_is_closed_once(store):
    call = await begun(store)
    await ended(store, call, cost_usd=0.25)
    await ended(store, call, "failed", cost_usd=99.0, error="again")
    (row,) = await store.calls()
    assert (row["outcome"], row["cost_usd"], row["error"]) == ("ok", 0.25, "")


async def test_a_place_in_a_conversation_is_taken_once(store):
    await begun(store, 0)
    with pytest.raises(StoreConflict):
        await begun(store, 0)
    await begun(store, 1)  # the failed transaction left nothing open
    assert [row["position"] for row in await store.calls()] == [0, 1]


async def test_what_was_spent_counts_the_worst_case_where_nobody_can_tell(store):
    assert await store.spent() == 0
    await ended(store, await begun(store, 0), cost_usd=0.125)
    await ended(store, await begun(store, 1), "failed", cost_usd=0.0)
    await ended(store, await begun(store, 2), "cancelled", cost_usd=None)
    await begun(store, 3)  # the process died with it
    assert await store.spent() == 0.125 + 0 + 0.5 + 0.5
    await ended(store, await begun(store, 4, reserved=None), cost_usd=None)  # a model of no price
    assert await store.spent() == 1.125


async def test_a_trajectory_keeps_its_messages_in_order_whatever_they_hold(store):
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


async def test_text_that_no_file_can_hold_is_stored_with_a_replacement(store):
    call = await begun(store)
    await ended(store, call, "failed", error="half \ud800 of a pair")
    assert (await store.calls())[0]["error"] == "half ? of a pair"


async def test_an_author_submits_once_and_a_submission_is_graded_once(store):
    await planned(store)
    first = await store.submit(1, "agent-1", "diff\n", reason="finished", salvaged=False)
    with pytest.raises(StoreConflict):
        await store.submit(1, "agent-1", "other\n", reason="finished", salvaged=False)
    await store.submit(1, "agent-2", "", reason="steps", salvaged=True)
    verdict = Verdict(outcome="resolved", reason="", report={"a": 1}, seconds=2.0)
    await store.grade(first, verdict)
    with pytest.raises(StoreConflict):
        await store.grade(first, verdict)
    one, two = await store.submissions()
    assert (one["patch"], one["outcome"], one["grade_cached"]) == ("diff\n", "resolved", 0)
    assert one["patch_sha256"] == hashlib.sha256(b"diff\n").hexdigest()
    assert (two["author"], two["salvaged"], two["outcome"]) == ("agent-2", 1, None)


async def test_the_description_keeps_json_and_the_last_word(store):
    await store.describe(config={"a": [1, None]}, model="m")
    await store.describe(model="n")
    assert await store.description() == {"config": {"a": [1, None]}, "model": "n"}


async def test_a_failed_transaction_leaves_nothing_of_itself(store):
    bad = [trial(), {**trial(1), "wanted": None}]
    with pytest.raises(StoreConflict):
        await store.plan([instance()], bad)
    assert await store.trials() == []
    await planned(store)
    assert len(await store.trials()) == 1


WRITE = """
import anyio, sys
from pathlib import Path
from harness.store.sqlite import SqliteStore

async def work():
    store = SqliteStore(Path(sys.argv[1]))
    n = 0
    while True:
        await store.say(1, "c", [{"n": n}])
        print(n, flush=True)
        n += 1

anyio.run(work)
"""


async def test_a_killed_process_loses_nothing_that_it_wrote(store, tmp_path):
    await planned(store)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(store.path)], stdout=subprocess.PIPE, text=True
    )
    said = [process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    said += process.communicate(timeout=30)[0].splitlines()
    kept = [message["n"] for message in (await store.messages(1))["c"]]
    assert kept == list(range(len(kept)))
    assert len(kept) >= int(said[-1]) + 1 >= 200


async def test_a_store_reads_while_another_process_writes(store):
    await planned(store)
    await store.say(1, "c", [{"n": 0}])
    other = sqlite3.connect(store.path)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO message (trial_id, conversation, content) VALUES (1, 'c', '{}')")
    try:
        assert await store.messages(1) == {"c": [{"n": 0}]}
    finally:
        other.rollback()
        other.close()


def test_a_file_of_somebody_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "run.db"
    path.write_text("this is no database, and long enough to be looked at as one\n" * 20)
    before = path.read_bytes()
    with pytest.raises(UserError, match="not a run's database"):
        SqliteStore(path)
    assert path.read_bytes() == before
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_store_is_opened_again_as_it_was_left(tmp_path):
    async def fill() -> None:
        store = SqliteStore(tmp_path / "run.db")
        await planned(store)
        store.close()

    anyio.run(fill)
    store = SqliteStore(tmp_path / "run.db")
    assert anyio.run(states, store) == [(0, 0, "waiting")]
    store.close()
    assert not (tmp_path / "run.db-wal").exists()  # folded in: the file can be copied


def as_version_6(path):
    """Make the file what the version before wrote."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """ALTER TABLE grade DROP COLUMN unchecked;
            UPDATE board_task SET excluded = 'agent-2';
            DROP VIEW board_whole_task;
            CREATE VIEW board_whole_task AS SELECT task_id, coalesce(excluded, '') AS excluded
                FROM board_task;
            PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, '''failed'', ', '') WHERE name = 'trial';
            PRAGMA writable_schema = RESET;
            PRAGMA user_version = 6;"""
        )


@pytest.mark.parametrize("version", [6, 7])  # 7 was under development, and had a part of it
async def test_a_run_of_an_earlier_version_is_read_and_goes_on(tmp_path, version):
    path = tmp_path / "run.db"
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        await planned(store)
        claimed = await store.claim_trial()
        assert claimed is not None
        key = claimed["trial_id"]
        one = await store.submit(key, "agent-1", "diff", reason="finished", salvaged=False)
        await store.grade(one, Verdict(outcome="resolved", reason="", report={}, seconds=2.0))
        task = NewTask(kind="test", text=".", excluded=("agent-1",))
        await boards.of(key).queue.put(task, by="board")
    as_version_6(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        (row,) = await store.submissions()
        assert (row["outcome"], row["unchecked"]) == ("resolved", "[]")
        (found,) = await boards.of(key).queue.tasks()
        assert found.excluded == ("agent-2",)
        await store.finish_trial(key, "failed", reason="error in the system", seconds=1.0)
        assert await states(store) == [(0, 0, "failed")]


def test_of_many_that_open_a_run_of_an_earlier_version_at_once_one_changes_it(tmp_path):
    path = tmp_path / "run.db"
    SqliteStore(path).close()
    SqliteBoard(path).close()
    as_version_6(path)
    code = (
        "import sys; from pathlib import Path; from harness.store.sqlite import SqliteStore; "
        "sys.stdin.read(); SqliteStore(Path(sys.argv[1])).close()"
    )
    words = [sys.executable, "-c", code, str(path)]
    many = [subprocess.Popen(words, stdin=subprocess.PIPE) for _ in range(6)]
    for process in many:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(timeout=120) for process in many] == [0] * len(many)


def test_a_store_of_another_version_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "run.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    database.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="another version of delm made it"):
        SqliteStore(path)
    assert path.read_bytes() == before
