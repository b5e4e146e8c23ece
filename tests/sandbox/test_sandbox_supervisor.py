"""A command does not get at PID 1, which says what commands did, whatever it tries.

Every attack ends in a sandbox that answers for the next command as if nothing had been.
"""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from sandboxes import LIMITS, Docker, Kind

from harness.errors import SandboxError, SandboxLost, SandboxUnavailable, SandboxUnfit
from harness.sandbox.bubblewrap.machine import BubblewrapMachine
from harness.sandbox.docker.machine import DockerMachine
from harness.sandbox.sandbox import ShellSandbox
from harness.sandbox.seccomp import syscalls

pytestmark = pytest.mark.slow(seconds=22)

NUMBERS = {  # of system calls, x86_64 and aarch64
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "prlimit64": (302, 261),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
    "move_pages": (279, 239),
    "memfd_secret": (447, 447),
    "sethostname": (170, 161),
}
NOT_REFUSED = ("pidfd_open", "prlimit64")
CALLS = f"""
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
numbers = {NUMBERS!r}
place = platform.machine() == "aarch64"
def call(name, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(numbers[name][place]), *arguments)
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def python(sandbox: ShellSandbox, script: str, **more: float) -> list[str]:
    """What a Python program prints inside, as lines."""
    result = await sandbox.exec(f"python3 - <<'END'\n{CALLS}{script}\nEND", **more)
    assert result.exit_status == 0, result.output
    return result.output.splitlines()


async def test_nothing_of_pid_1_can_be_read_or_written(bench):
    script = """
import glob
for mode in ("rb", "r+b"):
    for place in ("mem", "task/1/mem", "fd/0", "fd/1", "environ", "maps", "root/etc", "cwd/x"):
        try:
            open("/proc/1/" + place, mode, buffering=0).read(1)
            print("opened", place, mode)
        except OSError:
            pass
for number in os.listdir("/proc/1/fd") if os.access("/proc/1/fd", os.R_OK) else ():
    try: print(number, os.readlink("/proc/1/fd/" + number))
    except OSError: pass
"""
    assert await python(bench, script) == []


async def test_pid_1_has_a_right_that_no_command_has(bench):
    result = await bench.exec(
        "grep -h -E '^Cap(Prm|Bnd)|NoNewPrivs|Seccomp:' /proc/{1,self}/status"
    )
    lines = [line.split() for line in result.output.splitlines()]
    supervisor, command = dict(lines[: len(lines) // 2]), dict(lines[len(lines) // 2 :])
    assert int(supervisor["CapPrm:"], 16) & ~int(command["CapPrm:"], 16) == 1 << 8
    assert int(command["CapBnd:"], 16) & 1 << 8 == 0
    assert command["NoNewPrivs:"] == "1"
    assert command["Seccomp:"] == "2"


async def test_no_other_process_can_be_traced_or_its_memory_changed(bench):
    script = """
child = os.fork()
if not child:
    import time; time.sleep(60)
page = ctypes.create_string_buffer(64)
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
mine = ctypes.byref(Piece(ctypes.addressof(page), 8))
for process in (1, child):
    print(call("ptrace", 16, process, 0, 0), call("ptrace", 0x4206, process, 0, 0))
    print(call("process_vm_readv", process, mine, 1, mine, 1, 0))
    print(call("process_vm_writev", process, mine, 1, mine, 1, 0))
    handle = os.pidfd_open(process)
    print(call("pidfd_getfd", handle, 0, 0))
os.kill(child, 9)
"""
    assert set(" ".join(await python(bench, script)).split()) == {"EPERM"}


async def test_the_limits_and_the_turns_of_pid_1_stay_as_they_are(bench):
    script = """
limits = (ctypes.c_ulong * 2)(1, 1)
for resource in (0, 1, 6, 7):
    for process in (1, 1 | 1 << 32):
        print("limit", resource, call("prlimit64", process, resource, limits, 0))
print(call("prlimit64", 0, 4, 0, ctypes.byref(limits)))
for change in (
    lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
    lambda: os.setpriority(os.PRIO_USER, 0, 19),
    lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
):
    try: print("changed", change())
    except OSError: pass
