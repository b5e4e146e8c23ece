"""Real signals to real runs: Ctrl-C three times, a closed terminal, a reader that ends."""

import os
import pty
import signal
import subprocess
from contextlib import suppress
from typing import IO

import pytest
from console import (
    DATASET,
    DELM,
    FINISH,
    FLASK,
    SOLVE,
    bash,
    bundled,
    delm,
    descendants,
    end,
    own_cache,
    query,
    recording,
    running,
    start,
    variables,
    wait_for,
)

pytestmark = pytest.mark.slow(seconds=10)

MARK = f"20021.{os.getpid()}"  # seconds nobody else sleeps


@pytest.fixture
def words(tmp_path):
    """`delm eval` of one trial that has changed something, and is then in a command for hours."""
    bundled(FLASK)
    own_cache(tmp_path / "cache")
    answers = tmp_path / "answers.jsonl"
    recording(answers, [[SOLVE, bash(f"echo begun; sleep {MARK}")]])
    more = ("-d", DATASET, "--run-id", "run", "-o", tmp_path / "runs")
    return ["eval", "-m", f"replay:{answers}", *map(str, more)]


@pytest.fixture
def process(words, tmp_path):
    """That run, in the middle of the command."""
    begun = start(*words, DELM_CACHE=str(tmp_path / "cache"))
    try:
        wait_for(lambda: running(MARK) or begun.poll() is not None, "the command")
        yield begun
    finally:
        begun.kill()
        begun.wait()


def submissions(tmp_path):
    return query(tmp_path / "runs/run", "SELECT reason, salvaged, patch FROM submission")


def read_until(words: str, stream: IO[str]) -> None:
    """Read lines of a process up to the one that has these words."""
    while words not in (line := stream.readline()):
        assert line, f"it ended without: {words}"


def test_a_second_ctrl_c_says_what_is_waited_for_and_loses_nothing(process, tmp_path):
    os.killpg(process.pid, signal.SIGINT)
    read_until("stopping: saving", process.stdout)  # the kernel keeps two of one number as one
    os.killpg(process.pid, signal.SIGINT)
    told = end(process)
    assert told.code == 130, told.text
    assert "Traceback" not in told.text
    assert "\nwaiting for " in told.err  # the trial, or by then the CSVs
    assert told.err.endswith("; once more gives up\n")
    (saved,) = submissions(tmp_path)
    assert (saved["reason"], saved["salvaged"]) == ("interrupted", 1)
    assert "may not be empty" in saved["patch"]
    assert query(tmp_path / "runs/run", "SELECT state FROM trial") == [{"state": "cancelled"}]
    assert not running(MARK)


def test_a_third_ctrl_c_gives_up_and_the_next_start_cleans_up_and_goes_on(process, tmp_path):
    """Every process of the sandbox is stopped, so that the first can save nothing."""
    for each in descendants(process.pid):
        os.kill(each, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    read_until("stopping: saving", process.stdout)
    process.send_signal(signal.SIGINT)
    read_until(f"waiting for single on {FLASK} #1; once more gives up", process.stderr)
    process.send_signal(signal.SIGINT)
    told = end(process, 30)
    assert told.code == 130, told.text
    again = f".venv/bin/delm eval --run-id run -o {tmp_path / 'runs'}"
    assert told.err.endswith(f"removes what is left; to resume: {again}\n")
    assert query(tmp_path / "runs/run", "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    wait_for(lambda: not running(MARK), "the end of the sandbox")
    recording(tmp_path / "answers.jsonl", [[SOLVE, FINISH]])
    told = delm(*again.split()[1:], DELM_CACHE=str(tmp_path / "cache"))
    assert told.code == 0, told.text
    states = query(tmp_path / "runs/run", "SELECT state, reason FROM trial ORDER BY attempt")
    assert [row["state"] for row in states] == ["cancelled", "done"]
    assert states[0]["reason"] == "the process ended"
    assert list((tmp_path / "cache/sandboxes").iterdir()) == []


def test_a_terminal_that_is_closed_stops_it_as_ctrl_c_does(words, tmp_path):
    """The kernel sends SIGHUP, and every further write to the terminal fails."""
    process, terminal = pty.fork()
    if not process:
        os.execve(DELM, [DELM, *words, "-c", "plots=false", "-c", "report=false"],
                  variables(DELM_CACHE=str(tmp_path / "cache"), TERM="xterm"))  # fmt: skip
    wait_for(lambda: running(MARK), "the command")
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    ended = query(tmp_path / "runs/run", "SELECT state, reason FROM trial")
    assert os.waitstatus_to_exitcode(status) == 130, ended  # what it said is lost
    (saved,) = submissions(tmp_path)
    assert "may not be empty" in saved["patch"]
    assert (tmp_path / "runs/run/table.csv").exists()


def test_who_reads_its_output_may_end_first(words, tmp_path):
    """`delm eval | tee log`: Ctrl-C ends tee, and delm goes on to save the patch."""
    process = subprocess.Popen(
        [DELM, *words, "-c", "plots=false", "-c", "report=false"],
        env=variables(DELM_CACHE=str(tmp_path / "cache")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wait_for(lambda: running(MARK), "the command")
    assert process.stdout is not None
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    (saved,) = submissions(tmp_path)
    assert "may not be empty" in saved["patch"]
    assert (tmp_path / "runs/run/table.csv").exists()


def test_ctrl_c_at_the_question_ends_it_and_leaves_nothing(tmp_path):
    bundled(FLASK)
    words = ["eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK]
    process, terminal = pty.fork()  # its terminal makes Ctrl-C a signal
    if not process:
        os.chdir(tmp_path)
        served = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
        os.execve(DELM, [DELM, *words], variables(TERM="xterm", **served))
    seen = b""
    while b"Start?" not in seen:
        seen += os.read(terminal, 65536)
    os.write(terminal, b"\x03")
    with suppress(OSError):  # the terminal is closed when its last user ends
        while True:
            seen += os.read(terminal, 65536)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 130, seen
    assert b"Traceback" not in seen
    assert list((tmp_path / "results").glob("*")) == []
