"""Where the files of a bubblewrap sandbox are, and /testbed among them as an overlay.

Where the kernel allows it, all that a sandbox writes is in memory, in a file system of its own with
a size and a number of inodes (tmpfs): at its limit a command gets ENOSPC, nothing of it is on the
machine's disk, and the kernel removes it with the last process that has it. The instance's
environment lies below, as an overlay: a sandbox costs no copy of the repository, and its fork a
copy of its changes alone. Elsewhere the files are in a folder of the store and are counted
(`harness.sandbox.disk`), with an overlay or a copy of the repository.

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
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Literal

from harness.no_room import lack
from harness.sandbox import namespace
from harness.sandbox.disk import Size
from harness.sandbox.folders import claim

# Of what a sandbox writes: over the environment in memory or in the store, or with a copy of it.
Place = Literal["memory", "disk", "copy"]
LOWER, UPPER, WORK = "lower", "upper", "work"
OPTIONS = f"lowerdir={LOWER},upperdir={UPPER},workdir={WORK},volatile,index=off,metacopy=off"
# It says a line when the file system is there, waits for one when the files are, and goes on.
MOUNT = """
[ -z "$3" ] || "$2" -i -t tmpfs -o "$3" "$4" "$1" || exit
cd -- "$1" && echo && read -r _ || exit
[ -z "$5" ] || "$2" -i -t overlay -o "$5" overlay "$6" || exit
shift 6; exec "$@"
"""
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


def lay(files: Path, below: Path) -> None:
    """Make what the overlay needs among a sandbox's files, over those in `below`."""
    (files / LOWER).symlink_to(below.resolve())
    for name in (WORK, UPPER, namespace.MERGED):
        (files / name).mkdir()


def around(folder: Path, *, size: Size | None, overlay: bool) -> list[str]:
    """What runs a command that follows with the files mounted at `folder`; see `MOUNT`.

    `size`: of a file system in memory; None: they are in the folder itself.
    """
    root = os.geteuid() == 0
    words: list[str] = []
    if size or overlay:
        users = [] if root else ["--user", "--map-root-user"]
        words = [program("unshare"), *users, "--mount", "--propagation", "private"]
    words += ["/bin/sh", "-c", MOUNT, "sh", str(folder), program("mount")]
    # The name of the file system tells `strays` whose the processes are that have it mounted.
    words += [size.options() if size else "", f"delm-{folder.name}"]
    options = f"{OPTIONS},{'redirect_dir=on' if root else 'userxattr'}"
    return [*words, options if overlay else "", namespace.MERGED]


def copying(*paths: Path) -> list[str]:
    """The command that copies upper layers, or anything else, with all that an overlay notes."""
    return namespace.whatever_modes("cp", "-a", "--preserve=xattr", "--reflink=auto", "--", *paths)


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
        namespace.remove_tree(folder)
        os.close(lock)


def _tried(folder: Path, below: Path, size: Size | None) -> bool:
    with _mounted(folder / "first", below, size, CHANGE) as (first, changed):
        if not changed():
            return False
        with _mounted(folder / "second", below, size, CHECK) as (second, checked):
            (second.path / UPPER).rmdir()
            words = copying(first.path / UPPER, second.path)
            fds = (first.fd, second.fd)
            copied = subprocess.run(words, check=False, env={}, pass_fds=fds, timeout=TRY_S)
            return copied.returncode == 0 and checked()


@contextmanager
def _mounted(
    folder: Path, below: Path, size: Size | None, script: str
) -> Iterator[tuple[OpenFolder, Callable[[], bool]]]:
    """The files at `folder`, and what runs `script` in the overlay; whether it succeeds."""
    folder.mkdir()
    bwrap = [program("bwrap"), *namespace.isolation(), *namespace.system_mounts()]
    bwrap += ["--bind", str(folder / namespace.MERGED / "testbed"), "/testbed"]
    words = [*around(folder, size=size, overlay=True), *bwrap, "--chdir", "/testbed"]
    with (
        subprocess.Popen(
            [*words, "/bin/sh", "-c", script], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        ) as process,
        contextlib.ExitStack() as undo,
    ):
        undo.callback(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        files = OpenFolder.of_process(process.pid)
        undo.callback(files.close)
        lay(files.path, below)

        def go_on() -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(b"\n", timeout=TRY_S)
            return process.returncode == 0

        yield files, go_on


def program(name: str) -> str:
    """The path of a program, or its name where it is not there."""
    return shutil.which(name) or name
