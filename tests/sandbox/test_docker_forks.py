"""What images declare and commands plant: what it does to a container's PID 1 and to its forks."""

import contextlib
import os
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sandboxes import LIMITS, Docker

from harness.errors import SandboxLost, SandboxUnfit
from harness.sandbox.docker import snapshots
from harness.sandbox.docker.machine import DockerMachine
from harness.sandbox.sandbox import ShellSandbox

pytestmark = [
    pytest.mark.parametrize("kind", ["docker"], indirect=True),
    pytest.mark.slow(seconds=8),
]


@contextlib.asynccontextmanager
async def opened(kind: Docker, declared: str = "", lacks: str = "") -> AsyncIterator[ShellSandbox]:
    """A sandbox of an image that declares something more, and lacks a file."""
    image = f"{kind.image}-{uuid.uuid4().hex[:8]}"
    command = ["rm", "-f", lacks] if lacks else ["true"]
    container = kind.client.containers.create(kind.image, command, network_mode="none")
    if lacks:
        container.start()
        container.wait()
    container.commit(*image.split(":"), changes=declared or None)
    container.remove()
    machine = DockerMachine(kind.client, image, kind.labels, LIMITS, network=False, activate=False)
    try:
        await machine.start()
        sandbox = await ShellSandbox.start(machine)
        try:
            yield sandbox
        finally:
            await sandbox.close()
    finally:
        kind.client.images.remove(image, force=True)


def loaded(sandbox: ShellSandbox) -> set[str]:
    """The files that PID 1 runs code of."""
    machine = sandbox._machine
    assert isinstance(machine, DockerMachine)
    assert machine._container is not None
    machine._container.reload()
    maps = Path(f"/proc/{machine._container.attrs['State']['Pid']}/maps")
    try:
        lines = maps.read_text().splitlines()
    except PermissionError:
        pytest.skip("only root sees what is loaded into a container's PID 1")
    return {" ".join(line.split()[5:]) for line in lines if "xp " in line and "/" in line}


CHECKED = "HEALTHCHECK --interval=10ms --timeout=1s CMD /bin/true"


async def test_the_engine_runs_no_program_that_an_image_declares_and_a_command_exchanged(kind):
    async with opened(kind, CHECKED) as sandbox:
        await sandbox.exec(
            "rm /bin/true; printf '#!/bin/sh\\ntouch /tmp/ran\\n' > /bin/true; chmod +x /bin/true"
        )
        twin = await sandbox.fork()
        try:
            for each in (sandbox, twin):
                await anyio.sleep(0.3)
                assert "No such file" in (await each.exec("ls /tmp/ran")).output
        finally:
            await twin.close()


PLANT = r"""
for path in $(ldd /usr/bin/perl | grep -o '/[^ ]*'); do
  folder=${path%/*}/glibc-hwcaps
  for level in x86-64-v4 x86-64-v3 x86-64-v2; do
    mkdir -p $folder/$level && cp -L $path $folder/$level/
  done
done
[ -z "$(command -v ldconfig)" ] || ldconfig
"""


@pytest.mark.parametrize("lacks", ["", "/etc/ld.so.cache"])
async def test_pid_1_of_a_fork_finds_no_library_that_a_command_has_put_in_the_way(kind, lacks):
    if os.uname().machine != "x86_64":
        pytest.skip("other machines have other folders")
    async with opened(kind, lacks=lacks) as sandbox:
        await sandbox.exec(PLANT)
        twin = await sandbox.fork()
        try:
            again = await twin.fork()
            for each in (twin, again):
                assert not [path for path in loaded(each) if "hwcaps" in path]
            await again.close()
        finally:
            await twin.close()


FILES = "ldd /usr/bin/perl | grep -o '/[^ ]*'; echo /usr/bin/perl"


