"""Images committed from containers, and guarded calls of the daemon."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import to_thread

from harness.errors import ImageMissing, SandboxUnavailable

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

T = TypeVar("T")
CALL_S = 60.0  # for an answer of the daemon
COMMIT_S = 120.0
SILENT_S = 3.0


class Commit:
    """An image made of a container's files, removed when nothing needs it any more.

    That are: containers that began as it, a machine whose files it still is, commits on top of it.
    """

    def __init__(self, client: "docker.DockerClient", image: str, below: "Commit | None") -> None:
        self._client = client
        self.image = image
        self._below = below and below.use()
        self._leases = 0

    def use(self) -> "Commit":
        """Keep the image until one more `release`."""
        self._leases += 1
        return self

    async def release(self) -> None:
        """One use ends. Raises `SandboxUnavailable` where the last one did and it stays."""
        self._leases -= 1
        if self._leases:
            return
        try:  # without `noprune` the commit below goes too, though a machine may count on it
            await thread(
                lambda: self._client.images.remove(self.image, force=True, noprune=True),
                gone_is_fine=True,
            )
        finally:
            if self._below is not None:
                await self._below.release()


async def committed(container: "Container", changes: str) -> str:
    """The id of a new image of a container's files, with these changes to its configuration.

    One that comes into being when it is not waited for any more is removed.
    """
    late = threading.Event()

    def commit() -> str:
        image = container.commit(changes=changes)
        if late.is_set():
            image.remove(force=True, noprune=True)
        return str(image.id)

    try:
        return str(await thread(commit, within_s=COMMIT_S))
    except SandboxUnavailable:
        late.set()
        raise


class _Silence:
    """Whether a call of the daemon has just timed out."""

    now = False


def guarded(call: Callable[[], T], *, gone_is_fine: bool = False) -> T | None:
    """Make a call of the SDK, whose failures are the sandbox's. Blocking."""
    import docker
    import requests

    try:
        return call()
    except docker.errors.NotFound as error:
        if gone_is_fine:
            return None
        missing = isinstance(error, docker.errors.ImageNotFound)
        kind = ImageMissing if missing else SandboxUnavailable
        raise kind(f"docker: {error.explanation or error}") from error
    except docker.errors.APIError as error:
        if gone_is_fine and error.status_code == 409:  # not running, or being removed
            return None
        raise SandboxUnavailable(f"docker: {error.explanation or error}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise SandboxUnavailable(f"docker: {error}") from error


async def thread(
    call: Callable[[], T], *, gone_is_fine: bool = False, within_s: float = CALL_S
) -> T | None:
    """Run a call of the SDK in a thread, whoever cancels; its failures are the sandbox's.

    A daemon that hangs is one after `within_s`: the call is left to itself then. What only tidies
    up (`gone_is_fine`) gets less while the daemon is known to be silent. No call waits for another
    one: calls that hang would else have a container that is fine look as if the engine were gone.
    """
    if gone_is_fine and _Silence.now:
        within_s = min(within_s, SILENT_S)
    with anyio.move_on_after(within_s, shield=True):
        answer = await to_thread.run_sync(
            lambda: guarded(call, gone_is_fine=gone_is_fine),
            abandon_on_cancel=True,
            limiter=anyio.CapacityLimiter(1),
        )
        _Silence.now = False
        return answer
    _Silence.now = True
    raise SandboxUnavailable(f"docker has not answered for {within_s:.0f} s")
