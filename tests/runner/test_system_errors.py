"""Errors in a system's own code: named by file and line, no infrastructure, not rolled again."""

import csv
import itertools
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from console import query, refused
from scripted_model import ScriptedModel

pytestmark = pytest.mark.slow(seconds=4)

SYSTEM = 'name: mine\nsystem: "{}:Mine"\nbenchmark: longbench-v2\n'
NAMES = (f"mine_{number}" for number in itertools.count())  # Python imports each but once
CALLS = """\
def half(number):
    return 1 / number


class Mine:
    async def run(self, trial):
        half(0)
"""
ARGUMENT = """\
class Mine:
    async def run(self, trial):
        await trial.submit("agent-1", None, reason="finished")
"""
GROUP = """\
import anyio


class Mine:
    async def run(self, trial):
        async def work():
            raise KeyError("gone")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
"""
LINES = """\
class Mine:
    async def run(self, trial):
        raise ValueError("x\\n\\x1b[2Jmine offline-1 #2: done, 1 resolved")
"""
LESS = """\
class Mine:
    async def run(self, trial):
        pass
"""
WORKS = """\
class Mine:
    async def run(self, trial):
        await trial.submit("agent-1", "A", reason="finished")
"""


NO_TEXT = """\
import os
import pathlib


class Mine:
    async def run(self, trial):
        for text in pathlib.Path(os.environ["DELM_CACHE"]).rglob("documents/*/*.txt"):
            text.unlink()
        await trial.document()
"""
A_SANDBOX = """\
class Mine:
    async def run(self, trial):
        await trial.sandbox()
"""


@pytest.fixture
def mine(delm, place, monkeypatch):
    """Runs one trial of a system whose module has this text, in a folder of its own."""
    monkeypatch.syspath_prepend(str(place))

    def run(text: str, *more: str):
        name = next(NAMES)
        (place / f"{name}.py").write_text(text)
        (place / "mine.yaml").write_text(SYSTEM.format(name))
        words = ("eval", "-m", "openai/scripted", "-s", "mine.yaml", "-d", "longbench-offline",
                 "-i", "offline-1", "--yes", "--run-id", "run", *more)  # fmt: skip
        with ScriptedModel(lambda request, n: {"content": "A"}) as server:
            told = delm(*words, OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")
        return replace(told, out=told.out.replace(name, "mine"), err=told.err.replace(name, "mine"))

    return run


def trials(place):
    rows = query(place / "results/run", "SELECT state, reason FROM trial ORDER BY attempt")
    return [row | {"reason": re.sub(r"mine_\d+", "mine", row["reason"])} for row in rows]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CALLS, "error in the system mine (mine.py:2): ZeroDivisionError: division by zero"),
        (ARGUMENT, "error in the system mine (mine.py:3): AttributeError: "),
        (GROUP, "error in the system mine (mine.py:7): KeyError: 'gone'"),
        (LINES, "error in the system mine (mine.py:3): ValueError: x \ufffd[2Jmine offline-1 #2: "),
        (LESS, "error in the system mine: it submitted 0 of 1"),
        (
            A_SANDBOX,
            "error in the system mine (mine.py:3): DelmError: offline-1 is of a benchmark "
            "without sandboxes",
        ),
    ],
    ids=[
        "raises",
        "gives the harness nonsense",
        "raises in a task",
        "says what looks like another trial's line",
        "submits nothing",
        "asks for a sandbox where there are none",
    ],
)
def test_it_is_the_systems_with_file_and_line_and_no_infrastructure(
    mine, delm, tmp_path, text, told
):
    ended = mine(text)
    assert ended.code == 1, ended.text
    (trial,) = trials(tmp_path)
    assert trial["state"] == "failed"
    assert trial["reason"].startswith(told)
    shown = ".venv/bin/delm show run offline-1 -s mine"
    what = "its messages" if text == LESS else "traceback"  # there is none where nothing was raised
    assert f"{trial['reason']}: 1 trial; {what}: {shown}\n" in ended.out
    assert "infrastructure" not in ended.out
    with (tmp_path / "results/run/table.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["resolved"], row["infra_errors"], row["unfinished"]) == ("0", "0", "0")
    assert (float(row["avg_at_1"]), row["system_errors"]) == (0, "1")
    note = "mine: 1 of 1 trial ended by an error in its own code and count as not resolved"
    again = delm("score", "run")
    for said in (ended.out, again.out):
        assert note in " ".join(said.split())
    assert f": 1 trial; {what}: {shown}\n" in again.out


def test_a_document_that_is_gone_is_infrastructure_and_is_had_again(mine, tmp_path, monkeypatch):
    monkeypatch.setenv("DELM_CACHE", str(tmp_path / "cache"))
    assert mine(NO_TEXT).code == 1
    (trial,) = trials(tmp_path)
    assert trial["state"] == "error"
    assert trial["reason"].startswith("document: the document ")
    assert mine(WORKS, "--accept-changes").code == 0
    assert [trial["state"] for trial in trials(tmp_path)] == ["error", "done"]


def test_it_is_run_again_only_when_that_is_asked_for(mine, delm, tmp_path):
    assert mine(CALLS).code == 1
    mended = CALLS.replace("1 / number", "number")
    refused(mine(mended), "exists with another configuration (the file mine", "(part of mine)",
            "restore what changed, begin a new run", "or resume with --accept-changes")  # fmt: skip
    ended = mine(mended, "--accept-changes")  # mended, but nobody asks
    assert ended.code == 1
    assert [row["state"] for row in trials(tmp_path)] == ["failed"]
    told = delm("show", "run", "offline-1")
    assert "ZeroDivisionError" in told.out
    assert '.py", line 7, in run' in told.out
    ended = mine(WORKS, "--retry-failed", "--accept-changes")
    assert ended.code == 0, ended.text
    assert [row["state"] for row in trials(tmp_path)] == ["failed", "done"]


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("class Mine:\n    def run(self, trial)\n", "mine.py:2", "SyntaxError"),
        ("import json\nfrom json import nothing_like_it\n", "mine.py:2", "ImportError"),
        ("import not_installed_anywhere\n", "mine.py:1", "not_installed_anywhere"),
        ("class Mine(Bas):\n    pass\n", "mine.py:1", "NameError"),
        ("class Mine:\n    def __init__(self):\n        [].pop()\n", "mine.py:3", "IndexError"),
    ],
    ids=["syntax", "import", "package", "name", "constructor"],
)
def test_a_module_that_cannot_be_used_is_one_line_with_its_place(mine, place, text, where, says):
    refused(mine(text), f"system mine: error in {where}: ", says)
    assert not (place / "results").exists()


def test_a_run_of_the_version_before_goes_on(mine, tmp_path):
    """Its table of trials knew no failed ones."""
    assert mine(WORKS).code == 0
    database = tmp_path / "results/run/run.db"
    with closing(sqlite3.connect(database)) as db:
        db.executescript(
            """PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, '''failed'', ', '') WHERE name = 'trial';
            PRAGMA writable_schema = RESET;
            UPDATE trial SET state = 'cancelled';
            PRAGMA user_version = 6;"""
        )
    assert mine(CALLS, "--accept-changes").code == 1
    assert [row["state"] for row in trials(tmp_path)] == ["cancelled", "failed"]
