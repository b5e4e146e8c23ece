"""Where the files of a bubblewrap sandbox are, and /testbed among them as an overlay.

Where the kernel allows it, all that a sandbox writes is in memory, in a file system of its own with
a size and a number of inodes (tmpfs): at its limit a command gets ENOSPC, nothing of it is on the
machine's disk, and the kernel removes it with the last process that has it. The instance's
environment lies below, as an overlay: a sandbox costs no copy of the repository, and its fork a
copy of its changes alone. Elsewhere the files are in a folder of the store and are counted
(`harness.sandbox.disk_limits`), with an overlay or a copy of the repository.

Both are mounted around bwrap in a mount namespace of the sandbox's own (as an ordinary user in a
user namespace too). What is written is used once and may be lost with the machine, so nothing waits
for the disk ("volatile"): an unmount would otherwise write out everything that the file system
below has in memory.

What is not as in a copy, but as in Docker: an ordinary user's rename(2) of a folder that lies
below says EXDEV, which `mv` copes with and `git mv` does not.
"""

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Literal

from harness.no_space import lack
from harness.sandbox.bubblewrap import namespace
from harness.sandbox.bubblewrap.confined_programs import copying, program, remove_tree
from harness.sandbox.bubblewrap.folders import claim
from harness.sandbox.disk_limits import Size

