"""Trials of a run on sandboxes that are played: what ends one, what ends all, what is kept."""

import contextlib
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import anyio
import pytest
from console import query
from midway import cancelled_when
from played_run import ANSWER, PRICE, Answering, Silent, client_of, make

from harness.commands.compose import model_parts
from harness.config import resolve
from harness.errors import (
    ContextOverflow,
    ConversationRefused,
    DelmError,
    EndpointRefused,
    LeakFound,
    LimitReached,
    ModelRefused,
    ModelUnavailable,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
    UserError,
)
from harness.protocols import Trial
from harness.store.sqlite.store import SqliteStore
from harness.types import Reply

CALLS = "SELECT model, agent, cost_usd FROM call ORDER BY call_id"


class Counting(Silent):
    """Keeps the steps that it heard of last."""

    steps = 0

    def step(self, row: dict, steps: int, cost: Any, *, resumed: int = 0) -> None:
        self.steps = steps


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "run.db")
    yield made
    made.close()


async def finish(trial: Trial) -> None:
    """The shortest system: an empty patch, which is graded without a sandbox."""
    await trial.sandbox()
    await trial.submit("agent-1", "", reason="finished")


async def ask(trial: Trial) -> None:
    await trial.model("agent-1").complete([{"role": "user", "content": "?"}], [])


async def test_findings_are_compared_by_the_verifier_at_its_price_under_their_author(store):
    async def both(trial: Trial) -> None:
        for model in (
            trial.model("patch-1", agent="agent-2"),
            trial.verifier("gist-check.patch-1.1", "agent-2"),
        ):
            await model.complete([{"role": "user", "content": "?"}], [])
        await finish(trial)

    other = client_of(store, "v", replace(PRICE, input=3e-6))
    run, _ = make(store, both, verifier=other)
    await run.plan()
    await run.work()
    rows = [
        (row["model"], row["agent"], round(row["cost_usd"], 6))
        for row in query(store.path.parent, CALLS)
    ]
    assert rows == [("m", "agent-2", 0.001), ("v", "agent-2", 0.003)]


async def test_without_a_verifier_the_runs_own_model_compares(store):
    run, _ = make(store, finish)
    assert run.services.verifier is run.services.client


def test_the_verifier_is_another_model_with_a_price_or_it_is_refused(monkeypatch):
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def parts(verifier: str):
        return model_parts(
            resolve([{"model": {"name": "openai/scripted", "verifier": verifier}}]), print
        )

    assert parts("").verifier is None
    assert parts("openai/scripted").verifier is None
    other = parts("openai/bridge")
    assert [each.name for each in other.each()] == ["openai/scripted", "openai/bridge"]
    assert other.verifier.price is not None
    with pytest.raises(UserError, match="openai/scriptid"):
        parts("openai/scriptid")


async def test_a_call_that_never_answered_is_a_step_for_who_watches_as_in_the_ledger(store):
    run, _ = make(store, ask, answer=ModelUnavailable("away"))
    counting = Counting()
    run.services = replace(run.services, watcher=counting)
    await run.plan()
    await run.work()
    assert counting.steps == len(await store.calls()) == 1


PLACE = re.compile(r"\([^ ]*test_run\.py:\d+\)")


