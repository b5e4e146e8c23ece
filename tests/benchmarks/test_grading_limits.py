"""What grading does where a limit ends it, a log cannot be read, or somebody stops it."""

import json
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console import (
    DATASET,
    FINISH,
    FLASK,
    bash,
    bundled,
    end,
    own_cache,
    query,
    recording,
    running,
    start,
    wait_for,
)

from harness.analysis.overlap import lines_patched
from harness.benchmarks.swebench.calibrate import NOTHING
from harness.benchmarks.swebench.grading import LOG_FILES, PatchGrader, patch_facts
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.official import Log, apply_patch
from harness.cache import cache_dir, write_folder
from harness.commands import compose
from harness.config import GradingConfig, SandboxConfig, SandboxLimits, layer, resolve
from harness.protocols import CheckCache
from harness.runner.check_cache import FileCheckCache
from harness.sandbox.providers import choose
from harness.types import ExecResult, Issue, Verdict

pytestmark = pytest.mark.slow(seconds=21)

MARK = f"20014.{os.getpid()}"  # seconds nobody else sleeps
SOON_S = 45  # on a machine that is busy with other tests; alone it takes two
SLEEPS = (
    "diff --git a/src/flask/__init__.py b/src/flask/__init__.py\n"
    "--- a/src/flask/__init__.py\n+++ b/src/flask/__init__.py\n"
    f'@@ -0,0 +1 @@\n+import subprocess; subprocess.run(["sleep", "{MARK}"])\n'
)


@pytest.fixture(scope="module")
def flask() -> IssueItem:
    return bundled(FLASK)[0]


def with_tests(item: IssueItem, *commands: str, **changes: Any) -> IssueItem:
    """The instance with an evaluation that runs `commands` instead of its tests."""
    lines = ["#!/bin/bash", "set -uxo pipefail", ": '>>>>> Start Test Output'", *commands]
    script = "\n".join([*lines, ": '>>>>> End Test Output'", ""])
    return replace(item, reference=replace(item.reference, eval_script=script, **changes))


async def judge(
    item: IssueItem, folder: Path, config: GradingConfig | None = None, memory_mb: int = 4096
) -> Verdict:
    limits = SandboxLimits(memory_mb=memory_mb)
    settings = SandboxConfig(kind="bubblewrap", limits=limits)
    sandboxes = choose(settings, cache_dir(), [item], labels={}, grading_network=False)
    await sandboxes.prepare([item], print)
    config = config or GradingConfig(guard=False)
    grader = PatchGrader(sandboxes, folder / "logs", folder / "cache", config, limits)
    return await grader.grade(item, NOTHING, model_name="m")


async def test_a_log_on_which_the_official_parser_raises_is_unresolved_with_its_logs(
    flask, tmp_path
):
    item = with_tests(flask, "echo ERROR:", log_parser="parse_log_django")
    verdict = await judge(item, tmp_path)
    assert (verdict.outcome, verdict.official) == ("unresolved", "unresolved")
    assert verdict.reason == (
        "the test output cannot be read (parse_log_django: IndexError: list index out of range)"
    )
    folder = tmp_path / "logs" / "m" / FLASK
    assert sorted(path.name for path in folder.iterdir()) == sorted(LOG_FILES)
    assert "\nERROR:\n" in (folder / "test_output.txt").read_text()
    assert json.loads((folder / "report.json").read_text())[FLASK]["error"] == verdict.reason
    assert (await judge(item, tmp_path)).cached  # it would come out again


async def test_tests_that_run_out_of_time_are_never_remembered_and_told_as_swebench_does(
    flask, tmp_path
):
    item = with_tests(flask, "sleep 60")
    for _ in range(2):
        verdict = await judge(item, tmp_path, GradingConfig(guard=False, timeout_s=1))
        assert (verdict.outcome, verdict.cached) == ("unresolved", False)
        assert verdict.reason == "the tests ran out of time"
    output = (tmp_path / "logs" / "m" / FLASK / "test_output.txt").read_text()
    assert output.endswith("\n\nTimeout error: 1 seconds exceeded.")