# Of what a sandbox writes: over the environment in memory or in the store, or with a copy of it.
Place = Literal["memory", "disk", "copy"]
LOWER, UPPER, WORK = "lower", "upper", "work"
OPTIONS = f"lowerdir={LOWER},upperdir={UPPER},workdir={WORK},volatile,index=off,metacopy=off"
# It says an empty line when the file system is there, with what is copied into it, waits for a line
# when the other files are, and goes on. Another line says why nothing could be copied.
MOUNT = """
[ -z "$3" ] || "$2" -i -t tmpfs -o "$3" "$4" "$1" || exit
cd -- "$1" || exit
[ -z "$9" ] || { mkdir -p pts && "$2" -i -t devpts -o "$9" devpts pts; } || exit
[ -z "$5" ] || said=$(eval "$5" 2>&1 < /dev/null) || { echo "not copied: $said"; exit 1; }
echo || exit
[ -z "$8" ] || "${2%/*}/umount" -i -l "$8" || exit
read -r _ || exit
[ -z "$6" ] || "$2" -i -t overlay -o "$6" overlay "$7" || exit
shift 9; exec "$@"
"""
# The kernel has some 3,000 terminals for all that is no login of the machine's own.
PTY_OPTIONS = "newinstance,ptmxmode=0666,mode=0620,max=64"
# The machine's devices are of its root, as whom root inside counts: nothing may change their modes.
# Writing to a device is no writing to its file system.
DEVICES = '"$2" -i -o bind,ro /dev /dev || exit'
# A copied upper layer must still hide what was removed, and a folder's successor its predecessor.
CHANGE = "rm a d/a && rmdir d && mkdir d && echo b > d/b && chmod 0700 e && chmod 0 ."
CHECK = '[ "$(stat -c %a .)" = 0 ] && [ "$(echo * d/* e/*)" = "d e d/b e/a" ]'
TRY_S = 30
TRY_SIZE = Size(bytes=1 << 22, inodes=100)


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """The folder with a sandbox's files, which only processes around the sandbox see by name."""

    fd: int

    @classmethod
    def of_process(cls, process: int) -> "OpenFolder":
        """The folder that a process is in. `OSError`: it has ended."""
        return cls(os.open(f"/proc/{process}/cwd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    @property
    def path(self) -> Path:
        """For this process, and for one that it hands `fd` on to."""
        return Path(f"/proc/self/fd/{self.fd}")

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the files of a new sandbox begin as: what has these names in another folder."""

    folder: Path
    names: tuple[str, ...]
    process: int = 0  # whose mount namespace alone has the folder's files; 0: all have
    inside: int = (
        0  # one in that sandbox: to be in its network takes no time, to make one takes 5 ms
    )


def lay(files: Path, below: Path, *, copied: bool = False) -> None:
    """Make what the overlay needs among a sandbox's files, over those in `below`.

    `copied`: there is an upper layer already.
    """
    (files / LOWER).symlink_to(below.resolve())
    if not copied:
        (files / UPPER).mkdir()
    for name in (WORK, namespace.MERGED):
        (files / name).mkdir()


def around(
    folder: Path, *, size: Size | None, overlay: bool, source: Source | None = None
) -> list[str]:
    """What runs a command that follows with the files mounted at `folder`; see `MOUNT`.

    `size`: of a file system in memory; None: they are in the folder itself. What is copied of a
    `source` is copied in a namespace that sees nothing else.
    """
    root = os.geteuid() == 0
    words: list[str] = []
    copy = left = ""
    if source is not None:
        paths = (source.names, source.folder, folder)
        copy = shlex.join(copying(*paths, overlay=overlay, network=bool(source.inside)))
    if source is not None and source.process:  # both are there until the copy is made
        users = [] if root else ["--user", "--preserve-credentials"]
        words += [program("nsenter"), f"--target={source.process}", "--mount", *users]
        words += [f"--net=/proc/{source.inside}/ns/net"] if source.inside else []
        left = str(source.folder)
    own = bool(size) or namespace.own_mounts(overlay=overlay)
    if own:
        users = [] if root or words else ["--user", "--map-root-user"]
        words += [program("unshare"), *users, "--mount", "--propagation", "private"]
    script = DEVICES + MOUNT if root else MOUNT
    words += ["/bin/sh", "-c", script, "sh", str(folder), program("mount")]
    # The name of the file system tells `strays` whose the processes are that have it mounted.
    words += [size.options() if size else "", f"delm-{folder.name}", copy]
    options = f"{OPTIONS},{'redirect_dir=on' if root else 'userxattr'}"
    words += [options if overlay else "", namespace.MERGED, left]
    return [*words, PTY_OPTIONS if own else ""]


def place(store: Path, environment: Path) -> Place:
    """The best place for the files of sandboxes in `store` over that environment."""
    mine = (environment / "testbed").stat().st_uid == os.geteuid()
    return best(store) if mine else "copy"


def best(store: Path) -> Place:
    """The best place that this machine has for the files of sandboxes in `store`."""
    if _possible(store, TRY_SIZE):
        return "memory"
    return "disk" if _possible(store, None) else "copy"


@functools.cache
def _possible(store: Path, size: Size | None) -> bool:
    """Try it, with bwrap inside it, and with a copy of the upper layer.

    `OSError`: the machine lacks something now, which says nothing of later.
    """
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    folder = store / uuid.uuid4().hex
    lock = claim(folder)
    try:
        below = folder / "below"
        for name in ("d", "e"):
            (below / "testbed" / name).mkdir(parents=True)
        for name in ("a", "d/a", "e/a"):
            (below / "testbed" / name).touch()
        return _tried(folder, below, size)
    except OSError as error:  # it ended before it had anything mounted
        if lack(error):
            raise
        return False
    finally:
        remove_tree(folder)
        os.close(lock)


def _tried(folder: Path, below: Path, size: Size | None) -> bool:
    with _mounted(folder / "first", below, size, CHANGE) as first:
        if not _goes_on(first):
            return False
        source = Source(
            folder=folder / "first", names=(UPPER,), process=first.pid if size is not None else 0
        )
        with _mounted(folder / "second", below, size, CHECK, source) as second:
            return _goes_on(second)


@contextmanager
def _mounted(
    folder: Path, below: Path, size: Size | None, script: str, source: Source | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """What waits for a line with the files at `folder`, and then runs `script` in the overlay."""
    folder.mkdir()
    bwrap = [program("bwrap"), *namespace.isolation(), *namespace.system_mounts()]
    bwrap += ["--bind", str(folder / namespace.MERGED / "testbed"), "/testbed"]
    words = [*around(folder, size=size, overlay=True, source=source), *bwrap]
    words += ["--chdir", "/testbed", "/bin/sh", "-c", f"{script} && echo && read -r _"]
    with (
        subprocess.Popen(words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}) as process,
        contextlib.ExitStack() as undo,
    ):
        undo.callback(process.kill)
        ending = threading.Timer(TRY_S, process.kill)
        ending.start()
        undo.callback(ending.cancel)
        if not _says_it_is_there(process):
            raise OSError("nothing could be mounted or copied")
        files = OpenFolder.of_process(process.pid)
        undo.callback(files.close)
        lay(files.path, below, copied=source is not None)
        yield process


def _goes_on(process: subprocess.Popen[bytes]) -> bool:
    """Have it run its script; whether that succeeds. It lives on."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return _says_it_is_there(process)


def _says_it_is_there(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == b"\n"
