"""`delm eval` that is stopped in the middle: Ctrl-C, SIGTERM, kill -9, and going on after each."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from console import (
    DATASET,
    FINISH,
    FLASK,
    SOLVE,
    UNGUARDED,
    Told,
    bash,
    bundled,
    end,
    own_cache,
    query,
    recording,
    running,
    start,
    wait_for,
)
from console import (
    delm_here as delm,
)
from scripted_model import Hang, ScriptedModel

pytestmark = pytest.mark.slow(seconds=19)

MARKS = tuple(f"{n}.{os.getpid()}" for n in (20011, 20012, 20013))  # seconds nobody else sleeps
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass
class Story:
    """What each process said, and what it left behind."""

    folder: Path
    words: list[str]
    cache: Path
    told: list[Told] = field(default_factory=list)
    left_running: list[list[int]] = field(default_factory=list)
    left_sandboxes: list[int] = field(default_factory=list)
    trials: list[list[dict]] = field(default_factory=list)

    def look(self, mark: str) -> None:
        self.left_running.append(running(mark))
        self.left_sandboxes.append(len(list((self.cache / "sandboxes").iterdir())))
        self.trials.append(query(self.folder, "SELECT * FROM trial ORDER BY trial_id"))


def stop(story: Story, number: signal.Signals, mark: str) -> None:
    """Start the run, and send it the signal when it is in the middle of a command."""
    process = start(*story.words, DELM_CACHE=str(story.cache))
    try:
        wait_for(lambda: running(mark) or process.poll() is not None, "the command")
        assert process.poll() is None, end(process)
        os.killpg(process.pid, number)
        story.told.append(end(process))
    finally:
        process.kill()
    if number == signal.SIGKILL:  # the kernel ends the sandbox, a moment later
        wait_for(lambda: not running(mark), "the end of the orphan", 10)


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Story:
    """Four processes on one run of two trials: Ctrl-C, SIGTERM, kill -9, and one to the end.

    They replay a recording that is written anew for each, so that the last can end.
    """
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("stop")
    answers = folder / "answers.jsonl"
    words = ["eval", "-m", f"replay:{answers}", "-d", DATASET, "-k", "2", "-w", "1"]
    words += ["--run-id", "run", "-o", str(folder), *UNGUARDED]
    story = Story(folder / "run", words, own_cache(folder / "cache"))
    for number, mark in zip(SIGNALS, MARKS, strict=True):
        recording(answers, [[SOLVE, FINISH], [SOLVE, bash(f"echo begun; sleep {mark}")]])
        stop(story, number, mark)
        story.look(mark)
    recording(answers, [[SOLVE, FINISH], [SOLVE, FINISH]])
    # as it was told, word for word: neither the model nor the dataset is said again
    again = ("eval", "--run-id", "run", "-o", folder)
    story.told.append(delm(*again, DELM_CACHE=str(story.cache)))
    story.look(MARKS[-1])
    return story


@pytest.mark.parametrize("nth", [0, 1])
def test_a_signal_ends_it_with_130_and_words_on_how_to_go_on(story, nth):
    told = story.told[nth]
    assert told.code == 130
    assert "Traceback" not in told.text
    assert "stopping: saving what there is" in told.out
    assert f"to resume: .venv/bin/delm eval --run-id run -o {story.folder.parent}\n" in told.out
    assert f"written: {story.folder}" in told.out
    assert f"single {FLASK} #2: cancelled (interrupted)" in told.out


def test_no_process_and_no_sandbox_is_left_even_after_kill_9(story):
    assert story.left_running == [[], [], [], []]
    # the files of a killed process's sandbox are swept by the next one
    assert story.left_sandboxes == [0, 0, 1, 0]


def test_a_stopped_trial_is_cancelled_and_what_was_done_is_salvaged(story):
    assert [row["state"] for row in story.trials[0]] == ["done", "cancelled"]
    statement = (
        "SELECT attempt, submission.reason, salvaged, patch, grade.outcome FROM submission "
        "JOIN trial USING (trial_id) LEFT JOIN grade USING (submission_id) "
        "WHERE number = 1 ORDER BY attempt"
    )
    first, second, last = query(story.folder, statement)
    for attempt, row in enumerate((first, second)):
        assert (row["attempt"], row["reason"], row["salvaged"]) == (attempt, "interrupted", 1)
        assert "may not be empty" in row["patch"]
        assert row["outcome"] is None  # it will be run again: grading it would be in vain
    assert (last["attempt"], last["salvaged"], last["outcome"]) == (3, 0, "resolved")
    assert last["patch"] == first["patch"]


def test_after_kill_9_the_trial_is_known_to_have_died(story):
    *_, killed = story.trials[2]
    assert killed["state"] == "running"  # nobody was there to say otherwise
    (again,) = [row for row in story.trials[3] if row["trial_id"] == killed["trial_id"]]
    assert (again["state"], again["reason"]) == ("cancelled", "the process ended")


def test_the_command_that_it_names_goes_on_and_never_runs_a_finished_trial_again(story):
    assert story.told[-1].code == 0, story.told[-1].text
    assert "resuming run: 1 of 2 trials are done" in story.told[-1].out
    states = [(row["number"], row["attempt"], row["state"]) for row in story.trials[-1]]
    assert states == [
        (0, 0, "done"),
        (1, 0, "cancelled"),
        (1, 1, "cancelled"),
        (1, 2, "cancelled"),
        (1, 3, "done"),
    ]
    calls = "SELECT count(*) AS n FROM call JOIN trial USING (trial_id) WHERE number = 0"
    assert query(story.folder, calls) == [{"n": 2}]
    assert "2 of 2" in story.told[-1].out


def test_the_call_that_was_cut_off_is_in_the_ledger(story):
    statement = (
        "SELECT attempt, call.outcome FROM call JOIN trial USING (trial_id) WHERE number = 1 "
        "ORDER BY call_id"
    )
    # the command was cut off, not the calls before it: all are closed
    assert {row["outcome"] for row in query(story.folder, statement)} == {"ok"}
    assert len(query(story.folder, statement)) == 4 * 2


def test_a_run_that_is_done_is_not_run_again(story):
    before = query(story.folder, "SELECT * FROM call")
    told = delm(*story.words, DELM_CACHE=str(story.cache))
    assert told.code == 0, told.text
    assert "resuming run: 2 of 2 trials are done" in told.out
    assert query(story.folder, "SELECT * FROM call") == before


def test_a_call_that_is_cut_off_by_ctrl_c_costs_what_nobody_can_tell(tmp_path):
    """The provider may bill it: its cost is blank, and its worst case counts on resume."""
    bundled(FLASK)
    with ScriptedModel(lambda request, n: Hang(100)) as server:
        process = start(
            *(
                "eval",
                "-m",
                "openai/scripted",
                "-s",
                "single",
                "-d",
                DATASET,
                "-i",
                FLASK,
                "--run-id",
                "run",
            ),
            *("-o", tmp_path, "--max-cost", "0.06", "--yes"),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
        )
        wait_for(lambda: server.requests, "a request")
        os.killpg(process.pid, signal.SIGINT)
        assert end(process).code == 130
    (call,) = query(tmp_path / "run", "SELECT * FROM call")
    assert (call["outcome"], call["cost_usd"]) == ("cancelled", None)
    assert 0.05 < call["reserved_usd"] < 0.06
    with ScriptedModel(lambda request, n: FINISH) as server:
        told = delm(
            *(
                "eval",
                "-m",
                "openai/scripted",
                "-s",
                "single",
                "-d",
                DATASET,
                "-i",
                FLASK,
                "--run-id",
                "run",
            ),
            *("-o", tmp_path, "--max-cost", "0.06", "--yes"),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
        )
        assert server.requests == []
    assert told.code == 1
    assert "stopped starting trials: run_cost" in told.out
