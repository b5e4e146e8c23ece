"""Grading on bubblewrap: honest and hostile patches, memory, logs, and `delm grade`."""

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from console import FLASK, Told, bundled, own_cache, refused, tree_of
from console import delm_here as delm
from patches import flask_patches, with_few_tests

from harness.benchmarks.predictions import read_predictions
from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.calibrate import NOTHING
from harness.benchmarks.swebench.grading import LOG_FILES, PatchGrader
from harness.benchmarks.swebench.guard import examination
from harness.benchmarks.swebench.guard.base_commit import BaseCommit
from harness.benchmarks.swebench.guard.examination import Guard, Known
from harness.benchmarks.swebench.guard.faults import Seen
from harness.benchmarks.swebench.guard.lone_tests import LoneTest
from harness.benchmarks.swebench.guard.test_copies import Copy, PlantedFile, copies_of
from harness.benchmarks.swebench.guard.tree_changes import TreeChanges
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.log_reader import read_log
from harness.benchmarks.swebench.official import APPLY, Log, evaluation_script, specification
from harness.cache import cache_dir
from harness.config import GradingConfig, SandboxConfig
from harness.errors import SandboxLost, SandboxUnavailable, UserError
from harness.sandbox.providers import choose
from harness.types import Verdict

pytestmark = pytest.mark.slow(seconds=75)

FAST = (FLASK, "psf__requests-6028", "pytest-dev__pytest-10051")
HERE = ("wrong", "breaks", "not-applying", "only-with-fuzz", "outside", "forged", "edits-tests",
        "deletes-tests", "gold-and-deletes-tests")  # fmt: skip  # all of them: in the Docker test


@pytest.fixture(scope="module")
def flask() -> IssueItem:
    return bundled(FLASK)[0]


@pytest.fixture(scope="module")
def quick(flask) -> IssueItem:
    """It with few tests, for patches whose verdict is not all that is looked at."""
    return with_few_tests(flask)


@pytest.fixture(scope="module")
def patches(flask):
    return flask_patches(tree_of(flask), flask.reference.patch)


async def judge(
    item: IssueItem, text: str, logs: Path, cache: Path | None = None, name: str = "model"
) -> Verdict:
    sandboxes = choose(
        SandboxConfig(kind="bubblewrap"), cache_dir(), [item], labels={}, grading_network=False
    )
    await sandboxes.prepare([item], print)
    return await PatchGrader(sandboxes, logs, cache, GradingConfig()).grade(
        item, text, model_name=name
    )


def test_the_patch_ladder_is_the_official_one():
    from swebench.harness.run_evaluation import GIT_APPLY_CMDS

    assert list(APPLY) == GIT_APPLY_CMDS


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/bash\nset -uxo pipefail\n: '>>>>> Start Test Output'\ntrue\n"
        ": '>>>>> End Test Output'\ngit checkout HEAD -- a.py\n",
        "\n\npytest\n\n: >>>>> End Test Output\n: >>>>> End Test Output",
        "pytest -rA # no end is marked\n\n",
        "",
    ],
)
def test_the_specification_of_a_test_is_the_official_one(script):
    from swebench.harness.utils import make_test_spec

    reference = IssueReference(
        instance_id="a__a-1", repo="a/a", version="1.0", image="a:1", fail_to_pass=("a.py::b",),
        pass_to_pass=("a.py::c", "a.py::d"), eval_script=script, log_parser="parse_log_pytest",
        eval_type="pass_and_fail",
    )  # fmt: skip
    row = asdict(reference)
    row |= {"FAIL_TO_PASS": json.dumps(row["fail_to_pass"]), "PASS_TO_PASS": ["a.py::c", "a.py::d"]}
    official = make_test_spec(row)
    assert specification(reference) == asdict(official)
    assert evaluation_script(reference) == official.eval_script


@pytest.mark.parametrize("name", HERE)
async def test_a_patch_is_resolved_only_where_it_solves_the_issue(name, quick, patches, tmp_path):
    text, solves = patches[name]
    verdict = await judge(quick, text, tmp_path)
    assert verdict.outcome == ("resolved" if solves else "unresolved"), verdict
    assert bool(verdict.reason) == (not solves)
    if name in {"not-applying", "outside"}:
        assert verdict.reason == "the patch does not apply"


async def test_a_patch_without_effect_is_really_run_and_not_resolved(flask, tmp_path):
    verdict = await judge(flask, NOTHING, tmp_path)
    status = verdict.report[FLASK]["tests_status"]
    assert verdict.outcome == "unresolved"
    assert status["FAIL_TO_PASS"]["failure"] == list(flask.reference.fail_to_pass)
    assert len(status["PASS_TO_PASS"]["success"]) == len(flask.reference.pass_to_pass)


