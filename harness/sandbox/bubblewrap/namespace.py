"""What a bubblewrap sandbox sees: its file system and its rights, as words for `bwrap`.

Root in there has the rights of root over its own files and none over the machine: no capability
that mounts or traces, no user namespace in which to get one, and nothing of /proc that a process
of the host's root could write to (all of them would be open to it: inside, root is whoever runs
the harness).
"""

import contextlib
import functools
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import anyio

from harness.environments.rebuild import VARIABLES, VENV, Prepared
from harness.errors import SandboxUnavailable
from harness.sandbox.shell import CORE_BYTES

SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FROM_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "mime.types", "protocols",
            "services", "ssl/certs")  # fmt: skip
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost testbed\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "gitconfig": "[safe]\n\tdirectory = /testbed\n",
}
# the host's own Python packages: one of them may be a newer copy of the project
HIDDEN = ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3*/dist-packages",
          "/usr/local/lib/python3*/site-packages")  # fmt: skip
LOADER_CACHE, PRELOAD = "/etc/ld.so.cache", "/etc/ld.so.preload"
# What these tell of the machine, its keys and what it was booted with, is nobody's inside.
CLOSED_PROC = ("cmdline", "kallsyms", "kcore", "key-users", "keys", "kmsg", "kpagecgroup",
               "kpagecount", "kpageflags", "latency_stats", "sched_debug", "slabinfo", "timer_list",
               "vmallocinfo", "vmcore")  # fmt: skip
NO_FILE = Path("/dev/null")  # laid over another file it closes it: no device works there
READ_ONLY_PROC = ("acpi", "bus", "fs", "irq", "mtrr", "pressure", "scsi", "sys", "sysrq-trigger")
# CAP_SETPCAP is the supervisor's alone, which takes it from every command.
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                "CAP_SETPCAP")  # fmt: skip
# The folders of a sandbox on the host, and where they are inside. `root` is everything else.
PARTS = {"testbed": "/testbed", "tmp": "/tmp", "home": "/root", "shm": "/dev/shm"}  # noqa: S108
ROOT_PART = "root"
FIXED = "fixed"  # a folder with files of /etc that no sandbox changes and no fork copies
# bash looks a user up at its start, and the C library loads what this file names for that.
FIXED_ETC = ("nsswitch.conf",)
PTYS = "pts"  # a file system of terminals of the sandbox's own
NOTHING = "nothing"  # an empty folder that covers what is to be hidden
# Of what the kernel counts by user: a test suite has one or two, an ordinary user 128 and 200,000.
SHARED = (("max_inotify_instances", 16), ("max_inotify_watches", 8192))
LIMIT_S = 5.0
MERGED = "merged"  # the environment as an overlay: `testbed` and `venv`


def variables() -> dict[str, str]:
    """The environment variables of a sandbox."""
    return VARIABLES | {"PAGER": "cat", "TERM": "dumb", "SHELL": "/bin/bash"}


