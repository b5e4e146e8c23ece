"""Sandboxes in Docker: one container each, driven through the socket of its own main process.

The container's command is `supervisor.pl`, so a command costs no `docker exec`, and a container
whose harness dies loses its standard input, ends, and is removed by the daemon (auto-remove).
"""

import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio

from harness.config import SandboxLimits
from harness.errors import SandboxUnavailable, SandboxUnfit
from harness.sandbox import disk_limits
from harness.sandbox.cleanup import or_undo
from harness.sandbox.disk_watch import DiskWatch
from harness.sandbox.docker import boot_files
from harness.sandbox.docker.client import LABEL, OWNER, open_client
from harness.sandbox.docker.container_setup import bounds, surroundings
from harness.sandbox.docker.snapshots import COMMIT_S, Commit, committed, thread
from harness.sandbox.docker.written_files import WrittenFiles
from harness.sandbox.owners import Owner
from harness.sandbox.shell import PERL, SHARES, STOP, Since, supervisor

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

START_S = 60.0
ASK_S = 10.0
EVENTS = 200  # more have happened than the engine may remember
REMOVE_S = 30.0
RECEIVE_BYTES = 1 << 18


class DockerMachine:
    """One container and the socket to its supervisor."""

    def __init__(
        self,
        client: "docker.DockerClient",
        image: str,
        labels: Mapping[str, str],
        limits: SandboxLimits,
        *,
        network: bool,
        activate: bool,
        began_as: Commit | None = None,
        distrusted: bool = False,
    ) -> None:
        self._client = client
        self._image = image
        self._labels = {LABEL: "sandbox", OWNER: str(Owner.me()), **labels}
        self._limits = limits
        self._network = network
        self._activate = activate
        self._began_as = began_as and began_as.use()  # instead of the image
        self._distrusted = distrusted  # commands may have changed what PID 1 is begun with
        self._copied_as = began_as and began_as.use()  # at the last copy
        self._container: Container | None = None
        self._socket: socket.socket | None = None
        self._keep: object = None  # the SDK's wrapper; the socket dies with it
        self._frames = bytearray()
        self._made_at = time.time()
        self._watch: DiskWatch | None = None
        self._written: WrittenFiles | None = None
        self._given_up = False  # a start that is late is to leave nothing

    async def start(self) -> None:
        """Create, attach and start. `SandboxUnavailable`, with nothing left, when that fails."""
        async with or_undo(self.destroy):
            await thread(self._start, within_s=START_S)
        assert self._container is not None
        self._written = WrittenFiles(self._client, self._container)
        self._watch = DiskWatch(disk_limits.on_disk(self._limits), self._written.count)

    def _start(self) -> None:
        try:
            self._create_and_attach()
        finally:
            if self._given_up:
                self._let_go()

    def _let_go(self) -> None:
        import docker

        for end in (self._socket, self._keep):
            if end is not None:
                end.close()  # type: ignore[attr-defined]
        if self._container is not None:
            with contextlib.suppress(docker.errors.APIError):  # `destroy` was quicker
                self._container.remove(force=True, v=True)

    def _create_and_attach(self) -> None:
        image = self._began_as.image if self._began_as else self._image
        declared = self._client.images.get(image).attrs["Config"]
        options: dict[str, int | str] = {
            **SHARES,
            "fsize": self._limits.file_mb << 20,
            "activate": int(self._activate),
            "counter": 1,
        }
        program: Sequence[str] = (PERL,)
        if self._distrusted:
            options["folder"], program = boot_files.begin_from(
                self._client, self._image, self._labels
            )
        self._container = self._client.containers.create(
            image,
            entrypoint=supervisor(options, program),
            labels=dict(self._labels),
            **bounds(self._limits, network=self._network),
            **surroundings(declared, self._labels),
        )
        if self._distrusted:
            boot_files.lay(self._client, self._image, self._container, str(options["folder"]))
        wrapper = self._client.api.attach_socket(
            str(self._container.id), params={"stdin": 1, "stdout": 1, "stderr": 0, "stream": 1}
        )
        self._keep = wrapper
        self._socket = getattr(wrapper, "_sock", wrapper)
        self._socket.setblocking(False)
        self._run(image)

    def _run(self, image: str) -> None:
        import docker

        assert self._container is not None
        try:
            self._container.start()
        except docker.errors.APIError as error:
            if PERL in str(error):
                needs = f"the image {image} has no {PERL}, which a sandbox is begun with"
                raise SandboxUnfit(f"{needs}; put Debian's perl-base into it") from error
            raise

    async def send(self, data: bytes) -> None:
        """See `Machine.send`."""
        view = memoryview(data)
        while view:
            if self._socket is None:
                raise SandboxUnavailable("the sandbox is closed")
            try:
                sent = self._socket.send(view)
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                raise SandboxUnavailable(f"the container is gone: {error}") from error
            else:
                view = view[sent:]

    async def receive(self) -> bytes:
        """See `Machine.receive`."""
        if self._watch is None:
            return await self._received()
        return await self._watch.receive(self._received, partial(self.send, STOP))

    async def _received(self) -> bytes:
        """The next bytes. Docker frames the stream: 4 bytes of kind, 4 of length."""
        while True:
            payload = self._next_payload()
            if payload:
                return payload
            if self._socket is None:
                return b""
            try:
                chunk = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
                continue
            except OSError:
                return b""
            if not chunk:
                return b""
            self._frames += chunk

    def _next_payload(self) -> bytes:
        payload = bytearray()
        at = 0
        while len(self._frames) >= at + 8:
            length = int.from_bytes(self._frames[at + 4 : at + 8], "big")
            if len(self._frames) < at + 8 + length:
                break
            payload += self._frames[at + 8 : at + 8 + length]
            at += 8 + length
        del self._frames[:at]
        return bytes(payload)

    async def outside_cause(self) -> str:
        """See `Machine.outside_cause`: the engine's, or a signal that was sent through it."""
        container = self._container
        if container is None:
            return "it was closed"
        try:
            seen = await thread(lambda: self._events(str(container.id)), within_s=ASK_S)
        except SandboxUnavailable as error:
            return str(error)
        mine, many = seen or (set(), False)
        if "kill" in mine:
            return "the container was ended through the engine"
        known = mine & {"start", "die"}
        return "" if known or many else "the engine was started again"

    def _events(self, container: str) -> tuple[set[str], bool]:
        """What the engine remembers of a container, and whether it may have forgotten some.

        It remembers the last 256 events since it was started.
        """
        since, until = int(self._made_at) - 1, int(time.time()) + 1
        heard = list(self._client.api.events(since=since, until=until, decode=True))
        mine = {event["Action"] for event in heard if event["Actor"]["ID"] == container}
        return mine, len(heard) > EVENTS

    def memory_kills(self) -> int:
        """See `Machine.memory_kills`: the supervisor sees all of them."""
        return 0

    def disk_stops(self) -> int:
        """See `Machine.disk_stops`."""
        return self._watch.stops if self._watch else 0

    async def copy(self, since: Since, *, used: bool) -> "DockerMachine":
        """See `Machine.copy`. What was changed is committed to an image first."""
        if self._container is None:
            raise SandboxUnavailable("the sandbox is closed")
        with anyio.CancelScope(shield=True):  # a commit that nobody knows of would stay
            if since == "change" or (since == "copy" and self._copied_as is None):
                await self._commit(self._container)
        twin = DockerMachine(
            self._client,
            self._image,
            self._labels,
            self._limits,
            network=self._network,
            activate=self._activate,
            began_as=None if since == "image" else self._copied_as,
            distrusted=used and since != "image",
        )
        await twin.start()
        return twin

    async def _commit(self, container: "Container") -> None:
        if (written := self._written) is not None:
            await thread(lambda: written.refuse_copy(disk_limits.on_disk(self._limits)))
        labels = self._labels | {LABEL: "commit"}  # whoever runs that image makes no sandbox
        changes = "\n".join(f'LABEL {key}="{value}"' for key, value in labels.items())
        image = await committed(container, changes)
        commit = Commit(self._client, image, self._began_as).use()
        before, self._copied_as = self._copied_as, commit
        if before is not None:
            with contextlib.suppress(SandboxUnavailable):  # what stays is for `reap`
                await before.release()

    async def destroy(self) -> None:
        """See `Machine.destroy`. What stays because a daemon hangs is for `reap`."""
        self._given_up = True
        container, self._container = self._container, None
        wrapper, self._keep = self._keep, None
        raw, self._socket = self._socket, None
        commits = [commit for commit in (self._began_as, self._copied_as) if commit]
        self._began_as = self._copied_as = None
        with contextlib.suppress(SandboxUnavailable):  # what stays is for `reap`
            if container is not None:
                await thread(
                    lambda: container.remove(force=True, v=True),
                    gone_is_fine=True,
                    within_s=REMOVE_S,
                )
                await self._wait_until_gone(container)
        for commit in commits:
            with contextlib.suppress(SandboxUnavailable):
                await commit.release()
        for end in (raw, wrapper):
            if end is not None:
                end.close()  # type: ignore[attr-defined]

    async def _wait_until_gone(self, container: "Container") -> None:
        """Wait for the container's removal; auto-removal continues after `remove` returned."""

        def there() -> bool:
            container.reload()
            return True

        with anyio.move_on_after(30):
            while await thread(there, gone_is_fine=True):  # noqa: ASYNC110 - the daemon's doing
                await anyio.sleep(0.05)


def connect() -> "docker.DockerClient | str":
    """A client of the running daemon, or the reason why there is none. The caller closes it."""
    return open_client(timeout_s=COMMIT_S, max_pool_size=64)
