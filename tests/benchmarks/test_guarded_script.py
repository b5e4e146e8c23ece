"""The script of a guarded run holds the planted files, and stops at no failure."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.benchmarks.swebench.guard.guarded_script import GO_ON, ReportPipe, guarded_script
from harness.benchmarks.swebench.guard.same_change import same_change

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
    start = lines.index(": '>>>>> Start Test Output'")
    assert lines[start + 1 : start + 3] == ["{ :", runs]
    assert lines[-2:] == [": '>>>>> End Test Output'", ""]


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


def test_what_the_tests_print_is_kept_in_a_file_and_stands_in_the_log_at_their_end(tmp_path):
    """Their standard output is no pipe, and no descriptor leads past the file."""
    (tmp_path / "a.py").write_text(
        "import os, stat, sys\n"
        "opened = [n for n in range(60) if os.path.exists(f'/proc/self/fd/{n}')]\n"
        "print(stat.S_ISREG(os.fstat(1).st_mode), [n for n in opened if n > 2 and n < 12])\n"
        "sys.exit(5)\n"
    )
    command = f"{sys.executable} {tmp_path}/a.py\nstatus=$?"
    script = guarded_script(SCRIPT.format(command) + 'echo "ended $status"', {})
    script = script.replace("/testbed", str(tmp_path)).replace("git apply x\n", "")
    done = subprocess.run(
        ["bwrap", "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
         "bash", "-c", script], capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if not line.startswith("+")]  # of `set -x`
    assert said == ["True []", "ended 5"]


def piped(tmp_path: Path, tests: str) -> tuple[str | None, str]:
    """The report, and the rest of the output, of a script that runs `tests` with $PIPE."""
    pipe = ReportPipe(path=str(tmp_path / "pipe"))
    script = guarded_script(SCRIPT.format(f"PIPE={pipe.path}\n{tests}"), {}, report=pipe)
    done = subprocess.run(
        ["bwrap", "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
         "bash", "-c", script.replace("/testbed", str(tmp_path)).replace("git apply x\n", "")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not Path(pipe.path).exists()
    return pipe.read(done.stdout)


def test_what_is_written_into_the_report_stands_before_the_log_and_cannot_be_taken_back(tmp_path):
    report, log = piped(tmp_path, "echo printed\necho one >> $PIPE\n(echo two >> $PIPE)")
    assert report.split() == ["one", "two"]
    lines = [line for line in log.splitlines() if line and not line.startswith("+ ")]
    assert lines == ["printed"]
    assert log.index(">>>>> Start Test Output") < log.index("printed")
    assert log.index("printed") < log.index(">>>>> End Test Output")


@pytest.mark.parametrize(
    "command",
    ["kill -KILL $report_reader", "rm -f $PIPE", "rm -f $PIPE; echo b > $PIPE",
     "mv $PIPE $PIPE.gone; mkfifo $PIPE"],
)  # fmt: skip
def test_a_pipe_that_nobody_reads_leaves_a_report_without_an_end(tmp_path, command):
    report, log = piped(tmp_path, f"{command}; echo printed")
    assert report is None
    assert "printed" in log


def test_lone_runs_come_before_the_files_are_written_and_leave_no_process(tmp_path):
    lines = guarded_script(SCRIPT.format("run"), {"t.py": ""}, "install", ["x=1"], ["lone"])
    lines = lines.split("\n")
    order = ["git apply x", "lone", "install", "rm -rf -- /testbed/t.py", "x=1", "run"]
    assert sorted(order, key=lines.index) == order
    plain = guarded_script(SCRIPT.format("run"), {"t.py": ""}, "install", ["x=1"])
    assert "\n".join(lines).count("kill -KILL") == plain.count("kill -KILL") + 1


def test_files_are_written_just_before_the_tests(tmp_path):
    script = guarded_script(SCRIPT.format("run"), {"a b/test.py": "x = 'é'\n"})
    lines = script.split("\n")
    first = lines.index("rm -rf -- '/testbed/a b/test.py'")
    assert first < lines.index(": '>>>>> Start Test Output'")
    (tmp_path / "a b").mkdir()
    writing = "\n".join(lines[first : first + 4]).replace("/testbed", str(tmp_path))
    subprocess.run(["bash", "-euc", writing], check=True)
    assert Path(tmp_path / "a b/test.py").read_text() == "x = 'é'\n"


def test_what_runs_beside_the_script_is_killed_before_the_files_are_written_and_at_the_end(
    tmp_path,
):
    """A process that has left the script is gone at both places; its own jobs go on."""
    left = "(setsid sleep 7{0} &); sleep 0.2"
    script = SCRIPT.format(f"{left.format(2)}; sleep 73 & own=$!").replace(
        "git apply x", f"{left.format(1)}; echo a > {tmp_path}/started"
    )
    script = guarded_script(script, {"test.py": ""}).replace("/testbed", str(tmp_path))
    lines = script.split("\n")
    lines.insert(lines.index(f"rm -rf -- {tmp_path}/test.py"), f"ps -eo args > {tmp_path}/before")
    lines.insert(lines.index(": '>>>>> End Test Output'"), f"ps -eo args > {tmp_path}/end")
    subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--tmpfs", "/tmp",
         "--bind", tmp_path, tmp_path, "--proc", "/proc", "--dev", "/dev", "bash",
         "-c", "\n".join([*lines, "kill $own"])],
        check=False, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "started").exists()
    assert "sleep 71" not in (tmp_path / "before").read_text().splitlines()
    assert "sleep 72" not in (tmp_path / "end").read_text().splitlines()
    assert "sleep 73" in (tmp_path / "end").read_text().splitlines()


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
