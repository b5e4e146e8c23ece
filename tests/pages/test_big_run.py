"""`scripts/make_big_run.py`: its run is one that every part can read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harness.board.sqlite.board import SqliteBoard
from harness.pages.links import ViewLinks
from harness.pages.run_data import outcome_data
from harness.pages.trial import trial_html
from harness.pages.trial_data import trial_data
from harness.store.sqlite.store import SqliteStore

OUTCOMES = (
    "SELECT system, instance_id, outcome, patch FROM submission JOIN trial USING (trial_id)"
    " JOIN grade USING (submission_id) ORDER BY submission_id"
)
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from make_big_run import Size, make

    size = Size(instances=11, submissions=2, calls=3)
    return make(tmp_path, "big", size), make(tmp_path, "big", size)


def test_a_synthetic_run_is_whole_and_the_same_each_time(made):
    dumps = []
    for folder in made:
        with closing(sqlite3.connect(folder.address)) as database:
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert not database.execute(
                "SELECT 1 FROM instance WHERE instance_id LIKE 't%'"
            ).fetchone()
            tables = ("instance", "trial", "submission", "grade", "selection")
            counts = [f"SELECT count(*) FROM {table}" for table in tables]
            made_of = [database.execute(each).fetchone()[0] for each in counts]
            assert made_of == [11, 11 * 6, 11 * 8, 11 * 8, 11]
            whole, spent = database.execute(
                "SELECT (SELECT sum(charged_usd) FROM call), spent FROM money"
            ).fetchone()
            assert spent == pytest.approx(whole)
            dumps.append(database.execute(OUTCOMES).fetchall())
    assert dumps[0] == dumps[1]
    assert made[0].run_id != made[1].run_id  # never over another one


async def test_each_of_its_trials_opens(made):
    path = made[0].path / "run.db"
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        data = await outcome_data(store, run_id="big")
        assert data.systems == ["single", "independent", "centralized", "delm"]
        opened = {trial["system"]: trial["trial_id"] for trial in data.rows.trials}
        for system, key in opened.items():
            run = await store.read_beside(key)
            html = trial_html(await trial_data(store, boards, run, key), ViewLinks("big"))
            assert f"{system} on" in html
            assert "template-" not in html
