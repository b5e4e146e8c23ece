"""Candidates against each other's commands, constraints and attempts, in real sandboxes."""

import pytest
from court import ADD, MEND, ONE_KIND, court_of

from agents.delm.cross_checks import CrossChecks
from agents.delm.matrix import Matrix
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Proposal

pytestmark = pytest.mark.slow(seconds=30)

ZERO = "python -c 'from pkg.core import add; assert add(0, 3) == 3'"
OTHER = """\
--- a/pkg/core.py
+++ b/pkg/core.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a * b + 1
"""  # 2 for 1 and 1, and 1 for 0 and 3
EXTRA = "python -c 'import pkg.extra as m; assert m.EXTRA == 1; print(\"extra is\", m.EXTRA)'"


@pytest.fixture
async def court(sandbox, kind, tmp_path):
    async with court_of(sandbox, kind, tmp_path) as made:
        yield made


@ONE_KIND
async def test_a_candidate_that_fails_the_command_of_another_gets_a_failure_that_holds(court):
    first = (await court.patch(MEND, ZERO)).entry
    second = (await court.patch(OTHER, ADD)).entry
    matrix = Matrix(court.checks)
    checks = CrossChecks(matrix, court.gate, most=16, within_s=60)
    standing = await court.context.entries()
    (failure,) = await checks.between(second, [first], standing, task="patch-2")
    assert failure.gist == f"{second.label} does not pass the command of {first.label}."
    assert "AssertionError" in failure.evidence.output
    assert "AssertionError" in failure.raw
    assert await court.checks.still_holds(failure)  # as executed evidence of any other author
    known = {entry.label: matrix.known_of(entry.evidence.diff) for entry in (first, second)}
    assert known == {
        first.label: {second.label: True},
        second.label: {first.label: False, second.label: True},
    }


@ONE_KIND
async def test_a_new_test_file_of_one_candidate_is_there_for_the_others(court):
    """Without it the command would fail with all of them."""
    shown = await court.diff_of(
        'mkdir tests; printf \'import sys\\nsys.path.insert(0, ".")\\nfrom pkg.core import add\\n'
        "assert add(0, 3) == 3\\n' > tests/test_a.py; sed -i 's/-/+/' pkg/core.py"
    )
    first = (await court.patch(shown, "python tests/test_a.py")).entry
    good = (await court.patch(MEND, ADD)).entry
    bad = (await court.patch(OTHER, ADD)).entry
    checks = CrossChecks(Matrix(court.checks), court.gate, most=16, within_s=60)
    standing = await court.context.entries()
    assert await checks.between(good, [], standing, task="patch-2") == []
    (failure,) = await checks.between(bad, [], standing, task="patch-3")
    assert "tests/test_a.py" in failure.evidence.changes
    assert "pkg/core.py" not in failure.evidence.changes
    assert await court.checks.still_holds(failure)
    assert first.label in failure.gist


@ONE_KIND
async def test_a_patch_that_breaks_a_constraint_is_refused_or_refutes_it(court):
    kept = await court.say(
        "CONSTRAINT", form="command", command=EXTRA, exit_status=0, output="extra is 1"
    )
    label = kept.entry.label
    breaks = await court.diff_of(
        "sed -i 's/-/+/' pkg/core.py; sed -i 's/EXTRA/OTHER/' pkg/extra.py"
    )
    refused = await court.patch(breaks)
    assert f"The patch breaks {label}" in refused.reason
    assert EXTRA in refused.reason
    assert "AttributeError" in refused.reason
    against = Proposal(
        kind="PATCH", gist="Mended", summary=f"{label} is wrong.", author="a", task="t",
        evidence=EVIDENCE.validate_python({"form": "patch", "diff": breaks, "command": ADD}),
        refutes=label,
    )  # fmt: skip
    admitted = await court.gate.submit(against)
    assert admitted.settled == "admitted", admitted.reason
    assert await court.gate.refuted_by(admitted.entry.label) == {label}
    checks = CrossChecks(Matrix(court.checks), court.gate, most=16, within_s=60)
    standing = await court.context.entries()
    assert await checks.between(admitted.entry, [], standing, task="patch-1") == []
    assert (await court.patch(MEND)).settled == "admitted"


@ONE_KIND
async def test_a_failed_attempt_is_executed_with_its_changes(court):
    attempt = await court.diff_of("sed -i 's/-/*/' pkg/core.py")
    ran = {"form": "command", "command": ADD, "exit_status": 1, "output": "AssertionError"}
    failed = await court.say("FAIL", **ran, changes=attempt)
    assert failed.settled == "admitted", failed.reason
    assert await court.checks.still_holds(failed.entry)
    mended = await court.say("FAIL", **ran, changes=MEND)
    assert "exit status 1 is claimed" in mended.reason
    broken = await court.say("FAIL", **ran, changes=MEND.replace("a - b", "nothing like it"))
    assert "does not apply" in broken.reason
    again = await court.say("FAIL", **ran)  # of the base commit: another finding
    assert again.settled == "admitted"
    assert again.entry.label != failed.entry.label
