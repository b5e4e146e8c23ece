"""Processes on several machines work on one run, whose store is a PostgreSQL server."""

import os
import signal
import subprocess
import time
from typing import Any

import pytest
from console import DELM, delm, refused
from network_namespaces import HERE
from postgres_servers import PASSWORD
from scripted_model import ScriptedModel, Status
from several_machines import WORDS, Machine, bought, outcomes, rows_of, slow_team

from harness.store.addresses import VARIABLE

WORK = ["work", "--run", "far", "--wait", "120", "-w", "1"]
WAIT_S = 400
UNDER_WAY = 4  # requests of one process, at most, that a kill can cut

pytestmark = [pytest.mark.slow(seconds=150)]


def test_three_machines_do_what_one_does_also_where_one_of_them_dies(
    tmp_path, network, far_url, monkeypatch
):
    with ScriptedModel(slow_team(), host=HERE) as model:
        own = {"OPENAI_API_BASE": model.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
        alone = delm("eval", *WORDS, "--run-id", "alone", "-o", tmp_path, **own)
        assert alone.code == 0, alone.text
        asked_alone = len(model.requests)
        words = ["eval", "--store", far_url, "--run-id", "far", *WORDS]
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        machines = [Machine(network[0], words, tmp_path / "0")]
        try:
            machines += [Machine(network[n], WORK, tmp_path / str(n)) for n in (1, 2)]
            deadline = time.monotonic() + WAIT_S
            while not machines[1].at_work():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            machines[1].kill()
            for machine in machines[::2]:
                assert machine.process.wait(timeout=WAIT_S) == 0, machine.said.read_text()
        finally:
            for machine in machines:
                machine.kill()
        asked_far = len(model.requests) - asked_alone
    one, far = rows_of(tmp_path / "alone"), rows_of(machines[0].folder)
    assert outcomes(far) == outcomes(one)
    cut = [trial for trial in far.trials if trial["state"] == "cancelled"]
    assert [trial["reason"] for trial in cut] == ["the process ended"]
    (again,) = (trial for trial in far.trials if trial["attempt"])
    assert again["state"] == "done"
    assert again["owner"] != cut[0]["owner"]
    assert any(call["paid_call"] for call in far.calls if call["trial_id"] == again["trial_id"])
    assert bought(far) == bought(one), "nothing is bought twice"
    assert asked_far - asked_alone <= UNDER_WAY, "but what was under way in the one that died"
    assert len({trial["owner"] for trial in far.trials}) == 3, "every one of them worked"
    for place in (machine.folder.parent for machine in machines):
        for path in place.rglob("*"):
            assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path


def test_what_an_interrupted_worker_had_is_done_by_another_one(tmp_path, postgres_server):
    """And neither of them changes what the run is."""
    name = f"handed-{os.getpid()}"
    words = [*WORDS, "--run-id", name]
    words[words.index("-k") + 1] = "6"  # so many that some are left when the worker has begun
    with ScriptedModel(slow_team()) as model:
        own = {"OPENAI_API_BASE": model.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
        variables = os.environ | own | {VARIABLE: postgres_server.url}
        begun = subprocess.Popen(
            [DELM, "eval", *words, "--store", postgres_server.url, "-o", tmp_path / "a"],
            env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            worker = subprocess.Popen(
                [DELM, "work", "--run", name, "--wait", "60", "-w", "3", "-o", tmp_path / "b"],
                env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            mine: list[Any] = []
            deadline = time.monotonic() + WAIT_S
            while not mine:
                assert worker.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
                if (tmp_path / "b" / name / "store.url").exists():
                    rows = rows_of(tmp_path / "b" / name)
                    mine = [
                        trial for trial in rows.trials
                        if trial["state"] == "running"
                        and trial["owner"].startswith(f"{worker.pid}-")
                    ]  # fmt: skip
            worker.send_signal(signal.SIGINT)
            assert worker.wait(timeout=WAIT_S) == 130, worker.stdout.read()
            assert begun.wait(timeout=WAIT_S) == 0, begun.stdout.read()
        finally:
            for process in (begun, worker):
                process.kill()
                process.wait()
                process.stdout.close()
    rows = rows_of(tmp_path / "a" / name)
    last = {trial["number"]: trial for trial in rows.trials}
    assert {trial["state"] for trial in last.values()} == {"done"}
    assert "interrupted" in {trial["reason"] for trial in rows.trials}
    assert rows.facts["config"]["workers"] == 1
    assert not (tmp_path / "b" / name / "table.csv").exists()


def test_what_failed_is_run_again_by_who_resumes_the_run_and_not_by_who_joins(
    tmp_path, postgres_server
):
    words = [*WORDS, "--run-id", f"joined-{os.getpid()}"]
    words[words.index("-k") + 1] = "1"
    with ScriptedModel(lambda request, n: Status(400, "this is not to be said")) as model:
        own = {"OPENAI_API_BASE": model.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
        place = ["-o", tmp_path, "--store", postgres_server.url]
        assert delm("eval", *words, *place, **own).code == 1
        work = delm("work", "--run", words[-1], *place, **own)
        assert work.code == 0, work.text
        (trial,) = rows_of(tmp_path / words[-1]).trials
        assert (trial["state"], trial["attempt"]) == ("error", 0)
        assert delm("eval", *words, *place, **own).code == 1
        assert len(rows_of(tmp_path / words[-1]).trials) == 2


def test_what_a_machine_cannot_join_is_refused_in_one_line(tmp_path, postgres_server):
    def told(*words: str, **variables: str):
        return delm("work", *words, "-o", tmp_path, **variables)

    run = ("--run", "nowhere")
    refused(told(*run), "--store postgresql://", VARIABLE)
    refused(told(*run, "--store", "results/x/run.db"), "no PostgreSQL server", "this machine alone")
    away = told(*run, "--store", "postgresql://a:geheim-4711@127.0.0.1:1/x")
    refused(away, "cannot be asked")
    assert "geheim" not in away.text
    for url in ("postgresql://h:port/x", "postgresql://a:pa/Ss4word@h/x", "postgresql://a..b/x",
                "postgresql://a:Ss4word[b@h/x"):  # fmt: skip
        wrong = told(*run, "--store", url)
        refused(wrong, "no URL", "%2F")
        assert "Ss4word" not in wrong.text
    spelt = told(*run, "--store", "postgresql://a@127.0.0.1:1/x?password=hunter")
    refused(spelt, "cannot be asked")
    assert "hunter" not in spelt.text
    refused(told(*run, "--store", "postgresql://a@h/x", DELM_STORE="postgresql://a:b[c@h/x"),
            "DELM_STORE is no URL")  # fmt: skip
    refused(told(*run, "--store", f"{postgres_server.url}#x"), "--run-id names the run")
    refused(told(*run, "--store", postgres_server.url), "has no run 'nowhere'", "--wait")
    local = tmp_path / "here"
    local.mkdir()
    (local / "run.db").touch()
    refused(
        delm("eval", "--store", postgres_server.url, "--run-id", "here", "-o", tmp_path),
        "one machine can reach",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
