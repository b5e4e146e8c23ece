"""What evidence is taken, what a quote and an output match, what a command is: no sandbox."""

import json
import random
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.admission.changes import Change, is_test
from agents.admission.checks import bounded
from agents.admission.evidence import Refused, judge_evidence, key_of, normal_gist
from agents.admission.gist_check import read_verdict
from agents.admission.matching import lines_of, not_there, places, quoted
from agents.admission.patch_checks import judge_changes
from agents.admission.shell_words import normal_command, nothing_ran, only_reads, spells
from agents.admission.shell_words import test_id as first_test_id  # pytest would collect it
from harness.analysis.overlap import files_of
from harness.board.evidence import (
    EVIDENCE,
    Command,
    Part,
    Patch,
    Quotation,
    Quotations,
    Span,
    reason_of,
)
from harness.board.sql_context import read_evidence

SPAN = {"form": "span", "path": "a.py", "line": 3, "quote": "    return 1", "state": "base"}
QUOTED = Span(path="a.py", line=3, quote="    return 1")
RAN = {"form": "command", "command": "pytest", "exit_status": 1, "output": "1 failed"}
QUOTES = {"form": "quotations", "builds_on": []}
DIFF = {"form": "patch", "diff": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "command": "pytest"}


def judged(kind, fields):
    evidence = EVIDENCE.validate_python(fields)
    judge_evidence(kind, evidence)
    return evidence


@pytest.mark.parametrize(
    ("kind", "evidence", "taken"),
    [
        ("FACT", SPAN, QUOTED),
        ("FACT", SPAN | {"path": "/testbed/./a.py"}, QUOTED),
        ("FACT", SPAN | {"state": "P4"}, QUOTED.model_copy(update={"state": "P4"})),
        ("FAIL", RAN, Command(command="pytest", exit_status=1, output="1 failed")),
        ("FACT", {k: RAN[k] for k in ("form", "command", "exit_status")},
         Command(command="pytest", exit_status=1, output="")),
        ("FACT", RAN | {"exit_status": 0, "output": "0:15:00"},
         Command(command="pytest", exit_status=0, output="0:15:00")),
        ("PATCH", DIFF, Patch(diff=DIFF["diff"], command="pytest")),
    ],
)  # fmt: skip
def test_evidence_that_can_prove_something_is_read(kind, evidence, taken):
    assert judged(kind, evidence) == taken


@pytest.mark.parametrize(
    ("kind", "evidence", "why"),
    [
        ("FACT", SPAN | {"quote": "  )\n  }\n"}, "says nothing"),
        ("FACT", SPAN | {"path": "/etc/passwd"}, "not a file of the repository"),
        ("FACT", SPAN | {"path": "a/../../x"}, "not a file of the repository"),
        ("FACT", SPAN | {"path": ".git/config"}, "not a file of the repository"),
        ("FACT", SPAN | {"path": ""}, "not a file of the repository"),
        ("FAIL", SPAN, "Give a command that fails (exit_status and output)"),
        ("FAIL", SPAN | {"state": "P4"}, "what stands there is a FACT"),
        ("CONSTRAINT", SPAN, "Give a command that passes now and has to go on passing"),
        ("FACT", RAN | {"command": "  "}, "needs a command"),
        ("FACT", RAN | {"exit_status": 0, "output": ""}, "exit status of 0 alone proves little"),
        ("FACT", RAN | {"exit_status": 0, "output": "...\n ... "}, "proves little"),
        ("FAIL", RAN | {"exit_status": 0}, "not 0"),
        ("CONSTRAINT", RAN, "passes at the base commit"),
        ("CONSTRAINT", RAN | {"command": "true", "exit_status": 0, "output": ""}, "proves little"),
        ("CONSTRAINT", RAN | {"exit_status": 0, "state": "P1"}, "passes at the base commit"),
        ("PATCH", SPAN, "A PATCH needs evidence of the form 'patch'"),
        ("FACT", DIFF, "nothing else may have it"),
        ("PATCH", DIFF | {"diff": " \n"}, "empty"),
        ("PATCH", DIFF | {"diff": "I changed a line"}, "no unified diff"),
    ],
)
def test_evidence_that_cannot_is_refused_in_words(kind, evidence, why):
    with pytest.raises(Refused) as refused:
        judged(kind, evidence)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ({}, "discriminator 'form'"),
        ({"form": ["span"]}, "'form' does not match any of the expected tags"),
        (SPAN | {"lines": 3}, "span.lines: Extra inputs are not permitted"),
        ({"form": "span", "path": "a.py"}, "span.quote: Field required"),
        (SPAN | {"quote": 3}, "span.quote: Input should be a valid string"),
        (SPAN | {"quote": "a\0bcd"}, "The field 'quote' of the evidence holds a NUL character"),
        (SPAN | {"line": "three"}, "span.line: Input should be a valid integer"),
        (SPAN | {"line": True}, "span.line: Input should be a valid integer"),
        (SPAN | {"line": -1}, "span.line: Input should be greater than or equal to 0"),
        (SPAN | {"quote": "x" * 10_000_000}, "The quote is too long"),
        (SPAN | {"quote": "é" * 10_001}, "at most 100 lines and 10000 characters"),
        (SPAN | {"quote": "abcd\n" * 101}, "The quote is too long"),
        (RAN | {"command": "x" * 20_001}, "The command is too long"),
        (RAN | {"output": "x" * 10_001}, "The expected output is too long"),
        (DIFF | {"diff": "é" * 180_001}, "The patch is longer than 180000 characters"),
        (QUOTES | {"quotations": [{"label": "F1", "quote": "é" * 2_001}]},
         "A quotation has at most 2000 characters"),
        (QUOTES | {"quotations": [{"label": "F1", "quote": "x"}] * 9}, "at most 8 quotations"),
    ],
)  # fmt: skip
def test_what_is_beyond_a_bound_is_no_evidence(evidence, why):
    with pytest.raises(ValidationError) as refused:
        EVIDENCE.validate_python(evidence)
    assert why in reason_of(refused.value)
    assert len(reason_of(refused.value)) < 500


