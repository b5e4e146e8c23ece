"""The README of a submission: a line is ticked for a fact, and a doubted pass is called flagged."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from exported import HINTS, play
from planted import System, plant
from played_run import item
from stores import handed_in

from harness.benchmarks.swebench.rows import Aside
from harness.exports.submission_claims import (
    BROWSING,
    CHECKLIST,
    PASS_AT_1,
    TEST_KNOWLEDGE,
    DatasetRows,
    answered_twice,
    claims,
)
from harness.exports.submission_claims import HINTS as NO_HINTS
from harness.results.run_folder import RunFolder

pytestmark = pytest.mark.slow(seconds=2)

FACTS = {"id": "r", "version": "0.1", "created_at": "2026-02-03T04:05:06.000+00:00"}
HIDDEN_TEST = "test_that_nobody_may_know"


def instance(name: str):
    made = item(name)
    reference = replace(
        made.reference, fail_to_pass=(f"t.py::{HIDDEN_TEST}",),
        test_patch=f"+def {HIDDEN_TEST}():\n",
    )  # fmt: skip
    return replace(made, reference=reference)


def dataset(hints: str = "") -> DatasetRows:
    names = ("a__a-1", "a__a-2", "b__b-3")
    return DatasetRows(
        items={name: instance(name) for name in names},
        asides={name: Aside(hints_text=hints) for name in names},
    )


def prompted(*prompts: str) -> dict:
    """A trajectory in ATIF in which the harness says `prompts` before a model answers."""
    steps = [{"source": "user", "message": text} for text in prompts]
    return {"steps": [*steps, {"source": "agent", "message": "I see."}]}


def ticked(found) -> set[str]:
    return {claim.line for claim in found if claim.holds}


def made(prompt: str = "Mend it.", *, rows=None, audit="ok", again=(), network=False):
    rows = dataset() if rows is None else rows
    trials, documents = {"a__a-1": {"audit": audit}}, {"a__a-1": prompted(prompt)}
    return claims(trials, documents, again, rows, network=network)


def test_everything_is_ticked_where_every_fact_holds():
    found = made()
    assert [claim.line for claim in found] == list(CHECKLIST)
    assert ticked(found) == set(CHECKLIST)
    assert ticked(made(rows=dataset(HINTS))) == set(CHECKLIST)


@pytest.mark.parametrize(
    ("fault", "line", "says"),
    [
        ({"again": ["a__a-1"]}, PASS_AT_1, "begun again"),
        ({"prompt": f"Make {HIDDEN_TEST} pass."}, TEST_KNOWLEDGE, "`a__a-1`"),
        ({"prompt": f"People say: {HINTS}", "rows": dataset(HINTS)}, NO_HINTS, "`a__a-1`"),
        ({"network": True}, BROWSING, "have the network"),
        ({"audit": "history: tag v2"}, BROWSING, "`a__a-1`"),
        ({"audit": ""}, BROWSING, "does not say ok"),  # nobody looked
    ],
)
def test_a_fact_that_does_not_hold_unticks_its_own_line_and_says_why(fault, line, says):
    found = made(**fault)
    assert ticked(found) == set(CHECKLIST) - {line}
    assert says in next(claim.because for claim in found if claim.line == line)


def test_what_could_not_be_looked_for_is_not_ticked():
    found = claims({}, {"a__a-1": prompted("x")}, (), None, network=False)
    assert ticked(found) == {PASS_AT_1, BROWSING}
    found = claims({}, {"c__c-9": prompted("x")}, (), dataset(), network=False)
    assert TEST_KNOWLEDGE not in ticked(found)  # its tests are not among the rows


def attempt(key: int, tried: int, **more) -> dict:
    return {"trial_id": key, "system": "s", "instance_id": "a__a-1", "number": 0,
            "attempt": tried} | more  # fmt: skip


def answer(call: int, trial: int, paid: int | None = None, outcome: str = "ok") -> dict:
    return {"call_id": call, "trial_id": trial, "paid_call": paid, "outcome": outcome}


def test_an_attempt_that_goes_on_from_what_was_answered_is_the_same_attempt():
    trials = [attempt(1, 0), attempt(2, 1)]
    first = [answer(1, 1), answer(2, 1)]
    assert answered_twice(trials, first) == ["a__a-1"]
    assert answered_twice(trials, [*first, answer(3, 2, 1)]) == ["a__a-1"]  # one was thrown away
    assert answered_twice(trials, [*first, answer(3, 2, 1), answer(4, 2, 2), answer(5, 2)]) == []
    assert answered_twice(trials, [answer(1, 1, outcome="failed"), answer(2, 2)]) == []
    third = [*trials, attempt(3, 2)]
    later = [*first, answer(3, 2, 1), answer(4, 3, 1), answer(5, 3, 2)]
    assert answered_twice(third, later) == []


def test_another_trial_or_another_instance_is_no_second_attempt():
    trials = [attempt(1, 0), attempt(2, 0, number=1), attempt(3, 0, instance_id="b__b-3")]
    assert answered_twice(trials, [answer(1, 1), answer(2, 2), answer(3, 3)]) == []


def flag(folder: RunFolder, instance_id: str, *flags: str) -> None:
    """The official grader resolves what the system made there, and the second look doubts it."""
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        database.execute(
            "UPDATE grade SET outcome = 'unresolved', official = 'resolved', flags = ? WHERE "
            "submission_id IN (SELECT submission_id FROM submission JOIN trial USING (trial_id) "
            "WHERE instance_id = ?)", (json.dumps(flags), instance_id),
        )  # fmt: skip


async def written(tmp_path: Path, matrix, *flagged: str) -> tuple[str, Path]:
    folder = await plant(tmp_path, matrix=matrix, **FACTS)
    if flagged:
        flag(folder, *flagged)
    path = await handed_in(folder, next(iter(matrix)), tmp_path / "out", dataset=dataset())
    return (path / "README.md").read_text(), path


async def test_a_flagged_pass_is_called_flagged_and_not_counted_among_ours(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["R"], "a__a-2": ["R"], "b__b-3": ["U"]})}
    readme, path = await written(tmp_path, matrix, "a__a-2", "forged-result", "touches-git")
    assert "Resolved 2 of 3 instances (66.7%)" in readme
    assert "1 of these are flagged, and our own scores do not count them" in readme
    (line,) = [line for line in readme.splitlines() if line.startswith("- `")]
    assert line.startswith("- `a__a-2` is flagged: forged-result (a test that can only fail did")
    assert "touches-git (it writes into .git)" in line
    results = json.loads((path / "results" / "results.json").read_text())
    assert results["resolved"] == ["a__a-1", "a__a-2"]  # what its logs say, as all who submit
    assert "forged-result" not in (path / "trajs" / "a__a-2.json").read_text()


async def test_without_a_flag_nothing_is_said_of_flags(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["R"]})}
    readme, _ = await written(tmp_path, matrix)
    assert "lagged" not in readme


async def test_only_a_system_that_chose_is_said_to_have_chosen(tmp_path):
    chose = {"delm": System(2, "shared", {"a__a-1": ["(R)U"]})}
    readme, _ = await written(tmp_path / "a", chose)
    assert "one was shipped, chosen without sight of the hidden tests" in readme
    never = {"independent": System(2, "independent", {"a__a-1": ["RU"]})}
    readme, _ = await written(tmp_path / "b", never)
    assert "sight of the hidden tests" not in readme
    assert "the system chose none of them: it is the first agent's by name" in readme
    alone = {"single": System(1, "one", {"a__a-1": ["R"]})}
    readme, _ = await written(tmp_path / "c", alone)
    assert "agents made" not in readme


async def test_a_second_attempt_after_an_answer_is_no_pass_at_1(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["E>R"], "b__b-3": ["R"]})}
    folder = await plant(tmp_path, matrix=matrix, **FACTS)
    path = await handed_in(folder, "single", tmp_path / "out")
    assert f"- [x] {PASS_AT_1}" in (path / "README.md").read_text()  # the model never answered
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        database.execute("UPDATE call SET outcome = 'ok'")
    path = await handed_in(folder, "single", tmp_path / "again")
    assert f"- [ ] {PASS_AT_1}" in (path / "README.md").read_text()
    assert yaml.safe_load((path / "metadata.yaml").read_text())["tags"]["system"] == {
        "attempts": "2+"
    }


async def test_logs_that_an_earlier_version_named_otherwise_are_found_by_their_patch(tmp_path):
    """It numbered the submissions of a trial as they were made."""
    matrix = {"independent": System(2, "independent", {"a__a-1": ["UR"]})}
    folder = await plant(tmp_path, matrix=matrix, **FACTS)
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        database.execute("UPDATE submission SET patch = 'of ' || author")
    for name, author in (("independent.m", "patch-2"), ("independent.m.2", "patch-1")):
        place = folder.logs() / name / "a__a-1"
        place.mkdir(parents=True)
        (place / "patch.diff").write_text(f"of {author}")
        (place / "test_output.txt").write_text(f"log of {author}")
    path = await handed_in(folder, "independent", tmp_path / "out")
    (row,) = (json.loads(line) for line in (path / "all_preds.jsonl").read_text().splitlines())
    assert row["model_patch"] == "of patch-1"
    logs = path / "logs" / "a__a-1"
    assert (logs / "patch.diff").read_text() == "of patch-1"
    assert (logs / "test_output.txt").read_text() == "log of patch-1"


def test_a_real_run_has_every_line_ticked_and_leaves_what_nobody_knows_empty(delm, tmp_path):
    run = play(tmp_path)
    told = delm("export", run.folder, tmp_path / "x", "--format", "experiments")
    assert told.code == 0, told.text
    assert "does not tick" not in told.out
    (folder,) = (tmp_path / "x" / "evaluation" / "verified").iterdir()
    readme = (folder / "README.md").read_text()
    assert readme.count("- [x] ") == len(CHECKLIST)
    tags = yaml.safe_load((folder / "metadata.yaml").read_text())["tags"]
    assert tags["os_model"] == tags["os_system"] == tags["org"] == ""
    told = delm("validate", folder, "-d", run.rows)
    assert "to be filled in before it is sent: site, report, authors, os_model, os_system" in (
        told.out
    )