async def test_what_passes_before_its_time_is_over_is_not_resolved_where_the_rest_takes_longer(
    flask, tmp_path
):
    """The official harness does not read the log of a run that it had to stop."""
    item = with_tests(flask, "echo PASSED t::a", fail_to_pass=("t::a",), pass_to_pass=())
    assert (await judge(item, tmp_path)).outcome == "resolved"
    script = item.reference.eval_script + "sleep 60\n"
    item = replace(item, reference=replace(item.reference, eval_script=script))
    verdict = await judge(item, tmp_path, GradingConfig(guard=False, timeout_s=2))
    assert (verdict.outcome, verdict.reason) == ("unresolved", "the tests ran out of time")


async def test_tests_that_write_too_much_are_never_remembered(flask, tmp_path):
    item = with_tests(flask, "head -c 600000000 /dev/zero | tr '\\0' x")
    verdict = await judge(item, tmp_path)
    assert verdict.reason == "the tests wrote too much"
    assert not (tmp_path / "cache").exists()


async def test_a_verdict_is_remembered_within_the_same_limits_and_for_the_same_gold(
    flask, tmp_path
):
    item = with_tests(flask, "true")
    assert not (await judge(item, tmp_path)).cached
    assert (await judge(item, tmp_path)).cached
    assert not (await judge(item, tmp_path, memory_mb=2048)).cached
    assert not (await judge(item, tmp_path, GradingConfig(guard=False, timeout_s=900))).cached
    guarded = GradingConfig(guard=True)
    assert not (await judge(item, tmp_path, guarded)).cached
    other = replace(item, reference=replace(item.reference, patch=item.reference.patch + "\n"))
    assert (await judge(other, tmp_path)).cached  # nothing of it was graded
    assert not (await judge(other, tmp_path, guarded)).cached
    assert (await judge(item, tmp_path, guarded)).cached


class Named:
    """Sandboxes of which only the names are asked."""

    kind = "played"

    def fingerprint(self, item: IssueItem) -> str:
        return "sha256:1"


ITEM = IssueItem(
    instance=Issue(instance_id="a__a-1", repo="a/a", problem_statement="p"),
    reference=IssueReference(instance_id="a__a-1", repo="a/a"),
)


class Slow:
    """A sandbox in which nothing ends in time."""

    async def write(self, path: str, data: bytes) -> None: ...

    async def exec(self, command: str, **_: Any) -> ExecResult:
        return ExecResult(exit_status=None, output="", output_bytes=0, seconds=1, timed_out=True)


async def test_a_patch_that_was_not_applied_in_time_is_known_by_that():
    assert await apply_patch(Slow(), NOTHING, Log()) == (False, True)


async def test_checks_of_findings_are_remembered_by_what_the_sandbox_may_use(place, monkeypatch):
    monkeypatch.setenv("DELM_CACHE", str(place))

    def check_cache(*words: str) -> CheckCache:
        config = resolve([layer(word) for word in words])
        return compose.check_cache(config, Named())(ITEM)

    await check_cache().keep("question", "answer")
    assert await check_cache().recall("question") == "answer"
    assert await check_cache("sandbox.limits.memory_mb=512").recall("question") is None
    assert await check_cache("sandbox.network=true").recall("question") is None


async def test_a_memory_that_cannot_be_written_costs_no_verdict(flask, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/grades").write_text("no folder")
    assert (await judge(with_tests(flask, "true"), tmp_path)).outcome == "unresolved"
    check_cache = FileCheckCache(tmp_path / "cache/grades")
    await check_cache.keep("question", "answer")
    assert await check_cache.recall("question") is None


def test_several_may_remember_the_same_at_the_same_time(tmp_path):
    folder = tmp_path / "kept"
    folder.write_text("damage: it is no folder")

    def write(content: bytes) -> None:
        for _ in range(200):
            write_folder(folder, {"a": content, "b": content})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, [b"1", b"2", b"3", b"4"]))
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"outcome": "resolved"'])
async def test_a_damaged_memory_is_graded_anew(flask, tmp_path, damage):
    item = with_tests(flask, "true")
    await judge(item, tmp_path)
    (kept,) = (tmp_path / "cache" / "grades").glob("*/verdict.json")
    kept.write_text(damage)
    assert not (await judge(item, tmp_path)).cached
    assert (await judge(item, tmp_path)).cached


