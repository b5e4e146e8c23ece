"""A machine without room: said in one line, nothing that was paid for is lost, and it goes on."""

import errno
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from console import DATASET, FINISH, FLASK, SOLVE, UNGUARDED, bash, bundled, query, refused
from console import delm_here as delm
from fake_run import fake_run
from sandboxes import LIMITS, Bubblewrap, why_not
from scripted_model import ScriptedModel
from small_disk import Disk, small_disk

from harness.errors import EndpointRefused, SandboxUnavailable, StoreFull
from harness.model.endpoint_health import EndpointHealth
from harness.no_space import ROOM_BYTES, full, lack
from harness.sandbox.bubblewrap.folders import sweep
from harness.sandbox.bubblewrap.machine import BubblewrapMachine
from harness.sandbox.providers import open_sandbox
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.connection import RESERVED_BYTES, store_error
from harness.store.sqlite.store import SqliteStore
from harness.types import Usage

pytestmark = pytest.mark.slow(seconds=43)

USAGE = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


def test_what_a_machine_lacks_is_told_in_words_whatever_says_so():
    assert lack(OSError(errno.ENOSPC, "x", "/a/b")) == "no room is left at /a/b"
    assert lack(OSError(errno.EDQUOT, "x")) == "the disk quota is used up"
    assert "ulimit -n" in lack(OSError(errno.EMFILE, "x"))
    assert "open files" in lack(BaseExceptionGroup("x", [OSError(errno.ENFILE, "x")]))
    for other in (OSError(errno.ENOENT, "x"), ValueError("x"), sqlite3.OperationalError("x")):
        assert lack(other) == ""


def test_a_database_without_room_says_so(disk):
    with closing(sqlite3.connect(disk.folder / "a.db")) as database:
        database.execute("CREATE TABLE a (b)")
        disk.fill()
        with pytest.raises(sqlite3.Error) as failed:
            database.execute("INSERT INTO a VALUES (zeroblob(1000000))")
    assert lack(store_error(failed.value)) == "no room is left"


def test_a_disk_is_full_before_the_last_byte_and_without_inodes(tmp_path):
    with small_disk(tmp_path / "bytes") as bytes_, small_disk(tmp_path / "inodes") as inodes:
        bytes_.fill(leave=2 * ROOM_BYTES)
        assert full(bytes_.folder) == full(inodes.folder) == ""
        bytes_.fill(leave=ROOM_BYTES - 100_000)
        for number in range(5000 - 20):
            (inodes.folder / str(number)).touch()
        assert full(bytes_.folder) == f"no room is left at {bytes_.folder}"
        assert full(inodes.folder) == f"no room is left for more files at {inodes.folder}"


async def test_answers_under_way_are_kept_on_a_disk_that_is_full_to_its_last_byte(disk):
    with closing(SqliteStore(disk.folder / "run.db")) as store:
        await store.reserve_room()
        await store.reserve_room()  # as a second process of the run would
        assert disk.free > (64 << 20) - 2 * RESERVED_BYTES
        await store.plan([row()], [trial()])
        calls = [await begin(store, n) for n in range(40)]
        disk.fill()
        assert disk.free == 0
        await end_all(store, calls)
        assert len(kept(disk)) == 40
    disk.make_room()
    with closing(SqliteStore(disk.folder / "run.db")) as store:
        assert {len(call["error"]) for call in await store.calls()} == {200_000}


async def test_without_room_kept_back_the_same_answers_would_be_lost(disk):
    with closing(SqliteStore(disk.folder / "run.db")) as store:
        await store.plan([row()], [trial()])
        calls = [await begin(store, n) for n in range(40)]
        disk.fill()
        with pytest.raises(StoreFull) as failed:
            await end_all(store, calls)
        assert lack(failed.value) == "no room is left"


def test_nothing_is_asked_that_could_not_be_kept(disk):
    endpoint_health = EndpointHealth(lacks=lambda: full(disk.folder))
    endpoint_health.check(1)
    disk.fill()
    with pytest.raises(EndpointRefused, match="no room is left"):
        endpoint_health.check(2)
    assert (
        endpoint_health.turned_away(1),
        endpoint_health.turned_away(2),
        endpoint_health.lacking,
    ) == (False, True, True)
    disk.make_room()
    with pytest.raises(EndpointRefused):  # the run is at its end
        endpoint_health.check(2)


