"""Whether `--disk-gb` holds: 8 images of 1 GB under a ceiling of 3, from a registry on loopback.

    python scripts/bench_disk.py [--quick] [--images N] [--size-gb GB] [--ceiling-gb GB]

Builds the images (half of them are random bytes, half are zeros, which a registry sends as next to
nothing), pushes them to Debian's docker-registry on the loopback, removes them here, and lets
`delm eval` work on one instance of each, three trials at a time. Meanwhile it looks, several times
a second, at what the daemon says its layers take, beyond what they took before, and (as root) at
what lies in its folder: with downloads, what is half unpacked, and what containers write. Two
images that are not the harness's stand by: one built here under an official name, one pulled by
hand. Nothing else should use the daemon meanwhile.

The last line is the figure. Exit code 1: above the ceiling, an instance not done, or an image
removed that the harness did not pull; 2: no Docker or no docker-registry.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
import image_source as source

from harness.errors import UserError
from harness.sandbox.docker.client import connected

DELM = str(Path(sys.executable).with_name("delm"))
GB = 1e9
LOOK_S = 0.1


class Looking(threading.Thread):
    """Looks at the daemon's disk until it is told to stop."""

    def __init__(self, client: docker.DockerClient, host: str) -> None:
        super().__init__()
        self._client = client
        self._host = host
        self._root = Path(client.info()["DockerRootDir"])
        self._before, self._files_before = self.layers(), self.files()
        self.over = threading.Event()
        self.highest = self.on_disk = self.looks = self.removed = self.most = 0

    def layers(self) -> int:
        """Bytes of all layers, each once."""
        return int(self._client.df()["LayersSize"])

    def files(self) -> int:
        """Bytes on the disk under Docker's folder: layers, also half unpacked, and downloads.

        Each file once, however many names it has; 0 where that cannot be seen.
        """
        blocks: dict[int, int] = {}
        for top in (self._root / "overlay2", self._root / "tmp"):
            for folder, folders, names in os.walk(top):
                if Path(folder).parent == top and "merged" in folders:
                    folders.remove("merged")  # a container's view of what is counted already
                for name in names:
                    with contextlib.suppress(OSError):  # gone just now
                        found = Path(folder, name).lstat()
                        blocks[found.st_ino] = found.st_blocks * 512
        return sum(blocks.values())

    def run(self) -> None:
        before: set[str] = set()
        while not self.over.wait(LOOK_S):
            self.highest = max(self.highest, self.layers() - self._before)
            self.on_disk = max(self.on_disk, self.files() - self._files_before)
            tags = [tag for image in self._client.api.images() for tag in image["RepoTags"] or ()]
            here = {tag for tag in tags if tag.startswith(f"{self._host}/delm-bench/sized")}
            self.removed += len(before - here)
            self.most = max(self.most, len(here))
            self.looks += 1
            before = here


def tiny(client: docker.DockerClient, name: str, text: str) -> str:
    """An image of one file; its id."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    repository, _, tag = name.rpartition(":")
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
    return str(client.images.get(name).id)


def stand_by(client: docker.DockerClient, host: str) -> dict[str, str]:
    """Images that are not the harness's, by name."""
    mine, by_hand = "swebench/sweb.eval.x86_64.delm-bench:latest", f"{host}/delm-bench/by-hand:1"
    found = {mine: tiny(client, mine, "mine")}
    tiny(client, by_hand, "by hand")
    for line in client.images.push(by_hand, stream=True, decode=True):
        assert "error" not in line, line
    client.images.remove(by_hand)
    found[by_hand] = str(client.images.pull(by_hand.rpartition(":")[0], tag="1").id)
    return found


def stock(
    client: docker.DockerClient, host: str, folder: Path, count: int, size: int, out: Console
) -> dict[str, str]:
    """Build and push the images; their names by instance. Nothing of them stays here."""
    images = {f"bench__sized-{n}": f"{host}/delm-bench/sized-{n}:1" for n in range(count)}
    shared = int(client.images.get(source.BASE).attrs["Size"])
    own = size - shared
    out.print(f"of each image {shared / GB:.3f} GB are a base that all share", highlight=False)
    for n, name in enumerate(images.values()):
        began = time.monotonic()
        source.push(client, name, folder, own, zeros=n % 2 == 1)
        out.print(f"built and pushed {name} in {time.monotonic() - began:.0f} s", highlight=False)
    for name in (source.BASE, f"{source.BASE}-host"):
        client.images.remove(name)
    return images