async def test_an_empty_patch_is_not_run(flask, tmp_path):
    verdict = await judge(flask, " \n", tmp_path)
    assert (verdict.outcome, verdict.reason) == ("unresolved", "empty patch")
    assert list(tmp_path.iterdir()) == []


async def test_the_logs_are_in_the_official_layout(quick, patches, tmp_path):
    text, _ = patches["gold"]
    await judge(quick, text, tmp_path, name="org/model")
    folder = tmp_path / "org__model" / FLASK
    assert sorted(path.name for path in folder.iterdir()) == sorted(LOG_FILES)
    assert (folder / "patch.diff").read_text() == text
    assert json.loads((folder / "report.json").read_text())[FLASK]["resolved"] is True
    script, output = (folder / "eval.sh").read_text(), (folder / "test_output.txt").read_text()
    assert quick.reference.test_patch in script
    assert ">>>>> Start Test Output" in output
    assert "PASSED tests/test_blueprints.py::test_empty_name_not_allowed" in output
    assert ">>>>> Applied Patch" in (folder / "run_instance.log").read_text()


async def test_a_verdict_is_remembered_by_the_patch_and_nothing_less(quick, patches, tmp_path):
    text, _ = patches["gold"]
    cache, logs = tmp_path / "cache", tmp_path / "logs"
    first = await judge(quick, text, logs, cache)
    again = await judge(quick, text, logs, cache, "other")
    assert (first.cached, again.cached) == (False, True)
    assert (again.outcome, again.report) == (first.outcome, first.report)
    assert {path.name for path in (logs / "other" / FLASK).iterdir()} == set(LOG_FILES)
    worse, _ = patches["wrong"]
    changed = await judge(quick, worse, logs, cache)
    assert (changed.cached, changed.outcome) == (False, "unresolved")
    assert (logs / "model" / FLASK / "patch.diff").read_text() == worse  # not the first one's logs


async def test_the_logs_hold_byte_for_byte_what_was_graded(quick, patches, tmp_path):
    start = ": '>>>>> Start Test Output'\n"
    said = r"printf 'half\rway\r\n\xe9t\xe9 \xff\n'" + "\n"
    script = quick.reference.eval_script.replace(start, start + said)
    item = replace(quick, reference=replace(quick.reference, eval_script=script))
    text = patches["gold"][0] + (
        "diff --git a/old.bat b/old.bat\nnew file mode 100644\n--- /dev/null\n+++ b/old.bat\n"
        "@@ -0,0 +1,2 @@\n+one\rstill one\r\n+two \x0c\u2028\r\n"
    )
    cache, logs = tmp_path / "cache", tmp_path / "logs"
    for name in ("first", "remembered"):
        verdict = await judge(item, text, logs, cache, name)
        assert (verdict.outcome, verdict.cached) == ("resolved", name == "remembered")
        folder = logs / name / FLASK
        assert (folder / "patch.diff").read_bytes() == text.encode()
        output = (folder / "test_output.txt").read_bytes()
        assert "half\rway\r\n\ufffdt\ufffd \ufffd\n".encode() in output
        reading = await read_log(item.reference, output, patch=text, model_name="")
        assert reading.report == verdict.report


async def test_a_grader_that_may_not_remember_does_not(flask, tmp_path):
    sandboxes = choose(
        SandboxConfig(kind="bubblewrap"), cache_dir(), [flask], labels={}, grading_network=False
    )
    await sandboxes.prepare([flask], print)
    grader = PatchGrader(
        sandboxes, tmp_path / "logs", tmp_path / "cache", GradingConfig(cache=False)
    )
    for _ in range(2):
        assert not (await grader.grade(flask, NOTHING, model_name="m")).cached
    assert not (tmp_path / "cache").exists()


class _Broken:
    """Sandboxes that never open."""

    kind = "broken"

    def __init__(self) -> None:
        self.asked = 0

    def fingerprint(self, item: IssueItem) -> str:
        return "broken"

    async def open(self, item: IssueItem, *, purpose: str) -> None:
        self.asked += 1
        raise SandboxUnavailable("the machine is on fire")


async def test_a_sandbox_that_fails_is_infrastructure_and_never_remembered(flask, tmp_path):
    broken = _Broken()
    grader = PatchGrader(broken, tmp_path / "logs", tmp_path / "cache", GradingConfig())
    verdict = await grader.grade(flask, NOTHING, model_name="m")
    assert (verdict.outcome, verdict.reason) == ("error", "infrastructure: the machine is on fire")
    assert broken.asked == 3
    assert not (tmp_path / "cache").exists()


