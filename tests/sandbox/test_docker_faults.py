"""A Docker engine that ends, hangs or loses a container: infrastructure, in bounded time.

What commands could make it hang with is refused, and is their outcome.

The engine is the module's own, so that no other test is disturbed.
"""

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import docker
import own_daemon
import pytest
from console import forget_sockets
from sandboxes import LIMITS, Docker

from harness.errors import SandboxLost, SandboxUnavailable
from harness.sandbox import providers, shell
from harness.sandbox.docker import machine as docker_sandbox
from harness.sandbox.docker import snapshots, sweep
from harness.sandbox.docker.client import LABEL, OWNER
from harness.sandbox.docker.machine import DockerMachine
from harness.sandbox.owners import Owner
from harness.sandbox.sandbox import ShellSandbox

BOUND_S = 30
# the SDK leaves the sockets of connections that the engine ends, or that run out of time
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.slow(seconds=34),
]


@dataclass
class Engine:
    """The daemon, a client of it as runs have one, and the image of a tiny repository."""

    daemon: own_daemon.OwnDaemon
    client: docker.DockerClient
    image: str

    async def machine(self) -> DockerMachine:
        """One that runs."""
        made = DockerMachine(
            self.client, self.image, {"delm.run": "faults"}, LIMITS, network=False, activate=False
        )
        await made.start()
        return made

    async def open(self) -> ShellSandbox:
        return await ShellSandbox.start(await self.machine())

    def left(self) -> list[str]:
        """Containers that are there."""
        marked = {"label": "delm.run=faults"}
        return [each["Id"] for each in self.client.api.containers(all=True, filters=marked)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[Engine]:
    if reason := own_daemon.why_not():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="own-"))
    daemon = own_daemon.OwnDaemon(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            daemon.start()
            patch.setenv("DOCKER_HOST", daemon.host)
            made = Docker(tmp_path_factory.mktemp("repository"))
        yield Engine(daemon, made.client, made.image)
        made.client.close()
    finally:
        daemon.remove()
        forget_sockets()


async def lost(sandbox: ShellSandbox, command: str, *, timeout_s: float) -> str:
    """Why a command came to nothing; it came to no result, and in bounded time."""
    async with in_bounded_time():
        with pytest.raises(SandboxUnavailable) as failure:
            await sandbox.exec(command, timeout_s=timeout_s)
    return str(failure.value)


@asynccontextmanager
async def in_bounded_time() -> AsyncIterator[None]:
    """Fail where it took longer; `fail_after` does not see what is shielded."""
    began = anyio.current_time()
    yield
    assert anyio.current_time() - began < BOUND_S


async def test_a_container_killed_in_mid_command_gives_no_result(engine):
    sandbox = await engine.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lost(sandbox, "echo begun; sleep 100", timeout_s=100))
        await anyio.sleep(0.5)
        (name,) = engine.left()
        subprocess.run(
            ["docker", "--host", engine.daemon.host, "kill", name], check=True, capture_output=True
        )
    assert "ended" in await lost(sandbox, "true", timeout_s=10)
    await sandbox.close()
    assert engine.left() == []


async def test_a_container_killed_for_memory_gives_no_result(engine):
    sandbox = await engine.open()
    # several, so that none of them weighs as much as the first process with all of its score
    hog = "x=$(head -c 100M /dev/zero | tr '\\0' x); sleep 100"
    hogs = f"echo 0 > /proc/$$/oom_score_adj; for n in 1 2 3 4; do ({hog}) & done; wait"
    await lost(sandbox, f"echo 1000 > /proc/1/oom_score_adj; {hogs}", timeout_s=60)
    await sandbox.close()
    assert engine.left() == []


async def test_an_engine_that_restarts_during_a_command_or_between_two_is_back_for_the_next(engine):
    busy, idle = await engine.open(), await engine.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lost(busy, "sleep 100", timeout_s=100))
        await anyio.sleep(0.5)
        await anyio.to_thread.run_sync(engine.daemon.stop)
    await lost(idle, "echo", timeout_s=10)
    waits = []

    async def started():
        try:
            return await engine.machine()
        except SandboxUnavailable as failure:
            waits.append(str(failure))
            if len(waits) == 1:
                await anyio.to_thread.run_sync(engine.daemon.start)
            raise

    fresh = await providers.open_sandbox(started)
    assert len(waits) == 1
    assert (await fresh.exec("echo back")).output == "back\n"
    for sandbox in (busy, idle, fresh):
        await sandbox.close()
    assert engine.left() == []