@pytest.mark.parametrize(
    "patch",
    [
        "no diff",
        "--- a/x\n+++ b/x\n@@ -1,3 +1 @@\n-a\n",
        "@@ -1 +1 @@",
        f"--- a/x\n+++ b/x\n@@ -{'1' * 5000} +1 @@\n-a\n+b\n",
        "--- /dev/null\n+++ b/x\n@@ -0,0 +1,2000000 @@\n" + "+a\n" * 2_000_000,
    ],
)
def test_of_a_patch_that_cannot_be_read_nothing_is_known(patch):
    assert patch_facts(patch) is None
    assert lines_patched(patch) is None


def test_an_empty_patch_touches_nothing():
    facts = patch_facts("")
    assert facts is not None
    assert (facts.files, facts.added, facts.removed) == ((), 0, 0)


def stopped(words: Sequence[str | Path], number: signal.Signals, ready: Any, **more: str) -> Any:
    """Start the command, stop it in the middle of grading; what it said, and its seconds to end."""
    process = start(*words, **more)
    try:
        wait_for(lambda: ready() or process.poll() is not None, "the tests", 300)
        assert process.poll() is None, end(process)
        os.killpg(process.pid, number)
        began = time.monotonic()
        told = end(process, SOON_S)
        return told, time.monotonic() - began
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_delm_grade_soon_and_what_is_finished_is_kept(flask, tmp_path, number):
    quick = "psf__requests-6028"
    bundled(quick)
    rows = [
        {"instance_id": FLASK, "model_name_or_path": "m", "model_patch": SLEEPS},
        {"instance_id": quick, "model_name_or_path": "m", "model_patch": ""},
    ]
    preds = tmp_path / "preds.jsonl"
    preds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cache = own_cache(tmp_path / "cache")
    words = ["grade", preds, "-d", DATASET, "--run-id", "g", "-o", tmp_path, "-w", "2"]
    told, seconds = stopped(words, number, lambda: running(MARK), DELM_CACHE=str(cache))
    assert told.code == 130, told.text
    assert "Traceback" not in told.text
    assert told.out.splitlines()[-1] == "resolved 0 of 2"
    assert seconds < SOON_S
    assert running(MARK) == []
    assert list((cache / "sandboxes").iterdir()) == []
    grades = json.loads((tmp_path / "g" / "grades.json").read_text())
    assert {key: row["reason"] for key, row in grades.items()} == {quick: "empty patch"}


def test_a_run_that_is_stopped_while_it_grades_goes_on_there_and_works_on_nothing_again(
    flask, tmp_path
):
    answers = tmp_path / "answers.jsonl"
    spoil = bash(f"sed -i '1i import subprocess; subprocess.run([\"sleep\", \"{MARK}\"])' "
                 "src/flask/__init__.py")  # fmt: skip
    recording(answers, [[spoil, FINISH]])
    cache = own_cache(tmp_path / "cache")
    words = ["eval", "-m", f"replay:{answers}", "-d", DATASET, "--run-id", "run", "-o", tmp_path]
    run = tmp_path / "run"

    told, seconds = stopped(words, signal.SIGTERM, lambda: running(MARK), DELM_CACHE=str(cache))
    assert told.code == 130, told.text
    assert seconds < SOON_S
    assert running(MARK) == []
    assert "#1: cancelled (interrupted; what is made is graded when the run goes on)" in told.out
    assert f"single on {FLASK} #1 (not graded)" in told.out
    (trial,) = query(run, "SELECT state, owner, attempt FROM trial")
    assert (trial["state"], trial["owner"]) == ("grading", "nobody")
    calls = query(run, "SELECT * FROM call")

    told, _ = stopped(words, signal.SIGINT, lambda: running(MARK), DELM_CACHE=str(cache))
    assert told.code == 130, told.text
    assert query(run, "SELECT state, owner, attempt FROM trial") == [trial]
    assert query(run, "SELECT * FROM call") == calls