class _Ended(_Broken):
    async def open(self, item: IssueItem, *, purpose: str) -> None:
        self.asked += 1
        raise SandboxLost("the sandbox ended while a command ran in it")


async def test_a_patch_that_ends_the_sandbox_of_its_tests_gets_no_other(flask, tmp_path):
    ended = _Ended()
    grader = PatchGrader(ended, tmp_path / "logs", tmp_path / "cache", GradingConfig())
    verdict = await grader.grade(flask, NOTHING, model_name="m")
    assert (verdict.outcome, verdict.official) == ("unresolved", "unresolved")
    assert verdict.reason == "its sandbox: the sandbox ended while a command ran in it"
    assert ended.asked == 1


NO_CHANGES = TreeChanges(applied=True, paths={}, sources={}, added_lines={})


class _GoldLost(Guard):
    async def _run(self, item: IssueItem, patch: str, *_: object) -> Seen:
        if patch == item.reference.patch:
            raise SandboxLost("the sandbox ended while a command ran in it")
        return Seen(faults={("repeat", "", "unresolved"): "unrepeatable"})

    @asynccontextmanager
    async def _applied(self, item: IssueItem, patch: str) -> AsyncIterator[tuple[Any, TreeChanges]]:
        yield None, NO_CHANGES


async def test_a_sandbox_that_the_gold_patch_lost_is_not_held_against_a_submission(flask):
    guard = _GoldLost(_Broken(), timeout_s=1)
    guard._known[flask.reference] = Known(
        base=BaseCommit.of((), {}, ()), gold=NO_CHANGES, planted={},
        report="/tmp/report", nonce="",
    )  # fmt: skip
    with pytest.raises(SandboxUnavailable, match="the gold patch: ") as problem:
        await guard.examine(flask, NOTHING, {}, Log())
    assert not isinstance(problem.value, SandboxLost)


class _NeedsItsSurroundings(_GoldLost):
    """Whose tests fail where pytest has other options, whatever the patch; it counts its runs."""

    runs = 0

    async def _run(self, item: IssueItem, patch: str, known: Known, *_: object) -> Seen:
        self.runs += 1
        seen = Seen(worked={"repeat", "ends", "broken-tests", "watch", "in-part", "alone"})
        if known.options:
            seen.faults["repeat", "test_a", "FAILED"] = "unrepeatable"
        for test in known.lone:
            if test.plain and test.name == "test_b":
                seen.faults[test.check, test.name, "failed"] = "unrepeatable"
        return seen


async def test_tests_that_need_the_official_surroundings_have_them(flask):
    guard = _NeedsItsSurroundings(_Broken(), timeout_s=1)
    guard._known[flask.reference] = Known(
        base=BaseCommit.of((), {}, ()), gold=NO_CHANGES, planted={},
        report="/tmp/report", nonce="", options="-s",
    )  # fmt: skip
    for runs in (3, 4):  # with the options, gold with them, without; and the next patch's
        found = await guard.examine(flask, NOTHING, {}, Log())
        assert (found.flags, found.unchecked, guard.runs) == ((), (), runs)


def lone(name: str) -> LoneTest:
    """A test that runs without a runner."""
    whole = Copy(name=name, mode="renamed", begin="b", token="e", must_pass=True, of=(name,))
    return LoneTest(path="tests/test_a.py", owner="", whole=whole, broken=None, plain=True)


async def test_a_test_that_fails_without_a_runner_with_the_gold_patch_runs_alone_under_it(flask):
    guard = _NeedsItsSurroundings(_Broken(), timeout_s=1)
    known = guard._known[flask.reference] = Known(
        base=BaseCommit.of((), {}, ()), gold=NO_CHANGES, planted={},
        report="/tmp/report", nonce="", lone=(lone("test_a"), lone("test_b")),
    )  # fmt: skip
    for runs in (3, 4):  # without a runner, gold without, under it; and the next patch's
        found = await guard.examine(flask, NOTHING, {}, Log())
        assert (found.flags, found.unchecked, guard.runs) == ((), (), runs)
    now = guard._known[flask.reference]
    assert {test.name: test.plain for test in now.lone} == {"test_a": True, "test_b": False}
    assert now.options == known.options


