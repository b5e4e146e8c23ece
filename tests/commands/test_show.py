"""`delm show`: what is told of a run, whole where that is asked for, and nothing garbled."""

from pathlib import Path

import anyio
import pytest
from console import refused
from planted import System, plant

from harness.commands.locate import located
from harness.commands.show import _there
from harness.config import resolve
from harness.errors import UserError
from harness.results.run_folder import RunFolder
from harness.store.ledger import NewCall
from harness.store.sqlite.store import SqliteStore

LONG = "x" * 1500 + "MIDDLE" + "y" * 1500


@pytest.fixture
def run(place):
    """A run of two instances whose messages are long and have the line ends of Windows."""
    folder = RunFolder(place / "results", "r")
    folder.create()

    async def write() -> None:
        store = SqliteStore(folder.path / "run.db")
        config = resolve([]).model_dump(mode="json")
        await store.describe(dataset="d", model="m", config=config, replay=False)
        ids = ("a__a-1", "b__b-2", "c__c-3")
        await store.plan(
            [{"instance_id": i, "repo": "a/a", "difficulty": "", "length": ""} for i in ids],
            [{"system": "single", "instance_id": i, "number": 0, "agents": 1, "wanted": 1,
              "submits": "one"}
             for i in ids],
        )  # fmt: skip
        for _ in ids:
            row = await store.claim_trial()
            assert row is not None
            said = f"{row['instance_id']} one\r\ntwo\rthree {LONG}"
            call = await store.begin_call(NewCall(
                trial_id=row["trial_id"], conversation="agent-1", agent="agent-1", position=0,
                model="m", prompt_sha256="", repeated=0.0, reserved_usd=0.1, moment=1,
            ))  # fmt: skip
            assert call
            await store.say(row["trial_id"], "agent-1", [{"role": "user", "content": said}])
            await store.finish_trial(row["trial_id"], "error", reason="model: away", seconds=1.0)
        store.close()

    anyio.run(write)
    return folder


def test_several_instances_are_told_and_no_other(delm, run):
    told = delm("show", "r", "a__a-1", "c__c-3")
    assert told.code == 0, told.text
    assert "a__a-1 one" in told.out
    assert "c__c-3 one" in told.out
    assert "b__b-2" not in told.out
    refused(delm("show", "r", "a__a-1", "c__c-4"), "c__c-4 is not in this run", "'c__c-3'")


def test_without_an_instance_or_with_an_unknown_one_it_says_what_there_is(delm, run):
    there = "instances: a__a-1, b__b-2, c__c-3; systems (-s): single"
    told = delm("show", "r")
    assert told.code == 0, told.text
    assert "see one: .venv/bin/delm show r a__a-1 -s single; " in told.out
    assert there in told.out
    refused(delm("show", "r", "delm"), "delm is not in this run; ", there)
    refused(delm("show", "r", "zzz", "-s", "single"), "zzz is not in this run of single", there)
    assert "see one" not in delm("show", "r", "a__a-1").out


def test_of_many_instances_the_first_are_named_and_the_rest_is_counted():
    told = _there([f"a__a-{n:03}" for n in range(500)], ["single"])
    assert "a__a-019 and 480 more; " in told
    assert "a__a-020" not in told


def test_a_run_of_eval_is_named_by_its_id_or_by_the_path_of_its_folder(run):
    assert anyio.run(located, "r", Path("results")) == (Path("results"), "r")
    assert anyio.run(located, "results/r/", Path("results")) == (Path("results"), "r")
    assert anyio.run(located, f"{run.path}", Path("other")) == (run.path.resolve().parent, "r")
    assert anyio.run(located, "new", Path("results")) == (Path("results"), "new")
    with pytest.raises(UserError, match="there is no run in results/q"):
        anyio.run(located, "results/q", Path("results"))


def test_eval_goes_on_with_the_run_whose_path_it_is_given(delm, run):
    told = delm("eval", "--run-id", "results/r", "--dry-run")
    refused(told, "unknown model ''")  # its own, which is none; a new run has the bundled recording
    refused(delm("eval", "--run-id", "results/q", "--dry-run"), "there is no run in results/q")


def test_a_long_message_is_cut_and_says_how_to_see_it_whole(delm, run):
    told = delm("show", "r", "a__a-1")
    assert "MIDDLE" not in told.out
    assert "characters cut; print all with --full" in told.out
    told = delm("show", "r", "a__a-1", "--full")
    assert LONG in told.out
    assert "--full" not in told.out


def test_line_ends_of_windows_are_line_ends(delm, run):
    told = delm("show", "r", "a__a-1")
    assert "one\ntwo" in told.out
    assert told.out.count("\ufffd") == 1  # a lone return would go back over the line


def test_a_call_that_was_never_answered_is_a_step_everywhere(delm, run):
    assert ", 1 step, $" in delm("show", "r", "a__a-1").out
    assert delm("score", "r").code == 0
    header, first, *_ = (run.path / "instances.csv").read_text().splitlines()
    assert dict(zip(header.split(","), first.split(","), strict=True))["steps"] == "1"


def test_a_trial_that_failed_is_missing_from_what_was_resolved(delm, run):
    told = delm("score", "r")
    (row,) = [line for line in told.out.splitlines() if line.startswith("single ")]
    assert "0 of 3" in row
    table = (run.path / "table.csv").read_text().splitlines()
    cells = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert (cells["wanted"], cells["submissions"], cells["resolved"]) == ("3", "0", "0")


def test_what_of_a_run_did_not_run_is_said_by_show_and_by_score(delm, place):
    each = {"a__a-1": ["R"], "a__a-2": ["R"], "b__b-3": ["C"]}
    matrix = {"single": System(1, "one", each)}
    anyio.run(lambda: plant(place / "results", "cut", matrix))
    told = delm("show", "cut")
    assert told.code == 0, told.text
    lines = told.out.splitlines()
    assert "single a__a-1 #1: done (finished), resolved" in lines
    assert "single b__b-3 #1: not finished: cancelled, no submission" in lines
    assert "single b__b-3 #1 (attempt 2): not run" in lines
    missing = (
        "missing: 1 of 3 trials, on 1 instance, systems single: single on b__b-3 #1 (not started)"
    )
    assert missing in lines
    told = delm("score", "cut")
    assert told.code == 0, told.text
    assert "2 of 2 run, 1 not run" in told.out
    assert missing in told.out.splitlines()
    assert "not finished (single): scores and costs cover finished trials only" in " ".join(
        told.out.split()
    )
