"""A watched run counts where all of it was seen."""

import pytest

from agents.admission.watch_report import read_report
from harness.types import ExecResult

KEY = "k3y"
RUN = ExecResult(exit_status=0, output="", output_bytes=0, seconds=1)


def text(*said: tuple[object, ...], process: str = "7-a", first: int = 0) -> str:
    """Lines of one process."""
    return "".join(
        f"{(KEY, process, number, *each)!r}\n" for number, each in enumerate(said, first)
    )


WHOLE = text(("began",), ("own",), ("call", "a.py", 1, "f", "3", "own"), ("ended", True))


def why(report: str, status: int | None = 0) -> str:
    run = ExecResult(exit_status=status, output="", output_bytes=0, seconds=1)
    return read_report(report, KEY).unwatched(run)


def test_a_whole_report_gives_what_was_said_in_all_processes():
    report = read_report(WHOLE + text(("forked",), ("network", "h"), process="8-b"), KEY)
    assert report.lines[2] == ("call", "a.py", 1, "f", "3", "own")
    assert ("network", "h") in report.lines
    assert report.unwatched(RUN) == ""


@pytest.mark.parametrize(
    "report",
    [
        WHOLE.replace("k3y", "key", 1),
        WHOLE.replace("'7-a', 2,", "'7-a', 5,"),
        WHOLE.replace("'7-a', 2,", "'7-a', 1,"),
        WHOLE.partition("\n")[2],
        WHOLE + text(("call", "a.py", 1, "f", "3", "own"), first=9),
        WHOLE + text(("ended", True), process="9-c"),
        WHOLE + "it is so\n",
        WHOLE[:-1],
        WHOLE + "(" * 300 + "\n",
    ],
)
def test_what_was_written_by_something_else_or_left_out_is_told(report):
    assert why(report) == "something else wrote into what was noted"


@pytest.mark.parametrize(
    ("report", "status", "reason"),
    [
        (text(("began",), ("own",)), 0, "without its usual end"),
        (text(("began",), ("own",)), 124, ""),
        (text(("began",)), 0, ""),
        (WHOLE + text(("forked",), ("own",), process="8-b"), 0, ""),
        (text(("began",), ("own",), ("ended", False)), 0, "another trace function"),
        (text(("began",), ("own",), ("full",), ("ended", True)), 0, "it does too much"),
        (text(("began",), ("thread",), ("ended", True)), 0, "a thread past"),
        (WHOLE, None, "it was ended while it was watched"),
    ],
)
def test_what_ends_the_watch_is_a_reason(report, status, reason):
    assert reason in why(report, status) if reason else why(report, status) == ""