@pytest.mark.parametrize(
    "evidence",
    [
        SPAN | {"quote": "é" * 10_000},
        SPAN | {"quote": "abcd\n" * 100},
        RAN | {"command": "é" * 20_000, "output": "é" * 10_000},
        DIFF | {"diff": "é" * 179_999 + "\n"},
        QUOTES | {"quotations": [{"label": " F1\n", "quote": "é" * 2_000}] * 8},
    ],
)
def test_what_is_within_its_bounds_is_taken_and_the_same_when_it_is_read(evidence):
    made = EVIDENCE.validate_python(evidence)
    assert read_evidence(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ('{"form": "span", "path": "/testbed/a.py", "line": 3, "quote": "    return 1", '
         '"state": "base"}', QUOTED),
        ('{"form": "command", "command": "pytest", "exit_status": 1, "output": "1 failed", '
         '"state": "P4"}',
         Command(command="pytest", exit_status=1, output="1 failed", state="P4")),
        ('{"form": "patch", "diff": "--- a/x\\n\\u00e9", "command": "pytest"}',
         Patch(diff="--- a/x\né", command="pytest")),
        ('{"form": "part", "start": 0, "end": 9, "claims": 2, "refused": 1}',
         Part(start=0, end=9, claims=2, refused=1)),
        ('{"form": "quotations", "quotations": [{"label": "F1", "quote": "a b c"}], '
         '"builds_on": ["F2"]}',
         Quotations(quotations=(Quotation(label="F1", quote="a b c"),), builds_on=("F2",))),
    ],
)  # fmt: skip
def test_evidence_that_stands_on_an_old_board_is_read_as_it_was_written_then(stored, read):
    assert read_evidence(stored) == read


def test_what_was_taken_under_wider_bounds_is_still_read():
    said = {"form": "quotations", "quotations": [{"label": "F1", "quote": "x" * 9_000}] * 20}
    assert len(read_evidence(json.dumps(said)).quotations) == 20
    assert read_evidence(json.dumps(SPAN | {"quote": "a\0" * 50_000})).quote == "a\0" * 50_000


texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
                 min_size=1, max_size=12).map("\n".join)  # fmt: skip


def found(text: str, quote: str) -> list[int]:
    return places(lines_of(text), quoted(quote)[0])


@given(st.data(), texts)
def test_a_true_span_is_always_found_where_it_is(data, text):
    lines = text.split("\n")
    first = data.draw(st.integers(1, len(lines)))
    last = data.draw(st.integers(first, len(lines)))
    quote = "\n".join(lines[first - 1 : last])
    assume(quote.strip())
    shift = quoted(quote)[1]
    assert first + shift in found(text, quote)
    assert first + shift in found(text.replace("\n", " \t\r\n"), quote)
    assert first + shift in found(text, quote.replace("\n", "\r\n") + "  \n")


