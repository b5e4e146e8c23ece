"""Processes that something else places stop as one: see `harness.runner.stopping`."""

from contextlib import aclosing

import anyio
import pytest

from harness.errors import RUN_COST
from harness.runner import launchers
from harness.runner.launchers import launch
from harness.runner.stopping import SILENT_TRIALS, stopped_by
from harness.store.opening import open_store

COUNT = 30
AT_ONCE = 2


@pytest.fixture
async def store(tmp_path):
    async with aclosing(await open_store(str(tmp_path / "run.db"), owner="me")) as made:
        await plan(made)
        yield made


async def plan(store) -> None:
    one = {"agents": 1, "wanted": 1, "submits": "one", "system": "s", "instance_id": "a__a-1"}
    instance = {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}
    await store.plan([instance], [one | {"number": n} for n in range(COUNT)])


class Placed:
    """A launcher with room for two, whose processes each end a trial with the next of `ends`."""

    def __init__(self, store, ends) -> None:
        self._store = store
        self._ends = iter(ends)
        self._later = 0
        self.ended = 0

    def start(self, count: int) -> None:
        self._later += count

    def stop(self) -> None:
        self._later = 0

    async def running(self) -> int:
        for _ in range(min(AT_ONCE, self._later)):
            self._later -= 1
            row = await self._store.claim_trial()
            if row is not None:
                self.ended += 1
                state, reason = next(self._ends)
                await self._store.finish_trial(row["trial_id"], state, reason=reason, seconds=0)
                await anyio.sleep(0.002)  # ends are told apart by milliseconds
        return self._later

    async def aclose(self) -> None:
        pass


DONE = ("done", "finished")
SILENT = ("error", "model: asked 8 times, last: 503")
OTHER = ("error", "sandbox: gone")
ENDS = {
    "all is well": ([DONE] * COUNT, "", COUNT),
    "the money": ([DONE] * 3 + [("cancelled", RUN_COST)] * COUNT, "budget", 4),
    "a refusal": ([DONE] * 3 + [("cancelled", "model: no such key")] * COUNT, "model", 4),
    "a silent model": ([DONE] * 3 + [SILENT] * COUNT, "model", 3 + SILENT_TRIALS),
    "a model that answers now and then": (
        ([SILENT] * (SILENT_TRIALS - 1) + [DONE]) * COUNT, "", COUNT,
    ),
    "other failures": ([OTHER] * COUNT, "", COUNT),
    "a trial that a person cancelled": ([("cancelled", "cancelled by ann: model: x")] * COUNT, "",
                                        COUNT),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
async def test_no_more_are_placed_once_one_has_met_with_what_stops_all(store, name, monkeypatch):
    monkeypatch.setattr(launchers, "LOOK_S", 0.001)
    ends, cause, at_least = ENDS[name]
    placed = Placed(store, ends)
    why, found = await launch(store, placed)
    assert found == cause
    assert bool(why) == bool(cause)
    assert at_least <= placed.ended <= at_least + (AT_ONCE if cause else 0)
    # one that Ray begins later sees it, too, and claims nothing
    assert stopped_by(await store.trials())[1] == cause


async def test_what_stopped_it_before_does_not_stop_it_when_it_is_resumed(store, monkeypatch):
    monkeypatch.setattr(launchers, "LOOK_S", 0.001)
    await launch(store, Placed(store, [DONE] * 2 + [("cancelled", RUN_COST)] * COUNT))
    assert stopped_by(await store.trials())[1] == "budget"
    await plan(store)
    assert stopped_by(await store.trials()) == ("", "")
    assert await launch(store, Placed(store, [DONE] * COUNT)) == ("", "")
    assert await store.claim_trial() is None
