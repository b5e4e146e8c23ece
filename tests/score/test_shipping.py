"""What a trial ships is one thing: in the scores, in predictions, in logs, in a submission."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from planted import MATRIX, System, plant
from played_run import make
from stores import read

from harness.exports.experiments import shipped as shipped_by
from harness.exports.predictions import prediction_files
from harness.results.run_folder import RunFolder
from harness.score import instance_scores
from harness.score.submission_rank import choosers, in_order, shipped
from harness.store.sqlite.store import SqliteStore
from harness.types import Verdict


def row(author: str, selected: int = 0, system: str = "s", trial_id: int = 1) -> dict:
    return {"author": author, "selected": selected, "system": system, "trial_id": trial_id}


def test_the_selected_submission_is_first_and_the_others_follow_by_name():
    made = [row("patch-10"), row("patch-9"), row("patch-2", 1), row("patch-1")]
    names = [each["author"] for each in in_order(made)]
    assert names == ["patch-2", "patch-1", "patch-9", "patch-10"]


def test_a_system_that_chooses_ships_nothing_where_it_chose_nothing():
    made = [row("patch-2"), row("patch-1")]
    assert shipped(made, 2, chooses=True) is None
    assert shipped(made, 2, chooses=False) == row("patch-1")
    assert shipped(made[:1], 1, chooses=True) == row("patch-2")
    assert shipped([], 2, chooses=False) is None
    assert choosers([row("a", 1), row("b", 1, "t", 2), row("c", 0, "u")], {1}) == {"s"}


def exchange_authors(folder: RunFolder) -> None:
    """In every trial, patch-2 was made first, and patch-1 after it."""
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        for old, new in (("patch-1", "x"), ("patch-2", "patch-1"), ("x", "patch-2")):
            database.execute("UPDATE submission SET author = ? WHERE author = ?", (new, old))


async def test_scores_predictions_and_submissions_name_the_same_patch_whatever_was_made_first(
    tmp_path: Path,
):
    folder = await plant(tmp_path, matrix=MATRIX)
    exchange_authors(folder)
    run = await read(folder.path / "run.db")
    rows = run.submissions
    outcomes = {
        (each["instance_id"], each["trial"], each["author"]): each["outcome"]
        for each in rows
        if each["system"] == "independent"
    }
    assert outcomes["a__a-1", 0, "patch-1"] == "unresolved"  # R was made first, by patch-2
    assert outcomes["b__b-3", 1, "patch-1"] == "resolved"
    for system in MATRIX:
        scores = {
            each.instance_id: each.ships
            for each in instance_scores(run.trials, run.calls, rows)
            if each.system == system
        }
        chosen = shipped_by(run, system)
        assert {key: one.submission["outcome"] == "resolved" for key, one in chosen.items()} == {
            key: scores[key] for key in chosen
        }
        files = prediction_files(rows, run.trials, run.facts)
        first = [json.loads(line) for line in files[f"{system}.jsonl"].splitlines()]
        assert {line["instance_id"]: line["model_patch"] for line in first} == {
            key: one.submission["patch"] for key, one in chosen.items()
        }
        assert {line["model_name_or_path"] for line in first} == {f"{system}.m"}
        assert {one.names[0] for one in chosen.values()} == {f"{system}.m"}


async def test_a_trial_that_chose_nothing_is_in_no_submission_though_it_made_patches(tmp_path):
    matrix = {"delm": System(2, "shared", {"a__a-1": ["RR"], "a__a-2": ["(R)U"]})}
    folder = await plant(tmp_path, matrix=matrix)
    assert list(shipped_by(await read(folder.path / "run.db"), "delm")) == ["a__a-2"]


class Naming:
    """A grader that keeps which patch the logs are to call what."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    async def grade(self, item: object, patch: str, *, model_name: str) -> Verdict:
        self.names[model_name] = patch
        return Verdict(outcome="unresolved", reason="", report={}, seconds=0.0)


async def test_logs_are_named_in_the_order_of_predictions(tmp_path):
    async def act(trial):
        await trial.submit("agent-2", "two", reason="finished")
        await trial.submit("agent-1", "one", reason="finished")
        await trial.submit("agent-3", "three", reason="finished")
        await trial.select("agent-3", ["it is"])

    grader = Naming()
    with closing(SqliteStore(tmp_path / "run.db")) as store:
        run, _ = make(store, act, wanted=3, trials=2, grader=grader)
        await run.plan()
        await run.work()
        assert list(grader.names.items()) == [
            ("s.m", "three"), ("s.m.2", "one"), ("s.m.3", "two"),
            ("s.m.4", "three"), ("s.m.5", "one"), ("s.m.6", "two"),
        ]  # fmt: skip
        files = prediction_files(await store.submissions(), await store.trials(), {"model": "m"})
    predicted = [json.loads(text) for text in files.values()]
    assert {each["model_name_or_path"]: each["model_patch"] for each in predicted} == grader.names