def evaluate(folder: Path, ceiling_gb: float) -> subprocess.CompletedProcess[str]:
    """Run `delm eval` on all of them."""
    words = [
        DELM, "eval", "-m", f"replay:{folder / 'answers.jsonl'}", "-d", str(folder / "rows.jsonl"),
        "--sandbox", "docker", "--allow-unknown-price", "-k", "2", "-w", "3",
        "--disk-gb", str(ceiling_gb), "--run-id", "bench", "-o", str(folder),
    ]  # fmt: skip
    return subprocess.run(
        words, env=os.environ | {"DELM_CACHE": str(folder / "cache")}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def measure(client: docker.DockerClient, asked: argparse.Namespace, out: Console) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="delm-bench-")))
        host = stack.enter_context(source.registry(folder))
        commit = stack.enter_context(source.base_image(client, folder))
        images = stock(client, host, folder, asked.images, int(asked.size_gb * GB), out)
        others = stand_by(client, host)
        source.write_rows(folder / "rows.jsonl", commit, images)
        source.write_answers(folder / "answers.jsonl", folder / "rows.jsonl", list(images), 2)
        looking = Looking(client, host)
        looking.start()
        began = time.monotonic()
        try:
            done = evaluate(folder, asked.ceiling_gb)
        finally:
            took = time.monotonic() - began
            looking.over.set()
            looking.join()
            here = {t: i.id for i in client.images.list() for t in i.tags}
            for name in {*images.values(), *others} & here.keys():
                client.images.remove(name)
        out.print(done.stdout, highlight=False, markup=False)
        lost = [name for name, image_id in others.items() if here.get(name) != image_id]
        return tell(out, asked, looking, done, lost, took)


def tell(
    out: Console, asked: argparse.Namespace, looking: Looking,
    done: subprocess.CompletedProcess[str], lost: list[str], took: float,
) -> int:  # fmt: skip
    trials = 2 * asked.images
    all_done = done.returncode == 0 and f"{trials} of {trials}" in done.stdout
    ceiling = asked.ceiling_gb * GB
    table = Table("", "", box=None, show_header=False)
    lines: dict[str, Any] = {
        "images": f"{asked.images} of {asked.size_gb:g} GB, one instance of each, 2 trials",
        "ceiling": f"{asked.ceiling_gb:g} GB",
        "highest, layers as the daemon counts them": f"{looking.highest / GB:.3f} GB",
        "highest, files with downloads and containers": f"{looking.on_disk / GB:.3f} GB",
        "images here at the same time, at most": looking.most,
        "images removed meanwhile": looking.removed,
        "looks": f"{looking.looks} in {took:.0f} s",
        "all trials done and resolved": "yes" if all_done else "no",
        "images of others removed": ", ".join(lost) or "none",
    }
    for name, value in lines.items():
        table.add_row(name, str(value))
    out.print(table)
    highest = max(looking.highest, looking.on_disk)
    held = highest <= ceiling
    print(
        f"{highest / GB:.2f} GB at most under a ceiling of {asked.ceiling_gb:g} GB"
        f"{'' if held else ': ABOVE IT'}"
    )
    return 0 if held and all_done and not lost else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="images of 0.3 GB under 0.9 GB")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--size-gb", type=float)
    parser.add_argument("--ceiling-gb", type=float)
    asked = parser.parse_args()
    asked.size_gb = asked.size_gb or (0.3 if asked.quick else 1.0)
    asked.ceiling_gb = asked.ceiling_gb or (0.9 if asked.quick else 3.0)
    try:
        if reason := source.why_not():
            raise UserError(reason)
        with connected() as client:
            return measure(client, asked, Console(width=110))
    except UserError as missing:
        print(missing, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
