"""How `delm eval` begins, and what it does with several systems: mostly in this process."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import anyio
import pytest
from console import (
    DATASET,
    DELM,
    FINISH,
    FLASK,
    bundled,
    end,
    query,
    recording,
    refused,
    start,
    variables,
    wait_for,
)
from filelock import FileLock

from harness.cache import cache_dir
from harness.commands.end_summary import resume_command
from harness.commands.placement import placement_words
from harness.results.run_folder import RunFolder
from harness.store.opening import open_store, runs_at

pytestmark = pytest.mark.slow(seconds=6)

SERVED = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
SCRIPTED = (
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
    "x",
)


def at_a_terminal(cwd, answer: str, *words: str) -> tuple[int, str]:
    """Run `delm` on a terminal, type `answer` when it asks, and return what the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [DELM, *words], cwd=cwd, env=variables(TERM="xterm", **SERVED), stdin=theirs,
        stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen, asked, deadline = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the terminal is closed when its last user ends
                break
            if not chunk:
                break
            seen += chunk
            if not asked and b"Start?" in seen:
                asked = True
                os.write(ours, answer.encode())
        return process.wait(timeout=10), seen.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("answer", ["n\r", "\r"])
def test_on_a_terminal_it_asks_and_anything_but_yes_means_that_nothing_was_done(tmp_path, answer):
    bundled(FLASK)
    code, seen = at_a_terminal(tmp_path, answer, *SCRIPTED)
    assert code == 1
    assert "at most $3.00 and 550 steps each; at most $3.00 in all" in seen
    assert seen.count("Start?") == 1
    assert not (tmp_path / "results/x").exists()


def test_without_a_terminal_a_model_that_costs_money_is_started_only_with_yes(delm, place):
    bundled(FLASK)
    told = delm(*SCRIPTED, **SERVED)
    refused(told, "a real model costs money", "--yes (make: YES=1)")
    assert "at most $3.00 in all" in told.out
    assert not (place / "results/x").exists()


def test_a_replay_costs_nothing_and_does_not_ask(tmp_path):
    bundled(FLASK)
    recording(tmp_path / "answers.jsonl", [[FINISH]])
    code, seen = at_a_terminal(
        tmp_path, "", "eval", "-m", "replay:answers.jsonl", "-d", DATASET, "--run-id", "x"
    )
    assert code == 0
    assert "Start?" not in seen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    header = next(line for line in plain.splitlines() if "resolved" in line)
    row = next(line for line in plain.splitlines() if line.startswith("single  "))
    assert header.split() == ["system", "n", "resolved", "Avg.@1", "Pass@2", "Pass@4", "Sel.@1"]
    assert row.split()[:7] == ["single", "1", "0", "of", "1", "0.0", "%"]
    table = plain[plain.index(f"{DATASET} · ") : plain.index("written: ")]
    assert max(map(len, table.splitlines())) <= 80  # of this terminal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_sandboxes_are_prepared_ends_it_cleanly(tmp_path, number):
    """Another builder has the lock of the environment: preparing waits for it."""
    bundled(FLASK)
    cache = tmp_path / "cache"
    (cache / "environments").mkdir(parents=True)
    (cache / "rows").symlink_to(cache_dir() / "rows")
    recording(tmp_path / "answers.jsonl", [[FINISH]])
    for built in (cache_dir() / "environments").iterdir():
        (cache / "environments" / f"{built.stem}.lock").touch()
    locks = [FileLock(path) for path in (cache / "environments").glob("*.lock")]
    words = ("eval", "-m", "replay:answers.jsonl", "-d", DATASET, "--run-id", "x")
    for lock in locks:
        lock.acquire(timeout=0)
    try:
        process = start(*words, cwd=tmp_path, DELM_CACHE=str(cache))
        assert process.stdout is not None
        lines = []
        wait_for(lambda: lines.append(process.stdout.readline()) or "waiting" in lines[-1], "that")
        os.killpg(process.pid, number)
        told = end(process)
    finally:
        for lock in locks:
            lock.release()
    assert told.code == 130, told.text
    assert told.err == ""
    assert "to resume: make eval RUN=x (or .venv/bin/delm eval --run-id x)\n" in told.out


def test_a_system_that_fails_leaves_the_other_its_score(delm, place):
    bundled(FLASK)
    recording(place / "answers.jsonl", [[FINISH]])
    header, answer = (place / "answers.jsonl").read_text().splitlines()
    # of the second system it holds one answer, which does not end its trial
    started = json.loads(answer) | {"system": "other", "tool_calls": []}
    lines = (header, answer, json.dumps(started))
    (place / "answers.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (place / "other.yaml").write_text("name: other\nsystem: agents.single:Single\n")
    words = ("eval", "-m", "replay:answers.jsonl", "-s", "single", "-s", "other.yaml", "-w", "1",
             "--run-id", "x")  # fmt: skip
    told = delm(*words)
    assert told.code == 1, told.text
    assert "infrastructure failures: 1, not finished: 0" in told.out
    table = (place / "results/x/table.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table] == ["system", "single", "other"]
    told = delm(*words)  # what failed is tried again, what is done is not
    assert told.code == 1, told.text
    trials = query(place / "results/x", "SELECT system, attempt, state FROM trial ORDER BY 1, 2")
    assert [tuple(row.values()) for row in trials] == [
        ("other", 0, "error"), ("other", 1, "error"), ("single", 0, "done"),
    ]  # fmt: skip
    told = delm("export", "x", "preds.jsonl")
    assert told.code == 0, told.text
    assert '"single.openai/scripted"' in (place / "preds.jsonl").read_text()


def test_a_dry_run_with_a_server_writes_nothing_wherever_the_run_is(place, delm, postgres_server):
    words = ["eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK]
    own = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
    url = postgres_server.url

    def schemas() -> set[str]:
        return set(anyio.run(runs_at, url))

    before = schemas()
    for run_id in ([], ["--run-id", "dry-new"]):
        told = delm(*words, "--store", url, *run_id, "--dry-run", **own)
        assert told.code == 0, told.text
        assert "1 instance × (1 × single) = 1 trial" in told.out
    assert schemas() == before
    assert list(place.iterdir()) == []
    anyio.run(begun, f"{url}#dry-old")
    told = delm(*words, "--store", url, "--run-id", "dry-old", "--dry-run", **own)
    assert told.code == 0, told.text
    assert "resuming dry-old: 0 of 1 trial is done" in told.out
    assert list(place.iterdir()) == []


async def begun(address: str) -> None:
    """A run of which one trial has been planned elsewhere."""
    store = await open_store(address)
    await store.describe(id="dry-old")
    instance = {"instance_id": FLASK, "repo": "a/a", "difficulty": "", "length": ""}
    one = {"agents": 1, "wanted": 1, "submits": "one", "system": "single", "number": 0}
    await store.plan([instance], [one | {"instance_id": FLASK}])
    await store.aclose()


def test_the_command_to_resume_places_processes_as_before_and_finds_the_server_by_the_folder(place):
    output = place / "results"
    folder = RunFolder(output, "far", store="postgresql://ann@127.0.0.1/delm").create()
    placed = placement_words("ray", "head:6379")
    told = resume_command(folder, output.relative_to(place), placed)
    assert told == ".venv/bin/delm eval --run-id far --executor ray --ray-address head:6379"
    assert resume_command(folder, output.relative_to(place), placement_words("local", "")) == (
        "make eval RUN=far (or .venv/bin/delm eval --run-id far)"
    )
    assert placement_words("ray", "") == ["--executor", "ray"]
    assert RunFolder(output, "far").address == "postgresql://ann@127.0.0.1/delm#far"
