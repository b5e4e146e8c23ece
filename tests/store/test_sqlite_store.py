"""A run's store in SQLite: its file, and the files of other programs and versions."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import anyio
import pytest

from harness.board.protocols import NewTask
from harness.board.sqlite.board import SqliteBoard
from harness.errors import UserError
from harness.store.ledger import NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Verdict


def trial(number: int = 0, instance: str = "a__a-1", system: str = "single") -> dict:
    one = {"agents": 1, "wanted": 1, "submits": "one"}
    return {"system": system, "instance_id": instance, "number": number} | one


def instance(name: str = "a__a-1") -> dict:
    return {"instance_id": name, "repo": "a/a", "difficulty": "", "length": ""}


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "run.db")
    yield made
    made.close()


async def planned(store: SqliteStore, count: int = 1) -> None:
    await store.plan([instance()], [trial(number) for number in range(count)])


async def states(store: SqliteStore) -> list[tuple[int, int, str]]:
    return [(row["number"], row["attempt"], row["state"]) for row in await store.trials()]


async def test_a_trial_cannot_have_two_live_attempts(store):
    await planned(store)
    with closing(sqlite3.connect(store.path)) as file, pytest.raises(sqlite3.IntegrityError):
        file.execute(
            "INSERT INTO trial (system, instance_id, number, attempt, agents, wanted) "
            "VALUES ('single', 'a__a-1', 0, 1, 1, 1)"
        )


async def test_a_store_reads_while_another_process_writes(store):
    await planned(store)
    await store.say(1, "c", [{"n": 0}])
    other = sqlite3.connect(store.path)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO message (trial_id, conversation, content) VALUES (1, 'c', '{}')")
    try:
        assert await store.messages(1) == {"c": [{"n": 0}]}
    finally:
        other.rollback()
        other.close()


def test_a_file_of_somebody_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "run.db"
    path.write_text("this is no database, and long enough to be looked at as one\n" * 20)
    before = path.read_bytes()
    with pytest.raises(UserError, match="not a run's database"):
        SqliteStore(path)
    assert path.read_bytes() == before
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_store_is_opened_again_as_it_was_left(tmp_path):
    async def fill() -> None:
        store = SqliteStore(tmp_path / "run.db")
        await planned(store)
        store.close()

    anyio.run(fill)
    store = SqliteStore(tmp_path / "run.db")
    assert anyio.run(states, store) == [(0, 0, "waiting")]
    store.close()
    assert not (tmp_path / "run.db-wal").exists()  # folded in: the file can be copied


def as_version_6(path):
    """Make the file what the version before wrote."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """DROP VIEW counted_grade;
            ALTER TABLE grade DROP COLUMN looks;
            ALTER TABLE grade DROP COLUMN unchecked;
            UPDATE board_task SET excluded = 'agent-2';
            DROP VIEW board_whole_task;
            CREATE VIEW board_whole_task AS SELECT task_id, coalesce(excluded, '') AS excluded
                FROM board_task;
            PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, '''failed'', ', '') WHERE name = 'trial';
            PRAGMA writable_schema = RESET;
            PRAGMA user_version = 6;"""
        )


@pytest.mark.parametrize("version", [6, 7])  # 7 was under development, and had a part of it
async def test_a_run_of_an_earlier_version_is_read_and_goes_on(tmp_path, version):
    path = tmp_path / "run.db"
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        await planned(store)
        claimed = await store.claim_trial()
        assert claimed is not None
        key = claimed["trial_id"]
        one = await store.submit(key, "agent-1", "diff", reason="finished", salvaged=False)
        await store.grade(one, Verdict(outcome="resolved", reason="", report={}, seconds=2.0))
        task = NewTask(kind="test", text=".", excluded=("agent-1",))
        await boards.of(key).queue.put(task, by="board")
    as_version_6(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        (row,) = await store.submissions()
        assert (row["outcome"], row["unchecked"], row["looks"]) == ("resolved", [], [])
        (found,) = await boards.of(key).queue.tasks()
        assert found.excluded == ("agent-2",)
        await store.finish_trial(key, "failed", reason="error in the system", seconds=1.0)
        assert await states(store) == [(0, 0, "failed")]


AS_VERSION_8 = """
DROP TRIGGER call_holds;
DROP TRIGGER call_changes;
CREATE TRIGGER call_begun AFTER INSERT ON call
WHEN NEW.reserved_usd IS NOT NULL AND NEW.paid_call IS NULL BEGIN
    UPDATE money SET reserved = reserved + NEW.reserved_usd;
END;
CREATE TRIGGER call_holds_more AFTER UPDATE OF reserved_usd ON call
WHEN NEW.charged_usd IS NULL AND NEW.paid_call IS NULL BEGIN
    UPDATE money SET reserved = reserved + NEW.reserved_usd - OLD.reserved_usd;
END;
CREATE TRIGGER call_spent AFTER UPDATE OF outcome, charged_usd ON call
WHEN OLD.outcome = 'started' AND OLD.charged_usd IS NULL AND NEW.paid_call IS NULL
    AND (NEW.outcome <> 'started' OR NEW.charged_usd IS NOT NULL) BEGIN
    UPDATE money SET reserved = reserved - coalesce(NEW.reserved_usd, 0),
        spent = spent + coalesce(NEW.charged_usd, NEW.cost_usd, NEW.reserved_usd, 0);
END;
INSERT INTO instance VALUES ('a__a-1', 'a/a', '', '', 0);
INSERT INTO trial (trial_id, system, instance_id, number, agents, wanted, submits, state)
VALUES (1, 's', 'a__a-1', 0, 1, 1, 'one', 'running');
INSERT INTO call (trial_id, conversation, agent, position, model, prompt_sha256, repeated,
    reserved_usd, started_at, began)
SELECT 1, 'a', 'a', value, 'm', 'p', 0, 0.25, '2026-01-01T00:00:00Z', 1 + 2 * value
FROM json_each('[0, 1, 2]');
UPDATE call SET outcome = 'ok', cost_usd = 0.125, charged_usd = 0.125 WHERE position = 0;
UPDATE call SET reserved_usd = 0.5 WHERE position = 1;
PRAGMA user_version = 8;
"""


async def test_the_money_of_a_run_of_version_8_is_counted_on_with_the_calls_that_its_end_cut_off(
    tmp_path,
):
    path = tmp_path / "run.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(AS_VERSION_8)
    with closing(SqliteStore(path, owner="me", cap_usd=1.25)) as store:
        assert ((await store.standing()).usd, await store.spent()) == (0.125, 0.875)
        await store.take_over({"me"})
        assert ((await store.standing()).usd, await store.spent()) == (0.875, 0.875)
        again = await store.claim_trial()
        call = await store.begin_call(NewCall(
            trial_id=again["trial_id"], conversation="a", agent="a", position=0, model="m",
            prompt_sha256="p", repeated=0, reserved_usd=0.375, moment=1,
        ))  # fmt: skip
        assert await store.spent() == 1.25
        await store.charge(call, 0.25)
        assert ((await store.standing()).usd, await store.spent()) == (1.125, 1.125)


def test_of_many_that_open_a_run_of_an_earlier_version_at_once_one_changes_it(tmp_path):
    path = tmp_path / "run.db"
    SqliteStore(path).close()
    SqliteBoard(path).close()
    as_version_6(path)
    code = (
        "import sys; from pathlib import Path; from harness.store.sqlite.store import SqliteStore; "
        "sys.stdin.read(); SqliteStore(Path(sys.argv[1])).close()"
    )
    words = [sys.executable, "-c", code, str(path)]
    many = [subprocess.Popen(words, stdin=subprocess.PIPE) for _ in range(6)]
    for process in many:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(timeout=120) for process in many] == [0] * len(many)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (1, "too old a delm made it (store version 1; this delm reads from 6 on); take another"),
        (99, "delm 7.0.1 made it, which is newer (store version 99; this delm reads up to "),
    ],
)
def test_a_store_that_there_is_no_way_from_is_refused_and_left_as_it_is(tmp_path, version, said):
    path = tmp_path / "run.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {version}")
        database.execute("INSERT INTO run VALUES ('version', '\"7.0.1\"')")
    database.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match=re.escape(said)):
        SqliteStore(path)
    assert path.read_bytes() == before


async def test_a_label_never_changes_and_is_never_removed(store):
    await planned(store)
    await store.label({"trial_id": 1, "submission_id": None, "label": "unclear", "author": "Ada",
                       "by_model": 0, "confidence": None, "comment": "", "evidence": [],
                       "replaces": None})  # fmt: skip
    before = await store.labels()
    with closing(sqlite3.connect(store.path)) as file:
        for statement in ("UPDATE label SET label = 'cheated'", "DELETE FROM label",
                          "REPLACE INTO label SELECT * FROM label"):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                file.execute("PRAGMA recursive_triggers = ON").execute(statement)
    assert await store.labels() == before
