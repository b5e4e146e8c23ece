"""Which trial a machine gets where several work on a run in a PostgreSQL server."""

from collections.abc import Sequence
from contextlib import aclosing

import pytest

from harness.store.opening import open_store

INSTANCES = {"a-1": "a/a", "a-2": "a/a", "b-1": "b/b", "b-2": "b/b", "c-1": "c/c"}
TRIALS = 2


@pytest.fixture
async def planned(postgres_run):
    """The address of a run with two trials on each instance."""
    async with aclosing(await open_store(postgres_run)) as store:
        await store.plan(
            [{"instance_id": name, "repo": repo, "difficulty": "", "length": ""}
             for name, repo in INSTANCES.items()],
            [{"system": "single", "instance_id": name, "number": number, "agents": 1, "wanted": 1,
              "submits": "one"} for name in INSTANCES for number in range(TRIALS)],
        )  # fmt: skip
    return postgres_run


async def live(address: str, *owners: str) -> None:
    """Have processes say that they live."""
    async with aclosing(await open_store(address)) as store:
        for owner in owners:
            await store._database.run("join_run", owner=owner, place="here", lease_s=60)


async def claimed(address: str, owners: Sequence[str]) -> list[str]:
    """The instances of the trials that processes claim in turn."""
    found = []
    for owner in owners:
        async with aclosing(await open_store(address, owner=owner)) as store:
            row = await store.claim_trial()
            found.append(row["instance_id"])
            await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=0)
    return found


async def test_a_machine_gets_what_it_has_the_image_of_and_then_the_same_repository(planned):
    here, there = "p@one", "q@two"
    await live(planned, here, there)
    found = await claimed(planned, [here, there] * 5)
    assert found[::2] == ["a-1", "a-1", "a-2", "a-2", "c-1"]
    assert found[1::2] == ["b-1", "b-1", "b-2", "b-2", "c-1"]


async def test_processes_of_one_machine_go_through_the_run_in_its_order(planned):
    await live(planned, "p@one", "q@one")
    found = await claimed(planned, ["p@one", "q@one"] * 5)
    assert found == [name for name in INSTANCES for _ in range(TRIALS)]


async def test_a_machine_that_is_alone_with_what_is_left_takes_it(planned):
    await live(planned, "p@one", "q@two")
    await claimed(planned, ["p@one", "q@two"])
    found = await claimed(planned, ["q@two"] * 8)
    assert found == ["b-1", "b-2", "b-2", "c-1", "c-1", "a-1", "a-2", "a-2"]
