"""The tables of a run in a PostgreSQL server are migrated once, or not at all."""

import asyncio
import signal
import subprocess
import sys
from contextlib import aclosing

import asyncpg
import pytest

from harness.board.opening import open_boards
from harness.board.protocols import NewTask
from harness.errors import StoreOutdated, StoreUnavailable, UserError
from harness.store.database import statements
from harness.store.opening import open_store
from harness.store.postgres.database import PostgresDatabase
from harness.store.postgres.opening import parts_of
from harness.store.postgres.versions import COMMON, Part, bring_up

OPEN = """
import anyio, sys
from contextlib import aclosing
from harness.store.opening import open_store

async def work():
    print("ready", flush=True)
    sys.stdin.readline()
    async with aclosing(await open_store(sys.argv[1])) as store:
        print(len(await store.trials()), await store.call_limits([]), flush=True)

anyio.run(work)
"""
BOARD = max(Part("board", "harness.board.postgres", "").migrations())
LATEST = max(Part("store", "harness.store.postgres", "").migrations())
INSTANCE = {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}
TRIAL = {"system": "single", "instance_id": "a__a-1", "number": 0, "agents": 1, "wanted": 1,
         "submits": "one"}  # fmt: skip


@pytest.fixture
async def connection(postgres_run):
    url, schema = parts_of(postgres_run)
    made = await asyncpg.connect(url, server_settings={"search_path": f'"{schema}"'})
    yield made
    await made.close()


@pytest.fixture
async def first_version(postgres_run, connection):
    """The address of a run as version 1 made it, with a trial in it."""
    _, schema = parts_of(postgres_run)
    await connection.execute(COMMON.format(name=schema))
    await connection.execute(statements("harness.store.postgres", "store.sql")["schema"])
    await connection.execute("INSERT INTO version VALUES ('store', 1)")
    await connection.execute("INSERT INTO run VALUES ('version', '\"1.2.3\"')")
    await connection.execute(
        "INSERT INTO instance VALUES ('a__a-1', 'a/a', '', '', 0);"
        "INSERT INTO trial (system, instance_id, number, agents, wanted, submits, state)"
        "VALUES ('single', 'a__a-1', 0, 1, 1, 'one', 'running');"
        "INSERT INTO call (trial_id, conversation, agent, position, model, prompt_sha256, repeated,"
        "reserved_usd, started_at, began) VALUES (1, 'c', '', 0, 'm', '', 0, 0.25, '', 1)"
    )
    return postgres_run


async def columns(connection) -> list[tuple]:
    """What there is in the schema, column by column."""
    rows = await connection.fetch(
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = current_schema() "
        "ORDER BY table_name, ordinal_position"
    )
    return [tuple(row) for row in rows]


async def version(connection) -> int:
    return await connection.fetchval("SELECT version FROM version WHERE part = 'store'")


def begin(address: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


async def test_a_run_of_the_version_before_is_migrated_with_what_it_holds(
    first_version, connection
):
    async with aclosing(await open_store(first_version)) as store:
        assert [trial["state"] for trial in await store.trials()] == ["running"]
        assert await store.spent() == 0.25
        assert await store.call_limits([]) == []
        await store.plan([INSTANCE], [TRIAL])
    assert await version(connection) == LATEST
    migrated = await columns(connection)
    await connection.execute(f'DROP SCHEMA "{parts_of(first_version)[1]}" CASCADE')
    async with aclosing(await open_store(first_version)):
        assert await columns(connection) == migrated, "a new run has the same tables"


async def test_of_processes_that_open_it_at_once_one_migrates_it(first_version, connection):
    processes = [begin(first_version) for _ in range(5)]
    for process in processes:
        go(process)
    told = [await asyncio.to_thread(process.communicate, timeout=120) for process in processes]
    assert told == [("1 []\n", "")] * 5
    assert await version(connection) == LATEST


async def test_nothing_is_left_of_a_migration_that_is_killed_and_the_next_one_does_it(
    first_version, connection
):
    before = await columns(connection)
    hold = connection.transaction()
    await hold.start()
    await connection.execute("SELECT 1 FROM version WHERE part = 'store' FOR UPDATE")
    process = begin(first_version)
    go(process)
    watching = await asyncpg.connect(parts_of(first_version)[0])
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND query LIKE 'UPDATE version%'"
    )
    async with asyncio.timeout(60):
        while not await watching.fetchval(waits):  # its tables are made, and not committed
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.communicate)
    await hold.rollback()
    async with asyncio.timeout(60):
        while await watching.fetchval(waits):
            await asyncio.sleep(0.05)
    await watching.close()
    assert await version(connection) == 1
    assert await columns(connection) == before
    async with aclosing(await open_store(first_version)) as store:
        assert await store.call_limits([]) == []
    assert await version(connection) == LATEST


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_newer_version_is_refused_in_one_line(first_version, connection, read_only):
    await connection.execute("UPDATE version SET version = 7")
    before = await columns(connection)
    with pytest.raises(UserError) as refusal:
        await open_store(first_version, read_only=read_only)
    assert "delm 1.2.3 made it, which is newer (version 7" in str(refusal.value)
    assert "update delm" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert await columns(connection) == before


