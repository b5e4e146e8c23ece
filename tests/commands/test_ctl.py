"""`delm ctl` on a run of real processes: paused, killed, gone on with, cancelled, stopped."""

import json
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    refused,
    start,
    wait_for,
)
from console import (
    delm_here as delm,
)
from scripted_model import ScriptedModel

from harness.commands import ctl

pytestmark = pytest.mark.slow(seconds=25)

BUSY_S = 240  # for a process to start and come to a point, on a busy machine
WHO = ("--by", "Ada", "--reason", "to look at it")
APPLIED = "SELECT owner FROM intervention_applied WHERE intervention_id = ?"


@dataclass
class Story:
    """A run that people interfere with, and what was seen on the way."""

    output: Path
    words: list[str]
    cache: Path
    server: ScriptedModel
    go: threading.Event  # answers are given while it is set
    seen: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.output / "run"

    def start(self) -> Any:
        address = {"OPENAI_API_BASE": self.server.base_url, "OPENAI_API_KEY": "none"}
        return start(*self.words, DELM_CACHE=str(self.cache), **address)

    def ctl(self, *words: str) -> Told:
        return delm("ctl", str(self.run), *words)

    def status(self) -> dict[str, Any]:
        return json.loads(self.ctl("status", "--json").out)

    def trials(self) -> list[tuple[int, int, str]]:
        rows = query(self.run, "SELECT number, attempt, state FROM trial ORDER BY trial_id")
        return [(row["number"], row["attempt"], row["state"]) for row in rows]

    def applied(self, number: int, processes: int) -> None:
        wait_for(
            lambda: len(query(self.run, APPLIED, number)) >= processes,
            f"intervention {number}",
            BUSY_S,
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """One run of three trials: see the steps."""
    bundled(FLASK)
    folder, go = tmp_path_factory.mktemp("ctl"), threading.Event()

    def script(request: dict[str, Any], n: int) -> Any:
        go.wait(BUSY_S)
        plan = {2: bash("true"), 4: SOLVE}
        return plan.get(len(request["messages"]), FINISH)

    words = ["eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK]
    words += ["-k", "3", "-w", "1", "--run-id", "run", "-o", str(folder), "--yes", *UNGUARDED]
    with ScriptedModel(script) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctl, "APPLIED_S", BUSY_S)
        told = Story(folder, words, own_cache(folder / "cache"), server, go)
        processes: list[Any] = []
        try:
            _paused_and_killed(told, processes)
            _joined_and_resumed(told, processes)
            _stopped_and_finished(told, processes)
            yield told
        finally:
            go.set()
            for process in processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def _paused_and_killed(story: Story, processes: list[Any]) -> None:
    processes.append(story.start())
    wait_for(lambda: story.server.requests, "a request", BUSY_S)
    story.told["pause"] = story.ctl("pause", "--now", *WHO)
    story.told["again"] = story.ctl("pause", "--now", *WHO)
    story.go.set()
    wait_for(
        lambda: query(story.run, "SELECT 1 FROM call WHERE outcome = 'ok'"), "an answer", BUSY_S
    )
    story.seen["paused"] = story.status()
    story.told["cancel"] = story.ctl("cancel", f"single/{FLASK}#3", *WHO)
    os.killpg(processes[0].pid, signal.SIGKILL)
    processes[0].wait()
    story.seen["messages"] = query(story.run, "SELECT count(*) AS n FROM message")


def _joined_and_resumed(story: Story, processes: list[Any]) -> None:
    processes += [story.start(), story.start()]
    story.applied(1, 3)
    story.seen["joined"] = (len(story.server.requests), story.status())
    story.go.clear()
    story.told["resume"] = story.ctl("resume", *WHO)
    wait_for(lambda: len(story.server.requests) == 3, "a request of each process", BUSY_S)
    story.told["stop"] = story.ctl("stop", *WHO)
    story.told["first"], story.told["second"] = (end(process, BUSY_S) for process in processes[1:3])
    story.seen["stopped"] = story.trials()


def _stopped_and_finished(story: Story, processes: list[Any]) -> None:
    story.go.set()
    story.told["requeue"] = story.ctl("requeue", "3", *WHO)
    processes.append(story.start())
    story.told["last"] = end(processes[3], BUSY_S)
    story.seen["requests"] = len(story.server.requests)


def test_a_paused_run_sends_nothing_and_its_answer_is_paid_and_kept_from_its_agent(story):
    assert story.told["pause"].out == "pause: calls and answers are held\n"
    assert story.seen["paused"]["paused"]["by"] == "Ada"
    assert story.seen["paused"]["states"] == {"waiting": 2, "running": 1}
    assert story.seen["messages"] == [{"n": 2}]  # what it was asked, and not the answer


def test_a_second_controller_is_refused(story):
    refused(story.told["again"], "the run is paused already, by Ada")


def test_processes_that_join_a_paused_run_wait_and_say_so(story):
    requests, status = story.seen["joined"]
    assert requests == 1
    assert len(status["processes"]) == 2
    assert status["paused"]["now"] is True
    for name in ("first", "second"):
        assert "Ada paused the run, answers too: to look at it" in story.told[name].out
        assert "it goes on after: delm ctl run resume" in story.told[name].out


def test_a_stop_ends_every_process_as_ctrl_c_does(story):
    for name in ("first", "second"):
        assert story.told[name].code == 130, story.told[name].text
        assert "Ada stopped the run: to look at it" in story.told[name].out
        assert "to resume: " in story.told[name].out
    # the killed one, the two that were stopped, and the one that a person cancelled
    assert sorted(story.seen["stopped"]) == [
        (0, 0, "cancelled"), (0, 1, "cancelled"), (1, 0, "cancelled"), (2, 0, "cancelled"),
    ]  # fmt: skip


def test_what_was_cut_goes_on_and_what_a_person_cancelled_only_after_a_requeue(story):
    assert story.told["cancel"].out == "cancel: cancelled\n"
    assert story.told["requeue"].out.startswith("requeue: attempt 2 waits: trial ")
    assert story.told["last"].code == 0, story.told["last"].text
    assert [row for row in sorted(story.trials()) if row[2] == "done"] == [
        (0, 2, "done"), (1, 1, "done"), (2, 1, "done"),
    ]  # fmt: skip


def test_no_answer_is_paid_twice(story):
    # three trials of three calls; two calls were cut off by the stop and are asked again
    assert story.seen["requests"] == 3 * 3 + 2
    calls = query(story.run, "SELECT count(*) AS n FROM call WHERE paid_call IS NOT NULL")
    assert calls[0]["n"] >= 1


def test_each_intervention_is_applied_once_by_each_process_that_it_concerns(story):
    rows = query(
        story.run,
        "SELECT action, count(owner) AS n, count(DISTINCT owner) AS owners FROM intervention "
        "LEFT JOIN intervention_applied USING (intervention_id) GROUP BY intervention_id",
    )
    assert [(row["action"], row["n"], row["owners"]) for row in rows] == [
        ("pause", 3, 3), ("cancel", 1, 1), ("resume", 2, 2), ("stop", 2, 2), ("requeue", 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pause", "--reason", "r"], "say who you are: --by NAME, or set DELM_PERSON"),
        (["pause", "--by", "Ada"], "say why: --reason TEXT"),
        (["resume", *WHO], "the run is not paused"),
        (["pause", *WHO], "no trial is left to be run"),
        (["stop", *WHO], "no process works on the run"),
        (["cancel", "1", *WHO], "was followed by attempt"),
        (["cancel", "99", *WHO], "there is no trial 99"),
        (["cancel", "delm/x", *WHO], "there is no trial 'delm/x'"),
        (["cancel", f"single/{FLASK}", *WHO], "has 3 trials; name one"),
        (["cancel", f"single/{FLASK}#2", *WHO], "is done: there is nothing to cancel"),
        (["raise", "dollars", "--value", "3", *WHO], "there is no cap on its dollars"),
        (["raise", "steps", "--value", "3", *WHO], "a run has a cap on its dollars only"),
        (["raise", "speed", "--value", "3", *WHO], "a cap is one of dollars, steps"),
        (["raise", "dollars", "--value", "nan", *WHO], "is a number above 0"),
        (["raise", "dollars", "--value", "-1", *WHO], "is a number above 0"),
        (["workers", "--value", "0", *WHO], "is a number above 0"),
        (["workers", "--value", "100000", *WHO], "a process has 1 to 1000 workers"),
        (["veto", f"single/{FLASK}#2", "F1", *WHO], "has no entry 'F1'"),
        (["stop-agent", f"single/{FLASK}#2", "agent-1", *WHO], "has no agent to stop"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(story, words, says):
    before = query(story.run, "SELECT count(*) AS n FROM intervention")
    refused(story.ctl(*words), says)
    assert query(story.run, "SELECT count(*) AS n FROM intervention") == before


def test_the_status_shows_no_word_that_a_model_or_a_command_has_written(story):
    text = story.ctl("status", "--json").out + story.ctl("status").out
    assert "Done." not in text
    assert "may not be empty" not in text
    assert "3 done" in text


def test_what_people_did_stands_in_show_and_below_the_table(story):
    told = delm("show", str(story.run))
    assert "Ada paused the run, answers too: to look at it (calls and answers are held" in told.out
    assert "Ada requeued trial 3: to look at it (attempt 2 waits" in told.out
    last = " ".join(story.told["last"].out.split())
    assert (
        "people interfered (1 cancelled trial, 1 requeued trial, by Ada), on 1 trial (single 1): "
        "this changes what is measured there." in last
    )
    assert "people changed how the run went (1 pause, 1 resume, 1 stop, by Ada)" in last
    assert "cancelled by people and not run again: 1 trial" in story.told["second"].out
    assert f"delm ctl {story.run} requeue 3 --by NAME" in story.told["second"].out
