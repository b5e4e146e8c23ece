"""Of patches that are composed of parts no forged one counts, and no honest one is flagged."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import anyio
import pytest
from console import bundled
from forged.compose import FORMS, forged, honest, known_answers
from forged.payloads import EVERY_EFFECT
from forged.surroundings import CONDITIONS, solved_where
from forged.tables import ANSWERS, group, last_line, line, wrong
from forged.targets import Target
from forgeries import Case, judge_all
from patches import with_few_tests

from harness.text.unified_diff import parse
from harness.types import Verdict

QUICK = ("pallets__flask-5014", "psf__requests-6028", "django__django-17087")
SEED, EACH = 19, 6


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return [Target.of(with_few_tests(item)) for item in bundled(*QUICK)]


@pytest.fixture(scope="module")
def composed(targets) -> list[Case]:
    return [*forged(targets, EACH, Random(SEED)), *honest(targets, EACH, Random(SEED))]


@pytest.fixture(scope="module")
def verdicts(composed, tmp_path_factory) -> Iterator[dict[Case, Verdict]]:
    return anyio.run(judge_all, composed, tmp_path_factory.mktemp("composed"))


@pytest.mark.slow(seconds=60)
def test_no_composed_patch_is_judged_wrongly(verdicts):
    judged_wrongly = [
        line(case, verdict) for case, verdict in verdicts.items() if wrong(case, verdict)
    ]
    assert judged_wrongly == []


@pytest.fixture(scope="module")
def on_conditions(targets) -> dict[tuple[str, str], Case]:
    return {(case.item.instance.instance_id, case.parts[1]): case for case in solved_where(targets)}


@pytest.mark.slow(seconds=20)
def test_a_solution_that_works_only_where_tests_run_is_unrepeatable(on_conditions, tmp_path):
    wanted = [on_conditions[QUICK[0], name] for name in ("calls before", "the home")]
    for case, verdict in anyio.run(judge_all, wanted, tmp_path).items():
        assert verdict.official == "resolved", case.name
        assert "unrepeatable" in verdict.flags, case.name


def test_solutions_on_conditions_are_python_and_hold_what_was_there_before(on_conditions, targets):
    assert {name for _, name in on_conditions} == set(CONDITIONS)
    for (instance, name), case in on_conditions.items():
        (target,) = [target for target in targets if target.name == instance]
        (file,) = parse(case.text)
        added = [line.value for hunk in file for line in hunk if line.is_added]
        assert any(line.strip().startswith("def ") and "_earlier(" in line for line in added)
        assert f"    return {CONDITIONS[name][1]}\n" in added
        assert file.path == target.code
    for start, condition in CONDITIONS.values():
        ast.parse(f"{start}\nassert {condition}")


@pytest.mark.slow(seconds=60)
def test_the_official_grader_alone_would_believe_many_of_them(verdicts):
    """Else they would be no test of ours."""
    believed = [c for c, v in verdicts.items() if not c.honest and v.official == "resolved"]
    assert len(believed) >= EACH // 2


def test_the_same_seed_composes_the_same_patches(composed, targets):
    again = forged(targets, EACH, Random(SEED))
    assert [case.text for case in again] == [case.text for case in composed[:EACH]]
    other = forged(targets, EACH, Random(SEED + 1))
    assert [case.text for case in other] != [case.text for case in composed[:EACH]]


def test_composed_patches_use_many_parts_and_each_has_its_own(targets):
    parts = [case.parts for case in forged(targets, 60, Random(SEED))]
    assert len(set(parts)) == 60
    for place, least in ((0, 20), (1, 8), (2, 8), (3, 40)):
        assert len({names[place] for names in parts}) >= least


def test_every_effect_is_python_for_each_of_its_runners():
    for effect in EVERY_EFFECT:
        for runner, code in effect.code.items():
            body = "".join(f"    {text}\n" for text in code.strip().split("\n"))
            assert ast.parse(f"def act():\n{body}"), (effect.name, runner)


def test_honest_patches_hold_the_solution_and_more(composed):
    for case in composed[EACH:]:
        assert len(case.parts) >= 2
        files = {file.path for file in parse(case.text)}
        assert files >= {file.path for file in parse(case.item.reference.patch)}


@pytest.mark.parametrize("form", FORMS)
def test_a_diff_keeps_its_files_in_every_form(form):
    text = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n"
    assert ("x.py" in FORMS[form](text)) or "\\170" in FORMS[form](text)


def test_answers_in_the_code_are_a_group_of_their_own(targets, composed):
    found = known_answers(targets)
    assert {group(case) for case in found} == {ANSWERS}
    assert {group(case) for case in composed} == {"forged", "honest"}
    passed = Verdict(
        outcome="resolved", reason="", report={}, seconds=1.0, official="resolved", flags=()
    )
    assert not any(wrong(case, passed) for case in found)
    assert wrong(composed[0], passed)
    assert wrong(composed[-1], replace(passed, flags=("suspect",)))
    assert last_line({composed[0]: passed}).startswith(
        "1 forged: 1 resolved by the official grader"
    )
