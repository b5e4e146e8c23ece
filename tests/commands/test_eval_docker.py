"""`delm eval --sandbox docker` from end to end, and what it leaves behind however it ends."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import anyio
import docker
import pytest
from console import (
    DATASET,
    FINISH,
    FLASK,
    SOLVE,
    bash,
    bundled,
    docker_client,
    end,
    query,
    recording,
    running,
    start,
    wait_for,
)
from console import (
    delm_here as delm,
)
from scripted_model import ScriptedModel

from harness.cache import cache_dir
from harness.errors import UserError
from harness.sandbox.docker import image_build

pytestmark = pytest.mark.slow(seconds=12)

MARK = f"20021.{os.getpid()}"  # seconds nobody else sleeps


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with ExitStack() as stack:
        daemon = docker_client(stack)
        items = bundled(FLASK)

        async def build() -> None:
            await image_build.build(items, cache=cache_dir(), on_progress=print)

        try:
            anyio.run(build)
        except UserError as error:
            pytest.skip(f"the image of {FLASK} cannot be built here: {error}")
        yield daemon


def left(client: docker.DockerClient, run_id: str) -> list[str]:
    """Containers and images that a run has left."""
    mine = {"label": f"delm.run={run_id}"}
    containers = client.containers.list(all=True, filters=mine, ignore_removed=True)
    return [str(thing) for thing in (*containers, *client.images.list(all=True, filters=mine))]


def test_a_scripted_model_solves_a_real_issue_in_docker(client, tmp_path):
    volumes = {volume.name for volume in client.volumes.list()}
    run_id = f"solved-{os.getpid()}"

    def script(request, n):
        return SOLVE if len(request["messages"]) == 2 else FINISH

    with ScriptedModel(script) as server:
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
                "--sandbox",
                "docker",
            ),
            *("--run-id", run_id, "-o", tmp_path, "--yes"),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
        )
    assert told.code == 0, told.text
    assert "1 of 1" in told.out
    (trial,) = query(tmp_path / run_id, "SELECT * FROM trial")
    assert (trial["sandbox"], trial["audit"], trial["state"]) == ("docker", "ok", "done")
    assert trial["image"].startswith("sha256:")
    assert left(client, run_id) == []
    assert {volume.name for volume in client.volumes.list()} <= volumes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_after_a_signal_in_the_middle_of_a_command(client, tmp_path, number):
    recording(tmp_path / "answers.jsonl", [[SOLVE, bash(f"sleep {MARK} & sleep {MARK}")]])
    run_id = f"stopped-{number}-{os.getpid()}"
    process = start(
        *("eval", "-m", "replay:answers.jsonl", "-d", DATASET, "--sandbox", "docker"),
        *("--run-id", run_id, "-o", tmp_path),
        cwd=tmp_path,
    )
    try:
        wait_for(lambda: len(running(MARK)) == 2 or process.poll() is not None, "the command")
        assert process.poll() is None, end(process)
        assert len(left(client, run_id)) == 1
        os.killpg(process.pid, number)
        told = end(process)
    finally:
        process.kill()
    if number == signal.SIGKILL:  # the daemon sees that nobody is attached, a moment later
        wait_for(lambda: not left(client, run_id), "the removal of the container", 30)
        wait_for(lambda: not running(MARK), "the end of the command", 10)
        return
    assert told.code == 130
    assert f"delm eval --run-id {run_id} -o {tmp_path}\n" in told.out
    assert left(client, run_id) == []
    assert running(MARK) == []
    (made,) = query(tmp_path / run_id, "SELECT * FROM submission")
    assert made["salvaged"] == 1
    assert "may not be empty" in made["patch"]
