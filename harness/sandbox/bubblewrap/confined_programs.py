"""Programs of the host that touch what a sandbox has written, and see nothing else.

Each runs in namespaces of its own with the system's programs, the folders that it is given, no
other process, no network but the sandbox's own, no variable, and of /proc no more than a command in
a sandbox has. A link leads it to nothing else, whoever exchanges it for what while it runs.
"""

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.sandbox.bubblewrap.namespace import proc_mounts, system_mounts

REMOVE_S = 600.0
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID")
CAP_SYS_ADMIN = 21  # linux/capability.h
# What lies too deep to be named is left out, and no reason to fail. `cp` quotes a name: it ends no
# line. It says nothing where it is killed.
COPY = """
said=$({ /bin/cp "$@" 2>&1; status=$?; [ $status -le 1 ] || echo "exit status $status"; } \\
  | grep -v ': File name too long$' | tail -c 300)
[ -z "$said" ] || { echo "$said"; exit 1; }
"""
OVERLAY_CAPABILITY = "CAP_SYS_ADMIN"  # for what an overlay notes on root's files


def copying(
    names: Sequence[str], source: Path, target: Path, *, overlay: bool, network: bool
) -> list[str]:
    """The command that copies what has these names in `source` into the folder `target`.

    What is deeper than a path can name is left out.
    `overlay`: with all that an overlay has noted; then it is begun by root, of this machine or of a
    user namespace. `network`: it stays in the network namespace in which it is begun.
    """
    xattr = ["--preserve=xattr"] if overlay else []
    paths = [f"/from/{name}" for name in names]
    capabilities = (*CAPABILITIES, OVERLAY_CAPABILITY) if overlay else CAPABILITIES
    words = _confined(capabilities, user=not overlay and not _may_mount(), network=network)
    words += proc_mounts()  # some versions of `cp` set modes through /proc/self/fd
    words += ["--ro-bind", str(source), "/from", "--bind", str(target), "/to"]
    words += ["/bin/sh", "-c", COPY, "sh"]
    return [*words, "-a", *xattr, "--reflink=auto", "--", *paths, "/to"]


def looking(command: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """`command` with the names of `folders`, which it reads and cannot change.

    Without bubblewrap, on a machine that has Docker alone, it is not confined: it must be one that
    follows no link.
    """
    if shutil.which("bwrap") is None:
        return [*command, *map(str, folders)]
    words = _confined(CAPABILITIES, user=not _may_mount())
    inside = [f"/from/{number}" for number in range(len(folders))]
    for folder, name in zip(folders, inside, strict=True):
        words += ["--ro-bind", str(folder), name]
    return [*words, *command, *inside]


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours, in whose folders a sandbox has written, if that is possible.

    What lies in it at its top is ours; of what lies deeper no mode or name is an obstacle.
    """
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            if not entry.is_dir(follow_symlinks=False):
                Path(entry).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # its files were in memory
            return
        words = _confined(CAPABILITIES, user=not _may_mount())
        words += ["--bind", str(folder), "/gone"]
        words += ["/usr/bin/find", "/gone", "-mindepth", "1", "-delete"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(words, check=False, capture_output=True, env={}, timeout=REMOVE_S)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _confined(capabilities: Sequence[str], *, user: bool, network: bool = False) -> list[str]:
    """bwrap's words; with a `user` namespace, or as the root that begins it.

    In such a namespace there is one user: files of others are out of reach, and cannot be made.
    """
    words = [program("bwrap"), "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    if not network:
        words += ["--unshare-net"]
    words += ["--die-with-parent", "--new-session", "--clearenv", *system_mounts()]
    if user:
        words += ["--unshare-user", "--uid", "0", "--gid", "0"]
    words += ["--cap-drop", "ALL"]
    for capability in capabilities:
        words += ["--cap-add", capability]
    return words


@functools.cache
def _may_mount() -> bool:
    """Whether this process can mount without a user namespace: root outside a restricted
    container."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        effective = next(line for line in lines if line.startswith("CapEff:"))
        return os.geteuid() == 0 and bool(int(effective.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    return False


def program(name: str) -> str:
    """The path of a program, or its name if it is not installed."""
    return shutil.which(name) or name
