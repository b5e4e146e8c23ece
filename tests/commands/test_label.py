"""`delm label`: what it takes, what it refuses, and that no score changes."""

import csv
import json
from pathlib import Path

import anyio
import pytest
from console import query, refused
from planted import plant
from stores import derived

from harness.results.run_folder import RunFolder

pytestmark = pytest.mark.slow(seconds=6)
WHICH = ("label", "r", "a__a-1", "-s", "delm")


@pytest.fixture
def run(place) -> Path:
    return anyio.run(lambda: plant(place / "results", "r")).path


def labels(run: Path) -> list[dict]:
    return query(run, "SELECT * FROM label ORDER BY label_id")


def csv_rows(run: Path) -> list[dict[str, str]]:
    with (run / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_change_no_figure_of_any_csv_but_their_own(delm, run):
    anyio.run(derived, RunFolder(run.parent, "r"))
    before = {file.name: file.read_bytes() for file in run.glob("*.csv")}
    money = query(run, "SELECT * FROM money")
    assert delm(*WHICH, "-l", "cheated", "--by", "Ada", "--quote", "trial=state: done").code == 0
    assert delm(*WHICH, "-l", "unfair task", "--by", "Bob", "--confidence", "0.25").code == 0
    assert delm("score", "r").code == 0
    after = {file.name: file.read_bytes() for file in run.glob("*.csv")}
    assert {name for name in after if after[name] != before[name]} == {"labels.csv"}
    assert query(run, "SELECT * FROM money") == money
    rows = csv_rows(run)
    assert [(row["author"], row["label"], row["confidence"]) for row in rows] == [
        ("Ada", "cheated", ""), ("Bob", "unfair task", "0.25"),
    ]  # fmt: skip
    assert json.loads(rows[0]["evidence"]) == [{"place": "trial", "quote": "state: done"}]


@pytest.mark.parametrize(("words", "says"), [
    (("-l", "chaeted", "--by", "Ada"), "did you mean 'cheated'"),
    (("-l", "cheated"), "--by"),
    (("--by", "Ada"), "--label"),
    (("-l", "cheated", "--by", "  "), "author's name"),
    (("-l", "cheated", "--by", "A" * 101), "author's name"),
    (("-l", "cheated", "--by", "Ada", "--confidence", "1.01"), "from 0 to 1"),
    (("-l", "cheated", "--by", "Ada", "--confidence", "nan"), "from 0 to 1"),
    (("-l", "cheated", "--by", "Ada", "--trial", "2"), "no --trial 2"),
    (("-l", "cheated", "--by", "Ada", "--quote", "trial"), "PLACE=TEXT"),
    (("-l", "cheated", "--by", "Ada", "--quote", "trial=state: undone"), "does not stand at trial"),
    (("-l", "cheated", "--by", "Ada", "--quote", "submission:1=anything"), "There is no place"),
    (("-l", "cheated", "--by", "Ada", "--submission", "1"), "another trial's"),
    (("-l", "cheated", "--by", "Ada", "--replaces", "1"), "same author on the same trial"),
    (("-l", "cheated", "--by", "Ada", "--comment", "x" * 4001), "too long"),
    (("-s", "solo", "-l", "cheated", "--by", "Ada"), "there is no system 'solo'"),
])  # fmt: skip
def test_what_is_wrong_is_told_in_a_line_and_nothing_is_written(delm, run, words, says):
    refused(delm(*WHICH, *words), says)
    assert labels(run) == []
    assert not (run / "labels.csv").exists()


def test_an_instance_that_is_not_there_and_a_system_that_is_not_named(delm, run):
    some = ("-l", "unclear", "--by", "Ada")
    refused(delm("label", "r", "a__a-11", *some), "a__a-11 is not in this run")
    refused(delm("label", "r", "a__a-1", *some), "name the system with -s")
    refused(delm("label", "r", "-l", "unclear"), "name the instance")
    refused(delm("label", "q"), "there is no run results/q")


def test_a_correction_replaces_ones_own_label_once(delm, run):
    assert delm(*WHICH, "-l", "Agent’s  Fault", "--by", " Ada\n Byron ").code == 0
    assert delm(*WHICH, "-l", "legitimate", "--by", "Ada Byron", "--replaces", "1").code == 0
    refused(delm(*WHICH, "-l", "unclear", "--by", "Ada Byron", "--replaces", "1"), "not added")
    refused(delm(*WHICH, "-l", "unclear", "--by", "Bob", "--replaces", "2"), "same author")
    assert [(row["label"], row["replaces"]) for row in labels(run)] == [
        ("agent's fault", None), ("legitimate", 1),
    ]  # fmt: skip
    told = delm("label", "r")
    assert "label 1 (replaced by label 2)" in told.out
    document = json.loads(delm("label", "r", "--json").out)
    assert document["counts"]["delm"]["legitimate"] == 1
    assert document["counts"]["delm"]["agent's fault"] == 0
    assert document["agreement"] == []


def test_hostile_words_are_kept_as_text_and_shown_in_one_line(delm, run):
    evil = "\x1b[31m=1+1\u202e<script>\nalert(1)"
    assert delm(*WHICH, "-l", "unclear", "--by", "Ada", "--comment", evil).code == 0
    assert labels(run)[0]["comment"] == evil
    told = delm("label", "r").out
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert sum("unclear" in line and "<script>" in line for line in told.splitlines()) == 1
    (row,) = csv_rows(run)
    assert not row["comment"].startswith("=")