def words(output: Path, *more: str) -> list[str | Path]:
    asked = ["eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK]
    asked += ["-c", "sandbox.min_free_gb=0", "-c", "grading.cache=false"]
    return [*asked, "--run-id", "run", "-o", output, "--yes", *UNGUARDED, *more]


def test_a_disk_that_fills_in_the_middle_of_a_run_costs_nothing_that_was_paid_for(disk):
    bundled(FLASK)
    said = "seen before it was full: " + "y" * 100_000

    def script(request: dict, n: int) -> dict:
        if n == 1:  # it is answered, and billed, when no byte is left
            disk.fill()
        return [SOLVE, bash("true") | {"content": said}, FINISH][n] | USAGE

    with ScriptedModel(script) as server:
        told = delm(*words(disk.folder), OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")
        assert len(server.requests) == 2
        assert disk.free == 0
        calls = query(disk.folder / "run", "SELECT outcome, cost_usd, reply FROM call")
        assert [call["outcome"] for call in calls] == ["ok", "ok"]
        assert all(call["cost_usd"] for call in calls)
        assert said in calls[1]["reply"]
        refused(told, "no room is left", "run.db is complete", "--run-id run")
        again = delm(*words(disk.folder), OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")
        refused(again, "no room is left")
        disk.make_room()
        told = delm(*words(disk.folder), OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")
        assert told.code == 0, told.text
        assert len(server.requests) == 3
    assert [t["state"] for t in query(disk.folder / "run", "SELECT state FROM trial")] == [
        "cancelled",
        "done",
    ]


def test_a_run_that_lacks_room_for_more_says_so_and_ends_with_2(disk):
    bundled(FLASK)

    def script(request: dict, n: int) -> dict:
        disk.fill(leave=ROOM_BYTES // 2)  # enough for the CSVs
        return SOLVE | USAGE

    with ScriptedModel(script) as server:
        told = delm(*words(disk.folder), OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")
        assert len(server.requests) == 1
    assert told.code == 2, told.text
    assert "stopped starting trials: no room is left at" in told.out
    assert "to resume after fixing that: " in told.out
    assert "Traceback" not in told.text
    assert (disk.folder / "run" / "table.csv").exists()


@pytest.mark.parametrize(("command", "leave"), [("score", 0), ("score", 50_000), ("export", 0)])
def test_what_cannot_be_written_is_said_in_one_line(disk, command, leave):
    folder = anyio.run(lambda: fake_run(disk.folder, systems=2))
    disk.fill(leave=leave)
    target = [disk.folder / "all.jsonl"] if command == "export" else []
    refused(delm(command, folder.path, *target), "no room is left", "make room")
    disk.make_room()
    assert delm(command, folder.path, *target).code == 0


@pytest.mark.parametrize("place", ["memory", "disk", "copy"])
async def test_no_sandbox_is_made_or_forked_without_room_and_one_is_when_there_is(tmp_path, place):
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path, place=place)
    with small_disk(kind.store) as disk:
        first = await kind.open()
        await first.exec("head -c 1M /dev/zero > big")
        there = kind.leftovers()
        disk.fill()
        for make in (kind.open, first.fork):
            with pytest.raises(SandboxUnavailable, match=r"no room|No space"):
                await make()
        assert kind.leftovers() == there | {disk.filler.name}
        disk.make_room()
        for make in (kind.open, first.fork):
            await (await make()).close()
        await first.close()
        assert kind.leftovers() == set()


async def test_a_sandbox_is_waited_for_until_there_is_room(tmp_path):
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path)
    with small_disk(kind.store) as disk:
        disk.fill()
        tried = 0

        async def start() -> BubblewrapMachine:
            nonlocal tried
            tried += 1
            if tried == 2:
                disk.make_room()
            return await BubblewrapMachine.start(kind.prepared, kind.store, LIMITS)

        await (await open_sandbox(start)).close()
        assert tried == 2


async def test_a_sandbox_without_open_files_to_spare_is_unavailable_and_leaves_none(tmp_path):
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path)
    opened = await kind.open()
    there = kind.leftovers()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = open_files()
    os.close(lowest := os.dup(0))
    refused = 0
    try:
        for spare in range(16):
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, limits[1]))
            for make in (kind.open, opened.fork):
                try:
                    made = await make()
                except SandboxUnavailable as error:
                    refused += "open files" in str(error)
                else:
                    await made.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert refused > 4
    left = {str(Path(f"/proc/self/fd/{number}").readlink()) for number in open_files() - before}
    assert not [name for name in left if not name.startswith("pipe:")]  # Popen keeps some, itself
    sweep(kind.store)  # as every start does: with no open file to spare nothing could be removed
    assert kind.leftovers() == there
    await (await opened.fork()).close()
    await opened.close()


def open_files() -> set[int]:
    numbers = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    return {number for number in numbers if os.path.lexists(f"/proc/self/fd/{number}")}


def row() -> dict[str, object]:
    return {"instance_id": "a", "repo": "r", "difficulty": "", "length": ""}


def trial() -> dict[str, object]:
    return {"system": "single", "instance_id": "a", "number": 0, "agents": 1, "wanted": 1,
            "submits": "one"}  # fmt: skip


async def begin(store: SqliteStore, position: int) -> int:
    return await store.begin_call(NewCall(
        trial_id=1, conversation="main", agent="agent-1", position=position, model="m",
        prompt_sha256="x", repeated=0.0, reserved_usd=1.0, moment=position,
    ))  # fmt: skip


async def end_all(store: SqliteStore, calls: list[int]) -> None:
    """Each with 200,000 characters."""
    for call_id in calls:
        await store.end_call(
            call_id,
            EndedCall(outcome="failed", reply=None, cost_usd=0.5, latency_s=1.0, attempts=1,
                      usage=Usage(prompt_tokens=1, completion_tokens=1), error="x" * 200_000,
                      moment=call_id),
        )  # fmt: skip


def kept(disk: Disk) -> list[dict]:
    """The calls that another process sees as answered."""
    with closing(sqlite3.connect(disk.folder / "run.db")) as database:
        return database.execute("SELECT * FROM call WHERE cost_usd = 0.5").fetchall()