"""
    said = await python(bench, script)
    assert said[-1] == "done"
    assert {line.split()[2] for line in said[:-1]} <= {"ENOSYS", "EPERM"}
    assert len(said) == 9


@pytest.mark.parametrize("name", [name for name in NUMBERS if name not in NOT_REFUSED])
async def test_a_refused_call_is_refused(bench, name):
    assert name in syscalls.REFUSED
    assert await python(bench, f"print(call({name!r}, -1, -1, -1, -1, -1))") == ["EPERM"]


async def test_no_key_outlives_a_command(bench):
    said = await python(
        bench,
        """
print(call("add_key", b"user", b"delm-message", b"text", 4, -4))
print(call("request_key", b"user", b"delm-message", 0, -4), call("keyctl", 1, 0))
""",
    )
    assert said == ["EPERM", "EPERM EPERM"]


async def test_no_namespace_can_be_made(bench):
    script = """
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    made = libc.syscall(number, flag | 17, 0, 0, 0, 0)
    if made == 0: os._exit(0)
    print(made, call("unshare", flag))
"""
    assert set(await python(bench, script)) == {"-1 EPERM"}


async def test_odd_families_of_sockets_are_not_there(bench):
    script = """
import socket
for family in (17, 38, 40, 15, 29, 44):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW, socket.SOCK_STREAM):
        try: socket.socket(family, kind); print("made", family)
        except OSError: pass
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6): socket.socket(family).close()
"""
    assert await python(bench, script) == []


# What a command sets on its output is not set on PID 1's, and the mark is not in there to be read.
OUTPUT = {
    "it does not block": "import fcntl\nfcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)",
    "it sends signals": (
        "import fcntl\nfcntl.fcntl(1, fcntl.F_SETOWN, 1)\n"
        "fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_ASYNC)"
    ),
    "it is one page": "import fcntl\nfcntl.fcntl(1, 1031, 4096)",
    "it is read by the command": (
        "if not os.fork():\n    other = os.open('/proc/self/fd/1', os.O_RDONLY)\n"
        "    while True: os.read(other, 65536)"
    ),
    "it is cut": "import os\ntry: os.truncate('/proc/self/fd/1', 0)\nexcept OSError: pass",
}


@pytest.mark.parametrize("how", OUTPUT)
async def test_what_a_command_does_to_its_output_ends_with_it(bench, how):
    flood = "\ntry:\n    for _ in range(200): os.write(1, b'x' * 4096)\nexcept OSError: pass\n"
    (await bench.exec(f"python3 - <<'END'\nimport os\n{OUTPUT[how]}{flood}END", timeout_s=20))
    result = await bench.exec("head -c 300000 /dev/zero | tr '\\0' y; exit 7", timeout_s=20)
    assert (result.exit_status, result.output_bytes) == (7, 300_000)


async def test_a_forged_end_is_output(bench):
    """Whatever can be found inside: the nonce of this command is not among it."""
    script = r"""
import re
found = set()
for process in os.listdir("/proc"):
    if process.isdigit():
        for name in ("environ", "cmdline", "status", "stat", "comm"):
            try: text = open(f"/proc/{process}/{name}", "rb").read()
            except OSError: continue
            found |= set(re.findall(rb"[0-9a-f]{24}", text))
for nonce in found | {b"0" * 24, b"a" * 24}:
    os.write(1, b"\0" + nonce + b" 0 0\n")
os.kill(os.getppid(), 9)
"""
    result = await bench.exec(f"python3 - <<'END'\nimport os\n{script}END\nexit 9", timeout_s=20)
    assert result.exit_status == 137
    assert (await bench.exec("exit 5")).exit_status == 5


async def test_a_changed_shell_gets_no_more_rights(kind):
    """What PID 1 runs for a command is what a command may have changed before, in a container."""
    sandbox = await kind.open()
    try:
        await sandbox.exec(
            "cp /bin/bash /usr/bin/own && { printf '#!/usr/bin/own\\ngrep CapPrm /proc/self/status;"
            " head -c 1 /proc/1/mem && echo got it\\n' > /tmp/bash; chmod +x /tmp/bash;"
            " cp --remove-destination /tmp/bash /bin/bash; }"
        )
        result = await sandbox.exec("grep CapPrm /proc/self/status")
        rights = int(result.output.split("CapPrm:")[1].split()[0], 16)
        assert rights & 1 << 8 == 0
        assert "got it" not in result.output
    finally:
        await sandbox.close()


async def test_the_hosts_next_command_cannot_be_read(kind):
    """A container's /dev/null can be removed: a command must not go on with PID 1's own input."""
    sandbox = await kind.open()
    try:
        await sandbox.exec("rm -f /dev/null; mknod /dev/null c 1 3; ls -l /dev/null")
        result = await sandbox.exec("readlink /proc/self/fd/0; timeout 2 cat; exit 6", timeout_s=10)
        assert result.exit_status == 6
        assert result.output.startswith("/dev/null")
        assert (await sandbox.exec("echo next")).output == "next\n"
    finally:
        await sandbox.close()


async def test_a_lease_cannot_be_taken(bench):
    script = """
