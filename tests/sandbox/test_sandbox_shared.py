"""What the kernel counts by user, and what listens on this machine, is not a sandbox's to take."""

import contextlib
import errno
import os
import platform
import shutil
import socket
import sys
import uuid
from pathlib import Path

import anyio
import pytest
from sandboxes import LIMITS, Bubblewrap, why_not

from harness import event_loop
from harness.config import SandboxConfig
from harness.errors import UserError
from harness.sandbox.bubblewrap.network import PROGRAM, lacks
from harness.sandbox.providers import choose
from harness.sandbox.sandbox import ShellSandbox

pytestmark = pytest.mark.slow(seconds=6)

TAKE = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
count = 0
while libc.inotify_init() >= 0: count += 1
print(count, ctypes.get_errno())
"""


@pytest.fixture
def bubblewrap(tmp_path):
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path)
    yield kind
    assert kind.leftovers() == set()


async def test_a_sandbox_cannot_take_all_inotify_instances_of_the_user(bubblewrap):
    async with contextlib.AsyncExitStack() as stack:
        opened = await bubblewrap.open()
        stack.push_async_callback(opened.close)
        twin = await opened.fork()
        stack.push_async_callback(twin.close)
        for each in (opened, twin):
            raised = "echo 1000 > /proc/sys/user/max_inotify_instances; "
            taken = await each.exec(f"{raised} python3 - <<'E'\n{TAKE}\nE")
            assert taken.output.splitlines()[-1] == "16 24"


TERMINALS = """
import os
count, held = 0, []
try:
    while True: held.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)); count += 1
except OSError: print(count)
"""


async def test_a_sandbox_cannot_take_all_terminals(bubblewrap):
    opened = await bubblewrap.open()
    try:
        if opened._machine._place == "copy" and os.geteuid() != 0:
            pytest.skip("it has no mounts of its own here")
        twin = await opened.fork()
        try:
            for each in (opened, twin):
                taken = await each.exec(f"tty; python3 - <<'E'\n{TERMINALS}\nE")
                assert taken.output.splitlines()[-1] == "64"
        finally:
            await twin.close()
    finally:
        await opened.close()


SIGNALS = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
for _ in range(20000): os.kill(os.getpid(), signal.SIGRTMIN)
lines = open("/proc/self/status").read().splitlines()
print(next(line for line in lines if line.startswith("SigQ")).split()[1])
"""


async def test_a_sandbox_cannot_take_all_pending_signals_and_queues_of_the_user(kind):
    opened = await kind.open()
    try:
        taken = await opened.exec(f"python3 - <<'E'\n{SIGNALS}\nE\nulimit -q")
    finally:
        await opened.close()
    pending, limit, queues = taken.output.replace("/", " ").split()
    assert (limit, queues) == ("4096", "204800")
    assert int(pending) < 4200  # in Docker others of root's are counted in


async def test_asynchronous_input_of_which_the_machine_has_few_is_not_there(kind):
    number = {"x86_64": 206, "aarch64": 0}[platform.machine()]
    opened = await kind.open()
    try:
        script = f"my $c = pack q(Q), 0; print syscall({number}, 1, $c), q( ), $!+0"
        found = (await opened.exec(f"perl -e '{script}'")).output
        assert found in {f"-1 {errno.ENOSYS}", f"-1 {errno.EPERM}"}  # engines before 23
    finally:
        await opened.close()


async def test_nothing_has_the_kernel_watch_how_busy_the_machine_is(bubblewrap):
    opened = await bubblewrap.open()
    try:
        said = await opened.exec("for f in /proc/pressure/*; do (: 1<> $f) && echo $f; done")
    finally:
        await opened.close()
    assert said.exit_status != 126
    assert "/proc/pressure/cpu\n" not in said.output.replace("cpu: ", "")


def test_no_sandbox_can_take_what_the_harness_waits_with(kind):
    """The kernel counts by user what epoll(7) watches: the harness has none."""

    async def held_while_commands_run() -> list[str]:
        opened = await kind.open()
        try:
            assert (await opened.exec("echo here")).output == "here\n"
            found = []
            for file in Path("/proc/self/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.append(str(file.readlink()))
        finally:
            await opened.close()
        return found

    found = event_loop.run(held_while_commands_run)
    assert any(name.startswith("socket:") for name in found)
    assert not [name for name in found if "eventpoll" in name]


@pytest.fixture
async def connected(bubblewrap):
    if reason := lacks():
        pytest.skip(reason)
    opened = await bubblewrap.open(network=True)
    try:
        yield opened
    finally:
        await opened.close()


def reaching(*targets: str) -> str:
    script = "import socket\n"
    for target in targets:
        family = "AF_UNIX" if target.startswith("'\\x00") else "AF_INET"
        script += (
            f"s = socket.socket(socket.{family}); s.settimeout(3)\n"
            f"try: s.connect({target}); print('reached', s.recv(100))\n"
            "except OSError as error: print('not reached')\n"
        )
    return f"python3 - <<'E'\n{script}E"


async def test_a_network_reaches_neither_the_machines_loopback_nor_its_abstract_sockets(connected):
    name = f"delm-{uuid.uuid4().hex}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(f"\0{name}")
        local.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 5):
            server.accept()[0].close()
        hosts = ("127.0.0.1", "10.0.2.2", "10.0.2.3", "localhost")
        targets = [f"({host!r}, {port})" for host in hosts]
        async with contextlib.AsyncExitStack() as stack:
            twin = await connected.fork()
            stack.push_async_callback(twin.close)
            for each in (connected, twin):
                found = await each.exec(reaching(*targets, repr(f"\0{name}")), timeout_s=60)
                assert found.output == "not reached\n" * 5


