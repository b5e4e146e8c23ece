"""Techniques that are published for getting out of containers, tried in both kinds of sandbox.

Named as in their write-ups. What is tried elsewhere is not tried again: system calls, namespaces,
ptrace and PID 1 in test_sandbox_supervisor.py; mounts, devices, links and forged answers in
test_sandbox_escapes.py; loopbacks in test_sandbox_network.py; what is planted for the programs of
the harness in test_sandbox_planted.py; what two sandboxes share in test_sandbox_shared.py.
"""

import platform
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sandboxes import Kind

from harness.errors import SandboxLost
from harness.sandbox.sandbox import ShellSandbox

pytestmark = pytest.mark.slow(seconds=5)


@pytest.fixture
async def sandbox(kind: Kind) -> AsyncIterator[ShellSandbox]:
    """A fresh one, besides that of `bench`."""
    opened = await kind.open()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def python(sandbox: ShellSandbox, script: str, **more: float) -> str:
    """What a Python program prints inside."""
    result = await sandbox.exec(f"python3 - <<'END'\n{script}\nEND", **more)
    assert result.exit_status == 0, result.output
    return result.output


# ------------------------------------------------------------------- descriptors and programs


async def test_a_command_has_its_three_descriptors_and_no_other(bench):
    """CVE-2024-21626 (runc), and what bwrap itself is given: a filter, a pipe for its report."""
    script = """
import os
for number in range(4096):
    try: os.fstat(number); print(number)
    except OSError: pass
"""
    assert await python(bench, script) == "0\n1\n2\n"


@pytest.mark.parametrize("process", ["self", "1"])
async def test_no_working_directory_leads_out_through_a_descriptor(bench, process):
    """CVE-2024-21626: a folder of the host, left open, as that in which a program begins."""
    look = '[ "$(stat -c %d:%i .)" = "$(stat -c %d:%i "$(pwd -P)")" ] && echo inside'
    for place in ("cwd", "root", "cwd/../../..", *(f"fd/{n}" for n in range(12)), "fd/7/../../.."):
        result = await bench.exec(look, cwd=f"/proc/{process}/{place}")
        assert result.exit_status == 126 or result.output == "inside\n", place


async def test_no_program_outside_can_be_written_through_proc(bench):
    """CVE-2019-5736 (runc): /proc/self/exe of whoever comes in from outside."""
    script = """
import glob, os
for path in ("/proc/1/exe", "/proc/1/fd/0", "/proc/1/map_files"):
    for how in (os.O_WRONLY, os.O_RDONLY):
        try: os.read(os.open(path, how), 1); print("opened", path, how)
        except OSError: pass
for process in glob.glob("/proc/[0-9]*"):
    try: root = os.stat(process + "/root")
    except OSError: continue
    if (root.st_dev, root.st_ino) != (os.stat("/").st_dev, os.stat("/").st_ino): print(process)
"""
    said = await python(bench, script)
    assert said == ""


# ------------------------------------------------------------------------------- the kernel


PLACES = """
    /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug
    /proc/sys/kernel/poweroff_cmd /proc/sys/kernel/usermodehelper/* /proc/sys/kernel/ns_last_pid
    /proc/sys/kernel/panic /proc/sys/kernel/randomize_va_space /proc/sys/vm/* /proc/sys/fs/*
    /proc/sys/fs/binfmt_misc/register /proc/sys/net/ipv4/* /proc/sysrq-trigger /proc/mtrr
    /proc/irq/*/smp_affinity /proc/bus/pci/*/* /proc/acpi/* /proc/dynamic_debug/control
    /proc/scsi/scsi /proc/kcore /proc/kmsg /proc/driver/* /sys/kernel/uevent_helper
    /sys/kernel/mm/*/* /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent
    /sys/fs/cgroup/*/notify_on_release /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs
    /sys/fs/cgroup/devices.allow /sys/fs/cgroup/*/devices.allow /sys/fs/cgroup/*/memory.*limit*
    /sys/power/* /sys/module/*/parameters/* /sys/class/*/*/uevent /sys/firmware/*/*
    /sys/kernel/debug/* /sys/kernel/tracing/* /sys/kernel/security/* /sys/block/*/uevent
    /dev/mem /dev/kmem /dev/port /dev/kmsg /dev/fuse /dev/kvm /dev/net/tun /dev/loop* /dev/sd*
    /dev/vd* /dev/nvme* /dev/dm-* /dev/mapper/* /dev/cpu/*/* /dev/hpet /dev/uinput /dev/vhost*
"""


async def test_nothing_through_which_the_kernel_is_told_what_to_do_can_be_written(bench):
    """core_pattern, release_agent, uevent_helper, modprobe, binfmt_misc, sysrq, cgroups."""
    script = f"""
import glob, os
for pattern in {PLACES.split()!r}:
    for path in glob.glob(pattern):
        if os.path.isdir(path): continue
        try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)); print(path)
        except OSError: pass
"""
    assert await python(bench, script, timeout_s=120) == ""