async def test_the_tests_of_a_row_are_read_once_and_by_no_other_thread(flask, monkeypatch):
    """Python 3.11 fails where two threads make syntax trees at the same time."""
    threads = []

    async def read(_sandboxes: object, _item: object) -> BaseCommit:
        await anyio.lowlevel.checkpoint()  # the other one begins
        return BaseCommit.of((), {"tests/test_a.py": "def test_a():\n    assert 1\n"}, ())

    def copies(*given: Any, **options: Any) -> PlantedFile:
        threads.append(threading.current_thread())
        return copies_of(*given, **options)

    monkeypatch.setattr(examination, "read_base_commit", read)
    monkeypatch.setattr(examination, "copies_of", copies)
    guard = _GoldLost(_Broken(), timeout_s=1)
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(guard._instance, flask)
    assert threads == [threading.main_thread()]


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> tuple[Path, dict[str, Told]]:
    bundled(*FAST)
    folder = tmp_path_factory.mktemp("grade")
    cache = {"DELM_CACHE": str(own_cache(folder / "cache"))}
    words = [word for name in FAST for word in ("-i", name)]
    told = {
        run: delm("grade", flag, *words, "--run-id", run, cwd=folder, **cache)
        for run, flag in (("gold", "--gold"), ("empty", "--empty"), ("again", "--gold"))
    }
    return folder, told


@pytest.mark.parametrize(("run", "resolved"), [("gold", 3), ("empty", 0), ("again", 3)])
def test_gold_patches_resolve_and_empty_ones_do_not(graded, run, resolved):
    folder, told = graded
    assert told[run].code == 0, told[run].text
    assert told[run].out.splitlines()[-1] == f"resolved {resolved} of 3"
    assert told[run].out.count(", remembered") == (3 if run == "again" else 0)
    model = "empty" if run == "empty" else "gold"
    for name in FAST:
        logs = folder / "results" / run / "logs/run_evaluation" / run / model / name
        assert {path.name for path in logs.iterdir()} == set(LOG_FILES)
        report = json.loads((logs / "report.json").read_text())[name]
        assert report["resolved"] == bool(resolved)


