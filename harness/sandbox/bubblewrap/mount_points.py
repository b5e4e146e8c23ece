"""The mount points of a sandbox, made anew among files that another one may have written.

That one may have put links where they are to be, and bwrap, which is still on the host's side then,
would follow them. Nothing here follows one either: every name is looked up in an open folder.
"""

import contextlib
import os
import stat
import uuid
from pathlib import Path
from typing import Literal

from harness.environments.rebuild import Prepared
from harness.sandbox.bubblewrap.namespace import (
    FIXED_ETC,
    SYSTEM_FOLDERS,
    place_of,
    read_only,
    system_folders,
)

AWAY = "away"  # the folder for what was in the place of a mount point; no sandbox sees it
OPEN = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_mount_points(files: Path, prepared: Prepared) -> None:
    """Make every mount point where it lies in `files`, a new sandbox's, whatever is there."""
    with contextlib.ExitStack() as closing:
        top = _keep(os.open(files, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), closing)
        for place in ("/usr", "/proc", "/dev", "/testbed", "/tmp", "/root"):  # noqa: S108
            _clear(top, place, "folder")
        for name in SYSTEM_FOLDERS:
            _clear(top, f"/{name}", "folder" if f"/{name}" in system_folders() else "nothing")
        for source, inside in read_only(prepared):
            _clear(top, inside, "folder" if source.is_dir() else "file")
        for name in FIXED_ETC:
            _clear(top, f"/etc/{name}", "file")


def _clear(top: int, inside: str, kind: Literal["folder", "file", "nothing"]) -> None:
    """Make sure that `inside` is of that kind and that no link leads to it."""
    part, rest = place_of(inside)
    *parents, last = (part, *Path(rest).parts)
    with contextlib.ExitStack() as closing:
        at = top
        for name in parents:
            at = _keep(_folder(name, at, top), closing)
        if kind == "folder":
            _keep(_folder(last, at, top), closing)
            return
        _put_away(last, at, top)
        if kind == "file":
            _keep(os.open(last, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=at), closing)


def _folder(name: str, at: int, top: int) -> int:
    """Open the folder `name` in the open folder `at`; create it if needed."""
    try:
        folder = os.open(name, OPEN, dir_fd=at)
    except (FileNotFoundError, NotADirectoryError):
        _put_away(name, at, top)
        os.mkdir(name, dir_fd=at)
        folder = os.open(name, OPEN, dir_fd=at)
    _open_up(folder)
    return folder


def _open_up(folder: int) -> None:
    """Give the owner all rights on an open folder."""
    mode = os.fstat(folder).st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        Path(f"/proc/self/fd/{folder}").chmod(stat.S_IMODE(mode) | stat.S_IRWXU)


def _put_away(name: str, at: int, top: int) -> None:
    """Remove the name `name` from the open folder `at`. A folder is moved away, not traversed."""
    try:
        folder = os.open(name, OPEN, dir_fd=at)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=at)
        return
    with contextlib.ExitStack() as closing:
        _open_up(_keep(folder, closing))
        with contextlib.suppress(FileExistsError):
            os.mkdir(AWAY, dir_fd=top)
        os.rename(name, f"{AWAY}/{uuid.uuid4().hex}", src_dir_fd=at, dst_dir_fd=top)


def _keep(folder: int, closing: contextlib.ExitStack) -> int:
    closing.callback(os.close, folder)
    return folder