@pytest.mark.parametrize(
    ("problem", "state", "reason"),
    [
        (LimitReached("steps", "used up"), "done", "steps"),
        (ContextOverflow("long"), "done", "context"),
        (ModelUnavailable("away"), "error", "model: away"),
        (SandboxUnavailable("gone"), "error", "sandbox: gone"),
        (SandboxLost("it ended it"), "done", "sandbox_lost"),
        (
            SandboxError("no such file"),
            "failed",
            "error in the system s (…): SandboxError: no such file",
        ),
        (DelmError("odd"), "failed", "error in the system s (…): DelmError: odd"),
        (RuntimeError("a bug"), "failed", "error in the system s (…): RuntimeError: a bug"),
    ],
)
async def test_what_ends_a_trial_is_its_state_and_never_ends_the_run(store, problem, state, reason):
    async def act(trial: Trial) -> None:
        await finish(trial)
        if trial.instance.instance_id == "a__a-1":
            raise problem

    run, sandboxes = make(store, act, instances=["a__a-1", "b__b-2"])
    await run.plan()
    await run.work()
    first, second = await store.trials()
    assert (first["state"], PLACE.sub("(…)", first["reason"])) == (state, reason)
    assert ("Traceback" in first["detail"]) == (state == "failed")
    assert (second["state"], second["reason"]) == ("done", "finished")
    assert sandboxes.open_now == set()
    outcomes = [row["outcome"] for row in await store.submissions()]
    assert outcomes == ["unresolved" if state == "done" else None, "unresolved"]


async def test_the_texts_of_instances_are_recorded_at_planning_and_again_for_an_older_run(store):
    run, _ = make(store, finish)
    await run.plan()
    kept = await store.instance_text("a__a-1")
    assert kept == {"instance_id": "a__a-1", "asked": "p", "gold": ""}
    with closing(sqlite3.connect(store.path)) as file:
        file.execute("DELETE FROM instance_text")
        file.commit()
    await run.plan()
    assert await store.instance_text("a__a-1") == kept


async def test_a_system_that_submits_less_than_it_was_to_has_failed(store):
    run, _ = make(store, finish, wanted=2)
    await run.plan()
    await run.work()
    (trial,) = await store.trials()
    assert trial["state"] == "failed"
    assert trial["reason"] == "error in the system s: it submitted 1 of 2"


async def test_a_second_submission_of_an_author_is_refused(store):
    async def act(trial: Trial) -> None:
        await finish(trial)
        await trial.submit("agent-1", "other", reason="finished")

    run, _ = make(store, act)
    await run.plan()
    await run.work()
    reason = PLACE.sub("(…)", (await store.trials())[0]["reason"])
    assert reason == "error in the system s (…): DelmError: agent-1 has submitted already"
    assert [row["patch"] for row in await store.submissions()] == [""]


async def test_as_many_trials_as_workers_run_at_a_time_and_each_once(store):
    async def act(trial: Trial) -> None:
        await trial.sandbox()
        await anyio.sleep(0.02)
        await trial.submit("agent-1", "", reason="finished")

    names = [f"a__a-{n}" for n in range(10)]
    run, sandboxes = make(store, act, instances=names, workers=3, trials=2)
    await run.plan()
    await run.work()
    assert sandboxes.most == 3
    assert {row["state"] for row in await store.trials()} == {"done"}
    assert len(await store.submissions()) == 20


async def test_cancelling_marks_what_is_under_way_and_closes_its_sandboxes(store):
    async def act(trial: Trial) -> None:
        await trial.sandbox()
        await anyio.sleep(60)

    run, sandboxes = make(store, act, instances=["a__a-1", "b__b-2"])
    await run.plan()
    await cancelled_when(lambda: sandboxes.open_now, run.work)
    assert [row["state"] for row in await store.trials()] == ["cancelled", "waiting"]
    assert sandboxes.open_now == set()


async def test_the_runs_money_stops_new_trials_and_counts_what_was_spent_before(store):
    async def act(trial: Trial) -> None:
        await ask(trial)
        await finish(trial)

    names = [f"a__a-{n}" for n in range(5)]
    # a call costs 0.001 and can cost a little over 0.002
    capped = SqliteStore(store.path, cap_usd=0.0045)
    run, _ = make(capped, act, instances=names)
    await run.plan()
    await run.work()
    capped.close()
    assert [row["state"] for row in await store.trials()] == ["done", "done", "done", "cancelled",
                                                        "waiting"]  # fmt: skip
    assert run.stopped.startswith("run_cost")
    assert run.stop_cause == "budget"
    assert await store.spent() == pytest.approx(0.003)
    for cap, usd, done in (
        (0.0045, 0.003, 3),
        (0.1, 0.005, 5),
    ):  # no more than before; a higher one
        capped = SqliteStore(store.path, cap_usd=cap)
        again, _ = make(capped, act, instances=names)
        await again.plan()
        await again.work()
        capped.close()
        assert await store.spent() == pytest.approx(usd)
        assert [row["state"] for row in await store.trials()].count("done") == done


