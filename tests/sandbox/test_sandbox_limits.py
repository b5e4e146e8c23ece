"""What a sandbox may take of the machine: memory, processes, processors, files, output."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from sandboxes import LIMITS, Bubblewrap, namespace_of, processes_of, why_not

from harness.config import SandboxLimits

pytestmark = pytest.mark.slow(seconds=26)

SOON_S = 8  # what happens at once, on a busy machine


async def test_a_fork_bomb_is_bounded_and_killed(kind, sandbox):
    namespace = await namespace_of(sandbox)
    most = 0

    async def count():
        nonlocal most
        while True:
            most = max(most, len(processes_of(namespace)))
            await anyio.sleep(0.2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        result = await sandbox.exec("bomb() { bomb | bomb & }; bomb; sleep 60", timeout_s=2)
        tasks.cancel_scope.cancel()
    assert result.seconds < 2 + 2 * SOON_S
    assert 10 < most <= LIMITS.processes + 2
    again = await sandbox.exec("trap '' TERM; while :; do (setsid sleep 9 &); done", timeout_s=1)
    assert again.timed_out
    assert again.seconds < 1 + 2 * SOON_S


HOG = "python3 -c 'x = bytearray(1 << 30); x[:] = bytes(1 << 30); print(len(x))'"


@pytest.mark.parametrize(
    "hog",
    [
        HOG,
        f"for i in 1 2 3 4 5 6 7 8; do {HOG} & done; wait; false",
        "head -c 1G /dev/zero | tail -c 1G",
        "cat /dev/zero | tr -d '\\n' | sort > /dev/null",
        "trap 'rm -f /dev/shm/*' EXIT; "
        "for i in 1 2 3 4 5 6; do head -c 60M /dev/zero > /dev/shm/$i || exit; done; exit 1",
    ],
)
async def test_a_memory_hog_is_killed_alone(sandbox, hog):
    result = await sandbox.exec(f"{hog}", timeout_s=60)
    assert result.exit_status != 0
    assert not result.timed_out
    if os.geteuid() == 0 and "/dev/shm" not in hog:  # an ordinary user's sees MemoryError instead
        assert "out of memory" in result.out_of_memory
    after = await sandbox.exec("python3 -c 'print(1)'")
    assert (after.output, after.out_of_memory) == ("1\n", "")
    assert await sandbox.diff() == ""


MAKE = """
shmget 4711, 65536, 01666; msgget 4711, 01666; semget 4711, 1, 01666;
open my $queue, '>', '/dev/mqueue/delm';
$> = 4711; shmget 4712, 65536, 01600; msgget 4712, 01600; semget 4712, 1, 01600;
"""
LEFT = "cat /proc/sysvipc/* | grep -v key; ls /dev/mqueue"


async def test_no_object_of_the_kernel_outlives_the_command_that_made_it(sandbox):
    """Shared memory, queues and semaphores, whoever made them."""
    made = await sandbox.exec(f"perl -e '{MAKE.replace(chr(39), chr(34))}'; {LEFT}")
    assert len(made.output.splitlines()) >= 4
    assert (await sandbox.exec(LEFT)).output == ""


TAKE = r"""
my $page = "x" x 65536;
for (1..6400) {
    my $id = shmget 0, 65536, 01600;
    last unless defined $id and shmwrite $id, $page, 0, 65536;
}
"""


async def test_shared_memory_that_no_process_has_mapped_costs_no_patch(sandbox):
    await sandbox.exec("echo more >> a.txt")
    await sandbox.exec(f"perl -e '{TAKE}'", timeout_s=60)
    twin = await sandbox.fork()
    try:
        for each in (sandbox, twin):
            assert "+more\n" in await each.diff()
            assert (await each.exec("echo here")).output == "here\n"
    finally:
        await twin.close()


SEND = """
import socket
held = []
for _ in range(500):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0)); one.setblocking(False); held.append(one)
    for _ in range(8):
        try: one.sendto(bytes(60000), one.getsockname())
        except OSError: pass