async def test_the_code_that_pid_1_of_a_fork_runs_cannot_be_written(kind, sandbox):
    """What is written into a library in place is in every process that has it loaded from there."""
    await sandbox.exec("echo more >> a.txt")
    twin = await sandbox.fork()
    try:
        look = "ls -A / /usr/bin"
        assert (await twin.exec(look)).output == (await sandbox.exec(look)).output
        assert all(path.endswith(" (deleted)") for path in loaded(twin))
        await twin.exec(
            f"for path in $({FILES}); do set -- $path $(stat -L -c %s $path);"
            "head -c $2 /dev/zero | dd of=$1 conv=notrunc bs=1M 2> /dev/null; done"
        )
        assert (await twin.exec("true")).exit_status not in (0, None)
        assert (await twin.exec("true")).exit_status not in (0, None)  # PID 1 goes on
    finally:
        await twin.close()


READER = r"""
sub begins { open my $words, '<', "/proc/$_[0]/cmdline" or return; <$words> =~ /^supervisor/ }
for (1 .. 300_000) {
    for my $id (map { m{(\d+)$} } glob '/proc/[0-9]*') {
        next if $id == 1 or not begins($id);
        my $open = open my $memory, '<', "/proc/$id/mem";
        next unless begins($id);
        open my $seen, '>>', '/tmp/seen';
        print $seen $open ? "read\n" : "closed\n";
    }
}
"""


async def test_who_gets_into_a_container_cannot_read_the_mark_of_a_command_that_begins(
    kind, sandbox
):
    """Between fork and exec the child holds all that PID 1 does."""
    container = sandbox._machine._container
    seen = set()
    with anyio.fail_after(120):
        while not seen:
            container.exec_run(["perl", "-e", READER], detach=True)  # a command's end ends it
            await anyio.sleep(0.1)
            told = await sandbox.exec("#" + "x" * 14_000_000 + "\ncat /tmp/seen")
            seen = {line for line in told.output.split() if line in ("read", "closed")}
    assert seen == {"closed"}


@pytest.mark.parametrize("path", ["/testbed", "/testbed/pkg", "/"])
async def test_an_image_whose_repository_no_fork_would_have_is_refused(kind, path):
    """No image of a container has what lies in its volumes."""
    with pytest.raises(SandboxUnfit, match=f"declares {path} as a volume"):
        async with opened(kind, f"VOLUME {path}"):
            pass


async def test_a_volume_beside_the_repository_is_fresh_in_a_fork(kind):
    async with opened(kind, "VOLUME /testbed2") as sandbox:
        await sandbox.exec("echo more >> a.txt; echo more > /testbed2/more")
        twin = await sandbox.fork()
        try:
            assert (await twin.exec("ls -A /testbed2; tail -n 1 a.txt")).output == "more\n"
        finally:
            await twin.close()


async def test_a_copy_that_comes_too_late_does_not_stay(kind, sandbox, monkeypatch):
    from docker.models.containers import Container

    made, commit = threading.Event(), Container.commit

    def slow(container: Container, **words: str) -> object:
        try:
            return commit(container, **words)
        finally:
            made.set()

    monkeypatch.setattr(Container, "commit", slow)
    monkeypatch.setattr(snapshots, "COMMIT_S", 0.01)
    await sandbox.exec("echo x > x")
    with pytest.raises(SandboxLost):
        await sandbox.fork()
    monkeypatch.undo()
    await sandbox.close()
    with anyio.fail_after(60):
        await anyio.to_thread.run_sync(made.wait)
        while kind.leftovers():
            await anyio.sleep(0.05)


async def test_nothing_is_followed_in_the_place_of_the_repository_when_a_fork_begins(kind):
    """Container runtimes before 1.1.12 begin in a folder of the host there (CVE-2024-21626)."""
    sandbox = await kind.open()
    try:
        await sandbox.exec("cd /; rm -rf /testbed; ln -s /proc/self/fd/7 /testbed")
        fork = await sandbox.fork()
        assert (await fork.exec("readlink /testbed", cwd="/")).output == "/proc/self/fd/7\n"
        await fork.close()
    finally:
        await sandbox.close()
