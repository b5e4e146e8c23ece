"""What `delm` refuses because of the machine or of an earlier run: one line, exit code 2."""

import json
import os
import shutil
import sqlite3
import subprocess

import pytest
from console import (
    DATASET,
    DELM,
    FINISH,
    FLASK,
    Told,
    bundled,
    recording,
    refused,
    variables,
)
from console import delm_here as delm_process
from scripted_model import ScriptedModel, Status

from harness.cache import cache_dir

pytestmark = pytest.mark.slow(seconds=12)

SERVED = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
SCRIPTED = ("eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "--yes")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*SCRIPTED, "-i", FLASK, "--sandbox", "docker"), "systemctl start docker"),
        (("grade", "--gold", "-i", FLASK, "--sandbox", "docker"), "systemctl start docker"),
        (("images", "list"), "does not answer: start it"),
    ],
)
def test_docker_that_is_asked_for_and_absent_is_refused(place, words, says):
    bundled()
    # a process of its own: the SDK leaves a socket open when it fails
    absent = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    refused(delm_process(*words, cwd=place, **absent, **SERVED), "Docker", says)


def test_bubblewrap_that_is_asked_for_and_absent_is_refused(delm, place):
    bundled()
    told = delm(*SCRIPTED, "-i", FLASK, "--sandbox", "bubblewrap", PATH="/nonexistent",
                **SERVED)  # fmt: skip
    refused(told, "bubblewrap is not installed", "apt-get install bubblewrap")


def test_instances_that_have_an_image_only_are_refused_on_bubblewrap(delm, place):
    bundled()
    row = dict.fromkeys(
        ("repo", "base_commit", "problem_statement", "version", "patch", "test_patch"), "x"
    )
    row |= {"instance_id": "a__a-1", "FAIL_TO_PASS": ["t"], "PASS_TO_PASS": []}
    row |= {"eval_script": "true", "eval_type": "pass_and_fail", "log_parser": "parse_log_pytest"}
    (place / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with ScriptedModel(lambda request, n: FINISH) as server:
        told = delm("eval", "-m", "openai/scripted", "-s", "single", "-d", "rows.jsonl",
                    "--sandbox", "bubblewrap", "--yes",
                    OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none")  # fmt: skip
    refused(told, "a__a-1 has a Docker image only", "--sandbox docker")


def test_a_full_disk_is_refused_before_anything_is_spent(delm, place):
    bundled()
    words = ("-i", FLASK, "-c", "sandbox.min_free_gb=1e9")
    refused(delm(*SCRIPTED, *words, **SERVED), "GB free", "1e+09 GB are needed",
            "min_free_gb")  # fmt: skip
    refused(delm("grade", "--gold", *words), "GB free", "make room")


@pytest.fixture
def finished(delm, place):
    """A run that is done."""
    bundled(FLASK)
    recording(place / "answers.jsonl", [[FINISH]])
    words = ("eval", "-m", "replay:answers.jsonl", "-d", DATASET, "--run-id", "x")
    told = delm(*words)
    assert told.code == 0, told.text
    return words


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("-c", "budget.steps=3"), "budget.steps was 550, now 3"),
        (("--seed", "2"), "seed was 0, now 2"),
        (("-c", "model.temperature=0.5"), "model.temperature was null, now 0.5"),
        (("-i", FLASK), "instances was []"),
    ],
)
def test_a_run_id_that_exists_with_another_configuration_names_the_key(delm, finished, flags, says):
    refused(delm(*finished, *flags), "exists with another configuration", says,
            "--run-id")  # fmt: skip
    told = delm(*finished, "-w", "1")
    assert told.code == 0, told.text  # how many at a time is no part of what a run is


def test_a_run_that_was_refused_before_it_began_can_be_begun_otherwise(delm, place):
    bundled(FLASK)
    recording(place / "answers.jsonl", [[FINISH]])
    words = ("eval", "-m", "replay:answers.jsonl", "-d", DATASET, "--run-id", "x")
    (place / "cache").mkdir()
    (place / "cache/rows").symlink_to(cache_dir() / "rows")
    # nothing is built in this cache, and nothing can be
    bare = {"DELM_CACHE": str(place / "cache"), "PIP_INDEX_URL": "file:///nonexistent/"}
    told = delm(*words, "-c", "budget.steps=7", **bare)
    refused(told, "index")
    assert not (place / "results/x").exists()
    told = delm(*words, "-c", "budget.steps=9")
    assert told.code == 0, told.text
    assert "steps: 9" in (place / "results/x/run.yaml").read_text()


