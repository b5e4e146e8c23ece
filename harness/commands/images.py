"""`delm images`: build, pull, list and collect the Docker images of instances."""

from collections.abc import Sequence

from rich.table import Table

from harness import event_loop
from harness.benchmarks.selection import select
from harness.cache import cache_dir
from harness.commands import compose
from harness.commands.dataset_layer import dataset_layer
from harness.config import resolve
from harness.runner.progress import console
from harness.sandbox.docker import image_build
from harness.types import Item


def _items(dataset: str, ids: Sequence[str]) -> list[Item]:
    config = resolve([dataset_layer(dataset)])
    return select(compose.dataset(config).items, ids=ids)


def build(dataset: str, ids: Sequence[str], base: str) -> None:
    """Build the missing images of the instances' environments."""
    out = console()

    async def work() -> list[str]:
        return await image_build.build(
            _items(dataset, ids),
            base=base or None,
            cache=cache_dir(),
            on_progress=lambda line: out.print(line, highlight=False, markup=False),
        )

    names = event_loop.run(work)
    out.print(f"{len(names)} images are there", highlight=False)


def pull(dataset: str, ids: Sequence[str]) -> None:
    """Pull the missing images."""
    out = console()

    async def work() -> list[str]:
        return await image_build.pull(
            _items(dataset, ids),
            cache=cache_dir(),
            on_progress=lambda line: out.print(line, highlight=False, markup=False),
        )

    names = event_loop.run(work)
    out.print(f"{len(names)} images are there", highlight=False)


def show_all() -> None:
    """Print a table of the instance images on this machine."""
    table = Table("image", "GB", "id", "removed by gc", box=None)
    found = image_build.list_images(cache_dir())
    for image in found:
        table.add_row(
            image.name,
            f"{image.size_bytes / 1e9:.2f}",
            image.id[7:19],
            "yes" if image.ours else "no",
        )
    out = console()
    out.print(table)
    out.print(f"{len(found)} images", highlight=False)


def collect() -> None:
    """Remove the images that this program built or pulled."""
    removed = image_build.gc(cache_dir())
    out = console()
    for name in removed:
        out.print(f"removed {name}", highlight=False)
    out.print(f"removed {len(removed)} images", highlight=False)
