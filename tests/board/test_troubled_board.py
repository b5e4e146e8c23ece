"""The parts of `scripts/bench_trouble.py`, and that claims pass over few rows that are gone."""

import asyncio
import secrets
from pathlib import Path

import asyncpg
import pytest
from postgres_servers import run_on

from harness.board.opening import open_boards
from harness.board.protocols import NewTask

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    """The module of the script that does the troubles."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import troubled_board

    return troubled_board


@pytest.fixture
async def place(postgres_server):
    """The URL of a new database."""
    name = f"trouble_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgres_server.url)
    await connection.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url.replace("/postgres?", f"/{name}?")
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


def plan(script, **more):
    short = {"windows": 3, "window_s": 2.0, "turns": 1, "tasks": 9, "rounds": 1}
    return script.Plan(snapshot_tasks=1, **short | more)


def test_the_rates_are_those_of_the_windows_before_the_trouble_and_after_it(script):
    trouble = script.Trouble(kind="restart", began=106.0, over=110.0)
    after = 110.0 + script.SETTLE_S
    moments = [99.9, 100.0, 101.9, 102.0, 104.1, 104.2, 104.3, 108.0]  # 2, 1 and 3 steps in 2 s
    moments += [110.25, after - 0.1, after, after + 2, after + 3, after + 4, after + 6]
    assert script.recovery(moments, trouble, plan(script)) == (1.0, 0.5, 0.25)


def test_a_board_that_stands_still_after_a_trouble_has_not_recovered(script):
    trouble = script.Trouble(kind="restart", began=106.0, over=110.0)
    before, after, back = script.recovery([100, 102, 104], trouble, plan(script))
    assert (before, after, back) == (0.5, 0.0, float("inf"))


async def worked(script, place, claims=3):
    """A board with 5 tasks of which some are done; what one process was told."""
    await script.fill(place, 5)
    boards = await script.OursInPostgres().boards(place)
    queue, told = boards.of(script.BOARD).queue, []
    claim = await queue.claim("ann", lease_s=60)
    for n in range(claims):
        told.append((claim.task.label, float(n)))
        if n < claims - 1:
            _, claim = await queue.finish_and_claim(claim, lease_s=60)
    await queue.finish(claim)
    return boards, told


class TestRules:
    async def test_none_is_broken_where_all_is_well(self, script, place):
        boards, told = await worked(script, place)
        assert await script.wrong(place, 5, [told, []]) == []
        await boards.aclose()

    @pytest.mark.parametrize(
        ("told", "rule"),
        [
            (lambda told: told[:-1], "the tasks that are done are not"),
            (lambda told: [*told, ("task-5", 9.0)], "the tasks that are done are not"),
            (lambda told: [*told, told[0]], "a process was told twice"),
        ],
    )
    async def test_what_the_processes_were_told_is_not_what_is_there(
        self, script, place, told, rule
    ):
        boards, said = await worked(script, place)
        (found,) = await script.wrong(place, 5, [told(said)])
        assert found.startswith(rule)
        await boards.aclose()

    async def test_a_task_that_is_not_there(self, script, place):
        boards, told = await worked(script, place)
        assert await script.wrong(place, 6, [told]) == ["5 of 6 tasks are there"]
        await boards.aclose()

    async def test_a_claim_that_was_left_and_one_that_was_made_again(self, script, place):
        boards, told = await worked(script, place)
        queue = boards.of(script.BOARD).queue
        await queue.release(await queue.claim("bob", lease_s=60), reason="")
        await queue.claim("bob", lease_s=60)
        found = await script.wrong(place, 5, [told])
        assert [rule[:9] for rule in found] == ["the tasks", "a task wa"]
        await boards.aclose()


async def test_the_snapshot_of_the_script_stays_open(monkeypatch, place):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_trouble

    text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
    text += "state = 'idle in transaction' AND backend_xmin IS NOT NULL"
    connection = await asyncpg.connect(place)
    with bench_trouble.snapshot(place):
        assert await connection.fetchval(text) == 1
    await connection.close()


async def test_a_killed_server_is_started_again_and_the_claim_goes_on(own_postgres):
    boards = await open_boards(run_on(own_postgres))
    queue = boards.of(1).queue
    await queue.put(NewTask(kind="work", text="", label="one"), by="")
    claim = await queue.claim("ann", lease_s=60)
    own_postgres.kill()
    own_postgres.start()
    _, after = await queue.finish_and_claim(claim, lease_s=60)
    assert after is None
    assert [task.state for task in await queue.tasks()] == ["done"]
    await boards.aclose()


@pytest.fixture
async def board(postgres_server):
    board = await open_boards(run_on(postgres_server))
    yield board
    await board.aclose()


async def front_of(board) -> int:
    return (await board._database.tuples("SELECT task_id FROM board_front", []))[0][0]


async def session(board):
    """A connection of its own, in the run's schema."""
    return await board._database.connection()


