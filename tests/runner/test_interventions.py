"""What people do to a run while it works: each action, what it refuses, and what is kept of it."""

import math
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest
from played_run import ANSWER, UNLIMITED, Answering, make

from harness.board.evidence import Span
from harness.board.protocols import Proposal
from harness.board.vocabulary import EntryKind
from harness.errors import AgentLimitReached
from harness.model.prompt_hash import prompt_hash
from harness.model.run_clock import RunClock
from harness.protocols import Trial
from harness.runner import interventions
from harness.runner.run import Run
from harness.store.interventions import Action, InterventionRefused, NewIntervention
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Reply, Verdict

WAIT_S = 20  # for what comes within a second, on a busy machine
ASKED = [{"role": "user", "content": "?"}]


class Gated(Answering):
    """A back end that says how many calls it has, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__(ANSWER)
        self.asked = 0
        self.free = anyio.Event()

    async def attempt(self, *_: Any, **__: Any) -> Reply:
        self.asked += 1
        await self.free.wait()
        return ANSWER


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(interventions, "LOOK_S", 0.02)


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "run.db")
    yield made
    made.close()


async def until(point: Callable[[], Any]) -> None:
    with anyio.fail_after(WAIT_S):
        while not await point():
            await anyio.sleep(0.01)


async def applied(store: SqliteStore, count: int) -> None:
    async def point() -> bool:
        return sum(bool(row["applied"]) for row in await store.interventions()) >= count

    await until(point)


async def do(store: SqliteStore, action: Action, **more: Any) -> Any:
    alive = more.pop("alive", {""})
    cap = more.pop("cap", 0.0)
    new = NewIntervention(action=action, by="Ada", reason="to see", **more)
    return await store.intervene(new, alive=alive, cap=cap)


@asynccontextmanager
async def working(run: Run) -> AsyncIterator[None]:
    """The run works during the block, and afterwards to its end."""
    await run.plan()
    async with anyio.create_task_group() as tasks, run.interventions.followed():
        tasks.start_soon(run.work)
        yield
        with anyio.fail_after(WAIT_S):
            while any(row["state"] in ("waiting", "running", "grading")
                      for row in await run.services.store.trials()):  # fmt: skip
                await anyio.sleep(0.01)


async def asks(trial: Trial, *, calls: int = 3) -> None:
    """An agent that asks in one conversation."""
    await trial.sandbox()
    model = trial.model("agent-1", agent="agent-1")
    try:
        for _ in range(calls):
            await model.complete(ASKED, [])
    finally:
        with anyio.CancelScope(shield=True):
            await trial.submit("agent-1", "", reason="finished")


# -- pause ---------------------------------------------------------------


async def test_a_paused_run_makes_no_call_and_goes_on_when_it_is_resumed(store):
    backend = Gated()
    run, _ = make(store, asks, backend=backend)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.PAUSE)
        await applied(store, 1)
        backend.free.set()
        await until(lambda: _ended(store, 1))
        await anyio.sleep(0.1)
        assert backend.asked == 1  # the one in flight was answered, and no other was made
        await do(store, Action.RESUME)
    assert backend.asked == 3
    (row,) = await store.trials()
    assert row["state"] == "done"
    (span,) = [span for span in await store.spans() if span["what"] == "paused"]
    assert span["agent"] == "agent-1"
    assert span["seconds"] >= 0.1
    assert row["seconds"] < span["seconds"] + 5


async def test_a_pause_now_keeps_answers_from_their_agents_and_pays_for_them(store):
    backend, heard = Gated(), []

    async def act(trial: Trial) -> None:
        await trial.sandbox()
        heard.append(await trial.model("agent-1", agent="agent-1").complete(ASKED, []))
        await trial.submit("agent-1", "", reason="finished")

    run, _ = make(store, act, backend=backend)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.PAUSE, value=True)
        await applied(store, 1)
        backend.free.set()
        await until(lambda: _ended(store, 1))
        (call,) = await store.calls()
        assert (call["outcome"], round(call["cost_usd"], 6)) == ("ok", 0.001)
        await anyio.sleep(0.1)
        assert not heard
        await do(store, Action.RESUME)
    assert len(heard) == 1


async def test_a_pause_takes_nothing_of_a_wall_clock(store):
    backend = Gated()
    run, _ = make(store, asks, backend=backend, limits=replace(UNLIMITED, wall_clock_s=1.5))
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.PAUSE)
        await applied(store, 1)
        backend.free.set()
        await anyio.sleep(2)  # more than the trial has
        await do(store, Action.RESUME)
    (row,) = await store.trials()
    assert (row["state"], row["reason"]) == ("done", "finished")
    assert row["seconds"] < 1.5


async def test_a_clock_that_stands_still_gives_scopes_their_time_back():
    at = iter([0.0, 0.0, 10.0, 10.0, 10.0, 10.0])
    clock = RunClock(lambda: next(at, 10.0))
    with anyio.fail_after(WAIT_S), clock.until(0.2) as scope:
        clock.pause()
        assert scope.deadline == math.inf
        clock.resume()
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert clock() == pytest.approx(0.0)


async def test_a_run_that_is_paused_when_a_process_joins_stays_paused(store):
    backend = Gated()
    backend.free.set()
    run, _ = make(store, asks, backend=backend)
    await run.plan()
    await do(store, Action.PAUSE)
    async with working(run):
        await applied(store, 1)
        await anyio.sleep(0.3)
        assert backend.asked == 0
        assert {row["state"] for row in await store.trials()} == {"waiting"}
        await do(store, Action.RESUME)
    assert backend.asked == 3


async def test_a_paused_run_ends_when_its_last_trial_is_cancelled(store):
    backend = Gated()
    run, _ = make(store, asks, backend=backend, trials=2)
    await run.plan()
    await do(store, Action.PAUSE)
    async with working(run):
        await applied(store, 1)
        for row in await store.trials():
            await do(store, Action.CANCEL, trial_id=row["trial_id"])
    assert [row["state"] for row in await store.trials()] == ["cancelled"] * 2


# -- trials ---------------------------------------------------------------


async def test_a_cancelled_trial_is_salvaged_and_not_run_again(store):
    backend = Gated()
    run, sandboxes = make(store, asks, backend=backend)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.CANCEL, trial_id=1)
    (row,) = await store.trials()
    assert (row["state"], row["reason"]) == ("cancelled", "cancelled by Ada: to see")
    assert len(await store.submissions()) == 1
    assert not sandboxes.open_now
    (done,) = await store.interventions()
    assert [each["outcome"] for each in done["applied"]] == ["cancelled"]
    await run.plan()
    assert len(await store.trials()) == 1


async def test_others_go_on_when_a_trial_is_cancelled(store):
    backend = Gated()
    run, _ = make(store, asks, backend=backend, trials=2, workers=2)
    async with working(run):
        await until(lambda: _true(backend.asked == 2))
        await do(store, Action.CANCEL, trial_id=1)
        await applied(store, 1)
        backend.free.set()
    assert [row["state"] for row in await store.trials()] == ["cancelled", "done"]


async def test_a_waiting_trial_is_cancelled_at_once_and_a_requeued_one_is_run(store):
    backend = Gated()
    run, _ = make(store, asks, backend=backend, trials=2)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.CANCEL, trial_id=2)
        assert [row["state"] for row in await store.trials()] == ["running", "cancelled"]
        await do(store, Action.REQUEUE, trial_id=2)
        backend.free.set()
    assert [(row["attempt"], row["state"]) for row in await store.trials()] == [
        (0, "done"), (0, "cancelled"), (1, "done"),
    ]  # fmt: skip


async def test_a_requeued_trial_is_claimed_by_a_worker_that_had_nothing_left(store):
    backend = Gated()
    run, _ = make(store, asks, backend=backend, trials=2, workers=2)
    async with working(run):
        await until(lambda: _true(backend.asked == 2))
        await do(store, Action.CANCEL, trial_id=2)
        await applied(store, 1)
        await do(store, Action.REQUEUE, trial_id=2)
        await until(lambda: _true(backend.asked == 3))  # while the other one is still under way
        backend.free.set()
    assert [row["state"] for row in await store.trials()] == ["done", "cancelled", "done"]


async def test_a_requeued_trial_pays_for_no_answer_twice(store):
    backend = Gated()
    backend.free.set()
    fails = [True]

    async def act(trial: Trial) -> None:
        model = trial.model("agent-1", agent="agent-1")
        await model.complete(ASKED, [])
        if fails.pop() if fails else False:
            raise RuntimeError("once")
        await model.complete(ASKED, [])
        await trial.submit("agent-1", "", reason="finished")

    run, _ = make(store, act, backend=backend)
    async with working(run):
        await until(lambda: _in_state(store, "failed", "error"))
    await do(store, Action.REQUEUE, trial_id=1)
    async with working(run):
        pass
    assert [row["state"] for row in await store.trials()][-1] == "done"
    assert backend.asked == 2


@pytest.mark.parametrize(
    ("state", "action", "said"),
    [
        ("done", Action.CANCEL, "is done: there is nothing to cancel"),
        ("done", Action.REQUEUE, "is done; only a trial that was cancelled or failed"),
        ("running", Action.REQUEUE, "is running: cancel it first"),
        ("waiting", Action.REQUEUE, "is waiting; only a trial"),
        ("failed", Action.CANCEL, "is failed: there is nothing to cancel"),
        ("waiting", Action.STOP_AGENT, "is not running: it has no agent"),
        ("waiting", Action.VETO, "is waiting: no agent reads its entries"),
        ("done", Action.VETO, "is done: no agent reads its entries"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_one_line_and_writes_nothing(
    store, state, action, said
):
    run, _ = make(store, asks)
    await run.plan()
    if state != "waiting":
        await store.claim_trial()
    if state not in ("waiting", "running"):
        await store.finish_trial(1, state, reason="r", seconds=1)
    with pytest.raises(InterventionRefused, match=said) as caught:
        await do(store, action, trial_id=1, target="x")
    assert "\n" not in str(caught.value)
    assert not await store.interventions()


async def test_an_attempt_that_was_followed_by_another_is_not_touched(store):
    run, _ = make(store, asks)
    await run.plan()
    await do(store, Action.CANCEL, trial_id=1)
    await do(store, Action.REQUEUE, trial_id=1)
    for action in (Action.CANCEL, Action.REQUEUE):
        with pytest.raises(InterventionRefused, match="was followed by attempt 2"):
            await do(store, action, trial_id=1)
    with pytest.raises(InterventionRefused, match="there is no trial 9"):
        await do(store, Action.CANCEL, trial_id=9)


@pytest.mark.parametrize(("by", "reason"), [("", "r"), (" ", "r"), ("Ada", ""), ("Ada", " \n")])
async def test_without_a_name_or_a_reason_nothing_is_done(store, by, reason):
    with pytest.raises(InterventionRefused, match="is missing"):
        await store.intervene(NewIntervention(action=Action.RESUME, by=by, reason=reason))
    assert not await store.interventions()


# -- agents, caps, workers ---------------------------------------------------------------


async def two_agents(trial: Trial) -> None:
    async def one(agent: str, calls: int) -> None:
        model = trial.model(agent, agent=agent)
        reason = "agent_stopped"
        with suppress(AgentLimitReached):
            for _ in range(calls):
                await model.complete(ASKED, [])
            reason = "finished"
        salvaged = reason != "finished"
        await trial.submit(agent, f"{agent}\n", reason=reason, salvaged=salvaged)

    async with anyio.create_task_group() as group:
        for agent in ("agent-1", "agent-2"):
            group.start_soon(one, agent, 2)


async def test_one_agent_is_stopped_and_the_others_go_on(store):
    backend = Gated()
    run, _ = make(store, two_agents, backend=backend, wanted=2, grader=_no_grader())
    async with working(run):
        await until(lambda: _true(backend.asked == 2))
        with pytest.raises(InterventionRefused, match="there are: agent-1, agent-2"):
            await do(store, Action.STOP_AGENT, trial_id=1, target="agent-9")
        await do(store, Action.STOP_AGENT, trial_id=1, target="agent-2")
        with pytest.raises(InterventionRefused, match="agent-2 was stopped already, by Ada"):
            await do(store, Action.STOP_AGENT, trial_id=1, target="agent-2")
        await anyio.sleep(0.5)
        backend.free.set()
    made = {row["author"]: (row["reason"], row["salvaged"]) for row in await store.submissions()}
    assert made == {"agent-1": ("finished", 0), "agent-2": ("agent_stopped", 1)}
    assert backend.asked == 3
    (row,) = await store.interventions()
    assert row["applied"][0]["outcome"] == "agent-2 ended after 1 answer"


async def test_an_agent_that_was_stopped_is_stopped_at_the_same_answer_after_an_interruption(store):
    backend = Gated()
    backend.free.set()
    run, _ = make(store, two_agents, backend=backend, wanted=2, grader=_no_grader())
    await run.plan()
    await store.claim_trial()
    await _paid(store, "agent-2", 1)
    await do(store, Action.STOP_AGENT, trial_id=1, target="agent-2")
    await store.finish_trial(1, "cancelled", reason="interrupted", seconds=1)
    async with working(run):
        pass
    made = {row["author"]: row["reason"] for row in await store.submissions()}
    assert made == {"agent-1": "finished", "agent-2": "agent_stopped"}
    assert backend.asked == 2  # agent-1's; what agent-2 was answered is paid


async def test_a_requeue_lets_a_stopped_agent_work_again(store):
    backend = Gated()
    backend.free.set()
    run, _ = make(store, two_agents, backend=backend, wanted=2, grader=_no_grader())
    await run.plan()
    await store.claim_trial()
    await _paid(store, "agent-2", 1)
    await do(store, Action.STOP_AGENT, trial_id=1, target="agent-2")
    await store.finish_trial(1, "error", reason="model: away", seconds=1)
    await do(store, Action.REQUEUE, trial_id=1)
    async with working(run):
        pass
    assert {row["reason"] for row in await store.submissions()} == {"finished"}


@pytest.mark.parametrize(
    ("limits", "cap", "value"),
    [
        ({"steps": 1}, "steps", 3),
        ({"cost_usd": 0.0025}, "dollars", 1),
        ({"tokens": 2500}, "tokens", 100_000),
    ],
)
async def test_a_raised_cap_holds_from_the_next_call_on(store, limits, cap, value):
    backend = Gated()
    run, _ = make(store, asks, backend=backend, limits=replace(UNLIMITED, **limits))
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        at_start = float(next(iter(limits.values())))
        await do(store, Action.RAISE, trial_id=1, target=cap, value=value, cap=at_start)
        await applied(store, 1)
        backend.free.set()
    (row,) = await store.trials()
    assert (row["reason"], backend.asked) == ("finished", 3)


async def test_a_cap_that_was_raised_while_the_trial_waited_holds_from_its_start(store):
    run, _ = make(store, asks, limits=replace(UNLIMITED, steps=1))
    await run.plan()
    await do(store, Action.RAISE, trial_id=1, target="steps", value=3, cap=1)
    async with working(run):
        pass
    (row,) = await store.trials()
    assert (row["state"], row["reason"]) == ("done", "finished")
    (done,) = await store.interventions()
    assert done["applied"][0]["outcome"] == "the cap on steps is 3"


async def test_without_the_raise_the_same_trial_ends_at_its_cap(store):
    run, _ = make(store, asks, limits=replace(UNLIMITED, steps=1))
    async with working(run):
        pass
    (row,) = await store.trials()
    assert row["reason"] == "steps"


async def test_caps_are_only_raised(store):
    run, _ = make(store, asks)
    await run.plan()
    raised = partial(do, store, Action.RAISE, trial_id=1, target="steps")
    with pytest.raises(InterventionRefused, match="no cap on its steps"):
        await raised(value=9, cap=0)
    await raised(value=9, cap=5)
    for value in (9, 7):
        with pytest.raises(InterventionRefused, match="is 9 already; it can only be raised"):
            await raised(value=value, cap=5)


async def test_the_runs_dollars_are_raised_for_all_processes_at_once(tmp_path):
    store = SqliteStore(tmp_path / "run.db", cap_usd=0.0025)
    other = SqliteStore(tmp_path / "run.db")
    backend = Gated()
    run, _ = make(store, asks, backend=backend)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(other, Action.RAISE, target="dollars", value=1, cap=0.0025)
        backend.free.set()
    (row,) = await store.trials()
    assert (row["state"], backend.asked) == ("done", 3)
    store.close()
    other.close()


async def test_the_runs_dollars_bind_where_nobody_raised_them(tmp_path):
    store = SqliteStore(tmp_path / "run.db", cap_usd=0.0025)
    run, _ = make(store, asks)
    async with working(run):
        pass
    assert run.stop_cause == "budget"
    store.close()


async def test_more_and_fewer_workers(store):
    backend, most = Gated(), [0]

    async def act(trial: Trial) -> None:
        await asks(trial, calls=1)

    run, sandboxes = make(store, act, backend=backend, trials=6, workers=1)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.WORKERS, value=3)
        await until(lambda: _true(backend.asked == 3))
        await do(store, Action.WORKERS, value=1)
        await applied(store, 2)
        most[0] = sandboxes.most
        sandboxes.most = 0
        backend.free.set()
    assert most == [3]
    assert all(row["state"] == "done" for row in await store.trials())
    with pytest.raises(InterventionRefused, match="1 to 1000"):
        await do(store, Action.WORKERS, value=0)


# -- marks ---------------------------------------------------------------


async def _publish(trial: Trial, gist: str) -> str:
    context = trial.context
    number = await context.propose(
        Proposal(
            kind=EntryKind.FACT, gist=gist, summary="", author="agent-1", task="t",
            evidence=Span(path="a.py", line=1, quote=gist, state="base"),
        )
    )  # fmt: skip
    ruling = await context.admit(number, key=f"key {gist}", raw="", seconds=0)
    return ruling.entry.label if ruling.entry else ruling.reason


async def test_a_veto_is_an_event_of_the_board_and_the_same_finding_is_not_admitted_again(store):
    backend, again = Gated(), []

    async def act(trial: Trial) -> None:
        await _publish(trial, "wrong")
        await trial.model("agent-1", agent="agent-1").complete(ASKED, [])
        again.append(await _publish(trial, "wrong"))
        await trial.submit("agent-1", "", reason="finished")

    run, _ = make(store, act, backend=backend)
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.VETO, trial_id=1, target="F1")
        with pytest.raises(InterventionRefused, match="F1 was vetoed already, by Ada"):
            await do(store, Action.PIN, trial_id=1, target="F1")
        await applied(store, 1)
        backend.free.set()
    assert again == ["F1 says the same, and a person has vetoed it: to see"]
    events = await run.services.board.events(1)
    (event,) = [each for each in events if each["what"] == "vetoed"]
    assert (event["subject"], event["detail"]) == ("F1", {"by": "Ada", "reason": "to see"})
    (entry,) = await run.services.board.entries(1)
    assert entry["gist"] == "wrong"  # entries never change


async def test_a_veto_holds_for_the_attempt_that_goes_on_where_the_trial_was_cut(store):
    """It is made again after as many answers, on the entry that says the same."""
    backend, seen = Gated(), []
    backend.free.set()

    async def act(trial: Trial) -> None:
        await _publish(trial, "right")
        await _publish(trial, "wrong")
        model = trial.model("agent-1", agent="agent-1")
        for _ in range(2):
            await model.complete(ASKED, [])
            seen.append([mark.label for mark in await trial.context.marks()])
        await trial.submit("agent-1", "", reason="finished")

    run, _ = make(store, act, backend=backend)
    await run.plan()
    await store.claim_trial()
    board = run.services.board.of(1)
    await _publish(_Of(board.context), "wrong")
    await _paid(store, "agent-1", 1)
    await do(store, Action.VETO, trial_id=1, target="F1")
    await store.note_applied(1, "F1 is vetoed")
    await store.finish_trial(1, "cancelled", reason="the process ended", seconds=1)
    async with working(run):
        pass
    assert seen == [["F2"], ["F2"]]
    (row,) = await run.services.board.marks(2)
    assert (row["label"], row["by"]) == ("F2", "Ada")


# -- stop ---------------------------------------------------------------


async def test_a_stop_is_for_the_processes_that_work_and_not_for_those_that_come_later(store):
    backend, asked = Gated(), []
    run, _ = make(store, asks, backend=backend, stop=lambda: asked.append("stop"))
    with pytest.raises(InterventionRefused, match="no process works on the run"):
        await do(store, Action.STOP, alive=set())
    async with working(run):
        await until(lambda: _true(backend.asked == 1))
        await do(store, Action.STOP)
        with pytest.raises(InterventionRefused, match="is being stopped already, by Ada"):
            await do(store, Action.STOP)
        await until(lambda: _true(bool(asked)))
        backend.free.set()
    again, _ = make(store, asks, stop=lambda: asked.append("again"))
    again.interventions._name = "another"
    async with again.interventions.followed():
        await anyio.sleep(0.5)
    assert asked == ["stop"]


# -- two people ---------------------------------------------------------------


async def test_of_many_who_want_the_same_at_once_one_does_it(tmp_path):
    """Four people in threads and stores of their own, at the same moment."""
    store = SqliteStore(tmp_path / "run.db")
    run, _ = make(store, asks, trials=8)
    await run.plan()
    together, said = threading.Barrier(4), list[str]()

    async def person() -> None:
        mine = SqliteStore(tmp_path / "run.db")
        for action, more in [
            (Action.PAUSE, {}),
            *((Action.CANCEL, {"trial_id": n + 1}) for n in range(8)),
            *((Action.REQUEUE, {"trial_id": n + 1}) for n in range(8)),
            (Action.RESUME, {}),
        ]:
            together.wait(WAIT_S)
            with suppress(InterventionRefused):
                await do(mine, action, **more)
                said.append(action)
        mine.close()

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(anyio.to_thread.run_sync, lambda: anyio.run(person))
    assert sorted(said) == ["cancel"] * 8 + ["pause"] + ["requeue"] * 8 + ["resume"]
    assert [row["attempt"] for row in await store.trials()].count(1) == 8
    assert len(await store.interventions()) == 18
    store.close()


# -- helpers ---------------------------------------------------------------


class _Of:
    """A trial that has a context."""

    def __init__(self, context: Any) -> None:
        self.context = context


async def _true(value: bool) -> bool:
    return value


async def _ended(store: SqliteStore, count: int) -> bool:
    return sum(call["outcome"] == "ok" for call in await store.calls()) >= count


async def _in_state(store: SqliteStore, *states: str) -> bool:
    return all(row["state"] in states for row in await store.trials())


def _no_grader() -> Any:
    class Grades:
        async def grade(self, *_: Any, **__: Any) -> Verdict:
            return Verdict(outcome="unresolved", reason="", report={}, seconds=0)

    return Grades()


async def _paid(store: SqliteStore, agent: str, calls: int) -> None:
    """Answered calls of the running trial 1, as the played model would be asked."""
    for position in range(calls):
        call = await store.begin_call(
            NewCall(
                trial_id=1, conversation=agent, agent=agent, position=position, model="m",
                prompt_sha256=prompt_hash(ASKED, []), repeated=0, reserved_usd=0.001,
                moment=2 * position + 1,
            )
        )  # fmt: skip
        end = EndedCall(
            outcome="ok", reply=ANSWER, usage=ANSWER.usage, cost_usd=0.001, charged_usd=0.001,
            latency_s=0, attempts=1, error="", moment=2 * position + 2,
        )  # fmt: skip
        await store.end_call(call, end)
