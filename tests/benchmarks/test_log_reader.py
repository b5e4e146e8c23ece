"""Test logs that official parsers raise on, never finish, or use up the memory for."""

import os
import re
import signal
from pathlib import Path
from typing import get_args

import anyio
import pytest
from anyio import to_thread
from console import wait_for

from harness.benchmarks.swebench import log_process
from harness.benchmarks.swebench.items import IssueReference
from harness.benchmarks.swebench.log_reader import LogReading, read_log
from harness.benchmarks.swebench.official import PARSERS, known_parser
from harness.benchmarks.swebench.rows import HubRow
from harness.errors import GradingUnavailable, LogUnreadable

pytestmark = pytest.mark.slow(seconds=3)

NAME = "a__a-1"
PREDICTION = {"instance_id": NAME, "model_patch": "x", "model_name_or_path": "m"}
PASSED = b"PASSED tests/test_a.py::test_one\n"
ENDLESS = b"_" * 1_000_000  # sympy's pattern looks at each character for each before it


def reference(parser: str = "parse_log_pytest") -> IssueReference:
    return IssueReference(
        instance_id=NAME,
        repo="a/a",
        fail_to_pass=("tests/test_a.py::test_one",),
        eval_script="true",
        log_parser=parser,
        eval_type="pass_and_fail",
    )


def log(body: bytes) -> bytes:
    return b">>>>> Start Test Output\n" + body + b"\n>>>>> End Test Output\n"


def readers() -> set[int]:
    """The processes of this one that read logs."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if log_process.__name__.encode() in words and int(parent) == os.getpid():
            found.add(int(process.name))
    return found


async def read(body: bytes, parser: str = "parse_log_pytest", read_s: float = 5) -> LogReading:
    return await read_log(reference(parser), log(body), patch="x", model_name="m", read_s=read_s)


def test_what_a_row_may_name_is_what_swebench_has():
    from swebench.harness.constants import EvalType
    from swebench.harness.log_parsers import PARSER_REGISTRY

    assert PARSER_REGISTRY.keys() >= PARSERS
    assert known_parser("parse_log_cargo") == "parse_log_cargo"
    assert set(get_args(HubRow.model_fields["eval_type"].annotation)) == {e.value for e in EvalType}


async def test_a_log_is_read_as_swebench_reads_it():
    reading = await read(PASSED)
    assert reading.statuses == {"tests/test_a.py::test_one": "PASSED"}
    assert reading.report[NAME]["resolved"] is True
    assert reading.report[NAME]["tests_status"]["FAIL_TO_PASS"]["success"] == [
        "tests/test_a.py::test_one"
    ]
    assert not (await read(PASSED.replace(b"PASSED", b"FAILED"))).report[NAME]["resolved"]


async def test_what_a_parser_raises_is_told_in_one_line_with_its_place():
    with pytest.raises(LogUnreadable) as caught:
        await read(b"ERROR:\n", "parse_log_django")
    assert str(caught.value) == "parse_log_django: IndexError: list index out of range"
    assert caught.value.repeats


async def test_bytes_that_are_no_text_are_no_traceback():
    with pytest.raises(LogUnreadable, match="UnicodeDecodeError"):
        await read(b"\xff\xfe")


async def test_a_parser_that_does_not_end_is_killed_at_its_processor_time():
    with pytest.raises(LogUnreadable, match=re.escape("more than 0.5 s")) as caught:
        await read(ENDLESS, "parse_log_sympy", 0.5)
    assert not caught.value.repeats
    assert readers() == set()


async def test_a_log_that_takes_all_the_memory_it_may_have_cannot_be_read():
    with pytest.raises(LogUnreadable, match="MemoryError") as caught:
        await read_log(
            reference(), log(b"x" * 50_000_000), patch="x", model_name="m", memory_bytes=160 << 20
        )
    assert not caught.value.repeats


async def test_a_log_that_names_more_tests_than_any_project_has_cannot_be_read():
    names = b"".join(b"PASSED tests/test_a.py::%x\n" % number for number in range(700_000))
    with pytest.raises(LogUnreadable, match="more tests than"):
        await read(names, read_s=60)


async def test_a_reading_that_is_cancelled_is_killed_at_once():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, ENDLESS, "parse_log_sympy")
        await to_thread.run_sync(wait_for, lambda: any(map(cpu, readers())), "work on the log")
        (process,) = readers()
        assert os.getsid(process) == process  # Ctrl-C is not for it
        tasks.cancel_scope.cancel()
    assert readers() == set()


def cpu(process: int) -> bool:
    """Whether it has worked for half a second."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 0.5


async def test_a_reading_that_somebody_kills_is_infrastructure():
    async def kill() -> None:
        await to_thread.run_sync(wait_for, readers, "a process")
        for process in readers():
            os.kill(process, signal.SIGKILL)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill)
        with pytest.raises(GradingUnavailable, match="killed"):
            await read(ENDLESS, "parse_log_sympy")
