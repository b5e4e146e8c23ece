"""However a trial of a main agent ends, the best patch that there is gets submitted."""

import anyio
import pytest
from played_central import SUBMIT, PlayedTrial, back, diff_of, one, script, several, take, write

from agents.centralized.orchestrator import Centralized, CentralizedParallel
from agents.centralized.sequential import CentralizedOptions
from harness.errors import (
    AgentLimitReached,
    ContextOverflow,
    LimitReached,
    ModelRefused,
    ModelUnavailable,
    SandboxLost,
    SandboxUnavailable,
)

A, B = diff_of({"a.py": "mended"}), diff_of({"b.py": "mended"})
PAIR = {
    "sub-1.1": [write("a.py"), back("I mended a.")],
    "sub-2.1": [write("b.py"), back("I mended b.")],
}


async def fails(error, plans, **options) -> PlayedTrial:
    trial = PlayedTrial(script(plans), agents=1)
    with pytest.raises(type(error)) as raised:
        await Centralized(CentralizedOptions(**options)).run(trial)
    assert raised.value is error
    return trial


@pytest.mark.parametrize("where", ["main", "sub-1.2"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LimitReached("cost", "no money"), "cost"),
        (LimitReached("wall_clock", "no time"), "wall_clock"),
        (ModelUnavailable("away"), "model_error"),
        (ModelRefused("no"), "model_error"),
    ],
)
async def test_what_there_is_is_submitted_when_the_budget_or_the_model_ends(where, error, reason):
    plans = {
        "main": [one("Go."), error if where == "main" else one("Go.")],
        "sub-1.1": [write("a.py"), back()],
        "sub-1.2": [write("b.py"), error],
    }
    trial = await fails(error, plans)
    there = {"a.py": "mended"} | ({"b.py": "mended"} if where != "main" else {})
    assert trial.submitted == [("main", diff_of(there), reason, True)]


async def test_a_main_agent_whose_context_is_full_submits_what_there_is():
    plans = {"main": [one("Go."), ContextOverflow("long")], "sub-1.1": [write("a.py"), back()]}
    trial = PlayedTrial(script(plans), agents=1)
    await Centralized().run(trial)
    assert trial.submitted == [("main", A, "context", True)]


@pytest.mark.parametrize("where", ["main", "sub-1.1"])
async def test_a_cancelled_trial_submits_what_there_is(where):
    asked = anyio.Event()

    async def stay() -> None:
        asked.set()
        await anyio.sleep_forever()

    plans = {"main": [one("Go.")], "sub-1.1": [write("a.py"), back()]}
    plans[where] = [plans[where][0], stay]
    trial = PlayedTrial(script(plans), agents=1)
    async with anyio.create_task_group() as group:
        group.start_soon(Centralized().run, trial)
        await asked.wait()
        group.cancel_scope.cancel()
    assert trial.submitted == [("main", A, "interrupted", True)]
    assert sorted(trial.spans) == sorted(
        (agent, what, edge) for agent, what, end in trial.spans if end == "end"
        for edge in ("begin", "end")
    )  # fmt: skip


async def test_a_surprise_inside_a_sub_agent_does_not_lose_its_work():
    def crash():
        raise ZeroDivisionError

    trial = PlayedTrial(script({"main": [one("Go.")], "sub-1.1": [write("a.py"), crash]}), agents=1)
    with pytest.raises(ZeroDivisionError):
        await Centralized().run(trial)
    assert trial.submitted == [("main", A, "interrupted", True)]


async def test_a_workspace_that_breaks_ends_the_trial_with_the_last_patch_that_was_seen():
    broken = SandboxUnavailable("gone")
    plans = {"main": [one("Go.")], "sub-1.1": [write("a.py"), back()]}
    trial = PlayedTrial(script(plans), agents=1)

    def breaks():
        trial.workspace.problem = broken
        return write("b.py")

    plans["sub-1.2"] = [breaks]
    with pytest.raises(SandboxUnavailable):
        await Centralized().run(trial)
    assert trial.submitted == [("main", A, "interrupted", True)]


async def test_a_workspace_that_its_commands_ended_is_the_end_with_what_was_seen_before():
    for seen in (A, ""):
        ended = [write("a.py"), back()] if seen else [back()]
        plans = {"main": [one("Go.")], "sub-1.1": ended}
        trial = PlayedTrial(script(plans), agents=1)

        def breaks(trial=trial):
            trial.workspace.problem = SandboxLost("gone")
            return write("b.py")

        plans["sub-1.2"] = [breaks]
        with pytest.raises(SandboxLost):
            await Centralized().run(trial)
        assert trial.submitted == [("main", seen, "sandbox_lost; no patch: gone", True)]


async def test_a_workspace_that_breaks_with_nothing_seen_submits_nothing():
    plans = {"main": [one("Go.")], "sub-1.1": [write("a.py")]}
    trial = PlayedTrial(script(plans), agents=1)
    trial.workspace.problem = SandboxUnavailable("gone")
    with pytest.raises(SandboxUnavailable):
        await Centralized().run(trial)
    assert trial.submitted == []


