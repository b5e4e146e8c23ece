"""What a container's PID 1 is begun with, as its image has it.

A fork of a container in which commands have run begins as a copy of its files, and they may have
changed the program that becomes PID 1, the libraries that it loads, or which ones it loads. Before
such a fork starts these files are put back as they are in the image.
"""

import io
import posixpath
import tarfile
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.sandbox.shell import PERL

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

CACHE, PRELOAD = "/etc/ld.so.cache", "/etc/ld.so.preload"  # which libraries the loader takes
LOOK = f"ldd {PERL} | grep -o '/[^ ]*'; echo {PERL}; [ ! -f {CACHE} ] || echo {CACHE}"
MOST_BYTES = 64 * 1024 * 1024
KEPT = 8  # images, some 6 MB each

_known: dict[str, Mapping[str, bytes]] = {}


def put_back(
    client: "docker.DockerClient", image: str, container: "Container", labels: Mapping[str, str]
) -> None:
    """Put the files of `image` into a container that was made and not started. Blocking."""
    if image not in _known:
        while len(_known) >= KEPT:
            _known.pop(next(iter(_known)))
        _known[image] = _archives(client, image, labels)
    for folder, archive in _known[image].items():
        container.put_archive(folder, archive)


def _archives(
    client: "docker.DockerClient", image: str, labels: Mapping[str, str]
) -> Mapping[str, bytes]:
    """A tar for each folder, with the files by the names by which they are looked up."""
    pristine = client.containers.create(
        image,
        entrypoint=["/bin/sh", "-c", LOOK],
        command=[],
        network_mode="none",
        labels=dict(labels),
    )
    try:
        pristine.start()
        pristine.wait()
        paths = pristine.logs(stdout=True, stderr=False).decode().split()
        contents = {path: _content(pristine, path) for path in paths}
    finally:
        pristine.remove(force=True, v=True)
    by_folder: dict[str, dict[str, bytes]] = defaultdict(dict)
    for path, content in (contents | {PRELOAD: b""}).items():
        by_folder[posixpath.dirname(path)][posixpath.basename(path)] = content
    return {folder: _tar(files) for folder, files in by_folder.items()}


def _content(pristine: "Container", path: str) -> bytes:
    """The bytes of a file, through whatever links lead to it."""
    for _ in range(10):
        stream, stat = pristine.get_archive(path)
        target = (stat or {}).get("linkTarget")
        if not target:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        file = tar.extractfile(tar.getmembers()[0])
        assert file is not None
        return file.read(MOST_BYTES)


def _tar(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
