"""Measure the files that a container has written, and check them before a copy."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SandboxUnavailable
from harness.sandbox.bubblewrap.confined_programs import looking
from harness.sandbox.bubblewrap.disk_usage import COUNT_S, removed, written
from harness.sandbox.disk_limits import Size
from harness.sandbox.docker.snapshots import guarded

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

NOTHING = Size(bytes=0, inodes=0)
# What an image of the files takes, in which holes are blocks, and a name that is none in it.
IN_AN_IMAGE = (
    'du -s -x --apparent-size --block-size=1 -- "$1" && find "$1" -xdev -name ".wh.*" -print -quit'
)


class WrittenFiles:
    """The written files of one running container, since it started or was copied."""

    def __init__(self, client: "docker.DockerClient", container: "Container") -> None:
        self._client = client
        self._container = container
        self._layer: Path | None = None  # the folders that it writes to, where they can be read
        self._volumes: list[Path] = []
        self._looked = False

    def count(self) -> Size:
        """What was written, as far as can be seen here; nothing where it has ended. Blocking.

        The engine tells the size by itself, without what was removed and is held open, and without
        a number of files: where its folders can be read all is counted there.
        """
        return guarded(self._count, gone_is_fine=True) or NOTHING

    def _count(self) -> Size:
        self._look()
        places = [self._layer, *self._volumes] if self._layer else self._volumes
        if not places:
            return Size(bytes=self._told(), inodes=0)
        seen = written(places)
        hidden = removed(self._container.attrs["State"]["Pid"])
        return Size(bytes=seen.bytes + hidden, inodes=seen.inodes)

    def refuse_copy(self, limit: Size) -> None:
        """Raise `SandboxUnavailable` where an image of it would be larger, or hold less. Blocking.

        Names are looked at only where the engine's folder can be read.
        """
        self._look()
        size, name = _in_an_image(self._layer) if self._layer else (self._told(), "")
        if size > limit.bytes:
            raise SandboxUnavailable(
                f"a copy of its files takes {size >> 20} MB, holes of sparse files included; "
                f"the limit is {limit.bytes >> 20} MB"
            )
        if name:
            raise SandboxUnavailable(
                f"no copy holds {name[:200]!r}: Docker takes .wh. before a name for its removal"
            )

    def _look(self) -> None:
        if self._looked:
            return
        self._container.reload()
        data = self._container.attrs["GraphDriver"]["Data"] or {}
        self._layer = next(iter(_readable(data.get("UpperDir", ""))), None)
        volumes = (each.get("Source", "") for each in self._container.attrs["Mounts"])
        self._volumes = _readable(*volumes)
        self._looked = True

    def _told(self) -> int:
        """The size that the engine reports, which counts sparse files in full."""
        told = self._client.api.containers(filters={"id": self._container.id}, size=True)
        return int(told[0].get("SizeRw", 0)) if told else 0


def _readable(*places: str) -> list[Path]:
    return [Path(place) for place in places if place and os.access(place, os.R_OK | os.X_OK)]


def _in_an_image(layer: Path) -> tuple[int, str]:
    """The size of the files in an image, and the first name that the image would lose."""
    words = looking(["/bin/sh", "-c", IN_AN_IMAGE, "sh"], [layer])
    try:
        done = subprocess.run(words, capture_output=True, check=True, env={}, timeout=COUNT_S)
        size, _, name = done.stdout.decode(errors="replace").partition("\n")
        return int(size.split()[0]), name.rstrip("\n").rpartition("/")[2]
    except subprocess.TimeoutExpired:
        raise SandboxUnavailable("its files are too many to copy") from None
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise SandboxUnavailable(f"its files cannot be looked at before a copy: {error}") from None
