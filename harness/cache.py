"""The cache folder: what can be downloaded or built again, shared by all runs of one user."""

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.secrets import redact_bytes


def cache_dir() -> Path:
    """`$DELM_CACHE`, else `$XDG_CACHE_HOME/delm`, else `~/.cache/delm`; not created here."""
    if named := os.environ.get("DELM_CACHE"):
        return Path(named).expanduser().absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser().absolute() / "delm"
    return Path.home() / ".cache" / "delm"


def write_beside(path: Path, content: bytes) -> None:
    """Make or replace `path` so that a reader, or a crash, sees all of `content` or none of it.

    No secret of this process is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as beside:
            beside.write(redact_bytes(content))
            beside.flush()
            os.fsync(beside.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)  # it is there only where something failed


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make or replace `folder` with `files`, so that it is there whole or not at all.

    Several processes may write the same one: the last is kept. No secret of this process is
    written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        new, old = Path(beside, "new"), Path(beside, "old")
        new.mkdir(0o755)
        for name, content in files.items():
            (new / name).write_bytes(redact_bytes(content))
        while True:
            try:
                new.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            else:
                return
            with suppress(FileNotFoundError):  # another process has just put it aside
                folder.rename(old)
                shutil.rmtree(old) if old.is_dir() else old.unlink()