import fcntl
with open("/tmp/leased", "w") as file:
    for command, argument in ((1024, fcntl.F_WRLCK), (1024 | 1 << 32, 1), (1026, 1)):
        try: print("taken", fcntl.fcntl(file, command & 0x7fffffff, argument))
        except OSError: pass
    fcntl.fcntl(file, fcntl.F_GETFL), fcntl.lockf(file, fcntl.LOCK_EX)
"""
    assert await python(bench, script) == []


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_a_patch_of_any_size_that_programs_inside_say_is_refused(kind):
    sandbox = await kind.open()
    try:
        await sandbox.exec(
            "cp /usr/bin/base64 /usr/bin/own64; printf '#!/bin/sh\\n"
            'case "$*" in *-d*) exec own64 "$@" ;; esac\\n'  # what is read is read right
            "head -c 30000000 /dev/zero | own64 -w 0\\n' > /tmp/b; chmod +x /tmp/b"
            "; mv /tmp/b /usr/bin/base64"
        )
        with pytest.raises(SandboxError, match="too large"):
            await sandbox.diff()
    finally:
        await sandbox.close()


PLANTED = """
cp /usr/bin/perl /usr/bin/own
for file in /usr/bin/perl $(ldd /usr/bin/perl | grep -o '/[^ ]*' | grep -v ld-linux); do
  printf '#!/usr/bin/own\nwhile (1) {}\n' > /tmp/evil && chmod +x /tmp/evil
  cp --remove-destination /tmp/evil $file.new && mv -f $file.new $file
done
: > /tmp/nothing.so; echo /tmp/nothing.so > /etc/ld.so.preload; rm -f /etc/ld.so.cache
"""


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_a_fork_begins_with_the_programs_of_the_image(kind: Kind):
    """Whatever commands have put where PID 1 and its libraries are."""
    sandbox = await kind.open()
    try:
        await sandbox.exec(f"echo mine > /testbed/mine; {PLANTED}")
        twin = await sandbox.fork()
        try:
            result = await twin.exec("echo works; exit 3")
            assert (result.output, result.exit_status) == ("works\n", 3)
            assert await twin.read("mine") == b"mine\n"
        finally:
            await twin.close()
    finally:
        await sandbox.close()


def supervisor_of(sandbox: ShellSandbox) -> int:
    """The process id of its PID 1 on this machine."""
    machine = sandbox._machine
    if isinstance(machine, DockerMachine):
        assert machine._container is not None
        machine._container.reload()
        return int(machine._container.attrs["State"]["Pid"])
    assert isinstance(machine, BubblewrapMachine)
    text = Path(f"/proc/self/fdinfo/{machine._supervisor}").read_text()
    return int(text.split("\nPid:")[1].split()[0])


async def test_a_sandbox_that_ends_under_a_command_is_the_commands_outcome(kind):
    """However a command did it: nothing on the machine says that it was anybody else."""
    sandbox = await kind.open()
    try:
        await sandbox.exec("true")
        os.kill(supervisor_of(sandbox), signal.SIGKILL)
        with pytest.raises(SandboxLost):
            await sandbox.exec("true")
        with pytest.raises(SandboxLost):
            await sandbox.diff()
        with pytest.raises(SandboxLost):
            await sandbox.fork()
    finally:
        await sandbox.close()


async def test_a_supervisor_that_does_not_answer_is_the_commands_outcome(kind, monkeypatch):
    monkeypatch.setattr("harness.sandbox.shell.GRACE_S", 1)
    sandbox = await kind.open()
    try:
        await sandbox.exec("true")
        process = supervisor_of(sandbox)
        os.kill(process, signal.SIGSTOP)
        with pytest.raises(SandboxLost):
            await sandbox.exec("true", timeout_s=1)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)
    finally:
        await sandbox.close()


async def test_a_sandbox_that_ends_before_any_command_is_infrastructure(kind: Kind):
    sandbox = await kind.open()
    try:
        os.kill(supervisor_of(sandbox), signal.SIGKILL)
        with pytest.raises(SandboxUnavailable) as found:
            await sandbox.diff()
        assert not isinstance(found.value, SandboxLost)
    finally:
        await sandbox.close()


async def test_a_sandbox_that_somebody_ends_from_outside_is_infrastructure(kind: Kind):
    """What only the machine can do: a signal to bwrap itself, or the engine's removal."""
    sandbox = await kind.open()
    try:
        await sandbox.exec("true")
        kind.kill(sandbox)
        with pytest.raises(SandboxUnavailable, match=r"through the engine|from outside") as found:
            await sandbox.exec("sleep 60")  # it takes the kernel a moment
        assert not isinstance(found.value, SandboxLost)
    finally:
        await sandbox.close()


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_an_image_without_perl_is_said_to_have_none(kind: Kind):
    assert isinstance(kind, Docker)
    bare, before = f"{kind.image}-bare", kind.leftovers()
    container = kind.client.containers.run(kind.image, ["rm", "/usr/bin/perl"], detach=True)
    try:
        container.wait()
        container.commit(*bare.split(":"))
        machine = DockerMachine(
            kind.client, bare, kind.labels, LIMITS, network=False, activate=False
        )
        with pytest.raises(SandboxUnfit, match="has no /usr/bin/perl"):
            await machine.start()
        assert kind.leftovers() <= before
    finally:
        container.remove(force=True)
        kind.client.images.remove(bare, force=True)


