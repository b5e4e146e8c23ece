"""What a failing command shows of the code, and what is a mistake of its own."""

import pytest

from agents.admission.failures import asks_for, own_mistake
from agents.admission.watched_runs import Fault, Trace
from harness.board.evidence import Command
from harness.types import ExecResult

MISSING = "seconds() missing 1 required positional argument: 'text'"
STACK = 'Current thread 0x1 (most recent call first):\n  File "{}", line 3 in f\n'


def mistake(
    *faults: Fault, status: int = 1, stacks: str = "", issue: str = "", command: str = "python t.py"
) -> str:
    """What of the command's own failed."""
    run = ExecResult(exit_status=status, output="", output_bytes=0, seconds=1)
    seen = Trace(run=run, python_ran=True, own_ran=True, imported=True, calls=(), faults=faults,
                 stacks=stacks)  # fmt: skip
    return own_mistake(Command(command=command, exit_status=status, output=""), seen, issue)


def fault(error: str, message: str = "", by: str = "own", how: str = "") -> Fault:
    return Fault(error=error, message=message, by=by, how=how)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("ZeroDivisionError", "division by zero"),
        ("TypeError", MISSING),
        ("NameError", "name 'secnods' is not defined"),
        ("KeyError", "b"),
        ("IndexError", "list index out of range"),
        ("ModuleNotFoundError", "No module named 'my_checks'"),
    ],
)
def test_an_error_in_the_commands_own_line_is_its_mistake(error, message):
    assert mistake(fault(error, message)) == f"{error}: {message}"
    assert not mistake(fault(error, message, by="code"))
    assert not mistake(fault(error, message, how="raises"))
    assert mistake(fault("AssertionError", how="asserts"), fault(error, message))


def test_an_assertion_is_no_mistake():
    assert not mistake(fault("AssertionError", "1 != 2", how="asserts"))


@pytest.mark.parametrize(
    ("place", "own"),
    [
        ("<string>", True),
        ("/tmp/t.py", True),
        ("/testbed/tests/test_new.py", True),
        ("/testbed/t.py", True),
        ("/testbed/pkg/core.py", False),
        ('/usr/lib/python3/re.py", line 1 in g\n  File "/testbed/pkg/core.py', False),
        ('/usr/lib/python3/re.py", line 1 in g\n  File "<stdin>', True),
    ],
)
def test_a_command_that_waits_by_itself_until_it_is_ended_is_told(place, own):
    assert bool(mistake(status=124, stacks=STACK.format(place))) == own
    assert mistake(status=124)


@pytest.mark.parametrize(
    ("message", "issue", "asked"),
    [
        ("add() got an unexpected keyword argument 'base'", "Let add take a `base`.", True),
        ("add() got an unexpected keyword argument 'base'", "It needs a `base`.", False),
        ("'Sum' object has no attribute 'total_of'", "Sum lacks total_of", True),
        ("'Sum' object has no attribute 'total_of'", "there is no total_of", False),
        ("module 'pkg.core' has no attribute 'total_of'", "core.total_of is missing", True),
        ("cannot import name 'total_of' from 'pkg.core'", "add total_of to pkg.core", True),
        ("cannot import name 'total_of' from 'pkg.core'", "add total_of", False),
        ("No module named 'pkg.more_of'", "pkg should have more_of", True),
        ("No module named 'pkg.more_of'", "there should be more_of", False),
        ("'Sum' object has no attribute 'total_of'", "", True),
    ],
)
def test_a_missing_name_counts_where_the_issue_has_its_owner(message, issue, asked):
    assert bool(mistake(fault("TypeError", message), issue=issue)) != asked


@pytest.mark.parametrize(
    ("issue", "asked"),
    [
        ("Everything is wrong, everything.", False),
        ("Add `everything` to it", True),
        ("It needs x.everything now", True),
        ("call everything() once", True),
        ("So:\n```\nthe everything\n```", True),
    ],
)
def test_a_word_of_english_is_no_name_that_an_issue_asks_for(issue, asked):
    assert asks_for("everything", issue) == asked


def test_a_name_that_is_no_word_may_stand_anywhere():
    assert asks_for("is_done", "there is no is_done")
    assert not asks_for("is_done", "it is done")
