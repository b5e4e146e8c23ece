"""The processes of a run share one limit of calls under way, over its store of either kind."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from scripted_model import ScriptedModel, Status

from harness.commands.ctl_status import _lines as lines_of
from harness.commands.ctl_status import status
from harness.errors import StoreUnavailable
from harness.model.backend import Transient
from harness.model.call_limit import LOWERED, START, CallLimit
from harness.runner.call_sharing import shared_calls
from harness.runner.membership import joined
from harness.runner.processes import join
from harness.store.opening import open_store

PROCESS = Path(__file__).parents[1] / "helpers" / "sharing_process.py"
pytestmark = [pytest.mark.slow(seconds=60)]


class Crowded:
    """A script that answers what comes while fewer than `capacity` calls are under way."""

    def __init__(self, capacity: int, seconds: float = 0.1) -> None:
        self.capacity = capacity
        self.seconds = seconds
        self.busy = 0
        self.refused_at: list[int] = []  # the numbers of the requests that were refused
        self._lock = threading.Lock()

    def __call__(self, request, n):
        with self._lock:
            if self.busy >= self.capacity:
                self.refused_at.append(n)
                return Status(429)
            self.busy += 1
        time.sleep(self.seconds)
        with self._lock:
            self.busy -= 1
        return {"content": "x"}


@pytest.fixture
async def two_trials(address):
    async with aclosing(await open_store(address)) as store:
        one = {"agents": 1, "wanted": 1, "submits": "one", "system": "single"}
        instance = {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}
        trials = [one | {"instance_id": "a__a-1", "number": n} for n in range(2)]
        await store.plan([instance], trials)
    return address


def begin(
    address: str, folder: Path, model: ScriptedModel, agents: int, calls: int, ceiling: int = 64
):
    process = subprocess.Popen(
        [sys.executable, PROCESS, address, folder, model.base_url, str(agents), str(calls),
         str(ceiling)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"SCRIPTED_API_KEY": "sk-not-a-key"},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def seen_by(processes) -> list[list[float]]:
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return found


async def test_two_processes_come_to_what_the_provider_allows_both(two_trials, tmp_path):
    script = Crowded(10)
    with ScriptedModel(script) as model:
        processes = [begin(two_trials, tmp_path, model, agents=20, calls=30) for _ in range(2)]
        seen = await anyio.to_thread.run_sync(seen_by, processes)
    for limits in seen:
        settled = limits[len(limits) // 2 :]
        assert max(settled) < 2 * script.capacity
        assert LOWERED * LOWERED * script.capacity <= min(settled)
    late = [n for n in script.refused_at if n > 600]
    assert len(late) < 0.2 * 600, "once it has settled few are refused"


async def test_two_processes_come_to_the_ceiling_where_the_provider_has_no_limit(
    two_trials, tmp_path
):
    with ScriptedModel(Crowded(1000, seconds=1.0)) as model:
        processes = [
            begin(two_trials, tmp_path, model, agents=16, calls=8, ceiling=24) for _ in range(2)
        ]
        seen = await anyio.to_thread.run_sync(seen_by, processes)
        assert model.peak <= 24 + 16, "but while the second one has not heard of the first"
    assert [limits[-1] for limits in seen] == [24, 24]


class OneModel:
    """What `shared_calls` needs of a client."""

    def __init__(self, ceiling: int = 64) -> None:
        self.model = "m"
        self.limit = CallLimit(ceiling)

    async def refuse(self) -> None:
        with pytest.raises(Transient):
            async with self.limit.slot():
                raise Transient("busy", overloaded=True)


async def sharing(tasks, address: str, folder: Path, model: OneModel) -> anyio.Event:
    """Share the limit of a process that this one stands for, until the event is set."""
    over = anyio.Event()

    async def run(*, task_status) -> None:
        with join(folder) as local:
            async with (
                joined(local, address) as member,
                aclosing(await open_store(address, owner=member.name)) as store,
                shared_calls([model], store, member.name, member.alive),
            ):
                task_status.started()
                await over.wait()

    await tasks.start(run)
    return over


async def until(holds) -> None:
    with anyio.fail_after(20):
        while not holds():
            await anyio.sleep(0.02)


async def test_a_refusal_that_one_process_meets_lowers_the_limit_of_all_once(address, tmp_path):
    one, two = OneModel(), OneModel()
    async with anyio.create_task_group() as tasks:
        ends = [await sharing(tasks, address, tmp_path, each) for each in (one, two)]
        async with anyio.create_task_group() as both:  # each knows nothing of the other's
            both.start_soon(one.refuse)
            both.start_soon(two.refuse)
        await until(lambda: one.limit.total == two.limit.total == 1)
        await anyio.sleep(1.5)
        assert (one.limit._state.epoch, two.limit._state.epoch) == (1, 1)
        for end in ends:
            end.set()


async def test_who_comes_later_takes_its_part_and_who_leaves_gives_it_back(address, tmp_path):
    one, two = OneModel(), OneModel()
    async with anyio.create_task_group() as tasks:
        first = await sharing(tasks, address, tmp_path, one)
        assert one.limit._limiter.total_tokens == START
        second = await sharing(tasks, address, tmp_path, two)
        await until(lambda: one.limit._limiter.total_tokens == START // 2)
        assert two.limit._limiter.total_tokens == START // 2
        second.set()
        await until(lambda: one.limit._limiter.total_tokens == START)
        async with anyio.create_task_group() as cut:
            await sharing(cut, address, tmp_path, two)
            await until(lambda: one.limit._limiter.total_tokens == START // 2)
            cut.cancel_scope.cancel()
        await until(lambda: one.limit._limiter.total_tokens == START)
        first.set()


async def test_while_the_store_is_away_the_last_known_part_holds(tmp_path):
    class Away:
        async def share_calls(self, *args, **more):
            raise StoreUnavailable("away")

        async def leave_calls(self) -> None:
            raise StoreUnavailable("away")

    async def alive() -> set[str]:
        return set()

    model = OneModel()
    async with shared_calls([model], Away(), "me", alive):
        await model.refuse()
        await anyio.sleep(0.1)
        assert model.limit.total == 1
        async with model.limit.slot():
            pass


async def test_the_status_of_a_run_says_how_many_calls_may_be_under_way_and_how_many_wait(
    address, tmp_path
):
    model = OneModel(ceiling=3)
    enough = anyio.Event()

    async def call() -> None:
        async with model.limit.slot():
            await enough.wait()

    async with (
        anyio.create_task_group() as tasks,
        aclosing(await open_store(address)) as store,
    ):
        end = await sharing(tasks, address, tmp_path, model)
        async with anyio.create_task_group() as calls:
            for _ in range(5):
                calls.start_soon(call)

            async def told() -> bool:
                found = (await status(store, tmp_path))["model_calls"]
                row = {"model": "m", "total": 3.0, "ceiling": 3, "busy": 3, "waiting": 2}
                return found == [row]

            with anyio.fail_after(20):
                while not await told():
                    await anyio.sleep(0.05)
            line = "calls of m: limit 3 of 3, 3 under way, 2 waiting"
            assert line in lines_of("run", await status(store, tmp_path))
            enough.set()
        end.set()
    async with aclosing(await open_store(address)) as store:
        assert (await status(store, tmp_path))["model_calls"] == [], "nobody works on it any more"
