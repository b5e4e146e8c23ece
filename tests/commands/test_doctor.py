"""`delm doctor`: each thing that a run needs, and what to do where it is not there."""

import json
from pathlib import Path

import pytest
from console import DATASET, bundled, delm
from doctor_lines import NO_DOCKER, lines

pytestmark = pytest.mark.slow(seconds=4)

ROW = {
    **dict.fromkeys(("repo", "base_commit", "problem_statement", "version"), "x"),
    **dict.fromkeys(("patch", "test_patch", "eval_script"), "x"), "log_parser": "parse_log_pytest",
    "instance_id": "a__a-1", "FAIL_TO_PASS": ["t"], "PASS_TO_PASS": [],
    "eval_type": "pass_and_fail",
}  # fmt: skip


def test_what_the_bundled_run_needs_is_here(tmp_path):
    bundled()
    told = delm("doctor", cwd=tmp_path)
    assert told.code == 0, told.text
    found = lines(told.out)
    assert found["bubblewrap"][0] == "good"
    assert found["dataset bundled-offline"] == ("good", "29 instances")
    assert "recorded trials" in found["replay"][1]
    assert {
        "docker",
        "limits",
        "files of a sandbox",
        "disk, results",
        "disk, cache",
        "memory",
    } <= found.keys()
    assert list(tmp_path.iterdir()) == []


def test_a_machine_whose_epoll_watches_one_sandbox_could_take_is_told_how_to_close_that(tmp_path):
    bundled()
    most = int(Path("/proc/sys/fs/epoll/max_user_watches").read_text())
    found = lines(delm("doctor", cwd=tmp_path).out)
    if most * 160 < 4096 << 20:
        assert "sysctl -w fs.epoll.max_user_watches=" in found["epoll watches"][1]
    else:
        assert "epoll watches" not in found


def test_every_thing_that_is_missing_says_what_to_do(tmp_path):
    bundled()
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    told = delm(
        *("doctor", "-m", "gemini/gemini-2.5-flash", "-d", "rows.jsonl", "-o", "/proc/results"),
        cwd=tmp_path,
        PATH="/nonexistent",
        **NO_DOCKER,
    )
    assert told.code == 1
    found = lines(told.out)
    assert "systemctl start docker" in found["docker"][1]
    assert "apt-get install bubblewrap" in found["bubblewrap"][1]
    assert found["sandboxes"][0] == "bad"
    assert found["disk, results"] == ("bad", "/proc is not writable; choose another folder")
    assert found["dataset rows.jsonl"][0] == "bad"
    assert "Docker" in found["dataset rows.jsonl"][1]
    assert found["model gemini/gemini-2.5-flash"][0] == "bad"
    assert "export GEMINI_API_KEY=" in found["model gemini/gemini-2.5-flash"][1]
    assert found["price"][0] == "good"


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (("-d", "none.jsonl"), "dataset none.jsonl"),
        (("-m", "nobody/x", "-d", DATASET), "model nobody/x"),
    ],
)
def test_what_does_not_exist_is_bad(tmp_path, words, about):
    told = delm("doctor", *words, cwd=tmp_path, **NO_DOCKER)
    assert told.code == 1
    assert lines(told.out)[about][0] == "bad"
    assert told.err == ""


def test_a_hub_that_does_not_answer_is_asked_once_and_named(tmp_path):
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    told = delm("doctor", "-d", "nobody/x", cwd=tmp_path, **NO_DOCKER, **nowhere)
    assert told.code == 1
    assert told.err == ""  # none of the hub client's own lines
    assert "loading nobody/x from http://127.0.0.1:9 …\n" in told.out
    state, words = lines(told.out)["dataset nobody/x"]
    assert state == "bad"
    assert "the dataset hub does not answer" in words
    assert "-d verified-offline" in words