async def test_what_the_machine_has_in_dev_stays_as_it_is(bench):
    """Root inside counts as the machine's root for the modes of its devices."""
    before = {name: Path(f"/dev/{name}").stat().st_mode for name in ("full", "null", "zero", "tty")}
    script = "".join(
        f"chmod 600 /dev/{name}; chown 1 /dev/{name}; touch -d 2001-01-01 /dev/{name}; "
        f"setfattr -n trusted.x -v y /dev/{name}; "
        for name in before
    )
    await bench.exec(f"({script}) 2>&1; echo works > /dev/null && head -c 3 /dev/zero")
    assert {name: Path(f"/dev/{name}").stat().st_mode for name in before} == before
    assert all(Path(f"/dev/{name}").stat().st_uid == 0 for name in before)
    assert (
        await bench.exec("echo works > /dev/null && head -c 3 /dev/zero | wc -c")
    ).output == "3\n"


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_a_command_cannot_say_how_many_processes_were_killed_for_memory(kind: Kind):
    sandbox = await kind.open()
    try:
        await sandbox.exec(
            "mkdir -p /sys/fs/cgroup; echo oom_kill 0 > /sys/fs/cgroup/memory.events"
        )
        twin = await sandbox.fork()
        try:
            says = f"echo oom_kill {'9' * 5000} > /sys/fs/cgroup/memory.events"
            assert (await twin.exec(says)).memory_kills == 0
        finally:
            await twin.close()
    finally:
        await sandbox.close()


async def test_a_command_that_has_pid_1_killed_for_memory_has_ended_its_own_sandbox(kind: Kind):
    """PID 1 is made the first to go, and then all memory is taken."""
    sandbox = await kind.open(limits=LIMITS.model_copy(update={"memory_mb": 96}))
    ended: SandboxUnavailable | None = None
    try:
        hog = (
            "python3 -c 'import os; os.fork(); os.fork(); b = []\nwhile 1: b.append(b\"x\" * 9**6)'"
        )
        first = "echo 1000 > /proc/1/oom_score_adj; echo 0 > /proc/self/oom_score_adj"
        for _ in range(3):
            await sandbox.exec(f"({first}) 2> /dev/null; {hog}", timeout_s=30)
    except SandboxUnavailable as error:
        ended = error
    finally:
        await sandbox.close()
    assert ended is None or isinstance(ended, SandboxLost)
