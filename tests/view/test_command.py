"""`delm view` as a process: what it prints, and how it ends."""

import itertools
import re
import resource
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from harness.runner.processes import join
from harness.view.server import FILES, allow_files

VIEW = [sys.executable, "-m", "harness.cli", "view"]


@pytest.fixture
def started(runs):
    """Start `delm view` with these words; a process, and its first lines."""
    processes = []

    def start(*words):
        command = [*VIEW, "-o", str(runs), "--port", "0", *words]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("stop with"):
                return process, lines
        pytest.fail(process.stderr.read())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_it_prints_the_addresses_and_ends_at_once_while_a_browser_follows(started, runs):
    process, lines = started("first")
    page = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+/runs/first)", lines[0])
    with_token = re.fullmatch(
        r"with control of runs: (http://127\.0\.0\.1:\d+/runs/first)#token=([\w-]{32})", lines[1]
    )
    assert page
    assert with_token
    assert page[1] == with_token[1]
    with (
        join(runs / "first"),
        httpx.Client(timeout=60) as client,
        client.stream("GET", f"{page[1]}/live") as answer,
    ):
        assert answer.status_code == 200
        assert "event: state" in "".join(itertools.islice(answer.iter_lines(), 4))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert process.stderr.read() == ""


def test_another_host_is_warned_of_and_each_server_has_its_own_token(started):
    (one, first), (other, second) = started(), started("--host", "0.0.0.0")
    assert second[0].startswith("warning: whoever reaches 0.0.0.0 can read every run in ")
    assert first[0].endswith("/")
    assert first[1].partition("#token=")[2] != second[2].partition("#token=")[2] != ""
    one.terminate()
    assert one.wait(20) == -signal.SIGTERM
    other.send_signal(signal.SIGINT)
    assert other.wait(20) == 0


def test_mistakes_are_one_line(delm, runs):
    told = delm("view", "thrid", "-o", str(runs))
    assert told.code == 2
    assert told.err.splitlines()[-1].startswith("error: there is no run")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = delm("view", "-o", str(runs), "--port", str(port))
    assert told.code == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in told.err
    told = delm("view", "-o", str(runs), "--host", "no.such.host.invalid")
    assert told.code == 2
    assert "cannot listen on no.such.host.invalid" in told.err


def test_it_may_open_as_many_files_as_the_system_lets_it():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        allow_files()
        now = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert now[0] >= min(before[0], FILES)
        assert now[1] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
