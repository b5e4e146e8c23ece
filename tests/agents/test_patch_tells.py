"""Code of a patch that looks at its caller, or answers whatever it is asked, is refused."""

import pytest

from agents.admission.evidence import Refused
from agents.admission.patch_tells import judge_added_code

OLD = "LIMIT = 3\n\n\ndef add(a, b):\n    return a - b\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import sys; sys.exit(0)", "ends the interpreter"),
        ("import sys; x = sys.argv", "who runs it"),
        ("x = open(__file__).read()", "its own file"),
        ("import os; os._exit(0)", "ends the interpreter"),
        ("import pytest; pytest.skip('no')", "test framework"),
        ("class A:\n    def __eq__(self, other): return True", "comparison"),
        ("import json; json.dumps = repr", "not its own"),
        ("import sys; x = sys._getframe(1)", "frames"),
    ],
)
def test_code_that_asks_who_runs_it_is_refused(line, why):
    with pytest.raises(Refused, match=why):
        judge_added_code("pkg/core.py", OLD, f"{OLD}{line}\n")
    judge_added_code("pkg/core.py", f"{OLD}{line}\n", f"{OLD}{line}\n{line}\n")
