"""The script of a guarded run holds the planted files, and stops at no failure."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.benchmarks.swebench.guard import same_change
from harness.benchmarks.swebench.guarded_script import GO_ON, guarded_script

SCRIPT = "set -ux\ngit apply x\n: '>>>>> Start Test Output'\n{}\n: '>>>>> End Test Output'\n"


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("pytest -x -rA a.py", "pytest  -rA a.py"),
        ("python -m pytest -xvs a.py", "python -m pytest -vs a.py"),
        ("pytest --maxfail=1 a.py --exitfirst", "pytest  a.py "),
        ("pytest --maxfail 2 --sw a.py", "pytest   a.py"),
        ("./tests/runtests.py --failfast a", "./tests/runtests.py  a"),
        ("pytest -rAx -p no:x -X dev a.py", "pytest -rAx -p no:x -X dev a.py"),
        ("pytest 'a.py::test[-x]'", "pytest 'a.py::test[-x]'"),
        ("set -x", "set -x"),
        ("tar -x -f a", "tar -x -f a"),
    ],
)
def test_no_option_ends_the_run_at_a_failure(command, runs):
    lines = guarded_script(SCRIPT.format(command), {}).split("\n")
    assert lines[:2] == ["set -ux", "git apply x"]
    assert lines[-4:] == [": '>>>>> Start Test Output'", runs, ": '>>>>> End Test Output'", ""]


@pytest.mark.parametrize("options", ["-x", "-q --maxfail=1", "--exitfirst", ""])
def test_nor_does_one_in_the_configuration(tmp_path, options):
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {options}\n")
    (tmp_path / "test_a.py").write_text(
        "def test_a():\n    assert 0\n\n\ndef test_b():\n    pass\n"
    )
    go_on = GO_ON.replace("/testbed", str(tmp_path))
    done = subprocess.run(
        ["bash", "-euc", f"{go_on}\n{sys.executable} -m pytest -rA -p no:cacheprovider || true"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "FAILED test_a.py::test_a" in done.stdout
    assert "PASSED test_a.py::test_b" in done.stdout


def test_files_are_written_just_before_the_tests(tmp_path):
    script = guarded_script(SCRIPT.format("run"), {"a b/test.py": "x = 'é'\n"})
    lines = script.split("\n")
    assert lines[2] == "rm -rf -- '/testbed/a b/test.py'"
    (tmp_path / "a b").mkdir()
    writing = "\n".join(lines[2:6]).replace("/testbed", str(tmp_path))
    subprocess.run(["bash", "-euc", writing], check=True)
    assert Path(tmp_path / "a b/test.py").read_text() == "x = 'é'\n"


GOLD = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n a\n \n-b\n+c\n"


@pytest.mark.parametrize(
    "text",
    [GOLD, GOLD.rstrip("\n"), GOLD + "\n\n", GOLD.replace("\n", "\r\n"),
     GOLD.replace("\n \n", "\n\n"), GOLD.replace("\n \n", "\n\n").replace("\n", "\r\n")],
)  # fmt: skip
def test_a_patch_that_was_copied_as_text_is_the_same_change(text):
    assert same_change(text, GOLD)


@pytest.mark.parametrize(
    "text",
    [GOLD.replace("+c", "+d"), GOLD.replace("+c", "+ c"), GOLD.replace("+c", "+c "),
     GOLD + "+d\n", GOLD.replace("\n a\n", "\na\n"), ""],
)  # fmt: skip
def test_one_that_says_something_else_is_not(text):
    assert not same_change(text, GOLD)