"""


async def test_what_sockets_hold_is_bounded(kind, sandbox):
    group = getattr(sandbox._machine, "_group", None)
    counted = Path("/sys/fs/cgroup/memory") / (group.folders[0].name if group else "none")
    most = counted / "memory.kmem.tcp.max_usage_in_bytes"
    if not most.exists():
        pytest.skip("nobody counts here what the sockets of a sandbox hold")
    sent = await sandbox.exec(f"python3 - <<'E'\n{SEND}\nE")
    assert sent.exit_status == 0, sent.output
    share = (LIMITS.memory_mb << 20) // 4
    assert share // 2 < int(most.read_text()) <= share


async def test_ten_gigabytes_of_output_cost_neither_memory_nor_time(sandbox):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await sandbox.exec("head -c 10G /dev/zero", timeout_s=60)
    assert result.flooded
    assert result.seconds < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


async def test_a_huge_file_is_cut(sandbox):
    result = await sandbox.exec("head -c 1G /dev/zero > /tmp/huge; echo $?; stat -c %s /tmp/huge")
    status, size = result.output.split()[-2:]
    assert status != "0"
    assert int(size) <= LIMITS.file_mb << 20


async def test_loops_that_look_immortal_are_killed(sandbox):
    hop = "hop() { (trap '' TERM INT HUP; hop &) ; }; hop; sleep 30"
    for loop in (
        "trap '' TERM INT HUP QUIT USR1 USR2 ALRM; while :; do :; done",
        hop,
        "python3 -c 'import os, signal\nfor n in range(1, 65):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True:\n    if os.fork(): os._exit(0)\n    os.setsid()' & while :; do sleep 9; done",
    ):
        result = await sandbox.exec(loop, timeout_s=1)
        assert result.timed_out
        assert result.seconds < 1 + SOON_S


async def test_processors_are_limited(kind):
    if isinstance(kind, Bubblewrap) and not Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists():
        pytest.skip("no control group bounds the processors of a bubblewrap sandbox here")
    limits = SandboxLimits(memory_mb=256, processes=128, file_mb=64, cpus=0.25)
    opened = await kind.open(limits=limits)
    try:
        spin = "(while :; do :; done) & sleep 2; kill $!; times | tail -1"
        result = await opened.exec(spin, timeout_s=30)
    finally:
        await opened.close()
    minutes, seconds = result.output.split()[0].rstrip("s").split("m")
    assert float(minutes) * 60 + float(seconds) < 1.2, result.output


CHOOSE = """
from pathlib import Path
from harness.config import SandboxConfig
from harness.errors import UserError
from harness.sandbox.providers import choose
for kind in ("bubblewrap", "auto"):
    try: choose(SandboxConfig(kind=kind), Path(), [], labels={}, grading_network=False)
    except UserError as error: print(error)
"""


def test_root_without_control_groups_is_refused_bubblewrap():
    """Nothing would bound its processes: RLIMIT_NPROC is not for root."""
    if os.geteuid() != 0 or why_not("bubblewrap"):
        pytest.skip("it takes root and bubblewrap")
    hide = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"'
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", sys.executable, "-c", CHOOSE],
        capture_output=True, text=True, check=True,
        env=os.environ | {"DOCKER_HOST": "unix:///nowhere.sock"},
    )  # fmt: skip
    by_name, by_itself = told.stdout.splitlines()
    assert by_name.startswith("as root, and without a control group")
    assert by_name.endswith("run as an ordinary user, or use --sandbox docker")
    assert "no Docker engine answers" in by_itself
    assert "bubblewrap: as root, and without a control group" in by_itself


CRASH = """
import os, resource
core = resource.RLIMIT_CORE
print(resource.getrlimit(core))
for limits in (0, 0), (0, 1), (1, 1), (-1, -1):
    resource.setrlimit(core, limits)
    resource.prlimit(0, core, limits)
    if resource.getrlimit(core) != (1, 1): print("set to", resource.getrlimit(core))
resource.setrlimit(resource.RLIMIT_NOFILE, (77, 77))
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


async def test_a_crash_starts_no_program_of_the_machine(sandbox):
    """The kernel pipes a core dump to `kernel.core_pattern` unless its limit is exactly 1."""
    fork = await sandbox.fork()
    for each in (sandbox, fork):
        result = await each.exec(f"python3 -c '{CRASH}'; ulimit -c 0 && echo lower")
        assert result.output == "(1, 1)\n(77, 77)\nlower\n"
    await fork.close()