@pytest.mark.parametrize("output", ["file/results", "/proc/results", "/dev/null"])
def test_an_output_folder_that_cannot_be_written_is_refused(delm, place, output):
    bundled()
    (place / "file").write_text("")
    told = delm(*SCRIPTED, "-i", FLASK, "-o", output, **SERVED)
    refused(told, output, "cannot be written", "--output")
    refused(delm("grade", "--gold", "-o", output), "cannot be written", "--output")


@pytest.mark.parametrize("target", ["file/r.jsonl", "nowhere/r.jsonl", "."])
def test_a_recording_that_could_not_be_written_is_refused_at_once(delm, place, target):
    bundled()
    (place / "file").write_text("")
    told = delm(*SCRIPTED, "-i", FLASK, "--record", target, **SERVED)
    refused(told, target)


def test_a_database_of_somebody_else_is_left_alone(delm, place):
    bundled()
    (place / "results/x").mkdir(parents=True)
    database = place / "results/x/run.db"
    for content in (b"not a database at all, really", None):
        if content is None:
            database.unlink()
            with sqlite3.connect(database) as other:
                other.execute("CREATE TABLE mine (a)")
            other.close()
        else:
            database.write_bytes(content)
        before = database.read_bytes()
        told = delm(*SCRIPTED, "-i", FLASK, "--run-id", "x", **SERVED)
        refused(told, "run.db: not a run's database")
        assert database.read_bytes() == before


@pytest.mark.parametrize("name", ["../x", "a/b", "", " ", "-x", ".x", "x" * 101, "a\nb", "[red]"])
def test_a_run_id_that_is_no_plain_name_is_refused(delm, place, name):
    bundled()
    words = ("grade", "--gold", f"--run-id={name}") if name else ("show", "")
    refused(delm(*words), "cannot be a run id", "letters, digits")


@pytest.mark.parametrize(
    "words", [("show", "smok"), ("score", "smok"), ("export", "smok", "out.jsonl")]
)
def test_a_run_that_is_not_there_is_refused_with_the_nearest(delm, place, words):
    (place / "results/smoke").mkdir(parents=True)
    (place / "results/smoke/run.db").touch()
    refused(delm(*words), "there is no run results/smok", "'smoke'")
    assert [path.name for path in place.rglob("*")] == ["results", "smoke", "run.db"]


def test_a_path_without_a_run_is_refused(delm, place):
    refused(delm("show", f"{place}/none"), "no run", "run.db")


def test_what_a_run_does_not_hold_is_refused_with_what_it_holds(delm, finished, place):
    refused(delm("show", "x", "pallets__flask-5015"), "not in this run", FLASK)
    refused(delm("export", "x", "o.jsonl", "-s", "delm"), "'delm'", "single")
    refused(delm("export", "x", "o.jsonl", "--format", "csv"), "'csv'", "recording")
    refused(delm("export", "x", "nowhere/o.jsonl"), "nowhere/o.jsonl")
    assert not (place / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the recording"),
        ("", "is empty"),
        ("{}\n", "line 1"),
        ('{"model": "openai/scripted", "dataset": "d", "created": ""}\n{"system"', "line 2"),
    ],
)
def test_a_recording_that_cannot_be_replayed_is_refused(delm, place, content, says):
    if content is not None:
        (place / "r.jsonl").write_text(content)
    refused(delm("eval", "-m", "replay:r.jsonl", "--dry-run"), "r.jsonl", says)


def test_a_model_that_refuses_every_call_is_found_out_before_anything_is_made(place):
    bundled(FLASK)
    hostile = Status(401, "\x1b]0;owned\x07no such key \x1b[31m[red]x[/]")
    with ScriptedModel(lambda request, n: FINISH, first=hostile) as server:
        told = delm_process(
            *(*SCRIPTED, "-i", FLASK, "-k", "3", "-w", "1", "--run-id", "x"),
            cwd=place,
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="sk-wrong-000000",
        )
        assert (len(server.first_calls), server.requests) == (1, [])
        address = server.base_url
    refused(told, "the model refuses every call", "no such key", "[red]x[/]", address,
            "the key in OPENAI_API_KEY")  # fmt: skip
    assert "\x1b" not in told.out
    assert "sk-wrong" not in told.text
    assert not (place / "results/x").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_small_disk_is_refused_by_its_free_space(tmp_path):
    bundled()
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=1m none {small} && exec "$@" -o {small}'
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script, "bash", DELM, "grade", "--gold"],
        env=variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr.lower():
        pytest.skip("mounting is not allowed here")
    refused(Told(done.returncode, done.stdout, done.stderr), "0.0 GB free", "2 GB are needed")
