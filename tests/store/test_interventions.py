"""Interventions in a store: what a dead process leaves, what holds later, what never changes."""

from typing import Any

import pytest

from harness.errors import StoreConflict
from harness.store.interventions import Action, InterventionRow, NewIntervention
from harness.store.opening import open_store
from harness.store.protocol import Store

TRIAL: Any = {
    "system": "s", "instance_id": "i", "number": 0, "agents": 2, "wanted": 1, "submits": "one",
}  # fmt: skip
INSTANCE: Any = {"instance_id": "i", "repo": "r", "difficulty": "", "length": ""}


@pytest.fixture
async def stores(address):
    """Those of two processes, A and B; A has claimed the one trial."""
    mine, other = [await open_store(address, owner=name) for name in "AB"]
    await mine.plan([INSTANCE], [TRIAL])
    await mine.claim_trial()
    yield mine, other
    await mine.aclose()
    await other.aclose()


async def do(store: Store, action: Action, alive: str = "AB", **more: Any) -> InterventionRow:
    new = NewIntervention(action=action, by="Ada", reason="to see", **more)
    return await store.intervene(new, alive=set(alive), cap=1)


async def states(store: Store) -> list[str]:
    return [row["state"] for row in await store.trials()]


@pytest.mark.parametrize("grading", [False, True])
async def test_a_cancel_that_a_killed_process_did_not_come_to_is_done_by_the_next(stores, grading):
    mine, other = stores
    if grading:
        await mine.begin_grading(1, reason="finished", seconds=1)
    row = await do(mine, Action.CANCEL, trial_id=1)
    assert row["applied"] == []
    await other.plan([INSTANCE], [TRIAL], alive={"B"})  # A was killed
    assert await states(other) == ["cancelled"]
    (row,) = await other.interventions()
    assert [each["outcome"] for each in row["applied"]] == [
        "its process had ended; the trial is not run again"
    ]
    await other.take_over({"B"})
    assert await states(other) == ["cancelled"]


async def test_without_a_cancel_the_killed_trial_is_run_again(stores):
    _, other = stores
    await other.take_over({"B"})
    assert await states(other) == ["cancelled", "waiting"]


async def test_a_trial_whose_process_is_gone_is_cancelled_at_once(stores):
    _, other = stores
    row = await do(other, Action.CANCEL, alive="B", trial_id=1)
    assert row["applied"][0]["outcome"] == "cancelled: no process had it any more"
    assert await states(other) == ["cancelled"]


async def test_a_trial_that_was_interrupted_can_be_cancelled_for_good(stores):
    mine, other = stores
    await mine.finish_trial(1, "cancelled", reason="interrupted", seconds=1)
    row = await do(other, Action.CANCEL, trial_id=1)
    assert "the trial is not run again" in row["applied"][0]["outcome"]
    await other.plan([INSTANCE], [TRIAL])
    assert await states(other) == ["cancelled"]


async def test_each_process_notes_once_what_it_did(stores):
    mine, other = stores
    row = await do(mine, Action.PAUSE)
    for store, outcome in ((mine, "first"), (mine, "again"), (other, "second")):
        await store.note_applied(row["intervention_id"], outcome)
    (row,) = await mine.interventions()
    assert [(each["owner"], each["outcome"]) for each in row["applied"]] == [
        ("A", "first"), ("B", "second"),
    ]  # fmt: skip
    assert await mine.interventions(after=1) == []
    await do(mine, Action.RESUME)
    assert [row["action"] for row in await mine.interventions(limit=1)] == [Action.PAUSE]


async def test_what_holds_for_a_later_attempt_and_what_a_requeue_ends(stores):
    mine, _ = stores
    await mine.note_span(1, agent="a", what="command", started_at="2026", seconds=1)
    await do(mine, Action.STOP_AGENT, trial_id=1, target="a")
    await do(mine, Action.VETO, trial_id=1, target="F1")
    await do(mine, Action.RAISE, trial_id=1, target="steps", value=9)
    await mine.finish_trial(1, "error", reason="sandbox: gone", seconds=1)
    await mine.plan([INSTANCE], [TRIAL])
    assert [row["action"] for row in await mine.carried(2)] == ["stop-agent", "veto", "raise"]
    assert [row["value"] for row in await mine.carried(1)] == [9]
    await mine.claim_trial()
    await mine.finish_trial(2, "error", reason="sandbox: gone", seconds=1)
    await do(mine, Action.REQUEUE, trial_id=2)
    assert [row["action"] for row in await mine.carried(3)] == ["veto", "raise"]


async def test_a_raised_cap_of_the_run_is_its_highest(stores):
    mine, _ = stores
    row = await do(mine, Action.RAISE, target="dollars", value=3)
    assert row["applied"][0]["outcome"] == "the run may spend $3"


async def test_rows_never_change(stores):
    mine, _ = stores
    await do(mine, Action.PAUSE)
    for statement in ("UPDATE intervention SET by = 'Eve'", "DELETE FROM intervention"):
        with pytest.raises(StoreConflict, match="interventions never change"):
            await mine._database.tuples(statement, [])


async def test_a_row_without_a_name_is_refused_by_the_database_itself(stores):
    mine, _ = stores
    statement = (
        "INSERT INTO intervention (at, by, reason, action, target, value) "
        "VALUES ('', '', 'r', 'pause', '', 'null')"
    )
    with pytest.raises(StoreConflict):
        await mine._database.tuples(statement, [])


async def test_an_intervention_on_a_trial_that_is_not_there_writes_nothing(stores):
    mine, _ = stores
    with pytest.raises(StoreConflict):
        await mine.note_applied(9, "x")
    assert await mine.interventions() == []


async def test_a_key_in_a_reason_is_not_kept(stores):
    mine, _ = stores
    new = NewIntervention(
        action=Action.PAUSE, by="Ada", reason="sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"
    )
    row = await mine.intervene(new)
    assert "abcdefghijklmnop" not in row["reason"]