def test_a_file_of_predictions_is_graded_row_by_row(graded, patches):
    folder, _ = graded
    rows = [
        {"instance_id": FLASK, "model_name_or_path": "my model (v1)", "model_patch": "x" * 10},
        {"instance_id": FAST[1], "model_name_or_path": "my model (v1)", "model_patch": None},
    ]
    rows[0]["model_patch"] = patches["gold"][0]
    (folder / "preds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = delm("grade", "preds.jsonl", cwd=folder)
    assert told.code == 0, told.text
    assert f"{FAST[1]}: unresolved (empty patch)" in told.out
    assert told.out.splitlines()[-1] == "resolved 1 of 2"
    (made,) = folder.glob("results/grade-*_my-model-v1")  # a run id is made of any name
    grades = json.loads((made / "grades.json").read_text())
    assert {key: row["outcome"] for key, row in grades.items()} == {
        FLASK: "resolved",
        FAST[1]: "unresolved",
    }


IDS = ["a__a-1", "b__b-2"]


def test_predictions_come_in_every_form_that_harnesses_write(tmp_path):
    rows = [
        {"instance_id": "a__a-1", "model_name_or_path": "m", "model_patch": "one\u2028line\x85"},
        {"instance_id": "b__b-2", "model_name_or_path": "m", "model_patch": None},
    ]
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    keyed = {row["instance_id"]: row for row in rows}
    bare = {key: {k: v for k, v in row.items() if k != "instance_id"} for key, row in keyed.items()}
    forms = {
        "p.jsonl": lines.encode(),
        "UPPER.JSONL": lines.replace("\n", "\r\n").encode(),
        "mark.jsonl": lines.encode("utf-8-sig"),
        "list.json": json.dumps(rows).encode(),
        "mark.json": json.dumps(rows).encode("utf-8-sig"),
        "shell.json": json.dumps(rows).encode("utf-16"),
        "object.json": json.dumps(keyed).encode(),
        "object-without-ids.JSON": json.dumps(bare).encode(),
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
    read = [read_predictions(tmp_path / name, IDS, benchmark=SweBench()) for name in forms]
    assert all(one == read[0] for one in read)
    assert [p.submission for p in read[0].rows] == ["one\u2028line\x85", ""]
    (tmp_path / "one.json").write_text(json.dumps(rows[0]))
    assert (
        read_predictions(tmp_path / "one.json", IDS, benchmark=SweBench()).rows == read[0].rows[:1]
    )


def test_predictions_of_instances_that_were_not_asked_for_are_counted_and_left_out(tmp_path):
    rows = [{"instance_id": key, "model_patch": "x"} for key in IDS]
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    read = read_predictions(
        tmp_path / "p.jsonl", [*IDS, "c__c-3"], ["b__b-2", "c__c-3"], benchmark=SweBench()
    )
    assert [row.instance_id for row in read.rows] == ["b__b-2"]
    assert (read.left_out, read.missing) == (1, ("c__c-3",))
    with pytest.raises(UserError, match="no predictions of the instances asked for, and 2"):
        read_predictions(tmp_path / "p.jsonl", [*IDS, "c__c-3"], ["c__c-3"], benchmark=SweBench())


def test_half_a_surrogate_pair_refuses_its_row_and_no_other(tmp_path):
    rows = [{"instance_id": key, "model_patch": "a\ud800" * (key == IDS[0])} for key in IDS]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    read = read_predictions(tmp_path / "p.json", IDS, benchmark=SweBench())
    assert [row.instance_id for row in read.rows] == ["b__b-2"]
    assert list(read.refused) == ["a__a-1"]
    assert "character 2" in read.refused["a__a-1"]


GOOD = {"instance_id": "a__a-1", "model_name_or_path": "m", "model_patch": ""}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.jsonl", "", "no predictions"),
        ("p.json", "[]", "no predictions"),
        ("p.json", "3", "no predictions"),
        ("p.json", '[{"instance_id"', "not valid JSON"),
        ("p.jsonl", json.dumps(GOOD) + '\n{"instance_id": "a', "line 2 is not valid JSON"),
        ("p.jsonl", '["a__a-1"]', "line 1 is no prediction: it is not an object"),
        ("p.jsonl", "\n{}", "line 2 has no instance_id"),
        ("p.jsonl", '{"instance_id": "a__a-1"}', "line 1 (a__a-1) has no model_patch"),
        ("p.json", '{"a__a-1": {"instance_id": "b", "model_patch": ""}}', "is another: 'b'"),
        ("p.json", '{"a__a-1": {"model_patch": ""}, "a__a-1": {}}', "'a__a-1' is there twice"),
        ("p.json", '{"a__a-1": "diff"}', "row a__a-1 is no prediction"),
        ("p.jsonl", json.dumps(GOOD | {"model_patch": 3}), "has no model_patch"),
        ("p.jsonl", json.dumps(GOOD | {"instance_id": "a__a-2"}), "did you mean 'a__a-1'"),
        ("p.jsonl", json.dumps(GOOD) + "\n" + json.dumps(GOOD), "line 2: a__a-1 is there twice"),
        ("p.jsonl", json.dumps(GOOD | {"model_name_or_path": ".."}), "model_name_or_path"),
        ("p.jsonl", json.dumps(GOOD | {"model_name_or_path": "m" * 300}), "model_name_or_path"),
        ("p.jsonl", json.dumps(GOOD | {"model_name_or_path": "a\0b"}), "model_name_or_path"),
    ],
)
def test_predictions_that_cannot_be_graded_are_refused_with_their_place(
    tmp_path, name, content, says
):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as caught:
        read_predictions(tmp_path / name, ["a__a-1"], benchmark=SweBench())
    assert says in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_what_of_a_file_is_not_graded_is_said_at_the_console(place):
    bundled(FLASK)
    patches = {FLASK: "", FAST[1]: "half \ud83d", FAST[2]: ""}
    rows = [{"instance_id": key, "model_patch": patch} for key, patch in patches.items()]
    (place / "p.json").write_text(json.dumps(rows))
    told = delm("grade", "p.json", "-i", FLASK, "-i", FAST[1], "--run-id", "g", cwd=place)
    assert told.code == 1, told.text
    assert "1 prediction of other instances left out" in told.out
    assert f"{FAST[1]}: refused: row 2: its patch is no valid text, from character 6 on" in told.out
    assert told.out.splitlines()[-1] == "resolved 0 of 2"
    grades = json.loads((place / "results/g/grades.json").read_text())
    assert {key: row["outcome"] for key, row in grades.items()} == {
        FLASK: "unresolved",
        FAST[1]: "error",
    }
    told = delm("grade", "p.json", "-i", FLASK, "-i", "django__django-16595", cwd=place)
    assert "no prediction of 1 instance asked for: django__django-16595" in told.out
    assert told.out.splitlines()[-1] == "resolved 0 of 1"


def test_wrong_predictions_are_one_line_at_the_console(place):
    bundled()
    (place / "p.json").write_text('[{"instance_id"')
    refused(delm("grade", "p.json", cwd=place), "p.json is not valid JSON")
    refused(delm("grade", "none.jsonl", cwd=place), "none.jsonl: no such file")
    refused(delm("grade", ".", cwd=place), "cannot be read")