async def test_an_engine_that_hangs_is_infrastructure_in_bounded_time(engine, monkeypatch):
    sandbox = await engine.open()
    monkeypatch.setattr(docker_sandbox, "ASK_S", 2.0)
    monkeypatch.setattr(docker_sandbox, "REMOVE_S", 2.0)
    monkeypatch.setattr(docker_sandbox, "START_S", 2.0)
    monkeypatch.setattr(snapshots, "SILENT_S", 1.0)
    monkeypatch.setattr(shell, "GRACE_S", 4.0)
    engine.daemon.hang()
    try:
        await lost(sandbox, "echo no result", timeout_s=2)
        async with in_bounded_time():
            with pytest.raises(SandboxUnavailable, match="not answered"):
                await engine.open()
        async with in_bounded_time():
            await sandbox.close()
    finally:
        engine.daemon.wake()
    with anyio.fail_after(BOUND_S):
        while engine.left():  # what came too late removes itself
            await anyio.sleep(0.2)
    monkeypatch.undo()  # a busy machine may take longer
    fresh = await engine.open()
    assert (await fresh.exec("echo back")).output == "back\n"
    await fresh.close()


def pipe_named(name: str) -> bytes:
    """A tar with a pipe."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type = tarfile.FIFOTYPE
        tar.addfile(member)
    return packed.getvalue()


def begin(container) -> None:
    """Have the engine start it, whatever comes of it."""
    with contextlib.suppress(docker.errors.DockerException):
        container.start()


PLANTED = [
    "rm /etc/passwd; mkfifo /etc/passwd",
    "rm /etc/group; mkfifo /etc/group",
    "mkfifo /tmp/p; ln -sf /tmp/p /etc/passwd",
    "ln -sf /proc/self/fd/0 /etc/passwd",
    "rm /etc/group; mkdir /etc/group",
    "yes root:x:0: | head -c 2M > /etc/group",
]


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_fork_is_refused_where_the_engine_would_wait_for_ever_at_a_file(engine, planted):
    sandbox = await engine.open()
    await sandbox.exec(f"cd /; {planted}", timeout_s=5)
    with anyio.fail_after(BOUND_S), pytest.raises(SandboxLost, match="no container begins"):
        await sandbox.fork()
    await sandbox.close()
    assert engine.left() == []


async def test_a_container_that_the_engine_hangs_at_keeps_nothing_else_from_being_removed(
    engine, monkeypatch
):
    monkeypatch.setattr(sweep, "REMOVE_S", 2.0)
    dead = replace(Owner.me(), began=Owner.me().began - 1)
    labels = {"delm.run": "faults", LABEL: "sandbox", OWNER: str(dead)}
    create = partial(engine.client.containers.create, engine.image, ["true"], labels=labels)
    other, stuck = create(), create()  # the newer comes first
    stuck.put_archive("/etc", pipe_named("passwd"))
    starting = threading.Thread(target=begin, args=(stuck,), daemon=True)
    starting.start()
    folder, where = engine.daemon.folder, "data/overlay2/*/merged/etc/passwd"
    try:
        with anyio.fail_after(BOUND_S):
            while not (pipes := [path for path in folder.glob(where) if path.is_fifo()]):
                await anyio.sleep(0.1)
        assert sweep.sweep_docker(engine.client) == [f"container {other.id[:12]} of run faults"]
        assert engine.left() == [stuck.id]
    finally:
        while starting.is_alive():  # whoever opens it for writing wakes the engine
            for each in filter(Path.exists, pipes):
                os.close(os.open(each, os.O_RDWR | os.O_NONBLOCK))
            await anyio.sleep(0.05)
    with anyio.fail_after(BOUND_S):
        while engine.left():
            sweep.sweep_docker(engine.client)
            await anyio.sleep(0.2)


async def test_calls_that_hang_keep_no_other_call_from_being_made():
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(snapshots.thread, lambda: time.sleep(3))
        await anyio.sleep(0.1)
        began = anyio.current_time()
        assert await snapshots.thread(lambda: "answer") == "answer"
        assert anyio.current_time() - began < 2


async def test_a_short_hang_is_waited_for(engine):
    sandbox = await engine.open()
    engine.daemon.hang()

    async def wake():
        await anyio.sleep(2)
        engine.daemon.wake()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wake)
        result = await sandbox.exec("echo late", timeout_s=20)
    assert (result.exit_status, result.output) == (0, "late\n")
    await sandbox.close()


async def test_a_command_out_of_memory_is_told_so_and_its_container_lives(engine):
    sandbox = await engine.open()
    result = await sandbox.exec("head -c 1G /dev/zero | tail -c 1G; exit 3", timeout_s=60)
    assert result.exit_status == 3
    assert result.memory_kills >= 1
    assert "out of memory" in result.out_of_memory
    after = await sandbox.exec("echo fine")
    assert (after.output, after.memory_kills, after.out_of_memory) == ("fine\n", 0, "")
    await sandbox.close()
