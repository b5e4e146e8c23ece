"""A sample of the proposals that `scripts/bench_admission.py` composes, on the tiny repository."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from court import MEND, ONE_KIND

from agents.admission.evidence import Refused
from agents.admission.plain_form import judge_plain_form

pytestmark = pytest.mark.slow(seconds=40)

CANNOT_HERE = ("PATCH: breaks its neighbours",)  # no tests are beside the code
SCRIPTS = Path(__file__).parents[2] / "scripts"
ONE_OF = {True: 16, False: 30}
SEED = "tiny"
LIES = 60  # of one subject, about the form
ISSUE = "`add` of `pkg.core` subtracts: add(1, 1) is 0, and should be 2."


@pytest.fixture
def made(monkeypatch):
    """The modules of the script, and what the tiny repository's code does."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from admission_cases import boards, carriers, composed, observed, subjects

    tests = carriers.unittest_case(
        "from pkg.core import add", "self.assertEqual(add(5, 0), 5)\nself.assertEqual(add(0, 0), 0)"
    )
    tiny = subjects.Subject(
        instance="tiny",
        path="pkg/core.py",
        module="pkg.core",
        imports="from pkg.core import add",
        calls=("add(95, 4)", "add(1031, 11)", "add(18007, 7)", "[add(77, 7), add(405, 5)]"),
        says_false="add(2, 1) == 121",
        raises='add("soon", 1)',
        named="add",
        fault="assert add(1, 1) == 2, add(1, 1)",
        pins="assert add(1, 1) == 0",
        tests=(tests.command,),
        mends=((("return a - b", "return b + a"),), (("return a - b", "return sum((a, b))"),)),
        breaks=(("return a - b", "return 2"),),
        attempt=(("return a - b", "return -b + a"),),
    )
    return SimpleNamespace(boards=boards, composed=composed, observed=observed, tiny=tiny)


def sampled(made, sandbox):
    item = SimpleNamespace(
        instance=SimpleNamespace(instance_id="tiny", problem_statement=ISSUE),
        reference=SimpleNamespace(patch=MEND),
    )
    sample = made.observed.Sample(ONE_OF, SEED)
    return item, made.observed.Observed(made.tiny, item, sandbox, sample=sample)


@ONE_KIND
async def test_true_findings_enter_and_false_ones_do_not(made, sandbox, tmp_path):
    item, seen = sampled(made, sandbox)
    boards = made.boards.Boards(item, sandbox, tmp_path)
    wrong, count = [], {True: 0, False: 0}
    try:
        async for case in made.composed.composed(seen):
            if not case.told or case.what in CANNOT_HERE:
                continue
            outcome = await boards.submit(case)
            count[case.true] += 1
            if outcome.admitted != case.true:
                wrong.append((case.what, outcome.reason or "admitted", dict(outcome.evidence)))
    finally:
        boards.close()
    assert not wrong, "\n".join(map(str, wrong))
    assert min(count.values()) >= 6, count


async def test_the_same_seed_takes_the_same(made):
    first, again, other = (made.observed.Sample({True: 3, False: 5}, seed) for seed in "aab")
    taken = [[sample.takes(False) for _ in range(100)] for sample in (first, again, other)]
    assert taken[0] == taken[1] != taken[2]
    assert sum(taken[0]) == 20


async def test_lies_about_the_form_are_refused_before_anything_runs(made):
    from admission_cases import form_lies, subjects

    for subject in (made.tiny, *subjects.SUBJECTS):
        seen = made.observed.Observed(subject, SimpleNamespace(), SimpleNamespace())
        seen.values = dict.fromkeys(subject.calls, "17")
        cases = [case async for case in form_lies.form_lies(seen)]
        assert len(cases) == LIES
        for case in cases:
            with pytest.raises(Refused, match="not in the plain form"):
                judge_plain_form(case.evidence["command"], {})
