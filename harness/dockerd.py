"""The Docker daemon: reaching it, and what marks our things in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread

from harness.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "delm.harness"  # "image" on images, "build" on containers that build them
ANSWER_SECONDS = 600  # committing or unpacking a large image on a slow disk
BUILT_PREFIX = "delm-offline/"

T = TypeVar("T")


@contextmanager
def connected() -> Iterator["DockerClient"]:
    """A client of the Docker daemon, which has answered. Raises `UserError`. Blocking."""
    import docker

    client = None
    try:
        try:
            client = docker.from_env(timeout=ANSWER_SECONDS)
            client.ping()
        except docker.errors.DockerException as error:
            raise UserError(
                "the Docker daemon does not answer: start it, or set DOCKER_HOST "
                f"({' '.join(str(error).split())[:200]})"
            ) from error
        yield client
    finally:
        if client is not None:
            client.close()


async def blocking(function: Callable[..., T], *arguments: Any) -> T:
    """Run `function` in a thread; Docker's client knows no other way.

    Raises `UserError` when the daemon refuses what was asked, or is gone.
    """
    import docker
    import requests

    try:
        return await anyio.to_thread.run_sync(function, *arguments)
    except docker.errors.DockerException as error:
        raise UserError(f"Docker refused: {' '.join(str(error).split())}") from error
    except requests.RequestException as error:
        raise UserError(f"Docker does not answer: {' '.join(str(error).split())}") from error


def exists(client: "DockerClient", name: str) -> bool:
    """Whether there is an image of that name on this machine."""
    import docker

    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True