async def test_no_device_can_be_made_and_none_is_opened(bench):
    script = """
import os, stat
for kind, numbers in {stat.S_IFCHR: ((1, 1), (1, 2), (1, 11), (10, 229), (10, 232), (10, 200)),
                      stat.S_IFBLK: ((8, 0), (254, 0), (259, 0), (7, 0), (1, 0))}.items():
    for number in numbers:
        for folder in ("/tmp", "/testbed", "/dev/shm", "/dev"):
            path = f"{folder}/device"
            try: os.mknod(path, kind | 0o666, os.makedev(*number)); open(path, "rb").read(1)
            except OSError: continue
            print("opened", path, number)
"""
    assert await python(bench, script) == ""


async def test_what_proc_tells_of_the_kernel_is_closed(bench):
    script = """
for name in ("keys", "kcore", "kmsg", "timer_list", "sched_debug", "slabinfo", "vmallocinfo"):
    try: text = open(f"/proc/{name}", "rb").read(64)
    except OSError: continue
    if text: print(name, text)
"""
    said = await python(bench, script)
    assert [
        line for line in said.splitlines() if not line.startswith(("slabinfo", "vmalloc"))
    ] == []


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_what_the_machine_was_booted_with_is_closed(kind, bench):
    assert Path("/proc/cmdline").read_text()
    assert (await bench.exec("cat /proc/cmdline")).output.endswith("denied\n")


NUMBERS = {"getpid": 20, "ptrace": 26, "mount": 21, "unshare": 310, "add_key": 286, "keyctl": 288,
           "bpf": 357, "socketcall": 102, "clone": 120}  # fmt: skip


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a way of x86 processors")
@pytest.mark.parametrize("name", NUMBERS)
async def test_no_call_of_the_32_bit_kernel_passes_the_filter(bench, name):
    """int 0x80: other numbers, to which no rule of the 64-bit table applies."""
    script = f"""
import ctypes, mmap, os
code = bytes.fromhex("53 b8") + ({NUMBERS[name]}).to_bytes(4, "little")
code += bytes.fromhex("31 db 31 c9 31 d2 31 f6 31 ff cd 80 48 98 5b c3")
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
child = os.fork()
if not child: os._exit(0 if call() >= 0 else 77)
status = os.waitpid(child, 0)[1]
print(os.WTERMSIG(status) or os.WEXITSTATUS(status))
"""
    said = int(await python(bench, script))
    assert said in {77, 31, 11}  # refused, or killed for it


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a way of x86 processors")
async def test_no_call_of_the_x32_kernel_passes_the_filter(bench):
    script = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for number in (39, 101, 165, 272, 248, 250, 321, 425, *range(512, 548)):
    child = os.fork()
    if not child:
        done = libc.syscall(ctypes.c_long(0x40000000 | number), 0, 0, 0, 0) >= 0
        os._exit(0 if done else 77)
    status = os.waitpid(child, 0)[1]
    if not os.WTERMSIG(status) and os.WEXITSTATUS(status) != 77: print(number)
"""
    assert await python(bench, script) == ""


async def test_a_filter_of_a_commands_own_opens_nothing(bench):
    """seccomp(2): of several filters the strictest answer counts, whatever one of them allows."""
    script = """
import ctypes, errno, struct
libc = ctypes.CDLL(None, use_errno=True)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
for action in (0x7fff0000, 0x7ff00000, 0x7ffc0000):  # allow, ask a tracer, log
    allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, action))
    program = Program(1, ctypes.addressof(allow))
    if action != 0x7ff00000: assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
    libc.unshare(0x10000000)
    print(errno.errorcode[ctypes.get_errno()])
"""
    assert await python(bench, script) == "EPERM\n" * 3


SOCKETS = """
import socket
for words in (
    (16, 3, 9), (16, 3, 4), (16, 3, 6), (16, 3, 12), (16, 3, 15), (16, 3, 16), (2, 1, 262),
    (2, 5, 132), (2, 1, 132), (2, 5, 0), (2, 6, 33), (2, 2, 136), (2, 2, 115), (2, 3, 255),
    (10, 1, 262), (10, 5, 132), (10, 3, 58), (38, 5, 0), (30, 1, 0), (30, 4, 0), (40, 1, 0),
    (44, 3, 0), (21, 5, 0), (5, 2, 0), (29, 3, 1), (31, 1, 3), (17, 3, 3), (9, 5, 0), (4, 2, 0),
    (35, 2, 0), (41, 2, 0),
):
    try: socket.socket(*words); print("made", words)
    except OSError: pass
    if words[0] != 16:
        try: socket.socketpair(*words); print("made a pair", words)
        except OSError: pass
