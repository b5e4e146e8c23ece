"""A run that is cut, and one that several processes work on: nothing is bought or done twice."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from console import (
    DATASET,
    FINISH,
    FLASK,
    SOLVE,
    Told,
    bash,
    bundled,
    delm_here,
    descendants,
    end,
    query,
    running,
    start,
    wait_for,
)
from model_bench import SETTINGS
from scripted_model import ScriptedModel

from harness.errors import LimitReached
from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient
from harness.model.conversation import start_conversation
from harness.model.resume_cache import ResumeCache
from harness.model.trial_calls import TrialCalls
from harness.runner.processes import join, members
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Limits, Reply, Usage

pytestmark = pytest.mark.slow(seconds=35)

MARK = f"3.0{os.getpid()}"  # seconds nobody else sleeps
HELLO = [{"role": "user", "content": "Hello"}]
LIMITS = ("steps", "cost_usd", "tokens", "wall_clock_s", "command_s")
USAGE = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}


def words(folder: Path, *more: str) -> list[str]:
    asked = ["eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK]
    return [*asked, "--run-id", "run", "-o", str(folder), "--yes", *more]


@contextlib.contextmanager
def begun(server: ScriptedModel, *said: str) -> Iterator[subprocess.Popen[str]]:
    process = start(*said, OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finish(server: ScriptedModel, *said: str) -> Told:
    return delm_here(*said, OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")


def sleepy(request: dict, n: int) -> dict:
    """Solves it in three turns, with a command that takes its time before the last."""
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    return [SOLVE, bash(f"sleep {MARK}"), FINISH][turn] | USAGE


def states(folder: Path) -> list[tuple]:
    rows = query(folder / "run", "SELECT number, attempt, state FROM trial ORDER BY 1, 2")
    return [tuple(row.values()) for row in rows]


def test_a_replay_that_is_killed_costs_what_an_undisturbed_one_costs(tmp_path):
    bundled(FLASK)
    recording = tmp_path / "recorded.jsonl"
    with ScriptedModel(sleepy) as server:
        told = finish(server, *words(tmp_path / "recorded", "--record", str(recording)))
        assert told.code == 0, told.text
    asked = words(tmp_path)
    asked[asked.index("openai/scripted")] = f"replay:{recording}"
    process = start(*asked)
    try:
        wait_for(lambda: running(MARK) or process.poll() is not None, "the command")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    told = delm_here(*asked)
    assert told.code == 0, told.text
    rows = query(
        tmp_path / "run", "SELECT attempt, paid_call FROM call JOIN trial USING (trial_id)"
    )
    found = [(row["attempt"], row["paid_call"]) for row in rows]
    assert found == [(0, None), (0, None), (1, 1), (1, 2), (1, None)]
    costs = [
        dict(zip(*(line.split(",") for line in path.read_text().splitlines()[:2]), strict=True))
        for path in (tmp_path / "run" / "table.csv", tmp_path / "recorded" / "run" / "table.csv")
    ]
    assert float(costs[0]["cost_usd"]) == pytest.approx(float(costs[1]["cost_usd"]))


def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path):
    bundled(FLASK)
    with ScriptedModel(sleepy) as server:
        with begun(server, *words(tmp_path)) as process:
            wait_for(lambda: running(MARK) or process.poll() is not None, "the command")
            os.killpg(process.pid, signal.SIGKILL)
        assert len(server.requests) == 2
        told = finish(server, *words(tmp_path))
        assert told.code == 0, told.text
        assert len(server.requests) == 3
    assert states(tmp_path) == [(0, 0, "cancelled"), (0, 1, "done")]
    rows = query(
        tmp_path / "run",
        "SELECT attempt, position, paid_call, cost_usd FROM call JOIN trial USING (trial_id) "
        "ORDER BY call_id",
    )
    assert [(row["attempt"], row["position"], row["paid_call"]) for row in rows] == [
        (0, 0, None),
        (0, 1, None),
        (1, 0, 1),
        (1, 1, 2),
        (1, 2, None),
    ]
    (price,) = {row["cost_usd"] for row in rows}
    table = (tmp_path / "run" / "table.csv").read_text().splitlines()
    found = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert float(found["cost_usd"]) == pytest.approx(3 * price)
    assert found["resolved"] == "1"


def test_what_was_submitted_before_a_kill_is_graded_and_not_made_again(tmp_path):
    bundled(FLASK)

    def grading() -> bool:
        with contextlib.suppress(Exception):
            return states(tmp_path) == [(0, 0, "grading")]
        return False

    with ScriptedModel(lambda request, n: [SOLVE, FINISH][n] | USAGE) as server:
        with begun(server, *words(tmp_path), "-c", "grading.cache=false") as process:
            wait_for(lambda: grading() or process.poll() is not None, "the grading")
            os.killpg(process.pid, signal.SIGKILL)
        assert states(tmp_path) == [(0, 0, "grading")]
        told = finish(server, *words(tmp_path))
        assert told.code == 0, told.text
        assert len(server.requests) == 2
    assert states(tmp_path) == [(0, 0, "done")]
    grades = query(tmp_path / "run", "SELECT outcome FROM grade")
    assert grades == [{"outcome": "resolved"}]


def test_two_processes_share_a_run_and_one_takes_over_what_the_other_left(tmp_path):
    bundled(FLASK)
    said = words(tmp_path, "-k", "4", "-w", "1")
    met = threading.Event()

    def held(request: dict, n: int) -> dict:
        """However slowly the second process starts, the first does not finish the run before."""
        answer = sleepy(request, n)
        if len(request["messages"]) > 2:
            met.wait(timeout=100)
        return answer

    with ScriptedModel(held) as server, begun(server, *said) as one:
        wait_for(lambda: len(server.requests) >= 2 or one.poll() is not None, "two requests")
        with begun(server, *said) as other:
            owners = "SELECT DISTINCT owner FROM trial WHERE state = 'running'"

            wait_for(
                lambda: len(query(tmp_path / "run", owners)) == 2 or other.poll() is not None,
                "both at work",
            )
            assert other.poll() is None
            met.set()
            wait_for(lambda: set(running(MARK)) & set(descendants(one.pid)), "a command")
            os.killpg(one.pid, signal.SIGKILL)
            told = end(other, timeout=120)
            assert told.code == 0, told.text
        asked = len(server.requests)
    found = states(tmp_path)
    assert [row[0] for row in found if row[2] == "done"] == list(range(4))
    assert [row[2] for row in found if row[2] != "done"] == ["cancelled"]
    assert asked == 4 * 3
    graded = query(tmp_path / "run", "SELECT count(*) AS n FROM grade")
    assert graded == [{"n": 4}]
    assert query(tmp_path / "run", "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


# -- the parts ------------------------------------------------------------------------------------


def key(conversation: str, position: int) -> CallKey:
    return CallKey(
        system="s", instance_id="i", trial=0, conversation=conversation, position=position
    )


def row(trial: int, conversation: str, position: int, began: int, **more) -> dict:
    kinds = ("prompt", "cached", "cache_write", "completion", "reasoning")
    reply = {"content": f"{trial}", "tool_calls": [], "finish_reason": "stop"}
    plain = {
        "paid_call": 10 * trial + position, "trial_id": trial, "conversation": conversation,
        "position": position, "prompt_sha256": "same", "reply": reply, "cost_usd": 0.5,
        "began": began, "ended": began + 1,
    }  # fmt: skip
    return plain | {f"{kind}_tokens": 1 for kind in kinds} | more


async def test_the_newest_attempt_answers_first_and_an_older_one_what_it_did_not_come_to():
    paid = ResumeCache(key("", 0), [row(2, "a", 0, 1), row(1, "a", 0, 1), row(1, "a", 1, 3)])
    first = paid.answer(key("a", 0), "same")
    await paid.turn(key("a", 0))
    second = paid.answer(key("a", 1), "same")
    assert first is not None
    assert second is not None
    assert (first.reply.content, second.reply.content) == ("2", "1")
    assert first.reply == Reply(content="2", usage=Usage(*[1] * 0, **{
        f"{kind}_tokens": 1
        for kind in ("prompt", "cached", "cache_write", "completion", "reasoning")
    }), finish_reason="stop")  # fmt: skip
    assert paid.answer(key("a", 2), "same") is None


async def test_answers_come_in_the_order_in_which_they_came_before():
    paid = ResumeCache(key("", 0), [row(1, "a", 0, 1), row(1, "b", 0, 3), row(1, "a", 1, 5)])
    order = []

    async def ask(conversation: str, position: int) -> None:
        assert paid.answer(key(conversation, position), "same")
        await paid.turn(key(conversation, position))
        order.append((conversation, position))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, "b", 0)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, "a", 0)
    assert order == [("a", 0), ("b", 0)]


async def test_a_conversation_that_asks_something_else_is_asked_anew_and_nobody_waits_for_it():
    paid = ResumeCache(key("", 0), [row(1, "a", 0, 1), row(1, "a", 1, 3), row(1, "b", 0, 5)])
    assert paid.answer(key("a", 0), "another") is None
    assert paid.answer(key("a", 1), "same") is None  # it was an answer to another talk
    with anyio.fail_after(1):
        assert paid.answer(key("b", 0), "same")
        await paid.turn(key("b", 0))


class Silent:
    """A back end that nobody is to ask."""

    name = "silent"


async def test_calls_that_overlapped_do_so_in_the_record_of_the_attempt_that_was_served(tmp_path):
    """Else the attempt after it would not know that one was asked before the other was answered."""
    with contextlib.closing(SqliteStore(tmp_path / "run.db")) as store:
        instance = {"instance_id": "i", "repo": "r", "difficulty": "", "length": ""}
        trial = {"system": "s", "instance_id": "i", "agents": 1, "wanted": 1, "submits": "one"}
        await store.plan([instance], [trial | {"number": 0}])
        limit = CallLimit(1)
        client = ModelClient(Silent(), "silent", price=None, ledger=store, limit=limit, **SETTINGS)
        said = client.request(key("a", 0), HELLO, []).prompt_sha256
        held = await store.begin_call(NewCall(**call(1, 9, 0.5)))  # what paid for both
        rows = [row(1, "a", 0, 1, ended=3), row(1, "b", 0, 2, ended=4)]
        same = {"prompt_sha256": said, "paid_call": held}
        paid = ResumeCache(key("", 0), [each | same for each in rows])
        budget, trial_calls = TrialBudget(Limits(**dict.fromkeys(LIMITS, 0))), TrialCalls()

        async def ask(conversation: str) -> None:
            talk = start_conversation(
                client, 1, system="s", instance_id="i", trial=0, conversation=conversation,
                agent=conversation, budget=budget, trial_calls=trial_calls, paid=paid,
            )  # fmt: skip
            await talk.complete(HELLO, [])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "a")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(ask, "b")
        first, second = (await store.calls())[1:]
    assert (first["conversation"], second["conversation"]) == ("a", "b")
    moments = (first["began"], second["began"], first["ended"], second["ended"])
    assert moments == (1, 2, 3, 4)


def call(trial: int, position: int, usd: float) -> dict:
    return {
        "trial_id": trial, "conversation": "a", "agent": "a", "position": position, "model": "m",
        "prompt_sha256": "", "repeated": 0.0, "reserved_usd": usd, "moment": 1,
    }  # fmt: skip


async def test_processes_hold_one_cap_together(tmp_path):
    with (
        contextlib.closing(SqliteStore(tmp_path / "run.db", owner="one", cap_usd=1.0)) as one,
        contextlib.closing(SqliteStore(tmp_path / "run.db", owner="two", cap_usd=1.0)) as two,
    ):
        instance = {"instance_id": "i", "repo": "r", "difficulty": "", "length": ""}
        trial = {"system": "s", "instance_id": "i", "agents": 1, "wanted": 1, "submits": "one"}
        await one.plan([instance], [trial | {"number": n} for n in range(2)])
        await one.claim_trial()
        await two.claim_trial()
        held = await one.begin_call(NewCall(**call(1, 0, 0.7)))
        with anyio.move_on_after(0.5) as waiting:  # it may yet be given back
            await two.begin_call(NewCall(**call(2, 0, 0.4)))
        assert waiting.cancelled_caught
        await one.charge(held, 0.5)
        with pytest.raises(LimitReached, match="run_cost"):
            await one.hold_more(held, 0.6)
        await one.hold_more(held, 0.4)
        ends = {"outcome": "ok", "reply": None, "usage": Usage(), "latency_s": 0.0, "attempts": 1}
        await one.end_call(
            held, EndedCall(cost_usd=0.6, charged_usd=0.6, error="", moment=2, **ends)
        )
        await two.begin_call(NewCall(**call(2, 0, 0.4)))
        with pytest.raises(LimitReached, match=r"\$0\.6000 of \$1\.0000"):
            await two.begin_call(NewCall(**call(2, 1, 0.5)))


async def test_what_a_dead_process_had_reserved_is_spent(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path / "run.db", owner="dead", cap_usd=1.0)) as store:
        instance = {"instance_id": "i", "repo": "r", "difficulty": "", "length": ""}
        trial = {"system": "s", "instance_id": "i", "agents": 1, "wanted": 1, "submits": "one"}
        await store.plan([instance], [trial | {"number": 0}])
        await store.claim_trial()
        await store.begin_call(NewCall(**call(1, 0, 0.7)))
    with contextlib.closing(SqliteStore(tmp_path / "run.db", owner="two", cap_usd=1.0)) as two:
        assert await two.others() == {"dead"}
        await two.take_over({"two"})
        assert await two.others() == set()
        taken = await two.claim_trial()
        assert taken is not None
        assert taken["attempt"] == 1
        with pytest.raises(LimitReached):
            await two.begin_call(NewCall(**call(taken["trial_id"], 0, 0.4)))


def test_a_member_is_alive_until_it_ends_whatever_way(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from harness.runner.processes import join\n"
        "with join(Path(sys.argv[1])) as member:\n"
        "    print(member.name, flush=True); time.sleep(60)"
    )
    with join(tmp_path) as me:
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert members(tmp_path) == {me.name, name}
        other.kill()
        other.wait()
        other.stdout.close()
        assert members(tmp_path) == {me.name}
        assert [path.name for path in (tmp_path / ".members").iterdir()] == [me.name]
    assert list((tmp_path / ".members").iterdir()) == []