@pytest.mark.parametrize("passes_over", [False, True])
async def test_an_endpoint_that_takes_no_call_stops_the_run_and_fails_no_trial(store, passes_over):
    async def act(trial: Trial) -> None:
        await trial.sandbox()
        try:
            await ask(trial)
        finally:
            await trial.submit("agent-1", "what there is", reason="model_error", salvaged=True)

    async def lenient(trial: Trial) -> None:
        with contextlib.suppress(ModelRefused):
            await act(trial)

    names = [f"a__a-{n}" for n in range(9)]
    answer = EndpointRefused("m: 402: pay first")
    run, sandboxes = make(
        store, lenient if passes_over else act, answer=answer, instances=names, workers=2
    )
    await run.plan()
    await run.work()
    assert (run.stopped, run.stop_cause) == ("m: 402: pay first", "model")
    states = [(row["state"], row["reason"]) for row in await store.trials()]
    assert set(states) == {("cancelled", "model: m: 402: pay first"), ("waiting", "")}
    assert 1 <= states.count(("cancelled", "model: m: 402: pay first")) <= 2
    assert [row["patch"] for row in await store.submissions()] == ["what there is"] * (
        len(await store.submissions())
    )
    assert sandboxes.open_now == set()
    again, _ = make(store, finish, instances=names, workers=2)
    await again.plan()
    await again.work()
    assert again.stopped == ""
    assert [row["state"] for row in await store.trials()].count("done") == 9


async def test_calls_under_way_when_the_endpoint_closes_end_their_trials_for_later(store):
    """The first trial has its answers; then nobody gets one, also who asks afterwards."""
    closed = anyio.Event()

    async def act(trial: Trial) -> None:
        await trial.sandbox()
        if trial.instance.instance_id == "a__a-0":
            await closed.wait()
            with contextlib.suppress(ModelRefused):  # as a team that goes on without one
                await ask(trial)
            await trial.submit("agent-1", "half", reason="model_error", salvaged=True)
            return
        with contextlib.suppress(ModelRefused):
            await ask(trial)
        closed.set()
        await trial.submit("agent-1", "", reason="model_error")

    answer = EndpointRefused("m: 401: wrong key")
    run, _ = make(store, act, answer=answer, instances=["a__a-0", "a__a-1", "a__a-2"], workers=2)
    await run.plan()
    await run.work()
    assert [row["state"] for row in await store.trials()] == ["cancelled", "cancelled", "waiting"]
    assert len(await store.calls()) == 1, "nothing is sent to who takes nothing"
    assert {row["patch"] for row in await store.submissions()} == {"half", ""}


@pytest.mark.parametrize(
    "answer", [ModelUnavailable("cannot connect to http://x"), ModelRefused("odd")]
)
async def test_a_model_that_answers_nobody_stops_the_run_after_the_first_trials(store, answer):
    names = [f"a__a-{n}" for n in range(20)]
    run, _ = make(store, ask, answer=answer, instances=names, workers=1)
    await run.plan()
    await run.work()
    assert run.stopped == f"no answer in 3 trials in a row; last: {answer}"
    states = [row["state"] for row in await store.trials()]
    assert states[:2] == ["error", "error"]
    assert states.count("waiting") >= 17


