"""What dead owners leave is removed; what the living and others have is not."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import SandboxConfig
from harness.sandbox import owners
from harness.sandbox.bubblewrap.folders import MARK, claim, sweep
from harness.sandbox.docker.client import LABEL, OWNER
from harness.sandbox.docker.sweep import sweep_docker
from harness.sandbox.owners import Owner, dead
from harness.sandbox.providers import BubblewrapSandboxes
from harness.sandbox.reaper import sweep_cache

NAME = "0123456789abcdef" * 2
CLAIM = (
    "import os, sys\nfrom pathlib import Path\n"
    "from harness.sandbox.bubblewrap.folders import claim\n"
    "claim(Path(sys.argv[1]), {'delm.run': 'killed'})\nos.kill(os.getpid(), 9)\n"
)


def ended() -> Owner:
    """A process that has ended, and whose id may be another's."""
    said = subprocess.run(
        [sys.executable, "-c", "from harness.sandbox.owners import Owner; print(Owner.me())"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    found = Owner.read(said)
    assert found is not None
    return found


def test_this_process_lives_and_one_that_has_ended_is_dead():
    assert not dead(str(Owner.me()))
    assert dead(str(ended()))


def test_a_process_that_got_the_same_id_later_does_not_stand_in_for_the_owner():
    assert dead(str(replace(Owner.me(), began=Owner.me().began - 1)))


def test_what_cannot_be_judged_from_here_lives():
    gone = ended()
    assert not dead(str(replace(gone, machine="another", boot="another")))
    assert not dead(str(replace(gone, boot="")))
    for text in ("", "x", "a/b/c/d/e", "host pid:[1]:17"):
        assert not dead(text)


def test_a_reboot_ends_owners_but_what_runs_was_not_there_before_it():
    before = replace(Owner.me(), boot="an earlier one")
    assert dead(str(before)) == bool(owners._machine())
    assert not dead(str(before), active=True)


def test_a_process_that_waits_to_be_reaped_is_dead():
    child = subprocess.Popen(
        [sys.executable, "-c", "from harness.sandbox.owners import Owner; print(Owner.me())"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    name = child.stdout.read().strip()
    child.stdout.close()
    until = time.monotonic() + 10
    while not dead(name) and time.monotonic() < until:
        time.sleep(0.05)
    assert dead(name)
    child.wait()


def test_folders_of_the_dead_go_and_those_of_the_living_and_of_others_stay(tmp_path):
    store = tmp_path / "sandboxes"
    subprocess.run([sys.executable, "-c", CLAIM, str(store / NAME)], check=False)
    assert json.loads((store / NAME / MARK).read_text())["delm.run"] == "killed"
    lock = claim(store / NAME[::-1])
    (store / "notes").mkdir()
    foreign = store / ("f" * 32)
    foreign.mkdir()
    (foreign / "work").touch()
    try:
        assert sweep(store, remove=False) == [f"bubblewrap sandbox {NAME[:12]} of run killed"]
        assert (store / NAME).is_dir()
        assert len(sweep(store)) == 1
        assert {path.name for path in store.iterdir()} == {NAME[::-1], "notes", foreign.name}
    finally:
        os.close(lock)


def test_a_process_of_a_dead_sandbox_is_ended_with_its_mount(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    store = tmp_path / "sandboxes"
    subprocess.run([sys.executable, "-c", CLAIM, str(store / NAME)], check=False)
    for place in (store / NAME, tmp_path / NAME[:31]):
        (place / "a").mkdir(parents=True)
    mount = 'mount --bind "$1/a" "$1/a" && echo ready && exec sleep 100'
    strays = [
        subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount, "sh", place], stdout=subprocess.PIPE
        )
        for place in (store / NAME, tmp_path / NAME[:31])
    ]
    try:
        for each in strays:
            assert each.stdout is not None
            assert each.stdout.readline() == b"ready\n"
        assert len(sweep(store)) == 1
        assert strays[0].wait(10) == -9
        assert strays[1].poll() is None
        assert not (store / NAME).exists()
    finally:
        for each in strays:
            each.kill()
            each.wait()
            assert each.stdout is not None
            each.stdout.close()


def test_unfinished_builds_and_half_written_files_go_where_nobody_is_at_them(tmp_path):
    long_ago = time.time() - 3 * 86_400
    (tmp_path / "images").mkdir()
    for name in ("dead.building", "foreign.building"):
        (tmp_path / "images" / name).mkdir()
    (tmp_path / "images" / "dead.lock").touch()
    for name in (".pulled.json.abcd1234", ".fresh.json.abcd1234", ".hidden", "plain"):
        (tmp_path / name).touch()
        if "fresh" not in name:
            os.utime(tmp_path / name, (long_ago, long_ago))
    assert sweep_cache(tmp_path) == [
        "unfinished build images/dead.building",
        "half-written .pulled.json.abcd1234",
    ]
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {
        *(".fresh.json.abcd1234", ".hidden", "plain"),
        *("images", "images/dead.lock", "images/foreign.building"),
    }


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
def test_in_docker_only_what_has_our_label_and_a_dead_owner_goes(kind, tmp_path):
    session = {"delm.test": kind.session, "delm.run": "killed"}
    mine = session | {LABEL: "sandbox"}
    cases = {
        "dead": mine | {OWNER: str(ended())},
        "living": mine | {OWNER: str(Owner.me())},
        "nobody": mine,
        "foreign": session | {OWNER: str(ended())},
        "elsewhere": mine | {OWNER: str(replace(ended(), boot="x", machine="y"))},
    }
    api = kind.client.api
    made = {
        name: kind.client.containers.create(
            kind.image, ["true"], name=f"delm-{kind.session}-{name}", labels=labels
        )
        for name, labels in cases.items()
    }
    volumes = {
        name: kind.client.volumes.create(f"delm-{kind.session}-{name}", labels=labels)
        for name, labels in cases.items()
    }
    try:
        found = sweep_docker(kind.client)
        assert f"container {made['dead'].id[:12]} of run killed" in found
        left = {each["Id"] for each in api.containers(all=True, filters=kind.filters())}
        assert left == {made[name].id for name in cases if name != "dead"}
        there = {each["Name"] for each in api.volumes(filters=kind.filters())["Volumes"]}
        assert there == {volumes[name].name for name in cases if name != "dead"}
    finally:
        for name in cases:
            if name != "dead":
                made[name].remove(force=True)
                volumes[name].remove()


def test_the_doctor_reaps_and_says_what(delm, tmp_path):
    cache = tmp_path / "cache"
    store = cache / "sandboxes"
    subprocess.run([sys.executable, "-c", CLAIM, str(store / NAME)], check=False)
    nowhere = {"DELM_CACHE": str(cache), "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    told = delm("doctor", "--reap", **nowhere)
    assert told.code == 0, told.text
    assert f"removed bubblewrap sandbox {NAME[:12]} of run killed\n" in told.out
    assert "reaped: 1 leftover of dead owners\n" in told.out
    assert "no Docker engine answers" in told.out
    assert not Path(store / NAME).exists()
    assert "reaped: nothing of dead owners\n" in delm("doctor", "--reap", **nowhere).out


async def test_a_start_reaps_first_and_says_so_in_one_line_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    place = tmp_path / "sandboxes" / NAME
    subprocess.run([sys.executable, "-c", CLAIM, str(place)], check=False)
    sandboxes = BubblewrapSandboxes(SandboxConfig(), tmp_path, grading_network=False)
    said: list[str] = []
    await sandboxes.prepare([], said.append)
    told = f"removed what dead runs left: bubblewrap sandbox {NAME[:12]} of run killed"
    assert said == [told]
    await sandboxes.prepare([], said.append)
    assert said == [told]
