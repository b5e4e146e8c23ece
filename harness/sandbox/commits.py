"""Images that are committed from containers, and how the daemon is called."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from harness.errors import SandboxUnavailable

if TYPE_CHECKING:
    import docker

T = TypeVar("T")


class Commit:
    """An image made of a container's files, removed when nothing needs it any more.

    That are: containers that began as it, a machine whose files it still is, commits on top of it.
    """

    def __init__(self, client: "docker.DockerClient", image: str, below: "Commit | None") -> None:
        self._client = client
        self.image = image
        self._below = below and below.use()
        self._uses = 0

    def use(self) -> "Commit":
        """Keep it until one more `release`."""
        self._uses += 1
        return self

    async def release(self) -> None:
        """One use ends. Raises `SandboxUnavailable` where the last one did and it stays."""
        self._uses -= 1
        if self._uses:
            return
        try:  # without `noprune` the commit below goes too, though a machine may count on it
            await thread(
                lambda: self._client.images.remove(self.image, force=True, noprune=True),
                gone_is_fine=True,
            )
        finally:
            if self._below is not None:
                await self._below.release()


async def thread(call: Callable[[], T], *, gone_is_fine: bool = False) -> T | None:
    """Run a call of the SDK in a thread, to its end; its failures are the sandbox's."""
    import docker
    import requests

    def guarded() -> T | None:
        try:
            return call()
        except docker.errors.NotFound as error:
            if gone_is_fine:
                return None
            raise SandboxUnavailable(f"docker: {error.explanation or error}") from error
        except docker.errors.APIError as error:
            if gone_is_fine and error.status_code == 409:  # not running, or being removed
                return None
            raise SandboxUnavailable(f"docker: {error.explanation or error}") from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise SandboxUnavailable(f"docker: {error}") from error

    return await to_thread.run_sync(guarded)
