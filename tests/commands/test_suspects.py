"""`delm ctl RUN suspects`, `accept` and `refuse`: a person's word on a suspect pass."""

import csv
import json
import sqlite3

import anyio
from console import refused
from planted import System, plant

LOOK = "flask/app.py:7: sys._getframe(1) — reads the frame of its caller"
ONE = {"single": System(1, "one", {"a__a-1": ["U", "U"]})}
WHO = ("--by", "Ada", "--reason", "a helper of the logger")


def suspect_run(tmp_path) -> str:
    """A run of two trials; the pass of the first is suspect."""
    folder = anyio.run(plant, tmp_path, "r", ONE)
    database = sqlite3.connect(folder.path / "run.db")
    database.execute(
        "UPDATE grade SET flags = '[\"suspect\"]', official = 'resolved', "
        "reason = 'flagged: suspect', looks = ? WHERE submission_id = 1",
        [json.dumps([LOOK])],
    )
    database.commit()
    database.close()
    return str(folder.path)


def test_a_suspect_pass_is_listed_with_its_lines_and_counts_once_it_is_accepted(delm, tmp_path):
    run = suspect_run(tmp_path)
    listed = delm("ctl", run, "suspects")
    assert "submission 1: patch-1 of single on a__a-1 #1: unresolved" in listed.out
    assert LOOK in listed.out
    assert "delm ctl r accept 1 --by NAME --reason TEXT" in listed.out
    told = delm("ctl", run, "accept", "1", *WHO)
    assert (told.code, told.out) == (0, "accept: submission 1 counts as resolved\n")
    assert delm("score", run).code == 0
    with (tmp_path / "r" / "submissions.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["outcome"], first["reason"]) == (
        "resolved", "accepted by Ada: a helper of the logger",
    )  # fmt: skip
    assert (first["flags"], first["looks"], second["outcome"]) == ("suspect", LOOK, "unresolved")
    assert "people judged suspect passes (1 accepted pass, by Ada)" in delm("score", run).text
    found = json.loads(delm("ctl", run, "suspects", "--json").out)["suspects"]
    assert [(each["submission"], each["outcome"]) for each in found] == [(1, "resolved")]


def test_what_cannot_be_judged_is_one_line_and_exit_code_2(delm, tmp_path):
    run = suspect_run(tmp_path)
    refused(delm("ctl", run, "accept", "1", "--reason", "x"), "--by NAME")
    refused(delm("ctl", run, "accept", "1", "--by", "Ada"), "--reason")
    refused(delm("ctl", run, "accept", "2", *WHO), "not suspect")
    refused(delm("ctl", run, "accept", "9", *WHO), "no submission 9")
    assert delm("ctl", run, "accept", "one", *WHO).code == 2


def test_a_run_without_suspects_says_so(delm, tmp_path):
    anyio.run(plant, tmp_path, "r", ONE)
    assert delm("ctl", str(tmp_path / "r"), "suspects").out == "no pass of r is suspect\n"
