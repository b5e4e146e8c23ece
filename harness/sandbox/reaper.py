"""Find and remove what dead owners left on this machine. Nothing else is touched.

In Docker an owner stands in a label (`Owner`); in the cache folder it holds a lock while it lives.
What has neither is not ours, whatever its name.
"""

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from harness.environments import build_once
from harness.sandbox.bubblewrap import folders
from harness.sandbox.docker import machine as docker_sandbox
from harness.sandbox.docker.sweep import sweep_docker

if TYPE_CHECKING:
    from harness.sandbox.docker.client import DockerClient

TEMPORARY = re.compile(r"\..+[.-][a-z0-9_]{8}")  # what is written beside a file or folder
LONG_DEAD_S = 86_400.0  # a write takes seconds
SHOWN = 3


async def reap_at_start(
    cache: Path, say: Callable[[str], None], client: "DockerClient | None" = None
) -> None:
    """Remove what dead owners have left, before a run begins; one line where that was anything.

    Without a `client` Docker's leftovers go, too, where it answers.
    """
    gone = await to_thread.run_sync(lambda: reap(cache, client))
    if gone:
        more = f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
        say(f"removed what dead runs left: {', '.join(gone[:SHOWN])}{more}")


def reap(cache: Path, client: "DockerClient | None" = None, *, remove: bool = True) -> list[str]:
    """Remove what dead owners have left in Docker and in `cache`; what it was, one line each.

    Unless `remove`: only say it. A Docker that does not answer is left out. Blocking.
    """
    found = sweep_cache(cache, remove=remove)
    if client is not None:
        return found + sweep_docker(client, remove=remove)
    mine = docker_sandbox.connect()
    if isinstance(mine, str):
        return found
    with contextlib.closing(mine):
        return found + sweep_docker(mine, remove=remove)


def sweep_cache(cache: Path, *, remove: bool = True) -> list[str]:
    """Remove folders of bubblewrap sandboxes, builds and half-written files of dead owners."""
    found = folders.sweep(cache / "sandboxes", remove=remove)
    for place in ("environments", "images"):
        names = build_once.sweep(cache / place, remove=remove)
        found += [f"unfinished build {place}/{name}" for name in names]
    for path in _half_written(cache):
        found.append(f"half-written {path.relative_to(cache)}")
        if remove:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return found


def _half_written(cache: Path) -> Iterator[Path]:
    """What was written beside something a day ago or longer, and never put in its place."""
    if not cache.is_dir():
        return
    below = (cache / name for name in ("rows", "grades", "checks", "files", "images", "uses"))
    for place in (cache, *filter(Path.is_dir, below)):
        for path in place.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                old = time.time() - path.lstat().st_mtime > LONG_DEAD_S
                if old and TEMPORARY.fullmatch(path.name) and not path.is_symlink():
                    yield path
