"""What the sandboxes of `chaos.py` run in: how it is attacked, and what it must not leave."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import docker
import own_daemon
from console import DATASET, DELM, variables


class Boxes(Protocol):
    """One kind of sandbox, in a place of its own."""

    kind: str  # as in `sandbox.kind`
    variables: Mapping[str, str]  # of the run's environment
    attacks: Sequence[str]  # what `strike` takes

    def strike(self, attack: str, chance: random.Random) -> None:
        """Carry one of `attacks` out."""
        ...

    def left(self) -> Iterator[str]:
        """What is there although no run is."""
        ...


class Namespaces:
    """bubblewrap, with its files under `cache`."""

    kind = "bubblewrap"
    variables: Mapping[str, str] = {}
    attacks = ("sandboxes",)

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def strike(self, attack: str, chance: random.Random) -> None:
        """Kill every process that belongs to a sandbox."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def left(self) -> Iterator[str]:
        """Processes of sandboxes, and their files."""
        yield from (f"process {pid}" for pid in self._processes())
        folder = self._cache / "sandboxes"
        if folder.is_dir():
            yield from (str(path) for path in folder.iterdir())

    def _processes(self) -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue  # it ended
            if str(self._cache).encode() in words and b"bwrap" in words:
                yield int(process.name)


class Engine:
    """Docker, with a daemon of its own, so that nobody else's containers end with it."""

    kind = "docker"
    attacks = ("containers", "dockerd")

    def __init__(self, folder: Path, instances: Sequence[str]) -> None:
        self._daemon = own_daemon.OwnDaemon(folder)
        self._daemon.start()
        self.variables: Mapping[str, str] = {"DOCKER_HOST": self._daemon.host}
        words = [word for name in instances for word in ("-i", name)]
        subprocess.run(
            [DELM, "images", "build", "-d", DATASET, *words],
            env=variables(**self.variables),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with self._client() as client:
            self._images = {image.id for image in client.images.list(all=True)}

    def strike(self, attack: str, chance: random.Random) -> None:
        """Kill one container, or end the daemon and start it again."""
        if attack == "dockerd":
            self._daemon.stop()
            self._daemon.start()
            return
        with self._client() as client:
            running = client.containers.list()
            if running:
                with contextlib.suppress(docker.errors.APIError):  # it ended meanwhile
                    chance.choice(running).kill()

    def left(self) -> Iterator[str]:
        """Containers, volumes, and images that were not there before."""
        with self._client() as client:
            found = [f"container {each.name}" for each in client.containers.list(all=True)]
            found += [f"volume {each.name}" for each in client.volumes.list()]
            images = client.images.list(all=True)
            found += [f"image {each.id}" for each in images if each.id not in self._images]
        yield from found

    def close(self) -> None:
        """End the daemon and remove its files."""
        self._daemon.remove()

    @contextlib.contextmanager
    def _client(self) -> Iterator[docker.DockerClient]:
        client = docker.DockerClient(self.variables["DOCKER_HOST"])
        try:
            yield client
        finally:
            client.close()


@contextlib.contextmanager
def engine(instances: Sequence[str]) -> Iterator[Engine | None]:
    """A Docker engine with the images of `instances`, or None where there can be none."""
    if own_daemon.why_not():
        yield None
        return
    made = Engine(Path(tempfile.mkdtemp(prefix="own-")), instances)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def full_disk(place: Path, size_kb: int) -> Iterator[None]:
    """`place` on a disk of that size; what was written there is kept."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(place)], check=False
    )
    if made.returncode:
        yield
        return
    try:
        yield
        with tempfile.TemporaryDirectory() as kept:
            shutil.copytree(place, kept, dirs_exist_ok=True)
            subprocess.run(["umount", str(place)], check=True)
            made.returncode = 1
            shutil.copytree(kept, place, dirs_exist_ok=True)
    finally:
        if not made.returncode:
            subprocess.run(["umount", "-l", str(place)], check=True)
