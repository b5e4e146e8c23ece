"""What agents have in common: read from words that nobody promised would be well formed."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.overlap import (
    commands_run,
    files_of,
    files_opened,
    jaccard,
    lines_patched,
    mean_overlap,
    normal,
    tool_calls,
)


def said(name: str, **arguments: object) -> dict:
    return {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "function": {"name": name, "arguments": json.dumps(arguments)}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("cat a.py", {"a.py"}),
        ("cd /testbed && sed -n '1,20p' src/b.py | head", {"src/b.py"}),
        ("cd src && cat flask/a.py; cat ../b.py:12", {"src/flask/a.py", "b.py"}),
        ("python -m pytest -q tests/test_a.py::T::test_x[1-2]", {"tests/test_a.py"}),
        ("grep -n x ./a.py \\\n  /testbed/b.cfg", {"a.py", "b.cfg"}),
        ("cat <a.py >b.py 2>>c.py", {"a.py"}),
        ("for f in $(git ls-files a.c); do cat x/y.weird; done", {"a.c", "x/y.weird"}),
        ("cat > x.py <<'END'\nopen('a.py')\ncat b.py\nEND\ncat c.py", {"c.py"}),
        ("python -c 'print(open(\"a.py\").read())'", set()),
        ("python -m unittest os.path numpy.linalg", set()),
        ("cat /tmp/a.py ~/b.py ../c.py /etc/d.conf", set()),
        ("curl https://example.org/a.py; ls *.py $HOME/a.py --file=a.py", set()),
        ("cd /tmp; cat a.py", set()),
        ("cat 'a.py", set()),  # the quote never ends
        ("", set()),
        ("\0\x1b]", set()),
    ],
)
def test_files_are_what_the_words_of_a_command_name(command, files):
    assert files_of(command) == files


def test_a_view_an_edit_and_a_command_open_files_and_other_tools_do_not():
    messages = [
        {"role": "user", "content": "look at z.py"},
        said("view", path="/testbed/src/a.py", first="1"),
        said("edit", path="src/./b.py", old="x", new="cat c.py"),
        said("bash", command="cat d.py"),
        said("publish", path="e.py"),
        said("view", path="/etc/passwd"),
    ]
    assert files_opened(messages) == {"src/a.py", "src/b.py", "d.py"}


def test_calls_that_nobody_can_read_are_passed_over():
    broken = [
        {"role": "assistant", "tool_calls": None},
        {"role": "assistant", "tool_calls": [{}, {"function": None}, {"function": {"name": "b"}}]},
        {"tool_calls": [{"function": {"name": "bash", "arguments": "{"}}]},
        {"tool_calls": [{"function": {"name": "bash", "arguments": "[1]"}}]},
        {"tool_calls": [{"function": {"name": "bash", "arguments": "[" * 100_000}}]},
        {"tool_calls": [{"function": {"name": "bash", "arguments": '{"command": 7}'}}]},
        {"tool_calls": [{"function": {"name": "view", "arguments": "{}"}}]},
    ]
    assert [name for name, _ in tool_calls(broken)] == ["bash", "view"]
    assert files_opened(broken) == set()
    assert commands_run(broken) == {"7"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ls  -l", "ls -l"),
        ("cd /testbed && ls", "ls"),
        ("cd /testbed/;ls", "ls"),
        ("cd /testbed\nls", " ls\n\n"),
    ],
)
def test_commands_that_differ_in_nothing_that_matters_are_the_same(one, other):
    assert normal(one) == normal(other)
    assert commands_run([said("bash", command=one), said("bash", command=other)]) == {normal(one)}


def test_commands_that_go_elsewhere_or_take_more_lines_are_not_the_same():
    assert normal("cd /testbed/src && ls") == "cd /testbed/src && ls"
    assert normal("ls\npwd") != normal("ls pwd")


CHANGED = """diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,4 +1,5 @@
 one
-two
+TWO
+TWO AND A HALF
 three
 four
@@ -10,0 +12,1 @@
+behind ten
"""
NEW = (
    "diff --git a/n.py b/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/n.py\n"
    "@@ -0,0 +1,2 @@\n+a\n+b\n"
)
GONE = (
    "diff --git a/g.py b/g.py\ndeleted file mode 100644\n--- a/g.py\n+++ /dev/null\n"
    "@@ -1,2 +0,0 @@\n-a\n-b\n"
)
MOVED = "diff --git a/a.py b/c.py\nsimilarity index 100%\nrename from a.py\nrename to c.py\n"
BINARY = (
    "diff --git a/x.png b/x.png\nnew file mode 100644\nindex 0000000..1111111\n"
    "GIT binary patch\nliteral 10\nRcmZQzWMT#Y01f~L0RR91\n\nliteral 0\nHcmV?d00001\n\n"
)
DIFFERS = "diff --git a/y.gif b/y.gif\nindex 1..2 100644\nBinary files a/y.gif and b/y.gif differ\n"


@pytest.mark.parametrize(
    ("patch", "lines"),
    [
        (CHANGED, {("a.py", 2), ("a.py", 10)}),
        (NEW, {("n.py", 0)}),
        (GONE, {("g.py", 1), ("g.py", 2)}),
        (MOVED, {("c.py", 0)}),
        (BINARY, {("x.png", 0)}),
        (DIFFERS, {("y.gif", 0)}),
        ("", set()),
        ("no diff at all", None),
        ("--- a/a\n+++ b/a\n@@ -1,5 +1 @@\n-x\n", None),  # it ends before its hunk does
    ],
)
def test_lines_are_those_of_the_base_commit(patch, lines):
    assert lines_patched(patch) == lines


def test_two_patches_of_one_line_meet_whatever_they_make_of_it():
    mine = lines_patched(CHANGED)
    other = lines_patched(CHANGED.replace("TWO\n", "ZWEI\n").replace("behind", "after"))
    assert mine == other


def test_overlap_is_the_mean_over_pairs_that_have_one():
    assert jaccard({1, 2, 3}, {2, 3, 4}) == 0.5
    assert jaccard(set(), {1}) == 0
    assert jaccard(set(), set()) is None
    # pairs: 1/2, 0, 0
    assert mean_overlap([{1, 2}, {1}, set()]) == pytest.approx(1 / 6)
    assert mean_overlap([{1}, {1}, set(), set()]) == pytest.approx(1 / 5)  # one pair has none
    assert mean_overlap([{1}]) is None
    assert mean_overlap([set(), set()]) is None
    assert mean_overlap([]) is None


@given(st.text(max_size=200))
def test_any_text_is_a_command_and_names_only_files_in_the_repository(text):
    for path in files_of(text):
        assert not path.startswith(("/", "../"))


@pytest.mark.parametrize(
    "command",
    ["cat " + ":1" * 50_000 + "x", "<<a\n" * 20_000, "a.py " * 20_000, "((" * 50_000, "'" * 99_999],
)
def test_a_command_that_is_meant_to_take_long_does_not(command):
    began = time.monotonic()
    files_of(command)
    assert time.monotonic() - began < 5