@given(st.data(), texts)
def test_an_altered_span_is_never_found(data, text):
    lines = text.split("\n")
    first = data.draw(st.integers(0, len(lines) - 1))
    quote = "\n".join(lines[first : first + 2])
    at = data.draw(st.integers(0, len(quote)))
    altered = quote[:at] + data.draw(st.sampled_from("xyz (#")) + quote[at:]
    squeezed = "\n".join(line.rstrip() for line in text.split("\n"))
    assume("\n".join(line.rstrip() for line in altered.split("\n")).strip("\n") not in squeezed)
    assume(altered.strip())
    assert found(text, altered) == []


def test_indentation_counts_and_only_a_line_feed_ends_a_line():
    assert found("    return 1\n", "return 1") == []
    assert found("a = '\u2028\x0c'\nb = 2\n", "b = 2") == [2]
    assert found("x = 1\ny\nx = 1\ny\n", "x = 1\ny") == [1, 3]


def test_a_quote_at_another_line_is_told_the_right_one():
    lines = ["a", "b", "wanted", "d"]
    reason = not_there("f.py", lines, ["wanted"], 2, [3])
    assert "not begin at line 2 of f.py but at 3" in reason
    assert "     2  b" in reason


def test_a_wrong_quote_is_shown_what_stands_there_and_what_is_near():
    lines = ["def add(a, b):", "    return a - b", "x" * 5000]
    reason = not_there("f.py", lines, ["def add(a, c):"], 2, [])
    assert "     2      return a - b" in reason
    assert "     1  def add(a, b):" in reason
    assert "The file has 3 lines." in not_there("f.py", lines, ["nothing like it"], 9, [])
    assert len(not_there("f.py", lines, ["y" * 90] * 99, 3, [])) < 1000
    assert "Leave out the line numbers" in not_there("f.py", lines, ["12: def add(a, b):"], 0, [])


def two_letters(lines: int) -> list[str]:
    """Lines that share most of their letters with "abcabc…", and whose comparison takes long."""
    chance = random.Random(2)
    return ["".join(chance.choice("ab") for _ in range(160)) for _ in range(lines)]


@pytest.mark.parametrize(
    "search",
    [
        lambda: not_there("f.py", two_letters(400), ["abc" * 53], 0, []),
        lambda: first_test_id("a" * 40_000),
        lambda: only_reads("<<" + "a" * 40_000),
        lambda: files_of("<<" + "a" * 40_000),
    ],
    ids=["a quote", "a test", "a command", "a command of a finished trial"],
)
def test_no_text_of_an_agent_holds_up_the_others(search):
    """All agents of a run share the event loop in which these are called."""
    began = time.process_time()
    search()
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize(
    "command",
    [
        "grep -q x a.py", "cat a.py | head -3 && wc -l < a.py", "test -f x; [ 1 = 1 ]",
        "git diff --quiet", "cd src && ! grep x y", "if grep -q python a; then exit 1; fi",
        "bash -c 'grep x y'", "find . -name '*.py' -exec grep x {} +", "ls | xargs -n 1 cat",
        "timeout 5 sed -n 3p a.py", "/usr/bin/grep x y", "X=1 echo hi", "[ $(grep -c x y) = 3 ]",
        "cat <<'EOF'\npython -m pytest\nEOF", "true", "false", "for f in *.py; do cat $f; done",
        "grep x y > python", "diff <(cat a) <(cat b)", "echo `cat a`",
    ],
)  # fmt: skip
def test_a_command_that_only_reads_is_told(command):
    assert only_reads(command)


@pytest.mark.parametrize(
    "command",
    [
        "python -c 'import a'", "pytest -q", "./tests/runtests.py x", "make test", "cd x && tox",
        "cat <<'EOF' > t.py\nassert 1\nEOF\npython t.py", "bash -c 'python t.py'", "bash t.sh",
        "env X=1 timeout 5 python t.py", "python - <<'EOF'\nimport it's\nEOF",
        '[ "$(python t.py)" = 3 ]', "git stash; `python t.py`", "find . -exec python {} \\;",
        "grep x 'unbalanced", "if python t.py; then exit 1; fi", "PYTHONPATH=. python t.py",
    ],
)  # fmt: skip
def test_a_command_that_runs_something_is_not(command):
    assert not only_reads(command)


