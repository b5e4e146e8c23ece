"""Agents of another machine join a trial that a process runs, and leave it."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from console import DATASET, FLASK, UNGUARDED, bundled, delm, refused
from network_namespaces import HERE
from scripted_model import ScriptedModel
from several_machines import Machine, outcomes, rows_of
from team_script import CONSTRAINT, FACT, REPRODUCTION, calls, finish, publish, solve, task_of, team

from harness.analysis.interventions import sentences
from harness.board.records import EventRow
from harness.results.run_folder import RunFolder
from harness.store.addresses import VARIABLE

WORDS = ["-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", "delm", "-n", "2", "-k", "1",
         "--sandbox", "bubblewrap", "--yes", *UNGUARDED, "-c", "plots=false", "-c", "report=false",
         ]  # fmt: skip
WAIT_S = 300
MORE = 8  # tasks beside the usual ones, so that there is something to do for all
CUT_S = 30

pytestmark = [pytest.mark.slow(seconds=120)]


def seen(label: str) -> Sequence[Any]:
    """A look, and a finding that only this task has."""
    number = int(label.rpartition("-")[2])
    line = f"import number{number}"
    command = f"echo {line}"
    look = calls(("bash", {"command": command}))
    said = publish(
        "CONSTRAINT", f"The command of {label} prints its line.", command=command, exit_status=0,
        output=line,
    )  # fmt: skip
    return [look, look, said, finish(f"{label} is done.")]


def localize(label: str) -> Sequence[Any]:
    asked = [
        calls(("add_task", {"kind": "look", "text": f"Look at part {n + 1}."})) for n in range(MORE)
    ]
    return [FACT, CONSTRAINT, *asked, finish("The fault is F1.")]


def patch(label: str) -> Sequence[Any]:
    look = calls(("bash", {"command": "git diff --stat"}))
    return [
        *[look] * 8,
        solve(f"'name' may not be empty, says {label}."),
        publish("PATCH", f"F1 mended by {label}: an empty name is refused.", command=REPRODUCTION),
        finish("It rests on F1."),
    ]


def slow(all_there: threading.Event, seconds: float) -> Callable[[Any, int], Any]:
    """Answers that take as long as a model's; but for the localizer's none before all are there."""
    says = team({"localize": localize, "look": seen, "patch": patch})

    def script(request: Any, n: int) -> Any:
        if task_of(request) != "localize-1":
            all_there.wait(WAIT_S)
        time.sleep(seconds)
        return says(request, n)

    return script


def at_work(folder: Path, *agents: str) -> Callable[[], bool]:
    """Whether each of `agents` has claimed a task of the first trial."""

    def claimed() -> bool:
        events = events_of(folder, 1)
        return set(agents) <= {each["actor"] for each in events if each["what"] == "claimed"}

    return claimed


def joining(run: str, agents: int) -> list[str]:
    return ["agent", "--run", run, "--trial", f"delm/{FLASK}", "--agents", str(agents),
            "--by", "Ada"]  # fmt: skip


def events_of(folder: Path, trial_id: int) -> list[EventRow]:
    async def read() -> list[EventRow]:
        async with RunFolder(folder.parent, folder.name).boards(read_only=True) as boards:
            return await boards.events(trial_id)

    return anyio.run(read)


def lost_by(folder: Path, *agents: str) -> list[EventRow]:
    """The ends of the leases of `agents`, once each has lost one."""
    lost = [event for event in events_of(folder, 1) if event["what"] == "lost"]
    return lost if set(agents) == {event["actor"] for event in lost} else []


def until(found: Callable[[], Any], machines: Sequence[Machine]) -> Any:
    """What `found` gives, once it gives something."""
    deadline = time.monotonic() + WAIT_S
    while not (result := found()):
        for machine in machines:
            assert machine.process.poll() is None, machine.said.read_text()
        assert time.monotonic() < deadline, [machine.said.read_text() for machine in machines]
        time.sleep(0.2)
    return result


def test_two_agents_join_lose_their_link_and_their_leases_and_come_back(
    tmp_path, network, far_url, monkeypatch
):
    """What they held goes on elsewhere, and what they write of it later is refused."""
    bundled(FLASK)  # what it needs cannot be downloaded there
    there = threading.Event()
    with ScriptedModel(slow(there, 1.5), host=HERE) as model:
        monkeypatch.setenv("OPENAI_API_BASE", model.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key")
        words = ["eval", "--store", far_url, "--run-id", "far", *WORDS]
        machines = [Machine(network[0], words, tmp_path / "0")]
        folder = machines[0].folder
        try:
            until(machines[0].at_work, machines)
            machines += [Machine(network[1], joining("far", 2), tmp_path / "1")]
            until(at_work(folder, "agent-3", "agent-4"), machines)
            there.set()
            network[1].cut()
            time.sleep(CUT_S)
            lost = until(lambda: lost_by(folder, "agent-3", "agent-4"), machines)
            network[1].mend()
            for machine in machines:
                assert machine.process.wait(timeout=WAIT_S) == 0, machine.said.read_text()
        finally:
            network[1].mend()
            for machine in machines:
                machine.kill()
    rows = rows_of(folder)
    (trial,) = rows.trials
    assert trial["state"] == "done"
    assert {made[-1] for made in outcomes(rows)} == {"resolved"}
    events = events_of(folder, 1)
    for event in lost:
        later = [
            each for each in events
            if each["subject"] == event["subject"] and each["number"] > event["number"]
        ]  # fmt: skip
        ended = [each["actor"] for each in later if each["what"] == "done"]
        assert len(ended) == 1
        claims = [each for each in later if each["what"] == "claimed"]
        assert ended[0] == claims[-1]["actor"], "who had lost it writes nothing"
    assert sum(event["what"] == "claimed" for event in events) - len(lost) == sum(
        event["what"] == "done" for event in events
    )


def test_what_agents_that_joined_use_is_their_trials(tmp_path, postgres_server, monkeypatch):
    """All agents together have the trial's steps, and their findings are one context."""
    there = threading.Event()
    with ScriptedModel(slow(there, 0.1)) as model:
        own = {"OPENAI_API_BASE": model.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(VARIABLE, postgres_server.url)
        words = ["eval", "--store", postgres_server.url, "--run-id", "steps", *WORDS]
        words += ["-c", "budget.steps=20"]
        machines = [Machine([], words, tmp_path / "0", "steps")]
        folder = machines[0].folder
        try:
            until(machines[0].at_work, machines)
            refused(
                delm("agent", "--run", "steps", "--trial", "7", "--by", "Ada",
                     "-o", tmp_path / "2", **own),
                "no trial 7", "can join now: 1",
            )  # fmt: skip
            machines += [
                Machine([], joining("steps", 1), tmp_path / str(n), "steps") for n in (3, 4)
            ]
            until(at_work(folder, "agent-3", "agent-4"), machines)
            there.set()
            for machine in machines:
                assert machine.process.wait(timeout=WAIT_S) == 0, machine.said.read_text()
        finally:
            for machine in machines:
                machine.kill()
    rows = rows_of(folder)
    (trial,) = rows.trials
    speakers = {call["agent"] for call in rows.calls}
    assert {"agent-1", "agent-2", "agent-3", "agent-4"} == speakers
    assert len(rows.calls) == 2 * 20, "no call beyond those of the trial"
    assert trial["reason"] == "steps"
    told = sentences(rows)
    assert told == [
        "people interfered (2 joinings of agents, by Ada), on 1 trial (delm 1): this changes what "
        "is measured there."
    ]
    ended = delm(
        "agent", "--run", "steps", "--trial", "1", "--by", "Ada", "-o", tmp_path / "5", **own
    )
    refused(ended, "trial 1 is not running: it is done", "can join now: none")
