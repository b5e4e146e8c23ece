"""Whose folder a run has: new ones are nobody else's, an old one keeps its configuration."""

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from console import QUESTIONS, end, query, refused, start
from console import delm_here as run_delm

from harness.runner.processes import join

pytestmark = pytest.mark.slow(seconds=19)

PAIRS = 7
FORM = re.compile(r"\d{8}-\d{6}_longbench-offline_[A-Za-z0-9.-]+_base(-\d+)?")


def asked(output: Path, *more: str) -> list[str | Path]:
    """`delm eval` of one recorded trial of a question."""
    words = ["eval", "-m", f"replay:{QUESTIONS}", "-s", "base", "-i", "offline-1", "-o", output]
    return [*words, *more]


def run_of(told) -> Path:
    """The folder that a command says it has written."""
    return Path(re.search(r"^written: (.+)$", told.out, re.MULTILINE).group(1))


def test_seven_pairs_of_runs_begun_in_the_same_second_have_fourteen_folders(tmp_path):
    """Real processes; both of a pair run the same, so that only the folder tells them apart."""
    folders = []
    for _ in range(PAIRS):
        pair = [start(*asked(tmp_path)) for _ in range(2)]
        told = [end(process, 120) for process in pair]
        assert [each.code for each in told] == [0, 0], told
        folders += [run_of(each) for each in told]
    assert len(set(folders)) == 2 * PAIRS
    assert set(folders) == {path.parent for path in tmp_path.glob("*/run.db")}
    for folder in folders:
        assert FORM.fullmatch(folder.name)
        trials = query(folder, "SELECT system, instance_id, state FROM trial")
        assert trials == [{"system": "base", "instance_id": "offline-1", "state": "done"}]
        assert query(folder, "SELECT count(*) AS n FROM submission") == [{"n": 1}]


def test_of_two_configurations_begun_at_once_under_one_run_id_only_one_runs(tmp_path):
    """Whichever is first; the other is told what differs, and leaves nothing in the run."""
    seeds = ("1", "2")
    pair = [start(*asked(tmp_path, "--run-id", "one", "-c", f"seed={seed}")) for seed in seeds]
    told = [end(process, 120) for process in pair]
    assert sorted(each.code for each in told) == [0, 2], told
    (loser,) = [each for each in told if each.code == 2]
    refused(loser, "the run one exists with another configuration (seed was")
    (winner,) = [seed for seed, each in zip(seeds, told, strict=True) if each is not loser]
    config = query(tmp_path / "one", "SELECT value FROM run WHERE key = 'config'")
    assert json.loads(config[0]["value"])["seed"] == int(winner)
    assert query(tmp_path / "one", "SELECT state FROM trial") == [{"state": "done"}]


def test_a_start_that_fails_leaves_no_folder(delm, tmp_path):
    """What is refused after the folder was made, and a "no" for want of a terminal."""
    for more in (("-c", "sandbox.min_free_gb=1e9"), ("--record", "no/such/folder/file")):
        assert delm(*asked(tmp_path / "results", *more)).code == 2
    nobody = delm(
        "eval", "-m", "openai/scripted", "-s", "base", "-d", "longbench-offline",
        "-o", tmp_path / "results", OPENAI_API_BASE="http://127.0.0.1:9/v1", OPENAI_API_KEY="none",
    )  # fmt: skip
    refused(nobody, "this is not a terminal; confirm with --yes")
    assert list((tmp_path / "results").glob("*")) == []