for words in ((1, 1), (1, 2), (1, 5), (2, 1), (2, 2, 17), (10, 1, 6), (10, 2), (16, 3, 0)):
    socket.socket(*words).close()
socket.socketpair()
"""


async def test_no_socket_loads_a_module_of_the_kernel(bench):
    """A family or protocol that nobody uses is a module, loaded for the first who asks."""
    before = modules()
    assert await python(bench, SOCKETS) == ""
    assert modules() == before


async def test_nothing_is_written_to_the_audit_log_of_the_machine(bench):
    script = """
import socket
try: socket.socket(16, socket.SOCK_RAW, 9); print("made")
except OSError as error: print(error.errno)
"""
    assert await python(bench, script) == "93\n"  # EPROTONOSUPPORT: as where there is no audit


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_programs_become_another_user_where_no_audit_is(kind, bench):
    assert (await bench.exec("su nobody -s /bin/sh -c 'id -un'")).output == "nobody\n"


def modules() -> set[str]:
    loaded = Path("/proc/modules")  # not there where the kernel has all built in
    return (
        {line.split()[0] for line in loaded.read_text().splitlines()} if loaded.exists() else set()
    )


async def test_no_module_is_loaded_by_hand(bench):
    before = modules()
    words = "insmod /tmp/x.ko; modprobe dummy; modprobe overlay; rmmod overlay; kmod list; true"
    await bench.exec(f"head -c 4096 /dev/urandom > /tmp/x.ko; {words}")
    assert modules() == before


# --------------------------------------------------------------------------------- terminals


async def test_no_terminal_of_the_harness_gets_characters(bench):
    """CVE-2017-5226 and CVE-2019-10063 (bubblewrap, flatpak): TIOCSTI, also with high bits set."""
    script = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for number in (0x5412, 0x541C, 0x541D, 0x5423):
    for high in (0, 1 << 32, 0xABCD << 32):
        for descriptor in (0, 1, 2):
            if libc.ioctl(descriptor, ctypes.c_ulong(number | high), b"x") >= 0: print(number)
try: os.open("/dev/tty", os.O_RDWR); print("a terminal")
except OSError: pass
for descriptor in (0, 1, 2):
    if os.isatty(descriptor): print("a terminal at", descriptor)
"""
    assert await python(bench, script) == ""
    assert (await bench.exec("ls /dev/pts")).output == "ptmx\n"


# ------------------------------------------------------------------------------ rights in files


RIGHTS = "grep -h Cap /proc/self/status; id -u; cat /proc/self/uid_map"


async def test_no_right_of_a_file_gives_a_right_in_a_sandbox_or_in_its_fork(sandbox):
    """setuid, setgid, and capabilities of a file (setcap)."""
    script = """
import os, shutil, struct
shutil.copy("/bin/cat", "/testbed/cat"); shutil.copy("/bin/grep", "/testbed/grep")
capability = struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0)
for path in ("/testbed/cat", "/testbed/grep"):
    os.chmod(path, 0o6755)
    for value in (capability, struct.pack("<IIIIII", 0x03000001, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0, 0)):
        try: os.setxattr(path, "security.capability", value)
        except OSError: pass
"""
    await python(sandbox, script)
    usual = (await sandbox.exec(RIGHTS)).output
    gained = RIGHTS.replace("grep", "/testbed/grep").replace("cat ", "/testbed/cat ")
    assert (await sandbox.exec(gained)).output == usual
    twin = await sandbox.fork()
    try:
        assert (await twin.exec(gained)).output == usual
    finally:
        await twin.close()


async def test_no_sandbox_can_be_made_in_a_sandbox(bench):
    nested = "bwrap --dev-bind / / --unshare-all true"
    for words in (nested, "unshare -Ur true", "unshare -m true", "unshare --pid --fork true",
                  "chroot / true", "nsenter -t 1 -a true"):  # fmt: skip
        assert (await bench.exec(words)).exit_status != 0, words


# ------------------------------------------------------------------------ outcome and blame


async def test_memory_that_ends_pid_1_is_the_commands_outcome(kind):
    """A command has the kernel choose PID 1 first, and uses more memory than there is."""
    opened = await kind.open()
    hog = "python3 -c 'x = bytearray(1 << 30); x[:] = bytes(1 << 30)'"
    try:
        try:
            result = await opened.exec(
                f"for p in /proc/[0-9]*; do echo -1000 > $p/oom_score_adj; done 2> /dev/null;"
                f" echo 1000 > /proc/1/oom_score_adj; {hog}; {hog} & {hog}; false",
                timeout_s=60,
            )
        except SandboxLost:
            return
        assert result.exit_status != 0
    finally:
        await opened.close()