def isolation() -> list[str]:
    """The bwrap arguments for namespaces and rights."""
    words = ["--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--hostname", "testbed",
             "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]  # fmt: skip
    if _knows("--disable-userns"):
        words.append("--disable-userns")
    words += ["--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        words += ["--cap-add", capability]
    return words


def lay(folder: Path, etc_files: Mapping[str, str] = ETC) -> None:
    """Create the files of a new sandbox that do not come from its environment."""
    for name in (ROOT_PART, "home", NOTHING):
        (folder / name).mkdir()
    for name in ("tmp", "shm"):
        (folder / name).mkdir()
        (folder / name).chmod(0o1777)
    etc = folder / ROOT_PART / "etc"
    etc.mkdir()
    for name, text in etc_files.items():
        (etc / name).write_text(text)
    (folder / ROOT_PART / "run").mkdir()
    (folder / ROOT_PART / "var").mkdir()
    (folder / ROOT_PART / "var" / "tmp").symlink_to("/tmp")  # noqa: S108 - inside


def lay_fixed(folder: Path, etc_files: Mapping[str, str]) -> None:
    """Create the files that every sandbox gets fresh, even a copy."""
    (folder / FIXED).mkdir()
    for name in FIXED_ETC:
        (folder / FIXED / name).write_text(etc_files[name])


def mounts(folder: Path, prepared: Prepared, *, overlay: bool) -> list[str]:
    """bwrap's words for the files in `folder`.

    With an overlay what is inside, /proc/self/mountinfo, names none of the folders of the host that
    are not called so inside, too.
    """
    words = ["--bind", str(folder / ROOT_PART), "/", *system_mounts(), *proc_mounts()]
    words += ["--dev", "/dev", "--mqueue", "/dev/mqueue"]
    merged = folder / MERGED
    for name, inside in PARTS.items():
        source = merged / name if overlay and name == "testbed" else folder / name
        words += ["--bind", str(source), inside]
    words += ["--remount-ro", "/dev"]
    if own_mounts(overlay=overlay):
        words += ["--dev-bind", str(folder / PTYS), "/dev/pts"]
    for inside in parents(prepared):
        part, rest = place_of(inside)
        words += ["--bind", str(folder / part / rest), inside]
    for source, inside in read_only(prepared):
        words += ["--ro-bind", str(merged / "venv" if overlay and inside == VENV else source)]
        words += [inside]
    for name in FIXED_ETC:
        words += ["--ro-bind", str(folder / FIXED / name), f"/etc/{name}"]
    for hidden in _hidden(str(prepared.python_prefix)):
        words += ["--ro-bind", str(folder / NOTHING), hidden]
    return words


@functools.cache
def proc_mounts() -> Sequence[str]:
    """bwrap's words for a /proc of its own processes, without what tells of or changes others."""
    words = ["--proc", "/proc"]
    for name in READ_ONLY_PROC:
        words += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    for name in CLOSED_PROC:
        if Path("/proc", name).exists():
            words += ["--ro-bind", str(NO_FILE), f"/proc/{name}"]
    return tuple(words)


async def limit_shared(inside: int) -> None:
    """Bound what the kernel counts by user, for the user namespace of the process `inside`.

    Without that one sandbox could take all that the user who runs the harness may have. Nobody has
    rights in the namespace before bwrap has said which users are in it: until then it is refused.
    """
    script = "".join(f"echo {most} > /proc/sys/user/{name} || exit; " for name, most in SHARED)
    words = ["nsenter", f"--user=/proc/{inside}/ns/user", "--preserve-credentials", "--"]
    said = b""
    with anyio.move_on_after(LIMIT_S):
        while True:
            done = await anyio.run_process([*words, "/bin/sh", "-c", script], check=False, env={})
            if done.returncode == 0:
                return
            said = done.stderr
            await anyio.sleep(0.005)
    told = said[-200:].decode(errors="replace").strip()
    raise SandboxUnavailable(f"its share of the kernel's objects cannot be bounded: {told}")


def limit_core(process: int) -> None:
    """Bound the core dumps of what `process` begins, where this user may have any."""
    with contextlib.suppress(ValueError, OSError):
        resource.prlimit(process, resource.RLIMIT_CORE, (CORE_BYTES, CORE_BYTES))


@functools.cache
def system_mounts() -> Sequence[str]:
    """bwrap's words for the host's programs and libraries, read-only.

    Where the host has a link (/lib64) there is a mount point, too: a link could be replaced, and
    with it the loader of every program.
    """
    words = ["--ro-bind", "/usr", "/usr"]
    for path in system_folders():
        words += ["--ro-bind", path, path]
    return tuple(words)


@functools.cache
def system_folders() -> Sequence[str]:
    """Those of `SYSTEM_FOLDERS` that the host has."""
    return tuple(f"/{name}" for name in SYSTEM_FOLDERS if Path("/", name).is_dir())


def own_mounts(*, overlay: bool) -> bool:
    """Whether a sandbox's files are in their own mount namespace; see `overlay.around`."""
    return overlay or os.geteuid() == 0


def place_of(inside: str) -> tuple[str, str]:
    """The sandbox folder that contains a path, and the path inside it."""
    for name, place in PARTS.items():
        if inside.startswith(f"{place}/"):
            return name, inside.removeprefix(f"{place}/")
    return ROOT_PART, inside.lstrip("/")


def parents(prepared: Prepared) -> Sequence[str]:
    """The folders above a read-only mount, the upper ones first.

    Each is a mount point: a folder that is none can be renamed, with what is mounted in it.
    """
    found = set[str]()
    for _, inside in read_only(prepared):
        found |= {str(folder) for folder in Path(inside).parents}
    return sorted(found - {"/", *PARTS.values()})


def read_only(prepared: Prepared) -> Iterator[tuple[Path, str]]:
    """What is mounted read-only besides the system, and where."""
    prefix = str(prepared.python_prefix)
    if not f"{prefix}/".startswith("/usr/"):
        yield Path(prefix), prefix
    yield prepared.root / "venv", VENV
    for name in FROM_ETC:
        if (path := Path("/etc", name)).exists():
            yield path, str(path)
    # The loader reads these before any program begins, PID 1 of a fork too: none is a sandbox's.
    yield NO_FILE, PRELOAD
    if not Path(LOADER_CACHE).exists():
        yield NO_FILE, LOADER_CACHE


@functools.cache
def _hidden(prefix: str) -> Sequence[str]:
    patterns = (*HIDDEN, f"{prefix}/lib/python3*/site-packages")
    found = [path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))]
    real = [path for path in found if not path.is_symlink()]
    names = [str(path) for path in real]
    for link in filter(Path.is_symlink, map(Path, system_folders())):
        target = link.resolve()
        names += [str(link / p.relative_to(target)) for p in real if p.is_relative_to(target)]
    return tuple(names)


@functools.cache
def _knows(option: str) -> bool:
    """Whether the installed bwrap supports the option."""
    if (bwrap := shutil.which("bwrap")) is None:
        return False
    said = subprocess.run([bwrap, "--help"], capture_output=True, text=True, check=False, env={})
    return option in said.stdout + said.stderr
