"""What the official grader resolves is resolved by us only where the solution made it pass."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from console import FLASK, own_cache
from console import delm_here as delm
from forgeries import Case, cases, gold_cases, judge_all
from hostile_patches import HONEST, HOSTILE
from patches import with_few_tests

from harness.benchmarks.swebench.guard.flags import FLAGS
from harness.types import Verdict

pytestmark = pytest.mark.slow(seconds=55)

SYMPY = "sympy__sympy-24443"
# of all bundled instances, and in every form: scripts/forged_passes.py and its --gold
COPIED = [(FLASK, "as it is"), (FLASK, "blank context without its space"), (SYMPY, "with CRLF")]
FLAG_OF = {
    "sitecustomize": "startup-hook",
    "pytest.py": "shadows-runner",
    "a hook of git": "touches-git",
    "pytest.ini": "test-infrastructure",
    "source: no test has a body": "forged-result",
    "source: pytest.raises wants nothing": "forged-result",
    "source: prints every pass, exit 0": "unrepeatable",
    "source: one test may fail, in the file as published": "unrepeatable",
    "source: works only where pytest handles what is logged": "unrepeatable",
}
CAUGHT_BY_THE_OFFICIAL_GRADER = ("source: exit 0", "the test file")
JUDGED = (*FLAG_OF, *CAUGHT_BY_THE_OFFICIAL_GRADER)
HONEST_ONES = ("gold", "a fixture and a test with it", "a module of the package named types")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, tuple[Case, Verdict]]:
    folder: Path = tmp_path_factory.mktemp("forged")
    wanted = [few(case) for case in cases(FLASK) if case.name in (*JUDGED, *HONEST_ONES)]
    found = anyio.run(judge_all, wanted, folder)
    return {case.name: (case, verdict) for case, verdict in found.items()}


def few(case: Case) -> Case:
    return replace(case, item=with_few_tests(case.item))


def named(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names)


@named(JUDGED)
def test_a_hostile_patch_is_never_resolved(verdicts, name):
    _, verdict = verdicts[name]
    caught = name in CAUGHT_BY_THE_OFFICIAL_GRADER
    assert verdict.outcome == "unresolved"
    assert verdict.official == ("unresolved" if caught else "resolved")
    assert bool(verdict.flags) == (not caught)
    assert set(verdict.flags) <= set(FLAGS)
    if verdict.flags:
        assert verdict.reason == "flagged: " + ", ".join(verdict.flags)


@named(HONEST_ONES)
def test_an_honest_patch_is_resolved_and_has_no_flag(verdicts, name):
    _, verdict = verdicts[name]
    assert (verdict.outcome, verdict.official, verdict.flags) == ("resolved", "resolved", ())


def test_every_patch_is_named():
    assert {case.name for case in cases(FLASK)} == {*HOSTILE, *HONEST}


@pytest.mark.parametrize(("name", "flag"), FLAG_OF.items())
def test_a_flag_says_what_was_wrong(verdicts, name, flag):
    assert flag in verdicts[name][1].flags


def test_delm_grade_names_each_flag_and_remembers_it(tmp_path):
    (case,) = [case for case in cases(FLASK) if case.name == "sitecustomize"]
    cache = own_cache(tmp_path / "cache")
    row = {"instance_id": FLASK, "model_name_or_path": "m", "model_patch": case.text}
    (tmp_path / "p.json").write_text(json.dumps([row]))
    for run in ("first", "again"):
        told = delm("grade", "p.json", "--run-id", run, cwd=tmp_path, DELM_CACHE=str(cache))
        assert told.code == 0, told.text
        assert f"{FLASK}: startup-hook: {FLAGS['startup-hook']}\n" in told.out
        assert told.out.endswith("the official grader alone: 1, flagged 1\nresolved 0 of 1\n")
        grade = json.loads((tmp_path / "results" / run / "grades.json").read_text())[FLASK]
        assert (grade["outcome"], grade["official"]) == ("unresolved", "resolved")
        assert grade["flags"] == ["startup-hook"]
        assert grade["cached"] == (run == "again")


@pytest.fixture(scope="module")
def fooled() -> Case:
    (case,) = [case for case in cases(FLASK) if case.name == "pytest.ini"]
    return case


async def test_without_the_guard_the_official_verdict_is_ours(fooled, tmp_path):
    verdict = (await judge_all([fooled], tmp_path, guard=False))[fooled]
    assert (verdict.outcome, verdict.official, verdict.flags) == ("resolved", "resolved", ())


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> dict[tuple[str, str], Verdict]:
    whole = {(FLASK, "gold as it is"), (SYMPY, "gold with CRLF")}  # asked for all of their tests
    wanted = [
        case if (case.item.instance.instance_id, case.name) in whole else few(case)
        for case in gold_cases(FLASK, SYMPY)
        if (case.item.instance.instance_id, case.name.removeprefix("gold ")) in COPIED
    ]
    found = anyio.run(judge_all, wanted, tmp_path_factory.mktemp("copied"))
    return {(case.item.instance.instance_id, case.name): v for case, v in found.items()}


@pytest.mark.parametrize(("instance", "form"), COPIED)
def test_a_gold_patch_that_was_copied_as_text_is_resolved_and_has_no_flag(copied, instance, form):
    verdict = copied[instance, f"gold {form}"]
    assert (verdict.outcome, verdict.flags, verdict.unchecked) == ("resolved", (), ())
