"""What an output is said to be is compared with what was printed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.admission.expected_output import like_it, missing_line, said, varying_places
from harness.types import ExecResult

PYTEST = """\
============================= test session starts ==============================
collected 2 items

tests/test_a.py F.                                                       [100%]
<Thing object at 0x7f0c2b3a1d90> in /tmp/pytest-of-root/pytest-12/test_a0
E       AssertionError: 1 != 2
========================= 1 failed, 1 passed in 0.37s ==========================
"""


def holds(claimed: str, *outputs: str, seconds: float = 0.6) -> bool:
    """Whether what is claimed was printed in every run."""
    runs = [
        ExecResult(exit_status=0, output=output, output_bytes=len(output), seconds=seconds)
        for output in outputs
    ]
    varying = varying_places(runs)
    return not any(missing_line(claimed, output, varying) for output in outputs)


@pytest.mark.parametrize(
    "claimed",
    [
        "AssertionError: 1 != 2",
        "E  AssertionError: 1 != 2",
        "AssertionError",
        "collected 2 items\n\n   AssertionError: ... != 2\n1 failed, 1 passed",
        "1 failed, 1 passed in 1.01s",
        "== 1 failed, 1 passed in 0.4s ==",
        "1 failed",
        "... in /tmp/pytest-of-me/pytest-0/test_a0",
        "collected…items\n...\nAssertionError...",
        "=== test session starts ===",
        "tests/test_a.py F.",
        "",
    ],
)
def test_a_claim_that_agrees_with_the_output_is_found(claimed):
    assert holds(claimed, PYTEST)


@pytest.mark.parametrize(
    ("claimed", "missing"),
    [
        ("AssertionError: 1 != 3", "AssertionError: 1 != 3"),
        ("1 failed\ncollected 2 items", "collected 2 items"),
        ("collected 2 items\ncollected 2 items", "collected 2 items"),
        ("2 passed...failed", "2 passed...failed"),
        ("a == b", "a == b"),
        ("Assertion", "Assertion"),
        ("1 passed", "1 passed"),
    ],
)
def test_a_claim_that_does_not_is_named(claimed, missing):
    assert missing_line(claimed, PYTEST) == missing


@pytest.mark.parametrize(
    ("claimed", "printed"),
    [
        ("49 passed...", "49 passed in 3.0s"),
        ("refused: ...", "refused: unsupported operand type(s) for -: 'str' and 'int'"),
        ("...passed...", "12 passed, 3 deselected in 0.1s"),
        ("12 passed", "12 passed, 1 warning in 0.1s"),
        ("Ran 3 tests", "Ran 3 tests in 0.001s"),
        ("OK", "OK (skipped=3)"),
        ("FAILED t/test_a.py::test_b", "FAILED t/test_a.py::test_b - assert not 1"),
        ("ValidationError: no", "django.core.exceptions.ValidationError: no"),
        ("it is 0", "AssertionError: it is 0"),
        ("no title", "/testbed/a.rst:3: WARNING: no title"),
        ("it began", "2026-01-01 10:00:00,123 INFO it began"),
        ("...a.py:12: AssertionError", "tests/x/a.py:12: AssertionError"),
        ('File "...", line 3, in f', '  File "/testbed/a.py", line 3, in f'),
        ("a ... end", "a disk under a union, until the end"),
        ("{'a': 1, ...}", "{'a': 1, 'b': 2}"),
        ("a line\nanother", "\x1b[31ma line\x1b[0m\r\nbetween\n\tanother  "),
        ("test_a (t.T) ... ok", "test_a (t.T) ... ok"),
    ],
)  # fmt: skip
def test_a_part_of_a_line_is_enough_where_the_rest_is_a_tools_mark_or_a_gap(claimed, printed):
    assert holds(claimed, printed)


@pytest.mark.parametrize(
    ("claimed", "printed"),
    [
        ("timeout 5 s", "timeout 31 s"),
        ("8 passed", "18 passed in 0.1s"),
        ("8 passed...", "18 passed in 0.1s"),
        ("is valid", "is valid: False"),
        ("is valid...", "is valid: False"),
        ("is ... valid", "is not valid"),
        ("the test ... ran", "the test hasn't ever ran"),
        ("ValueError ... raised", "ValueError was not raised"),
        ("x ... 2", "x != 2"),
        ("x ... 2", "x > 2"),
        ("valid", "invalid"),
        ("...valid", "in-valid"),
        ("...valid", "!valid"),
        ("done", "not done"),
        ("the value is 7", "once the value is 7"),
        ("is done", "is done by nobody"),
        ("...5", "timeout 31.5"),
        ("value ...5", "value -5"),
        ("1...", "1.5"),
        ("5...", "5% of it"),
        ("1...0", "100"),
        ("3 ... passed", "3 failed, 2 passed"),
        ("1 ... passed in ...", "1 skipped, 18 passed in 0.1s"),
        ("...passed...", "2 failed, 3 passed in 0.1s"),
        ("a ... b ... c ... d ... e ... f", "a 1 b 1 c 1 d 1 e 1 f"),
        ("t...u...t", "timeout: 31"),
        ("at 0xdeadbeef", "at 0xcafebabe"),
        ("since 2026-01-01", "since 2025-01-01"),
        ("Title\n====", "Title\n====="),
        ("it is wrong", "NoError: it is wrong"),
        ("it ... so", "it is untrue that so"),
        ("it is ... so", "it is unlike so"),
        ("parser:\n  value 9", "parser:\n  value 5\nwriter:\n  value 9"),
    ],
)
def test_another_value_or_a_part_that_says_something_else_is_not_there(claimed, printed):
    assert not holds(claimed, printed)


def test_lines_of_the_same_form_may_be_left_out_where_that_is_said():
    assert holds("parser:\n...\n  value 9", "parser:\n  value 5\nwriter:\n  value 9")


@pytest.mark.parametrize(
    ("claimed", "outputs", "seconds", "true"),
    [
        ("took 0.31s", ("took 0.30s", "took 0.41s"), 0.6, True),
        ("took 4.9 s", ("took 0.000001 s", "took 0.000002 s"), 0.6, False),
        ("took 0.0001 s", ("took 0.00003 s", "took 0.00002 s"), 0.6, True),
        ("took 90s", ("took 0.30s", "took 0.41s"), 0.6, False),  # no machine is so busy
        ("took 0.31s", ("took 0.30s", "took 0.30s"), 0.6, False),  # a constant
        ("took 5 s", ("took 31.0 s", "took 31.1 s"), 0.6, False),  # longer than the run: no time
        ("3 passed in 0.02s", ("3 passed in 0.01s",) * 2, 0.6, True),
        ("3 passed in 5.00s", ("3 passed in 31.00s",) * 2, 0.6, False),
        ("Ran 3 tests in 0.002s", ("Ran 3 tests in 0.001s",) * 2, 0.6, True),
        ("<T at 0x7f0000>", ("<T at 0x7f1111>", "<T at 0x7f2222>"), 0.6, True),
        ("<T at 12:00:00>", ("<T at 0x7f1111>", "<T at 0x7f2222>"), 0.6, False),
        ("at 10:00:01", ("at 12:31:59", "at 12:32:00"), 0.6, True),
        ("is 1", ("is 1", "is 2"), 0.6, False),
        ("2 of 3 in 1 s", ("2 of 3 in 1 s", "2 of 4 in 2 s"), 2.0, False),
    ],
)
def test_only_times_and_names_that_differ_from_run_to_run_may_differ(
    claimed, outputs, seconds, true
):
    assert holds(claimed, *outputs, seconds=seconds) == true


def test_a_refusal_shows_the_line_that_is_like_the_claimed_one():
    assert "'is valid: False'" in like_it("is valid", "first\nis valid: False\nlast")
    assert "'timeout 31 s'" in like_it("timeout 5 s", "first\ntimeout 31 s")
    assert like_it("nothing like it", "first\nlast") == ""


@given(st.lists(st.text("abc 01=._", min_size=1, max_size=9), max_size=9), st.data())
def test_lines_of_an_output_in_their_order_are_always_found_in_it(lines, data):
    kept = [line if data.draw(st.booleans()) else "..." for line in lines]
    assert missing_line("\n".join(kept), "\n".join(lines)) == ""


@given(st.text("abc 01", min_size=1, max_size=9), st.data())
def test_a_line_with_one_character_more_is_another(line, data):
    at = data.draw(st.integers(0, len(line)))
    other = line[:at] + data.draw(st.sampled_from("abc01")) + line[at:]
    assert not line.strip() or not holds(line, other)


def test_gaps_and_volatile_bits_say_nothing():
    assert said("... \n0x7f0c2b3a1d90 … in 0.3s\n") == len("in")
    assert said("-" * 70 + "\nab c") == 3


@pytest.mark.parametrize(
    ("claimed", "printed"),
    [
        ("a ... a ... a ... a ... b", "a " * 100_000),
        ("5 s", "5 s " * 20_000),
        ("Error: it", "a." * 100_000 + "Error: it"),
        ("\n".join(["line ... 9"] * 900), "line 8\n" * 10_000),
        ("x in 1s", "/tmp/pytest-of-" * 13_000),
    ],
)
def test_no_output_holds_up_the_others(claimed, printed):
    began = time.process_time()
    holds(claimed, printed)
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize(
    ("expected", "line", "there"),
    [
        ("{'a': ... 31}", "{'a': 5, 'b': 31}", False),
        ("a: ... 31", "a: 5, b: 31", False),
        ("a=...31", "a=5 b=31", False),
        ("value is ... ok", "value is wrong, other: ok", False),
        ("{'a': ... 'b': 31}", "{'a': 5, 'b': 31}", True),
        ("{'a': 5, ... 31}", "{'a': 5, 'b': 31}", True),
        ("Error: ... be 31", "Error: has to be 31", True),
    ],
)
def test_a_gap_gives_no_value_to_another_key(expected, line, there):
    assert (missing_line(expected, line) == "") == there


@pytest.mark.parametrize(
    ("outputs", "claim", "holds"),
    [
        (["took 0.02 s"] * 12, "took 0.03 s", False),
        (["took 0.02 s", "took 0.04 s"], "took 0.03 s", True),
        (["at 12:30:01"] * 12, "at 12:30:02", False),
        (["5 lines in 0.02 s"] * 12, "5 lines in 0.03 s", False),
        (["5 passed in 0.02s"] * 12, "5 passed in 0.03s", True),
        (["Ran 5 tests in 0.002s"] * 12, "Ran 5 tests in 0.003s", True),
        (["it says 5 passed in 0.02s"] * 12, "it says 5 passed in 0.03s", False),
    ],
)
def test_what_is_equal_in_all_runs_is_compared_exactly(outputs, claim, holds):
    runs = [ExecResult(exit_status=0, output=each, output_bytes=0, seconds=1) for each in outputs]
    assert (missing_line(claim, outputs[0], varying_places(runs)) == "") == holds


def runs_that_print(*outputs: str) -> list[ExecResult]:
    return [ExecResult(exit_status=0, output=each, output_bytes=9, seconds=1) for each in outputs]


def test_a_time_is_said_where_it_does_not_vary_from_run_to_run():
    assert said("0:15:00", varying_places(runs_that_print("0:15:00", "0:15:00"))) == 7
    assert said("0:15:00", varying_places(runs_that_print("0:15:00", "0:15:01"))) == 0


def test_a_duration_that_a_command_measured_supports_an_order_alone():
    varying = varying_places(runs_that_print("took 0.0001 s", "took 0.0002 s"))
    assert missing_line("took 0.0011 s", "took 0.0001 s", varying) == ""
    assert missing_line("took 0.049 s", "took 0.0001 s", varying) == "took 0.049 s"
