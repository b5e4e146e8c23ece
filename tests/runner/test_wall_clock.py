"""The end of a trial's wall clock: no command gets more time, and it is nobody's slow command."""

import os
import time

import pytest
from console import DATASET, FLASK, SOLVE, bundled, query, recording, running
from console import delm_here as delm
from played_agent import FINISH, PlayedSandbox, PlayedTrial, bash, ran, said

from harness.errors import LimitReached
from harness.sandbox.trial_sandbox import TimedSandbox
from harness.types import ExecResult

pytestmark = pytest.mark.slow(seconds=8)

MARK = f"20031.{os.getpid()}"  # seconds nobody else sleeps


class Slow(PlayedSandbox):
    """A command takes as long as it may, and is killed then."""

    async def exec(self, command: str, *, timeout_s: float = 60, **_: object) -> ExecResult:
        self.commands.append((command, timeout_s))
        return ExecResult(
            exit_status=None, output="", output_bytes=0, seconds=timeout_s, timed_out=True
        )

    async def fork(self) -> "Slow":
        return self


async def test_a_command_gets_no_more_time_than_the_trial_has_and_its_end_is_the_trials():
    timed = TimedSandbox(Slow(), lambda: 7.0)
    for each in (timed, await timed.fork()):
        with pytest.raises(LimitReached, match="when the trial's time was used up") as end:
            await each.exec("sleep 30", timeout_s=60)
        assert end.value.limit == "wall_clock"


async def test_a_command_that_takes_longer_than_it_may_is_told_so_while_the_trial_has_time():
    box = Slow()
    result = await TimedSandbox(box, lambda: 61.0).exec("sleep 90", timeout_s=60)
    assert result.timed_out
    assert box.commands == [("sleep 90", 60)]


async def test_without_time_no_command_is_run_and_the_difference_can_still_be_taken():
    box = Slow()
    timed = TimedSandbox(box, lambda: -1.0)
    with pytest.raises(LimitReached):
        await timed.exec("ls")
    assert box.commands == []
    assert await timed.diff() == box.patch


async def test_what_the_end_of_the_time_cut_off_is_in_the_trajectory_and_no_later_call_is_run():
    seen = []

    def act(command: str) -> ExecResult:
        seen.append(command)
        if command == "second":
            raise LimitReached("wall_clock", "wall_clock: it was cut off after 3 s")
        return ran()

    trial = PlayedTrial(said(bash("first"), bash("second"), bash("third"), FINISH),
                        sandbox=PlayedSandbox(act))  # fmt: skip
    with pytest.raises(LimitReached):
        await trial.talk()
    assert seen == ["first", "second"]
    told = [message["content"] for message in trial.story if message["role"] == "tool"]
    assert len(told) == 2
    assert "cut off after 3 s" in told[1]


def test_a_trial_whose_time_ends_within_an_answer_ends_there_and_keeps_its_patch(tmp_path):
    """The first command of the second answer would sleep for hours, and may by its own limit."""
    bundled(FLASK)
    calls = [("bash", {"command": f"sleep {MARK}"}), ("bash", {"command": "touch never"})]
    last = {"tool_calls": [{"name": name, "arguments": given} for name, given in calls]}
    recording(tmp_path / "answers.jsonl", [[SOLVE, last]])
    began = time.monotonic()
    for seconds in (4, 12, 40):  # more where this machine had not come to the sleep by then
        run = tmp_path / f"run-{seconds}"
        told = delm(
            "eval", "-m", f"replay:{tmp_path / 'answers.jsonl'}", "-d", DATASET,
            "--run-id", run.name, "-o", tmp_path, "-c", f"budget.wall_clock_s={seconds}",
            "-c", "budget.command_s=20000",
        )  # fmt: skip
        spoken = query(run, "SELECT content FROM message ORDER BY message_id")
        if MARK in str(spoken):
            break
    assert told.code == 0, told.text
    assert time.monotonic() - began < 20000
    assert query(run, "SELECT state, reason FROM trial") == [
        {"state": "done", "reason": "wall_clock"}
    ]
    (made,) = query(run, "SELECT reason, salvaged, patch FROM submission")
    assert (made["reason"], made["salvaged"]) == ("wall_clock", 1)
    assert "may not be empty" in made["patch"]
    assert "never" not in made["patch"]
    assert "when the trial's time was used up" in spoken[-1]["content"]
    assert not running(MARK)
