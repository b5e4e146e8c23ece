"""Pull published images, and remember which were pulled, so that no others are ever removed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from filelock import FileLock

from harness.cache import write_beside
from harness.dockerd import BUILT_PREFIX, blocking, connected, exists
from harness.errors import UserError
from harness.types import Item

if TYPE_CHECKING:
    from docker import DockerClient

PULLS_AT_ONCE = 2
PULL_WAITS_SECONDS = (2, 8, 30, 60)
PULL_AGAIN = (
    "toomanyrequests",
    "timeout",
    "timed out",
    "connection reset",
    "429",
    "unexpected eof",
)


async def pull(
    items: Sequence[Item], *, cache: Path, on_progress: Callable[[str], None]
) -> list[str]:
    """Pull the items' published images that are not there, two at a time; the names of all.

    A registry that is busy is asked again after a while. Raises `UserError`.
    """
    names = list(dict.fromkeys(item.instance.image for item in items))
    limit = anyio.CapacityLimiter(PULLS_AT_ONCE)
    failures: list[UserError] = []

    async def one(client: "DockerClient", name: str) -> None:
        async with limit:
            there = await blocking(exists, client, name)
            if there or failures:
                return
            try:
                await _pull_one(client, name, cache, on_progress)
            except UserError as error:
                failures.append(error)

    with connected() as client:
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(one, client, name)
    if failures:
        raise failures[0]
    return names


async def _pull_one(
    client: "DockerClient", name: str, cache: Path, on_progress: Callable[[str], None]
) -> None:
    if name.startswith(BUILT_PREFIX):
        raise UserError(f"{name} is in no registry: build it here (delm images build)")
    on_progress(f"pulling {name}")
    for wait in (*PULL_WAITS_SECONDS, None):
        fault = await blocking(_try_pull, client, name)
        if fault is None:
            image = await blocking(client.images.get, name)
            await blocking(record, cache, {name: str(image.id)})
            return
        if wait is None or not any(word in fault.lower() for word in PULL_AGAIN):
            raise UserError(f"cannot pull {name}: {fault}")
        on_progress(f"{name}: {fault}; again in {wait} s")
        await anyio.sleep(wait)


def _try_pull(client: "DockerClient", name: str) -> str | None:
    """Pull once; why it failed, in one line, or None."""
    import docker
    import requests

    repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    try:
        client.images.pull(repository, tag=tag or "latest", platform="linux/amd64")
    except docker.errors.APIError as error:
        return " ".join(str(error.explanation or error).split())
    except requests.RequestException as error:
        return f"timeout or broken connection ({type(error).__name__})"
    return None


def pulled_images(cache: Path) -> dict[str, str]:
    """What `pull` brought: image id by name."""
    try:
        return dict(json.loads((cache / "pulled.json").read_bytes()))
    except FileNotFoundError:
        return {}


def record(cache: Path, pulled: dict[str, str], forget: Sequence[str] = ()) -> None:
    """Note what was pulled and what is gone."""
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "pulled.json.lock"):
        known = pulled_images(cache) | pulled
        kept = {name: image_id for name, image_id in known.items() if name not in forget}
        write_beside(cache / "pulled.json", json.dumps(kept, indent=1).encode())