async def test_a_network_reaches_what_the_machine_offers_on_a_network(connected):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, but tells which address would
        except OSError:
            pytest.skip("this machine is on no network")
        address = probe.getsockname()[0]
    with socket.create_server((address, 0)) as server:

        async def answer() -> None:
            accepted, _ = await anyio.to_thread.run_sync(server.accept)
            with accepted:
                accepted.sendall(b"hello")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            found = await connected.exec(reaching(f"({address!r}, {server.getsockname()[1]})"))
            if found.output != "reached b'hello'\n":
                socket.create_connection((address, server.getsockname()[1])).close()
        assert found.output == "reached b'hello'\n"


async def test_what_connects_a_sandbox_ends_with_it(bubblewrap, connected):
    mine = programs()
    assert mine
    bubblewrap.kill(connected)
    await connected.close()
    with anyio.fail_after(10):
        while mine & programs():
            await anyio.sleep(0.05)


async def test_what_connects_a_sandbox_takes_no_more_than_the_sandbox(connected):
    """It holds what is sent to connections that a command does not read."""
    machine = connected._machine
    found = Path(f"/proc/{machine._uplink._process.pid}")
    lines = (found / "limits").read_text().splitlines()
    limits = {line[:25].strip(): line[26:].split()[0] for line in lines}
    assert limits["Max open files"] == str(LIMITS.open_files)
    assert limits["Max data size"] == str(LIMITS.memory_mb << 20)
    group = machine._group
    assert group is not None or os.geteuid() != 0
    for procs in group.procs if group else ():
        assert found.name in procs.read_text().split()


def programs() -> set[Path]:
    """The processes of the program that this one has begun."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (folder / "status").read_text()
            if f"Name:\t{PROGRAM}\n" in text and f"PPid:\t{os.getpid()}\n" in text:
                found.add(folder)
    return found


def test_a_network_that_cannot_be_had_is_refused_before_a_run(tmp_path, monkeypatch):
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    for name in ("bwrap", "perl"):
        (tmp_path / name).symlink_to(shutil.which(name) or sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    config = SandboxConfig(kind="bubblewrap", network=True)
    with pytest.raises(UserError, match=f"apt-get install {PROGRAM}"):
        choose(config, tmp_path, [], labels={}, grading_network=False)
    config = SandboxConfig(kind="bubblewrap")
    with pytest.raises(UserError, match=f"apt-get install {PROGRAM}"):
        choose(config, tmp_path, [], labels={}, grading_network=True)
    choose(config, tmp_path, [], labels={}, grading_network=False).close()


SAY = """
shmget 4711, 4096, 01666; semget 4711, 1, 01666; msgget 4711, 01666;
for ("/dev/mqueue/delm", "/dev/shm/delm") { open my $file, ">", $_ }
"""
HEAR = """
for (1..15) {
    print grep({ defined } shmget(4711, 0, 0), semget(4711, 0, 0), msgget(4711, 0)),
        grep { -e } "/dev/mqueue/delm", "/dev/shm/delm";
    select undef, undef, undef, 0.1;
}
print " ", time;
"""


async def test_no_object_of_the_kernel_is_shared_by_two_sandboxes(kind):
    """System V and POSIX shared memory, semaphores and queues, while one of them has them."""
    heard = dict[str, str]()

    async def hear(opened: ShellSandbox, who: str, script: str) -> None:
        result = await opened.exec(f"perl -e '{script.replace(chr(10), ' ')}'")
        heard[who], _, ended = result.output.partition(" ")
        heard[f"end of {who}"] = ended

    async with contextlib.AsyncExitStack() as stack:
        first, other = await kind.open(), await kind.open()
        stack.push_async_callback(first.close)
        stack.push_async_callback(other.close)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear, other, "other", SAY + HEAR)
            tasks.start_soon(hear, first, "first", HEAR)
    assert heard["other"].count("/dev/mqueue/delm/dev/shm/delm") == 15
    assert len(heard["other"]) > 15 * len("/dev/mqueue/delm/dev/shm/delm")
    assert heard["first"] == ""
    assert abs(int(heard["end of first"]) - int(heard["end of other"])) < 2  # at the same time
