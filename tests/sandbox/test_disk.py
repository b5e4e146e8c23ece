"""A ceiling on pulled images, over a real registry and Docker, and what it is made of."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import docker
import image_source as source
import pytest
from console import delm_here as delm
from console import docker_client, end, refused, start

from harness.sandbox.docker import registry
from harness.sandbox.docker.image_cache import ImageCache
from harness.sandbox.docker.image_layers import ImageSize, chains, total, whole
from harness.sandbox.docker.image_leases import ImageLeases
from harness.sandbox.docker.image_pull import pulled_images

pytestmark = pytest.mark.slow(seconds=44)

SIZE = 30_000_000
COUNT = 8


@dataclass(frozen=True)
class Source:
    """A registry, and what is in it."""

    client: docker.DockerClient
    host: str
    commit: str
    images: dict[str, str]  # by instance
    base: int  # bytes that all of them share

    def ceiling(self, own: int) -> str:
        """So many GB that what all share has room, and so many of them."""
        return f"{(self.base + own * SIZE) * 1.01 / 1e9 + 0.003:.4f}"

    def clear(self) -> None:
        """Have none of them here."""
        for image in self.client.images.list():
            for name in image.tags:
                if name.startswith(self.host):
                    self.client.images.remove(name, force=True)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory) -> Iterator[Source]:
    if reason := source.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("source")
    with ExitStack() as stack:
        client = docker_client(stack)
        host = stack.enter_context(source.registry(folder))
        commit = stack.enter_context(source.base_image(client, folder))
        images = {f"a__b-{n}": f"{host}/swebench/sweb.eval.{n}:latest" for n in range(COUNT)}
        for n, name in enumerate(images.values()):
            source.push(client, name, folder, SIZE, zeros=n % 2 == 1)
        base = int(client.images.get(source.BASE).attrs["Size"])
        yield Source(client, host, commit, images, base)


@pytest.fixture
def here(stocked) -> Iterator[Source]:
    """The registry; no image of it is on this machine before and after."""
    stocked.clear()
    yield stocked
    stocked.clear()


def rows(here: Source, folder: Path, count: int = COUNT) -> tuple[str, ...]:
    """The words of `delm eval` that mend `count` instances."""
    images = dict(list(here.images.items())[:count])
    source.write_rows(folder / "rows.jsonl", here.commit, images)
    source.write_answers(folder / "answers.jsonl", folder / "rows.jsonl", list(images))
    return (
        "eval", "-m", f"replay:{folder / 'answers.jsonl'}", "-d", str(folder / "rows.jsonl"),
        "--sandbox", "docker", "--allow-unknown-price", "-k", "1", "-o", str(folder),
    )  # fmt: skip


def test_eight_images_are_used_where_three_fit_and_only_pulled_ones_are_removed(here, tmp_path):
    by_hand, retagged, mine = here.images["a__b-7"], f"{here.host}/mine:1", f"{here.host}/base:1"
    here.client.images.pull(by_hand.rpartition(":")[0], tag="latest")
    here.client.images.get(by_hand).tag(retagged)
    here.client.images.get(source.BASE).tag(mine)
    others = {name: here.client.images.get(name).id for name in (by_hand, retagged, mine)}
    ceiling = here.ceiling(3)
    with source.Watch(here.client, here.host, but=others) as watch:
        told = delm(
            *rows(here, tmp_path), "--disk-gb", ceiling, "-w", "3", "--run-id", "one",
            DELM_CACHE=str(tmp_path / "cache"),
        )  # fmt: skip
    assert told.code == 0, told.text
    assert f"{COUNT} of {COUNT}" in told.out
    assert watch.highest <= float(ceiling) * 1e9
    assert watch.highest > here.base + 2 * SIZE  # the room is used
    assert watch.removed >= 4
    assert {name: here.client.images.get(name).id for name in others} == others
    assert by_hand not in pulled_images(tmp_path / "cache")


def test_two_runs_at_the_same_time_share_the_ceiling(here, tmp_path):
    ceiling, words = here.ceiling(2), rows(here, tmp_path, 4)
    with source.Watch(here.client, here.host) as watch:
        both = [
            start(
                *words, "--disk-gb", ceiling, "-w", "2", "--run-id", name,
                DELM_CACHE=str(tmp_path / "cache"),
            )
            for name in ("one", "two")
        ]  # fmt: skip
        for told in [end(process, timeout=400) for process in both]:
            assert told.code == 0, told.text
            assert "4 of 4" in told.out
    assert watch.highest <= float(ceiling) * 1e9


def test_an_image_larger_than_the_ceiling_is_one_error_before_anything_starts(here, tmp_path):
    told = delm(
        *rows(here, tmp_path), "--disk-gb", "0.1", "--run-id", "one",
        DELM_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    refused(told, here.images["a__b-0"], "more than the 0.1 GB of --disk-gb (make: DISK_GB)")
    assert not (tmp_path / "one").exists()


def test_a_ceiling_that_the_disk_has_no_room_for_is_refused(here, tmp_path):
    told = delm(*rows(here, tmp_path), "--disk-gb", "900000", DELM_CACHE=str(tmp_path / "cache"))
    refused(told, "--disk-gb 900000", "is more than there is room for")


async def test_an_image_in_use_stays_and_the_next_one_waits_for_it(here, tmp_path):
    first, second = list(here.images.values())[:2]
    room = ImageCache(here.client, tmp_path, float(here.ceiling(1)))
    said: list[str] = []
    began = anyio.Event()

    async def wants_second() -> None:
        async with room.holding(second, said.append):
            began.set()

    async with anyio.create_task_group() as tasks:
        async with room.holding(first, said.append) as found:
            assert found == here.client.images.get(first).id
            tasks.start_soon(wants_second)
            with anyio.move_on_after(3):
                await began.wait()
            assert not began.is_set()
            assert here.client.images.list(first)
        with anyio.fail_after(60):
            await began.wait()
    assert not here.client.images.list(first)
    assert any(line.startswith(f"{second} waits for room: ") for line in said)


async def test_what_was_used_longest_ago_goes_first(here, tmp_path):
    one, three, two = list(here.images.values())[:3]  # three is sent as next to nothing
    room = ImageCache(here.client, tmp_path, float(here.ceiling(2)))
    for name in (one, two, one, three):
        async with room.holding(name, print):
            pass
    assert set(pulled_images(tmp_path)) == {one, three}


async def test_two_that_want_the_same_image_pull_it_once(here, tmp_path):
    said: list[str] = []
    room = ImageCache(here.client, tmp_path, float(here.ceiling(1)))

    async def want() -> None:
        async with room.holding(here.images["a__b-0"], said.append):
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(want)
    assert said == [f"pulling {here.images['a__b-0']}"]


async def test_where_no_registry_can_be_asked_an_image_is_pulled_alone(here, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # the daemon goes its own way
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    room = ImageCache(here.client, tmp_path, float(here.ceiling(3)))
    for name in list(here.images.values())[:2]:
        async with room.holding(name, print):
            assert set(pulled_images(tmp_path)) == {name}


def test_a_layer_of_zeros_is_weighed_by_what_it_takes_unpacked(here):
    weight = registry.weigh(here.images["a__b-1"], {})
    assert weight is not None
    *_, last = weight.layers
    assert SIZE <= weight.layers[last] < SIZE * 1.01
    assert weight.sent[last] < SIZE / 100
    assert here.base <= sum(weight.layers.values()) - weight.layers[last] < here.base * 1.05
    assert registry.weigh(f"{here.host}/absent:1", {}) is None


async def test_what_a_killed_process_used_and_was_pulling_is_free_again(tmp_path):
    uses = ImageLeases(tmp_path)
    script = (
        "import anyio\nfrom pathlib import Path\n"
        "from harness.sandbox.docker.image_leases import ImageLeases\n"
        "from harness.sandbox.docker.image_layers import whole\n"
        "async def main():\n"
        f"    uses = ImageLeases(Path({str(tmp_path)!r}))\n"
        "    async with uses.holding('x'):\n"
        "        uses.promise(whole('y', 7))\n"
        "        print(flush=True)\n"
        "        await anyio.sleep(60)\n"
        "anyio.run(main)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    assert [weight.unpacked for weight in uses.promised()] == [7]
    with uses.unused("x") as free:
        assert not free
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert uses.promised() == []
    with uses.unused("x") as free:
        assert free
    assert uses.last("x") > 0


async def test_nobody_begins_to_use_what_is_being_removed(tmp_path):
    uses = ImageLeases(tmp_path)
    began = anyio.Event()

    async def use() -> None:
        async with uses.holding("x"):
            began.set()

    async with anyio.create_task_group() as tasks:
        with uses.unused("x") as free:
            assert free
            tasks.start_soon(use)
            await anyio.sleep(0.3)
            assert not began.is_set()
    assert began.is_set()


def test_shared_layers_count_once_and_what_is_pulled_counts_packed_too():
    one = ImageSize(layers={"base": 100, "a": 10}, sent={"base": 40, "a": 4})
    two = ImageSize(layers={"base": 100, "b": 20}, sent={"base": 40, "b": 8})
    assert total([one, two], []) == 130
    assert total([one], [two]) == 110 + 28
    assert total([], [one, two]) == 140 + 14 + 28
    assert total([whole("x", 5), whole("y", 6)], []) == 11


def test_a_layer_is_named_by_all_below_it():
    assert chains([]) == []
    first, second = chains(["sha256:1", "sha256:2"])
    assert first == "sha256:1"
    assert second != chains(["sha256:3", "sha256:2"])[1]
