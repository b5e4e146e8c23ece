"""Connect to the Docker daemon, and the labels of our objects in it."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread

from harness.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient as DockerClient  # for annotations elsewhere, too

LABEL = "delm.harness"  # what it is: "image", "build" (of one), "sandbox" or "commit" (of one)
OWNER = "delm.owner"  # an `Owner`: who removes it
FIRST_SECONDS = 10  # for the first words of a daemon
ANSWER_SECONDS = 600  # committing or unpacking a large image on a slow disk
BUILT_PREFIX = "delm-offline/"

T = TypeVar("T")


@contextmanager
def connected() -> Iterator["DockerClient"]:
    """A connected client of the Docker daemon. Blocking. Raises `UserError`."""
    client = open_client(timeout_s=ANSWER_SECONDS)
    if isinstance(client, str):
        raise UserError(
            f"the Docker daemon does not answer: start it, or set DOCKER_HOST ({client[:200]})"
        )
    with closing(client):
        yield client


def open_client(*, timeout_s: float, **options: Any) -> "DockerClient | str":
    """A client of the daemon, which has answered, or why there is none. Blocking.

    `timeout_s` is for each later answer; whoever has the client closes it. Where there is none,
    nothing is left open: the SDK leaves its socket when nobody listens at it, and a client that
    fails while it is made.
    """
    if silent := silent_socket():
        return silent
    import docker
    import requests
    from docker.constants import DEFAULT_DOCKER_API_VERSION

    client, version = None, DEFAULT_DOCKER_API_VERSION
    try:
        # with a version it asks nobody while it is made, so that it can be closed if nobody answers
        client = docker.from_env(version=version, timeout=FIRST_SECONDS, **options)
        version = client.version(api_version=False)["ApiVersion"]
        client.close()
        client = docker.from_env(version=version, timeout=FIRST_SECONDS, **options)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError, KeyError) as error:
        if client is not None:
            client.close()
        return " ".join(str(error).split()) or type(error).__name__
    client.api.timeout = int(timeout_s)
    return client


def silent_socket() -> str:
    """Why the daemon's socket does not answer, if the address is a socket."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        return ""
    path = host.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return f"{path}: {error.strerror or error}"
    return ""


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


def ask(
    api: Any,
    method: str,
    path: str,
    words: Mapping[str, str] | None = None,
    *,
    timeout_s: float | None = None,
) -> Any:
    """The daemon's answer to a call that the SDK has not, or not with a time limit of its own.

    None where there is nothing of that name. Raises what the SDK raises. Blocking.
    """
    import docker
    import requests

    url = f"{api.base_url}/v{api.api_version}{path}"
    answer = api.request(method, url, params=dict(words or {}), timeout=timeout_s or api.timeout)
    if answer.status_code == 404:
        return None
    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        raise docker.errors.APIError(
            str(error), response=answer, explanation=answer.text
        ) from error
    return answer


def exists(client: "DockerClient", name: str) -> bool:
    """Whether this machine has an image of that name."""
    import docker

    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def image_id(client: "DockerClient", image: str) -> str | None:
    """The id of the image of that name on this machine; None if there is none."""
    import docker

    try:
        return str(client.images.get(image).id)
    except docker.errors.ImageNotFound:
        return None