def test_a_folder_with_something_of_the_users_in_it_stays_when_a_start_fails(delm, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("do not lose this")
    told = delm(*asked(tmp_path, "--run-id", "mine", "-c", "sandbox.min_free_gb=1e9"))
    assert told.code == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "do not lose this"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run that is done."""
    place = tmp_path_factory.mktemp("finished")
    told = run_delm(*asked(place, "--run-id", "begun"))
    assert told.code == 0, told.text
    return place / "begun"


def test_going_on_with_another_configuration_is_refused_and_nothing_of_the_run_goes(finished, delm):
    told = delm(*asked(finished.parent, "--run-id", "begun", "-c", "seed=5"))
    refused(told, "the run begun exists with another configuration (seed was 0, now 5)")
    assert query(finished, "SELECT state FROM trial") == [{"state": "done"}]


@pytest.mark.parametrize("name", ["Läufe vom Mai", "-rf (Kopie);2"])
def test_a_renamed_and_moved_run_works_wherever_a_command_takes_one(finished, delm, tmp_path, name):
    moved = tmp_path / "elsewhere" / name
    shutil.copytree(finished, moved)
    (moved / "table.csv").unlink()
    told = delm("score", "--", str(moved))
    assert told.code == 0, told.text
    assert (moved / "table.csv").read_bytes() == (finished / "table.csv").read_bytes()
    for words in (["show", "-o", moved.parent, "--", name], ["export", moved, tmp_path / "preds"]):
        told = delm(*words)
        assert told.code == 0, told.text
    told = delm(*asked(moved.parent, f"--run-id={name}"))
    assert told.code == 0, told.text
    assert f"resuming {name}: 1 of 1 trial is done" in told.out
    assert query(moved, "SELECT value FROM run WHERE key = 'id'") == [{"value": '"begun"'}]


def test_runs_are_listed_the_newest_first_and_latest_names_that_one(finished, delm, tmp_path):
    for name, begun in (("old", "2024-01-01T10:00:00.000+00:00"), ("new", None)):
        shutil.copytree(finished, tmp_path / name)
        if begun:
            with closing(sqlite3.connect(tmp_path / name / "run.db")) as database, database:
                fact = (json.dumps(begun),)
                database.execute("UPDATE run SET value = ? WHERE key = 'created_at'", fact)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.db").write_text("this is no database at all, " * 100)
    (tmp_path / "grade-1").mkdir()
    told = delm("runs", "-o", tmp_path)
    assert told.code == 0, told.text
    title, *lines = [line.split() for line in told.out.splitlines()]
    assert title[0] == "run"
    assert [line[0] for line in lines] == ["new", "old", "broken"]
    assert "2024-01-01 10:00" in told.out
    assert "base 100.0 %" in told.out or "base 0.0 %" in told.out
    assert lines[0][-1] == "done"
    assert "not a run's database" in told.out
    found = json.loads(delm("runs", "--json", "-o", tmp_path).out)
    assert [row["run"] for row in found] == ["new", "old", "broken"]
    new = found[0]
    assert (new["dataset"], new["replay"], new["state"]) == ("longbench-offline", True, "done")
    assert (new["trials"], new["done"], new["processes"]) == (1, 1, [])
    assert list(new["systems"]) == ["base"]
    told = delm("show", "latest", "-o", tmp_path)
    assert told.code == 0, told.text
    assert told.out.startswith("latest is new\n")
    assert f"delm show {tmp_path / 'new'} offline-1" in told.out
    told = delm("score", "latest", "--json", "-o", tmp_path)
    assert told.err.startswith("latest is new\n")
    assert json.loads(told.out)["runs"][0]["run"] == "new"
    told = delm("eval", "--run-id", "latest", "-o", tmp_path)
    assert told.code == 0, told.text
    assert "resuming new: 1 of 1 trial is done" in told.out
    refused(delm("show", "latest", "-o", tmp_path / "broken"), "there is no run in")


def test_who_works_on_a_run_besides_is_named(finished, delm, tmp_path):
    """Here it is this very process that works on it."""
    shutil.copytree(finished, tmp_path / "run")
    with join(tmp_path / "run"):
        told = run_delm(*asked(tmp_path, "--run-id", "run"))
        assert told.code == 0, told.text
        assert f"note: this run has other processes, too: {os.getpid()}\n" in told.out
        (line,) = json.loads(delm("runs", "--json", "-o", tmp_path).out)
        assert line["state"] == f"running (process {os.getpid()}): done"
        told = run_delm(
            "grade", "--gold", "-d", "longbench-offline", "--run-id", "run", "-o", tmp_path
        )
        refused(told, f"another process ({os.getpid()}) is working on the run run")