async def test_trials_without_an_answer_between_trials_with_one_stop_nothing(store):
    turn = {"n": 0}

    class Weather(Answering):
        async def attempt(self, *_: Any, **__: Any) -> Reply:
            turn["n"] += 1
            if turn["n"] % 3:
                raise ModelUnavailable("away")
            return ANSWER

    async def act(trial: Trial) -> None:
        await ask(trial)
        await finish(trial)

    names = [f"a__a-{n}" for n in range(12)]
    run, _ = make(store, act, instances=names, workers=1, backend=Weather(ANSWER))
    await run.plan()
    await run.work()
    assert run.stopped == ""
    assert [row["state"] for row in await store.trials()] == ["error", "error", "done"] * 4


async def test_a_trial_that_hears_nothing_until_its_time_is_over_is_no_result(store):
    async def act(trial: Trial) -> None:
        try:
            await ask(trial)
        except ModelUnavailable:
            raise LimitReached("wall_clock", "used up") from None

    run, _ = make(store, act, answer=ModelUnavailable("silent"))
    await run.plan()
    await run.work()
    (trial,) = await store.trials()
    assert (trial["state"], trial["reason"]) == (
        "error", "model: no answer within the trial's wall clock",
    )  # fmt: skip


async def test_what_may_not_be_said_ends_its_trial_with_what_was_done(store):
    async def act(trial: Trial) -> None:
        await finish(trial)
        await ask(trial)

    run, _ = make(
        store, act, answer=ConversationRefused("flagged"), instances=[f"a__a-{n}" for n in range(5)]
    )
    await run.plan()
    await run.work()
    assert run.stopped == ""
    assert {(row["state"], row["reason"]) for row in await store.trials()} == {("done", "refused")}
    assert {row["outcome"] for row in await store.submissions()} == {"unresolved"}


async def test_a_model_that_has_answered_and_refuses_one_call_fails_one_trial(store):
    async def act(trial: Trial) -> None:
        if trial.instance.instance_id == "b__b-2":
            raise ModelRefused("bad request")
        await ask(trial)
        await finish(trial)

    run, _ = make(store, act, instances=["a__a-1", "b__b-2", "c__c-3"])
    await run.plan()
    await run.work()
    assert [(row["state"], row["reason"]) for row in await store.trials()] == [
        ("done", "finished"), ("error", "model: bad request"), ("done", "finished"),
    ]  # fmt: skip


async def test_a_sandbox_that_leaks_is_recorded_with_what_leaked(store):
    run, sandboxes = make(store, finish)
    sandboxes.fails = LeakFound("the sandbox leaks: history: tag v2")
    await run.plan()
    await run.work()
    (trial,) = await store.trials()
    assert trial["state"] == "error"
    assert "history: tag v2" in trial["audit"]
    assert (trial["sandbox"], trial["image"]) == ("played", "print")


async def test_a_run_is_not_gone_on_with_on_a_dataset_that_has_lost_an_instance(store):
    run, _ = make(store, finish, instances=["a__a-1", "b__b-2"])
    await run.plan()
    again, _ = make(store, finish, instances=["a__a-1"])
    with pytest.raises(UserError, match="holds b__b-2, which the dataset does not have"):
        await again.plan()
    await run.plan()  # the dataset as it was


async def test_what_the_user_has_to_mend_is_the_reason_of_every_trial_that_it_ended(store):
    """Of those that were under way beside it, too: nobody has interrupted them."""
    begun = anyio.Event()

    async def act(trial: Trial) -> None:
        if trial.instance.instance_id == "b__b-2":
            begun.set()
            await anyio.sleep_forever()
        await begun.wait()
        raise UserError("the package of this system is not installed")

    run, _ = make(store, act, instances=["a__a-1", "b__b-2"], workers=2)
    await run.plan()
    with pytest.raises(UserError, match="is not installed"):
        await run.work()
    ends = [(trial["state"], trial["reason"]) for trial in await store.trials()]
    assert ends == [("cancelled", "the package of this system is not installed")] * 2