class TestFront:
    """No task is before the front, in whatever order things happen."""

    MOVE = "SELECT board_move_front(1)"
    RELEASE = (
        "UPDATE board_task SET state = 'open', lease = NULL, changed_by = 'ann' "
        "WHERE label = 't0' AND state = 'claimed'"
    )

    @pytest.fixture
    async def queue(self, board):
        """`t0` is claimed, and the front is at it."""
        queue = board.of(1).queue
        made = (NewTask(kind="work", text=f"{n}", label=f"t{n}") for n in range(4))
        await queue.put(*made, by="")
        assert (await queue.claim("ann", lease_s=60)).task.label == "t0"
        return queue

    async def test_it_moves_back_for_a_task_that_is_given_back(self, board, queue):
        await board._database.transaction(lambda made: made.execute(self.MOVE))
        before = await front_of(board)
        await board._database.transaction(lambda made: made.execute(self.RELEASE))
        assert await front_of(board) < before
        assert (await queue.claim("bob", lease_s=60)).task.label == "t0"

    async def test_it_does_not_pass_over_a_task_that_is_being_given_back(self, board, queue):
        releasing, moving = await session(board), await session(board)
        transaction = releasing.transaction()
        await transaction.start()
        await releasing.execute(self.RELEASE)
        await moving.execute(self.MOVE)
        await transaction.commit()
        assert (await queue.claim("bob", lease_s=60)).task.label == "t0"
        await releasing.close()
        await moving.close()

    async def test_a_task_that_is_given_back_while_it_moves(self, board, queue):
        releasing, moving = await session(board), await session(board)
        transaction = moving.transaction()
        await transaction.start()
        await moving.execute(self.MOVE)
        released = asyncio.ensure_future(releasing.execute(self.RELEASE))
        await asyncio.sleep(0.2)  # it waits for the front
        assert not released.done()
        await transaction.commit()
        await released
        assert (await queue.claim("bob", lease_s=60)).task.label == "t0"
        await releasing.close()
        await moving.close()

    async def test_a_higher_priority_comes_before_it(self, board, queue):
        await board._database.transaction(lambda made: made.execute(self.MOVE))
        await queue.put(NewTask(kind="work", text="", label="high", priority=5), by="")
        assert (await queue.claim("bob", lease_s=60)).task.label == "high"
        assert (await queue.claim("cyd", lease_s=60)).task.label == "t1"

    async def test_it_moves_on_with_the_claims_and_so_does_the_bound_of_leases(self, board):
        queue = board.of(1).queue
        made = (NewTask(kind="work", text="", label=f"t{n}") for n in range(600))
        await queue.put(*made, by="")
        first = await front_of(board)
        claim = await queue.claim("ann", lease_s=60)
        for _ in range(500):  # one of 33 moves it
            _, claim = await queue.finish_and_claim(claim, lease_s=60)
        assert await front_of(board) > first + 50
        ((bound,),) = await board._database.tuples("SELECT leases_from FROM board_agent", [])
        assert bound > 50
        assert await queue.claim("ann", lease_s=60) is None  # it holds one
