"""Pull published images, and remember which were pulled, so that no others are ever removed."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import from_thread
from filelock import FileLock

from harness.cache import write_beside
from harness.errors import UserError
from harness.sandbox.docker.client import BUILT_PREFIX, blocking, connected, exists
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
                await pull_one(client, name, cache, on_progress)
            except UserError as error:
                failures.append(error)

    with connected() as client:
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(one, client, name)
    if failures:
        raise failures[0]
    return names


async def pull_one(
    client: "DockerClient", name: str, cache: Path, on_progress: Callable[[str], None]
) -> None:
    """Pull an image that is not there, and note that it was us. Raises `UserError`.

    A registry that is busy is asked again after a while. Cancelling ends the pull.
    """
    if name.startswith(BUILT_PREFIX):
        raise UserError(f"{name} is in no registry: build it here (.venv/bin/delm images build)")
    on_progress(f"pulling {name}")
    for wait in (*PULL_WAITS_SECONDS, None):
        fault = await blocking(_try_pull, client, name, cache)
        if fault is None:
            return
        if wait is None or not any(word in fault.lower() for word in PULL_AGAIN):
            raise UserError(f"{name} is not on this machine and cannot be pulled: {fault}")
        on_progress(f"{name}: {fault}; again in {wait} s")
        await anyio.sleep(wait)


def _try_pull(client: "DockerClient", name: str, cache: Path) -> str | None:
    """Pull once and note it; why it failed, in one line, or None. For a thread of `blocking`.

    What was here already, under another name or none, is not noted: it is somebody else's.
    """
    import docker
    import requests
    from docker.utils import parse_repository_tag

    before = {str(image["Id"]) for image in client.api.images()}
    repository, tag = parse_repository_tag(name)
    try:
        told = client.api.pull(
            repository, tag=tag or "latest", stream=True, decode=True, platform="linux/amd64"
        )
        with closing(told):
            for line in told:
                from_thread.check_cancelled()
                if "error" in line:
                    return " ".join(str(line["error"]).split())
        image_id = str(client.images.get(name).id)
    except docker.errors.APIError as error:
        return " ".join(str(error.explanation or error).split())
    except requests.RequestException as error:
        return f"timeout or broken connection ({type(error).__name__})"
    if image_id not in before or image_id in pulled_images(cache).values():
        record(cache, {name: image_id})
    return None


def pulled_images(cache: Path) -> dict[str, str]:
    """The images that `pull` has pulled: image id by name."""
    try:
        return dict(json.loads((cache / "pulled.json").read_bytes()))
    except FileNotFoundError:
        return {}


def record(cache: Path, pulled: dict[str, str], forget: Sequence[str] = ()) -> None:
    """Record pulled and removed images."""
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "pulled.json.lock"):
        known = pulled_images(cache) | pulled
        kept = {name: image_id for name, image_id in known.items() if name not in forget}
        write_beside(cache / "pulled.json", json.dumps(kept, indent=1).encode())
