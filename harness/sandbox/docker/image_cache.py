"""A disk limit for pulled images: pulled when needed, evicted when unused.

It counts the images that this program pulled, by `pulled.json`, and removes no others. All
processes of one cache folder share the ceiling, the uses and the pulls.
"""

import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from filelock import FileLock

from harness.errors import UserError
from harness.sandbox.docker import registry
from harness.sandbox.docker.client import blocking, image_id
from harness.sandbox.docker.image_layers import ImageSize, ImageSizes, total, whole
from harness.sandbox.docker.image_leases import ImageLeases, PullReservation
from harness.sandbox.docker.image_pull import (
    PULL_WAITS_SECONDS,
    PULLS_AT_ONCE,
    pull_one,
    pulled_images,
    record,
)

if TYPE_CHECKING:
    from docker import DockerClient

GB = 1e9
IMAGE_BYTES = 240_000_000  # of an image of SWE-bench Verified: 120 GB for all 500
LOOK_S = 0.5  # between two looks for room
STUCK_S = 120.0  # that nothing of ours is in use and there is no room all the same

Say = Callable[[str], None]


class ImageCache:
    """The images that were pulled, and what they may take together."""

    def __init__(self, client: "DockerClient", cache: Path, ceiling_gb: float) -> None:
        self._client = client
        self._cache = cache
        self._ceiling = int(ceiling_gb * GB)  # 0: there is none
        self._leases = ImageLeases(cache / "uses")
        self._sizes = ImageSizes(cache)
        self._lock = cache / "room.lock"
        self._one: dict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._queue = anyio.Lock()  # who has come first gets room first

    @asynccontextmanager
    async def holding(self, image: str, say: Say) -> AsyncIterator[str]:
        """The image is here as long as the block lasts; its id.

        It is pulled where it is not here, once there is room for it. Raises `UserError`: it cannot
        be pulled, or is larger than the ceiling.
        """
        async with self._leases.holding(image):
            async with self._one[image]:  # two that want it pull it once
                found = await self._here(image)
                if found is None:
                    await self._bring(image, say)
                    found = await self._here(image)
            if found is None:
                raise UserError(f"{image} was pulled and is gone again; is something removing it?")
            yield found

    async def preflight(self, images: int, say: Say) -> None:
        """`UserError` where the ceiling is higher than the disk allows.

        Without a ceiling it is said where that many images may be too many: sizes are a guess.
        """
        where, free, ours = await blocking(self._disk)
        if free is not None and self._ceiling > free + ours:
            raise UserError(
                f"--disk-gb {self._ceiling / GB:g} (make: DISK_GB) is more than there is room for: "
                f"{where} has {free / GB:.1f} GB free, and {ours / GB:.1f} GB are pulled images"
            )
        if free is not None and not self._ceiling and images * IMAGE_BYTES > free:
            say(
                f"pulling {images} images takes about {images * IMAGE_BYTES / GB:.0f} GB, and "
                f"{where} has {free / GB:.0f} GB free; --disk-gb {free / GB * 0.8:.0f} (make: "
                "DISK_GB) keeps no more than that at a time"
            )

    def _disk(self) -> tuple[str, int | None, int]:
        """Docker's folder, its free bytes (None: on another machine), and what is pulled."""
        where = Path(self._client.info()["DockerRootDir"])
        local = str(self._client.api.base_url).startswith("http+docker") and where.exists()
        free = shutil.disk_usage(where).free if local else None
        return str(where), free, total(self._present().values(), ())

    async def check(self, image: str, say: Say) -> None:
        """Raise `UserError` if the image is larger than the limit. Does nothing if the size is
        unknown."""
        if self._ceiling and await self._here(image) is None:
            await self._weigh(image, say)

    async def _here(self, image: str) -> str | None:
        return await blocking(image_id, self._client, image)

    async def _bring(self, image: str, say: Say) -> None:
        async with AsyncExitStack() as stack:
            if self._ceiling:
                weight = await self._weigh(image, say)
                async with self._queue:
                    promise = await self._promise(image, weight, say)
                    stack.callback(promise.end)
            await pull_one(self._client, image, self._cache, say)
            if self._ceiling:
                await blocking(self._settle, image)

    async def _weigh(self, image: str, say: Say) -> ImageSize:
        """The disk space that the image will need. Raises `UserError` if it exceeds the limit."""
        weight = (await blocking(self._sizes.all)).get(image)
        for wait in (*PULL_WAITS_SECONDS, None) if weight is None else ():
            try:
                weight = await blocking(self._ask, image)
                break
            except registry.Busy as busy:
                if wait is not None:
                    say(f"{image}: {busy}; again in {wait} s")
                    await anyio.sleep(wait)
        if weight is None:  # as if it took all there is: it is pulled alone
            return whole(image, self._ceiling)
        if weight.unpacked > self._ceiling:
            raise UserError(self._too_large(image, weight.unpacked))
        return weight

    def _too_large(self, image: str, size: int) -> str:
        return (
            f"{image} takes {size / GB:.2f} GB, more than the {self._ceiling / GB:g} GB of "
            "--disk-gb (make: DISK_GB) that all pulled images may take together; raise it"
        )

    def _ask(self, image: str) -> ImageSize | None:
        known = {
            chain: size
            for each in self._sizes.all().values()
            for chain, size in each.layers.items()
        }
        mirrors = self._client.info().get("RegistryConfig", {}).get("Mirrors") or []
        weight = registry.weigh(image, known, mirrors)
        if weight is not None:
            with FileLock(self._lock):
                self._sizes.keep(image, weight)
        return weight

    async def _promise(self, image: str, weight: ImageSize, say: Say) -> PullReservation:
        """Reserve disk space for a pull; waits until there is enough."""
        told, stuck = False, 0.0
        while True:
            answer = await blocking(self._make_room, weight)
            if isinstance(answer, PullReservation):
                return answer
            stuck = 0.0 if answer else stuck + LOOK_S
            if stuck > STUCK_S:
                raise UserError(
                    f"no room for {image}: containers that are not of this run use pulled images; "
                    "docker ps -a shows them"
                )
            if answer and not told:
                say(f"{image} waits for room: {answer}")
                told = True
            await anyio.sleep(LOOK_S)

    def _make_room(self, weight: ImageSize) -> PullReservation | str:
        """Keep room for `weight`, removing what was used longest ago; else what is in the way.

        Nothing is removed unless that makes enough room. An empty reason: nobody of ours is.
        """
        with FileLock(self._lock):
            coming = self._leases.promised()
            if len(coming) >= PULLS_AT_ONCE:
                return f"{len(coming)} others are being pulled"
            coming.append(weight)
            refused: set[str] = set()
            while True:
                here = self._present()
                idle = [name for name in self._by_age(here) if name not in refused]
                held = {name: here[name] for name in here.keys() - set(idle)}
                if self._fits(here, coming):
                    return self._leases.promise(weight)
                if not self._fits(held, coming):
                    if held.keys() <= refused and len(coming) == 1:
                        return ""
                    taken = total(held.values(), coming[:-1]) / GB
                    return f"{taken:.2f} of {self._ceiling / GB:g} GB are in use"
                if not self._remove(idle[0]):
                    refused.add(idle[0])

    def _fits(self, here: Mapping[str, ImageSize], coming: list[ImageSize]) -> bool:
        # what is alone fits, though the disk holds it twice for a moment: nothing else could help
        alone = not here and len(coming) == 1
        return alone or total(here.values(), coming) <= self._ceiling

    def _settle(self, image: str) -> None:
        """After a pull, measure the image. Removes it and raises `UserError` if it is too large."""
        with FileLock(self._lock):
            here = self._present()
            mine = here.get(image)
            if mine is None:  # it was here under another name
                return
            self._sizes.keep(image, mine)
            if mine.unpacked > self._ceiling:
                self._remove(image, held=True)
                raise UserError(self._too_large(image, mine.unpacked))
            for name in self._by_age(here):
                if total(here.values(), ()) <= self._ceiling:
                    break
                if self._remove(name):
                    del here[name]

    def _present(self) -> dict[str, ImageSize]:
        """The images on this machine that we pulled."""
        pulled, known = pulled_images(self._cache), self._sizes.all()
        images = {str(image["Id"]): image for image in self._client.api.images()}
        names = {tag: key for key, image in images.items() for tag in image["RepoTags"] or ()}
        return {
            name: _weight(ours, int(images[ours]["Size"]), known.get(name))
            for name, ours in pulled.items()
            if ours in images and ours == (names.get(name) or image_id(self._client, name))
        }

    def _by_age(self, names: Collection[str]) -> list[str]:
        """Unused images, least recently used first."""
        idle = []
        for name in names:
            with self._leases.unused(name) as free:
                if free:
                    idle.append(name)
        return sorted(idle, key=self._leases.last)

    def _remove(self, name: str, *, held: bool = False) -> bool:
        """Remove the image; False if it is in use."""
        import docker

        with self._leases.unused(name) as free:
            if not (free or held):
                return False
            try:
                self._client.images.remove(name)
            except docker.errors.ImageNotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != 409:  # a container that is not ours, or not gone yet
                    raise
                return False
            record(self._cache, {}, forget=[name])
            return True


def _weight(pulled: str, size: int, known: ImageSize | None) -> ImageSize:
    """The size of an image on this machine; at least the size that the daemon reports."""
    if known is None or pulled not in known.ids:
        return whole(pulled, size)
    rest = size - known.unpacked
    layers = dict(known.layers) | ({f"{pulled} rest": rest} if rest > 0 else {})
    return ImageSize(layers=layers, sent=known.sent, ids=known.ids)
