"""A sandbox's /testbed as an overlay: the environment's files below, its own changes above.

Where the kernel allows it, a sandbox costs no copy of the repository, and its fork a copy of its
changes alone. The overlay is mounted around bwrap in a mount namespace of its own (as an ordinary
user in a user namespace too), and is gone with the last process in there. It is used once and may
be lost with the machine, so nothing waits for the disk ("volatile"): an unmount would otherwise
write out everything that the file system below has in memory.

What is not as in a copy, but as in Docker: an ordinary user's rename(2) of a folder that lies
below says EXDEV, which `mv` copes with and `git mv` does not.
"""

import functools
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from harness.sandbox import namespace
from harness.sandbox.folders import claim

LOWER, UPPER, WORK, MERGED = "lower", "upper", "work", "testbed"
OPTIONS = f"lowerdir={LOWER},upperdir={UPPER},workdir={WORK},volatile,index=off,metacopy=off"
MOUNT = '(cd -- "$1" && exec "$2" -i -t overlay -o "$3" overlay "$4") || exit; shift 4; exec "$@"'
# A copied upper layer must still hide what was removed, and a folder's successor its predecessor.
CHANGE = "rm a d/a && rmdir d && mkdir d && echo b > d/b && chmod 0700 e && chmod 0 ."
CHECK = '[ "$(stat -c %a .)" = 0 ] && [ "$(echo * d/* e/*)" = "d e d/b e/a" ]'
TRY_S = 30


def lay(folder: Path, below: Path) -> None:
    """Make what the mount needs in a sandbox's folder, over the files in `below`."""
    (folder / LOWER).symlink_to(below.resolve())
    (folder / WORK).mkdir()
    (folder / MERGED).mkdir()
    (folder / UPPER).mkdir()
    shutil.copystat(below, folder / UPPER)  # the overlay's top has the mode of this one


def around(folder: Path) -> list[str]:
    """What runs a command that follows with the overlay mounted at `folder`/testbed."""
    root = os.geteuid() == 0
    options = f"{OPTIONS},{'redirect_dir=on' if root else 'userxattr'}"
    users = [] if root else ["--user", "--map-root-user"]
    words = [_program("unshare"), *users, "--mount", "--propagation", "private"]
    return [*words, "/bin/sh", "-c", MOUNT, "sh", str(folder), _program("mount"), options, MERGED]


def copying(*paths: Path) -> list[str]:
    """The command that copies upper layers, or anything else, with all that an overlay notes."""
    return namespace.whatever_modes("cp", "-a", "--preserve=xattr", "--reflink=auto", "--", *paths)


def fits(store: Path, below: Path) -> bool:
    """Whether sandboxes in `store` can have their files on top of `below`."""
    return below.stat().st_uid == os.geteuid() and _possible(store)


@functools.cache
def _possible(store: Path) -> bool:
    """Try it in `store`, with bwrap inside it, and with a copy of the upper layer."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    folder = store / uuid.uuid4().hex
    lock = claim(folder)
    try:
        below = folder / "below"
        for name in ("d", "e"):
            (below / name).mkdir(parents=True)
        for name in ("a", "d/a", "e/a"):
            (below / name).touch()
        first, second = folder / "first", folder / "second"
        for each in (first, second):
            each.mkdir()
            lay(each, below)
        (second / UPPER).rmdir()
        return (
            _succeeds(_inside(first, CHANGE))
            and _succeeds(copying(first / UPPER, second))
            and _succeeds(_inside(second, CHECK))
        )
    finally:
        namespace.remove_tree(folder)
        os.close(lock)


def _inside(folder: Path, script: str) -> list[str]:
    bwrap = [_program("bwrap"), *namespace.isolation(network=False), *namespace.system_mounts()]
    bwrap += ["--bind", str(folder / MERGED), "/testbed", "--chdir", "/testbed"]
    return [*around(folder), *bwrap, "/bin/sh", "-c", script]


def _succeeds(words: list[str]) -> bool:
    try:
        done = subprocess.run(words, check=False, capture_output=True, env={}, timeout=TRY_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _program(name: str) -> str:
    return shutil.which(name) or name
