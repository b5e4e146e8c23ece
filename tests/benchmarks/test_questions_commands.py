"""What other commands do with questions: grade their answers, and refuse what is for issues."""

import json

import pytest
from console import QUESTIONS, refused
from console import delm_here as run_delm

from harness.benchmarks.longbench.generated import rows

pytestmark = pytest.mark.slow(seconds=3)

DATA = ("-d", "longbench-offline")
RIGHT = {row["_id"]: row["answer"] for _, row in rows()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("commands")
    told = run_delm(
        "eval", "-m", f"replay:{QUESTIONS}", "-s", "base", "--run-id", "run", "-o", place
    )
    assert told.code == 0, told.text
    return place / "run"


def graded(delm, place, *words):
    told = delm("grade", *words, *DATA, "--run-id", "graded", "-o", place)
    assert told.code == 0, told.text
    return told, json.loads((place / "graded" / "grades.json").read_text())


def test_answers_of_a_run_are_graded_from_its_file(delm, run, tmp_path):
    told, grades = graded(delm, tmp_path, run / "preds" / "base.jsonl")
    assert {name: grade["outcome"] for name, grade in grades.items()} == {
        "offline-1": "resolved", "offline-2": "resolved",
    }  # fmt: skip
    assert "resolved 2 of 2" in told.out
    assert "logs:" not in told.out


def test_wrong_answers_and_none_are_not_resolved(delm, tmp_path):
    wrong = "B" if RIGHT["offline-1"] == "A" else "A"
    answers = {"offline-1": wrong, "offline-2": None, "offline-3": RIGHT["offline-3"]}
    path = tmp_path / "answers.jsonl"
    lines = [json.dumps({"_id": name, "pred": letter}) for name, letter in answers.items()]
    path.write_text("\n".join(lines))
    _, grades = graded(delm, tmp_path, path)
    assert [(grades[name]["outcome"], grades[name]["reason"]) for name in answers] == [
        ("unresolved", f"answered {wrong}"), ("unresolved", "no answer"), ("resolved", ""),
    ]  # fmt: skip


def test_gold_is_right_everywhere_and_nothing_is_right_nowhere(delm, tmp_path):
    for words, wanted in ((("--gold",), "resolved"), (("--empty",), "unresolved")):
        _, grades = graded(delm, tmp_path / wanted, *words)
        assert {name: grade["outcome"] for name, grade in grades.items()} == dict.fromkeys(
            RIGHT, wanted
        )


def test_a_letter_that_is_none_is_refused(delm, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"_id": "offline-1", "pred": "E"}) + "\n")
    told = delm("grade", path, *DATA)
    refused(told, "line 1 (offline-1): pred is A, B, C, D or null")


def test_what_is_for_issues_says_so(delm, run, tmp_path):
    say = "works only with datasets of swe-bench; these instances are of longbench-v2"
    refused(delm("grade", "--calibrate", *DATA), f"--calibrate {say}")
    refused(delm("validate", tmp_path, *DATA), f"the leaderboard's checklist {say}")
    told = delm("export", run, tmp_path / "out", "--format", "experiments")
    refused(told, f"a submission to the leaderboard {say}")
    assert not (tmp_path / "out").exists()
