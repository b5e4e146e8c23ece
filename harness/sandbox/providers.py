"""The two kinds of sandbox as `harness.protocols.Sandboxes`: prepare and open them."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
from anyio import to_thread

from harness.config import SandboxConfig
from harness.environments.rebuild import Prepared, prepare
from harness.errors import (
    ImageMissing,
    LeakFound,
    SandboxUnavailable,
    SandboxUnfit,
    UserError,
    leaf,
)
from harness.sandbox.audit import audit, scrub
from harness.sandbox.bubblewrap import cgroup, network
from harness.sandbox.bubblewrap.machine import BubblewrapMachine, missing_packages
from harness.sandbox.cleanup import or_undo
from harness.sandbox.docker import image_build
from harness.sandbox.docker import machine as docker_sandbox
from harness.sandbox.docker.client import image_id
from harness.sandbox.docker.image_cache import ImageCache
from harness.sandbox.docker.machine import DockerMachine
from harness.sandbox.reaper import reap_at_start
from harness.sandbox.sandbox import ShellSandbox
from harness.types import Item

if TYPE_CHECKING:
    from harness.sandbox.docker.client import DockerClient

Purpose = Literal["agents", "grading"]
BUILDERS = 2  # environments built, or images pulled, at a time
OPEN_AGAIN_S = (1, 4, 10, 20)  # a Docker that is restarted is back after that


class DockerSandboxes:
    """Containers from each instance's image."""

    kind = "docker"

    def __init__(
        self,
        client: "DockerClient",
        config: SandboxConfig,
        cache: Path,
        *,
        labels: Mapping[str, str],
        grading_network: bool,
    ) -> None:
        self._client = client
        self._config = config
        self._cache = cache
        self._labels = dict(labels)
        self._network = {"agents": config.network, "grading": grading_network}
        self._images: dict[str, str] = {}
        self._image_cache = ImageCache(client, cache, config.disk_gb)
        self._say: Callable[[str], None] = lambda _: None

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Have every image here, built or pulled. `UserError` names one that cannot be had.

        With a ceiling images are pulled when they are held; only the first one is asked for.
        """
        self._say = say

        def look() -> list[Item]:
            missing = []
            for item in items:
                found = image_id(self._client, item.instance.image)
                if found is None:
                    missing.append(item)
                else:
                    self._images[item.instance.image] = found
            return missing

        await reap_at_start(self._cache, say, self._client)
        missing = await to_thread.run_sync(look)
        if not missing:
            return
        local = [item for item in missing if item.environment is not None]
        if local:
            await image_build.build(local, base=None, cache=self._cache, on_progress=say)
        published = [item for item in missing if item.environment is None]
        if published:
            count = len({item.instance.image for item in published})
            await self._image_cache.preflight(count, say)
            if self._config.disk_gb:
                await self._image_cache.check(published[0].instance.image, say)
                return
            await image_build.pull(published, cache=self._cache, on_progress=say)
        missing = await to_thread.run_sync(look)
        if missing:
            raise UserError(f"the image {missing[0].instance.image} could not be pulled")

    @asynccontextmanager
    async def holding(self, item: Item) -> AsyncIterator[None]:
        """See `harness.protocols.Sandboxes.holding`."""
        async with AsyncExitStack() as stack:
            if item.environment is None:  # what is built here nobody removes
                held = self._image_cache.holding(item.instance.image, self._say)
                try:
                    found = await stack.enter_async_context(held)
                except UserError as error:
                    raise SandboxUnavailable(str(error)) from error
                self._images[item.instance.image] = found
            yield

    def fingerprint(self, item: Item) -> str:
        """The image's content hash."""
        return self._images[item.instance.image]

    async def open(self, item: Item, *, purpose: Purpose) -> ShellSandbox:
        """See `harness.protocols.Sandboxes.open`."""

        async def start() -> DockerMachine:
            machine = DockerMachine(
                self._client,
                item.instance.image,
                self._labels | _labels(item, purpose),
                self._config.limits,
                network=self._network[purpose],
                activate=purpose == "agents",
            )
            await machine.start()
            return machine

        return await open_sandbox(start, _examined(item, purpose, self._config))

    def close(self) -> None:
        """Let go of the connections to the daemon."""
        self._client.close()