async def test_what_is_only_read_is_not_migrated(first_version, connection):
    with pytest.raises(StoreOutdated, match="older delm"):
        await open_store(first_version, read_only=True)
    assert await version(connection) == 1


async def test_a_migration_that_fails_leaves_the_version_before(
    first_version, connection, tmp_path, monkeypatch
):
    """Also what it did before the statement that failed."""
    package = tmp_path / "failing" / "migrations"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "0002_half.sql").write_text("CREATE TABLE half (one bigint); SELECT 1 / 0;")
    monkeypatch.syspath_prepend(tmp_path)
    before = await columns(connection)
    url, schema = parts_of(first_version)
    async with aclosing(PostgresDatabase(url, schema, {}, now="now()")) as database:
        with pytest.raises(StoreUnavailable, match="division by zero"):
            await bring_up(database, Part("store", "failing", ""))
    assert await columns(connection) == before
    assert await version(connection) == 1


async def test_a_board_of_the_first_version_goes_on(postgres_run, connection):
    """What was open, claimed or waiting is so afterwards, and claimed and finished as ever."""
    _, schema = parts_of(postgres_run)
    await connection.execute(COMMON.format(name=schema))
    await connection.execute(statements("harness.board.postgres", "board.sql")["schema"])
    await connection.execute("INSERT INTO version VALUES ('board', 1)")
    for number, waiting in ((1, 0), (2, 0), (3, 0), (4, 1)):
        await connection.execute(
            "INSERT INTO board_task (trial_id, number, label, kind, waiting, priority, changed_at,"
            "changed_by) VALUES (1, $3, $1, 'work', $2, 0, 0, '')", f"t{number}", waiting, number,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO board_asked (task_id, trial_id, key, created_by, subject, after, text)"
            "SELECT task_id, 1, label, '', '', '[]', 'do' FROM board_task WHERE label = $1",
            f"t{number}",
        )  # fmt: skip
    await connection.execute(
        "INSERT INTO board_need SELECT a.task_id, b.task_id FROM board_task a, board_task b "
        "WHERE a.label = 't1' AND b.label = 't4'"
    )
    await connection.execute(
        "UPDATE board_task SET state = 'claimed', holder = 'old', attempts = 1, lease = 1e12 "
        "WHERE label = 't1'"
    )
    async with aclosing(await open_boards(postgres_run)) as boards:
        queue = boards.of(1).queue
        first = await queue.claim("new", lease_s=60)
        assert first.task.label == "t2"
        _, second = await queue.finish_and_claim(first, lease_s=60)
        assert second.task.label == "t3"
        held = {task.label: task for task in await queue.tasks()}
        assert held["t1"].holder == "old"
        await queue.finish(first._replace(task=held["t1"], agent="old", fence=1))
        _, last = await queue.finish_and_claim(second, lease_s=60)
        assert last.task.label == "t4"
    assert await connection.fetchval("SELECT version FROM version") == BOARD


async def test_boards_have_a_version_of_their_own(first_version, connection):
    async with aclosing(await open_boards(first_version)) as boards:
        await boards.of(1).queue.put(NewTask(kind="work", text="do", label="one"), by="")
    rows = await connection.fetch("SELECT part, version FROM version ORDER BY part")
    assert [tuple(row) for row in rows] == [("board", BOARD), ("store", 1)]
