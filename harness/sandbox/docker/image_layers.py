"""The disk space of images; a layer that several images share counts once."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cache import write_beside


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """Bytes by layer, named by the chain that ends with it: unpacked, and as a registry sends it.

    `ids`: the hashes under which a Docker daemon may know the image; empty where nobody told.
    """

    layers: Mapping[str, int]
    sent: Mapping[str, int]
    ids: tuple[str, ...] = ()

    @property
    def unpacked(self) -> int:
        """Bytes of all its layers."""
        return sum(self.layers.values())


def whole(name: str, size: int) -> ImageSize:
    """An image whose layers are unknown; it shares nothing."""
    return ImageSize(layers={name: size}, sent={})


def chains(diff_ids: Sequence[str]) -> list[str]:
    """The name of each layer including those below it, as the image specification defines it."""
    found = list(diff_ids[:1])
    for diff_id in diff_ids[1:]:
        found.append("sha256:" + hashlib.sha256(f"{found[-1]} {diff_id}".encode()).hexdigest())
    return found


def total(here: Iterable[ImageSize], coming: Iterable[ImageSize]) -> int:
    """Bytes of the images that are here, and of those being pulled, unpacked and as sent.

    While a layer is pulled the disk holds it both ways.
    """
    taken: dict[str, int] = {}
    for weight in here:
        for chain, size in weight.layers.items():
            taken[chain] = max(size, taken.get(chain, 0))
    arriving: dict[str, int] = {}
    for weight in coming:
        for chain, size in weight.layers.items():
            if chain not in taken:
                both = size + weight.sent.get(chain, 0)
                arriving[chain] = max(both, arriving.get(chain, 0))
    return sum(taken.values()) + sum(arriving.values())


class ImageSizes:
    """What was learnt of images, kept in the cache folder. Writers take turns by themselves."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / "layers.json"

    def all(self) -> dict[str, ImageSize]:
        """The known sizes by name; empty if the file is missing or unreadable."""
        try:
            kept = json.loads(self._path.read_bytes())
            return {name: of_json(each) for name, each in kept.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def keep(self, name: str, weight: ImageSize) -> None:
        """Store the size of one image, replacing an older one."""
        kept = {known: to_json(each) for known, each in self.all().items()}
        write_beside(self._path, json.dumps(kept | {name: to_json(weight)}).encode())


def to_json(weight: ImageSize) -> dict[str, object]:
    """The form that `of_json` reads."""
    return {"layers": weight.layers, "sent": weight.sent, "ids": list(weight.ids)}


def of_json(kept: Mapping[str, Mapping[str, int]]) -> ImageSize:
    """The inverse of `to_json`. `KeyError`, `TypeError`, `AttributeError`: it is something else."""
    return ImageSize(
        layers={str(chain): int(size) for chain, size in kept["layers"].items()},
        sent={str(chain): int(size) for chain, size in kept["sent"].items()},
        ids=tuple(str(each) for each in kept["ids"]),
    )
