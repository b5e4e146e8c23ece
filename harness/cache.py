"""The cache folder: what can be downloaded or built again, shared by all runs of one user."""

import os
import tempfile
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