def test_a_command_that_may_print_its_own_words_is_suspected():
    assert spells("echo 'the bug' is in x.py", "the bug is in x.py")
    assert spells("printf '%s %s' bug here", "bug here")
    assert spells("exit 3", "")
    assert not spells("python -m flask --version", "Flask 2.2.3")


def test_what_ran_nothing_proves_nothing():
    assert nothing_ran("no-such-program", 127)
    assert nothing_ran("python -m pytest tests/none.py", 4)
    assert not nothing_ran("python t.py", 4)
    assert not nothing_ran("pytest", 1)


def test_the_same_finding_has_the_same_key_and_another_has_not():
    fail = Command(command="pytest -q t.py::test_a", exit_status=1, output="", state="P4")
    said_otherwise = Command(
        command="python -m pytest", exit_status=1, output="FAILED t.py::test_a - x", state="P4"
    )
    assert key_of("FAIL", fail) == key_of("FAIL", said_otherwise)
    assert key_of("FAIL", fail) != key_of("FACT", fail)
    other_state = Command(command=fail.command, exit_status=1, output="", state="P5")
    assert key_of("FAIL", fail) != key_of("FAIL", other_state)
    span = Span(path="a.py", line=0, quote="x = 1\ny = 2\n")
    assert key_of("FACT", span, first=7) == "FACT span base a.py:7-8"
    places = Quotations(quotations=())
    assert key_of("FACT", places, gist="`a` is 3.") == key_of("FACT", places, gist="A is 3")
    assert key_of("FACT", places, gist="a is 3") != key_of("FACT", places, gist="a is 4")
    one, two = Patch(diff="a", command="x"), Patch(diff="a", command="y")
    assert key_of("PATCH", one) == key_of("PATCH", two)


def test_gists_and_commands_are_compared_without_what_makes_no_difference():
    assert normal_gist("`add` subtracts,  in core.py.") == normal_gist("Add subtracts in core.py")
    assert normal_gist("x < 3") != normal_gist("x > 3")
    assert normal_command("cd /testbed &&  pytest   -q ") == "pytest -q"
    assert first_test_id("FAILED /testbed/t/test_a.py::T::test_b[x-1] - E") == (
        "t/test_a.py::T::test_b[x-1]"
    )


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("tests/a.txt", True), ("pkg/test/x.py", True), ("testing/x.py", True),
        ("a/x_test.py", True), ("conftest.py", True), ("a/tests.py", True), ("a/test_x.py", True),
        ("src/contest.py", False), ("src/testing.py", False), ("src/latest_x.py", False),
        ("attest/x.py", False),
        ("test_x.txt", False), ("src/_pytest/x.py", False),
    ],
)  # fmt: skip
def test_test_files_are_told_by_their_path(path, test):
    assert is_test(path) is test


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([], "changes nothing"),
        ([("tests/test_a.py", "M", "100644")], "a test file that exists"),
        ([("a.py", "M", "100644"), ("tests/test_a.py", "D", "000000")], "a test file that exists"),
        ([("tests/test_new.py", "A", "100644")], "tests only"),
        ([("x", "A", "120000")], "a link"),
        ([("x", "A", "160000")], "a link or a submodule"),
    ],
)
def test_what_a_patch_may_not_change_is_refused(changes, why):
    with pytest.raises(Refused, match=why):
        judge_changes([Change(path=p, status=s, mode=m) for p, s, m in changes])


def test_a_patch_may_bring_new_tests():
    judge_changes(
        [
            Change(path="a.py", status="M", mode="100644"),
            Change(path="tests/test_new.py", status="A", mode="100644"),
        ]
    )


def test_a_checkers_answer_is_read_or_unreadable():
    assert read_verdict(" APPROVED.") == ""
    assert "no number is shown" in read_verdict("WRONG: no number\nis shown")
    assert read_verdict("I think it is APPROVED") is None


def test_what_was_seen_is_kept_up_to_a_bound():
    assert bounded("x" * 8000) == "x" * 8000
    long = bounded("a" * 5000 + "b" * 5000)
    assert len(long) <= 8000
    assert long.startswith("aaa")
    assert long.endswith("bbb")


def test_a_test_command_that_passes_is_a_constraint_by_its_exit_status_alone():
    given = RAN | {"command": "python -m pytest -q tests", "exit_status": 0, "output": ""}
    assert isinstance(judged("CONSTRAINT", given), Command)
    with pytest.raises(Refused, match="proves little"):
        judged("FACT", given)
