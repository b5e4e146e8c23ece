"""A run that is only read: nothing is written or left, and rows are found by conditions."""

import sqlite3
from contextlib import closing
from functools import partial

import anyio
import pytest
from planted import System, plant, plant_board

from harness.errors import StoreUnavailable, UserError
from harness.store.row_tables import Asked, Condition
from harness.store.sqlite.store import SqliteStore

MATRIX = {
    "single": System(1, "one", {"a__a-1": ["R", "U"], "a__a-2": ["E>R"]}),
    "delm": System(2, "shared", {"a__a-1": ["(R)U"]}),
}


@pytest.fixture
def folder(tmp_path):
    async def make():
        made = await plant(tmp_path, "r", MATRIX)
        await plant_board(made, 1, verified_s=7.5)
        return made

    return anyio.run(make)


def found(folder, table, *conditions, **more):
    async def read():
        asked = Asked(table=table, conditions=[Condition(column=c, how=h, value=v)
                                               for c, h, v in conditions], **more)  # fmt: skip
        async with (
            folder.open(read_only=True) as store,
            folder.boards(read_only=True) as boards,
        ):
            return await store.row_page(asked, ("cost_usd",)) or await boards.row_page(asked)

    return anyio.run(read)


def files(folder):
    return sorted(path.name for path in folder.path.iterdir())


def test_conditions_are_numbers_where_the_column_is_one_and_text_where_it_is_text(folder):
    assert found(folder, "trials", ("system", "is", "single")).total == 4
    assert found(folder, "trials", ("trial_id", "is", "1")).total == 1
    assert found(folder, "trials", ("trial_id", "is", "01")).total == 1
    assert found(folder, "trials", ("trial_id", "min", "3"), ("trial_id", "max", "9")).total == 3
    assert found(folder, "trials", ("trial_id", "min", "x")).total == 0
    assert found(folder, "trials", ("state", "not", "done")).total == 1
    assert found(folder, "trials", ("instance_id", "has", "A-2")).total == 2
    assert found(folder, "submissions", ("selected", "is", "1")).total == 1
    assert found(folder, "submissions", ("copy_of", "is", "")).total == 5
    assert found(folder, "submissions", ("outcome", "not", "")).total == 5
    assert found(folder, "events", ("trial_id", "is", "1")).total > 10
    assert found(folder, "events", ("trial_id", "is", "2")).total == 0
    assert found(folder, "proposals", ("settled", "is", "rejected")).total == 1


def test_pages_sums_and_orders(folder):
    whole = found(folder, "calls", limit=100)
    parts = [found(folder, "calls", limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [row for part in parts for row in part.rows] == list(whole.rows)
    assert {part.total for part in parts} == {whole.total} == {5}
    assert whole.sums["cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in whole.rows))
    down = [row["call_id"] for row in found(folder, "calls", sort="-call_id").rows]
    assert down == sorted(down, reverse=True)


@pytest.mark.parametrize("column", ["nothing", "call_id; DROP TABLE call", "1", "", "rowid", "*"])
def test_a_column_that_is_not_there_is_refused(folder, column):
    with pytest.raises(UserError, match="there is no column"):
        found(folder, "calls", (column, "is", "1"))
    with pytest.raises(UserError, match="there is no column"):
        found(folder, "calls", sort=f"-{column}")


def test_an_unknown_table_is_none(folder):
    assert found(folder, "sqlite_master") is None
    assert found(folder, "calls; DROP TABLE call") is None


def test_boards_that_were_never_made_have_no_rows_and_are_not_made(tmp_path):
    folder = anyio.run(plant, tmp_path, "r", MATRIX)

    async def read():
        async with folder.boards(read_only=True) as boards:
            return await boards.tasks(1), await boards.events(1), await boards.entries(1)

    assert anyio.run(read) == ([], [], [])
    assert found(folder, "tasks").total == 0
    with closing(sqlite3.connect(folder.path / "run.db")) as database:
        named = "SELECT 1 FROM sqlite_master WHERE name LIKE 'board%'"
        assert not database.execute(named).fetchall()


def test_a_reader_cannot_write(folder):
    with closing(SqliteStore(folder.path / "run.db", read_only=True)) as reader:
        with pytest.raises(StoreUnavailable, match="readonly"):
            anyio.run(reader.take_over, [])
        with pytest.raises(StoreUnavailable, match="readonly"):
            anyio.run(partial(reader.describe, note=1))


def test_the_last_to_close_merges_the_log_even_if_it_only_reads(folder):
    before = files(folder)
    reader = SqliteStore(folder.path / "run.db", read_only=True)
    assert len(anyio.run(reader.trials)) == 5
    writer = SqliteStore(folder.path / "run.db")
    anyio.run(partial(writer.describe, note=1))
    writer.close()
    assert (folder.path / "run.db-wal").stat().st_size > 0
    reader.close()
    assert files(folder) == before