async def test_work_that_was_set_aside_when_the_budget_ended_is_not_lost():
    error = LimitReached("steps", "over")
    plans = {"main": [one("Go.")], "sub-1.1": [write("a.py"), back()]}
    trial = PlayedTrial(script(plans), agents=1)

    def stash():
        trial.workspace.files.clear()
        return error

    plans["sub-1.2"] = [stash]
    with pytest.raises(LimitReached):
        await Centralized().run(trial)
    assert trial.submitted == [("main", A, "steps", True)]


async def test_a_main_agent_that_never_takes_anything_has_the_best_salvaged():
    plans = PAIR | {"main": [several("a", "b")]}
    plans["sub-1.1"] = [write("a.py"), back(status="partial")]
    trial = PlayedTrial(script(plans))
    await CentralizedParallel(CentralizedOptions(attempts=1)).run(trial)
    assert trial.submitted == [("main", B, "no_valid_tool_calls", True)]


async def test_a_round_that_loses_every_workspace_is_the_machine_and_ends_the_trial():
    broken = SandboxUnavailable("gone")
    plans = {"main": [several("a", "b")]}
    trial = PlayedTrial(script(plans))

    def breaks():
        for fork in trial.workspace.forks:
            fork.problem = broken
        return write("a.py")

    plans |= {"sub-1.1": [breaks], "sub-2.1": [breaks]}
    with pytest.raises(SandboxUnavailable):
        await CentralizedParallel().run(trial)


@pytest.mark.parametrize("where", ["main", "sub-2.2"])
async def test_at_the_end_of_the_budget_what_was_taken_is_submitted(where):
    error = LimitReached("tokens", "over")
    plans = PAIR | {
        "main": [several("a", "b"), take("sub-1"), error if where == "main" else several("c", "d")],
        "sub-1.2": [write("c.py"), back()],
        "sub-2.2": [write("d.py"), error],
    }
    trial = PlayedTrial(script(plans))
    with pytest.raises(LimitReached) as raised:
        await CentralizedParallel().run(trial)
    assert raised.value is error
    assert trial.submitted == [("main", A, "tokens", True)]
    assert all(fork.closed == 1 for fork in trial.workspace.forks)


@pytest.mark.parametrize("system", [Centralized, CentralizedParallel])
async def test_a_sub_agent_that_a_person_stops_says_so_and_the_main_agent_goes_on(system):
    stop = AgentLimitReached("agent_stopped", "agent_stopped: Ada: enough")
    asks = one("Go.") if system is Centralized else several("a", "b")
    plans = {"main": [asks, SUBMIT], "sub-1.1": [write("a.py"), stop], "sub-2.1": [back()]}
    trial = PlayedTrial(script(plans))
    await system().run(trial)
    assert "was stopped by a person, and takes no more work" in trial.told()[0]
    assert trial.submitted


async def test_where_nothing_was_taken_the_best_of_the_round_that_was_cut_off_is_submitted():
    error, at_work = LimitReached("steps", "over"), anyio.Event()

    async def stay():
        at_work.set()
        await anyio.sleep_forever()

    async def over():
        await at_work.wait()
        return error

    plans = {
        "main": [several("a", "b", "c")],
        "sub-1.1": [write("a.py"), stay],
        "sub-2.1": [write("b.py"), back()],
        "sub-3.1": [write("c.py"), over],
    }
    trial = PlayedTrial(script(plans), agents=3)
    with anyio.fail_after(10), pytest.raises(LimitReached):
        await CentralizedParallel().run(trial)
    assert trial.submitted == [("main", B, "steps", True)]
    assert [fork.closed for fork in trial.workspace.forks] == [1, 1, 1]


async def test_a_cancelled_round_submits_the_work_of_a_sub_agent_and_closes_its_copies():
    at_work = anyio.Event()

    async def stay():
        at_work.set()
        await anyio.sleep_forever()

    plans = {
        "main": [several("a", "b")],
        "sub-1.1": [lambda: anyio.sleep_forever()],
        "sub-2.1": [write("b.py"), stay],
    }
    trial = PlayedTrial(script(plans))
    async with anyio.create_task_group() as group:
        group.start_soon(CentralizedParallel().run, trial)
        await at_work.wait()
        group.cancel_scope.cancel()
    assert trial.submitted == [("main", B, "interrupted", True)]
    assert [fork.closed for fork in trial.workspace.forks] == [1, 1]
    begun = [span[:2] for span in trial.spans if span[2] == "begin"]
    assert sorted(begun) == sorted(span[:2] for span in trial.spans if span[2] == "end")


async def test_a_surprise_inside_a_round_does_not_lose_what_others_did():
    at_work = anyio.Event()

    async def crash():
        await at_work.wait()
        raise ZeroDivisionError

    async def stay():
        at_work.set()
        await anyio.sleep_forever()

    plans = {
        "main": [several("a", "b")],
        "sub-1.1": [crash],
        "sub-2.1": [write("b.py"), stay],
    }
    trial = PlayedTrial(script(plans))
    with pytest.raises(ZeroDivisionError):
        await CentralizedParallel().run(trial)
    assert trial.submitted == [("main", B, "interrupted", True)]