class BubblewrapSandboxes:
    """Namespaces over environments that are rebuilt on this machine."""

    kind = "bubblewrap"

    def __init__(
        self,
        config: SandboxConfig,
        cache: Path,
        *,
        grading_network: bool,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._cache = cache
        self._labels = dict(labels or {})
        self._cache = cache
        self._network = {"agents": config.network, "grading": grading_network}
        self._prepared: dict[str, Prepared] = {}
        self._store = cache / "sandboxes"

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Build what is missing, two at a time. `UserError` for an item without an environment."""
        wanted = {}
        for item in items:
            if item.environment is None:
                raise UserError(
                    f"{item.instance.instance_id} has a Docker image only; start Docker and use "
                    "--sandbox docker, or -d verified-offline"
                )
            wanted[item.environment.name] = item.environment
        await reap_at_start(self._cache, say)
        limiter = anyio.CapacityLimiter(BUILDERS)

        async def build(name: str) -> None:
            async with limiter:
                self._prepared[name] = await prepare(wanted[name], self._cache, on_progress=say)

        try:
            async with anyio.create_task_group() as tasks:
                for name in wanted:
                    tasks.start_soon(build, name)
        except BaseExceptionGroup as group:
            raise leaf(group) from None

    @asynccontextmanager
    async def holding(self, item: Item) -> AsyncIterator[None]:
        """What was prepared stays."""
        yield

    def fingerprint(self, item: Item) -> str:
        """The key of the environment: its specification, recipe and Python."""
        return self._prepared[item.instance.environment].key

    async def open(self, item: Item, *, purpose: Purpose) -> ShellSandbox:
        """See `harness.protocols.Sandboxes.open`."""

        async def start() -> BubblewrapMachine:
            return await BubblewrapMachine.start(
                self._prepared[item.instance.environment],
                self._store,
                self._config.limits,
                network=self._network[purpose],
                labels=self._labels | _labels(item, purpose),
            )

        return await open_sandbox(start, _examined(item, purpose, self._config))

    def close(self) -> None:
        """There is no connection."""


def _labels(item: Item, purpose: Purpose) -> dict[str, str]:
    return {"delm.instance": item.instance.instance_id, "delm.purpose": purpose}


async def open_sandbox(
    start: Callable[[], Awaitable[DockerMachine | BubblewrapMachine]],
    ready: Callable[[ShellSandbox], Awaitable[None]] | None = None,
) -> ShellSandbox:
    """A sandbox that is `ready`, begun anew a few times where the machinery fails.

    That is safe: nobody has used it yet. Raises `SandboxUnavailable` at last; at once where another
    would be like it.
    """
    waits = list(OPEN_AGAIN_S)
    while True:
        try:
            sandbox = await ShellSandbox.start(await start())
            if ready is not None:
                await _or_close(sandbox, ready)
        except (ImageMissing, SandboxUnfit):
            raise
        except SandboxUnavailable:
            if not waits:
                raise
            await anyio.sleep(waits.pop(0))
        else:
            return sandbox


async def _or_close(
    sandbox: ShellSandbox, ready: Callable[[ShellSandbox], Awaitable[None]]
) -> None:
    async with or_undo(sandbox.close):
        await ready(sandbox)


def _examined(
    item: Item, purpose: Purpose, config: SandboxConfig
) -> Callable[[ShellSandbox], Awaitable[None]]:
    """For agents: no history, and an audit that found nothing, or is to be recorded."""

    async def examine(sandbox: ShellSandbox) -> None:
        if purpose != "agents":
            return
        await scrub(sandbox)
        leaks = await audit(sandbox, item.instance.base_commit, network=config.network)
        sandbox.audit = "; ".join(leaks) or "ok"
        if leaks and config.on_leak == "refuse":
            raise LeakFound(f"the sandbox leaks: {sandbox.audit} (sandbox.on_leak=record goes on)")

    return examine


def choose(
    config: SandboxConfig,
    cache: Path,
    items: Sequence[Item],
    *,
    labels: Mapping[str, str],
    grading_network: bool,
) -> DockerSandboxes | BubblewrapSandboxes:
    """The kind that the configuration asks for; `auto` is Docker where images are needed or built.

    Raises `UserError` where what is asked for is not there, and says what to do.
    """
    rebuildable = all(item.environment is not None for item in items)
    unbounded = ""
    if config.kind == "bubblewrap" or (config.kind == "auto" and rebuildable):
        missing = missing_packages()
        unconnected = network.lacks() if config.network or grading_network else ""
        unbounded = "" if missing else cgroup.lacks()
        if not (missing or unconnected or unbounded):
            return BubblewrapSandboxes(
                config, cache, grading_network=grading_network, labels=labels
            )
        if config.kind == "bubblewrap" and not missing:
            why = unbounded or f"a sandbox with a network: {unconnected}"
            raise UserError(f"{why}, or use --sandbox docker")
        if config.kind == "bubblewrap":
            raise UserError(
                "bubblewrap is not installed, or what it needs; run: "
                f"sudo apt-get install {missing}"
            )
    client = docker_sandbox.connect()
    if isinstance(client, str):
        also = " or install bubblewrap (sudo apt-get install bubblewrap)" if rebuildable else ""
        also = f"; bubblewrap: {unbounded}" if unbounded else also
        raise UserError(
            f"no Docker engine answers ({_short(client)}); start it (sudo systemctl start docker)"
            f"{also}; `.venv/bin/delm doctor` checks"
        )
    return DockerSandboxes(client, config, cache, labels=labels, grading_network=grading_network)


def _short(text: str) -> str:
    with contextlib.suppress(ValueError):
        text = text[: text.index("(")]
    return text.strip()[:120] or "no reason given"
