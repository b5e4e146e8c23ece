"""What a container's PID 1 is begun with, where commands have changed its files.

A fork of a container in which commands have run begins as a copy of its files, and they may have
changed the program that becomes PID 1, the libraries that it loads, which ones it loads, and where
it looks for them. So PID 1 of such a fork is begun from a folder of its own, with the image's
loader, perl and libraries, and looks for libraries nowhere else. No command knows that folder's
name before; PID 1 removes it at once (`supervisor.pl`), so that no command can write to the code
that it runs.

What the engine opens before PID 1 begins is looked at: it waits for ever at a pipe, and takes many
times the memory of a large file.
"""

import base64
import io
import json
import posixpath
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SandboxUnavailable, SandboxUnfit
from harness.sandbox.docker.client import ask
from harness.sandbox.shell import PERL

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

PRELOAD = "/etc/ld.so.preload"  # libraries that the loader takes besides
COPIES = "/.delm-boot"
# Copies perl and what it loads, says where each was and at last its loader's name, and fails where
# the copies would load anything else: an RPATH has precedence over the loader's words.
COPY = r"""
my ($perl, $to) = @ARGV;
sub content { open my $file, '<', $_[0] or die "$_[0]: $!"; local $/; <$file> }
my ($loader) = content($perl) =~ m{\0(/[^\0]+/ld[^\0/]*)\0} or die "it has no loader";
mkdir $to, 0755;
for my $path ($perl, map { m{(/\S+)} } `$loader --list $perl`) {
    my ($name) = $path =~ m{([^/]+)$};
    open my $copy, '>', "$to/$name" or die "$to/$name: $!";
    print $copy content($path);
    chmod 0755, "$to/$name";
    print "$path\n";
}
my ($name) = $loader =~ m{([^/]+)$};
my @lines = `$to/$name --library-path $to --list $to/perl`;
$? == 0 or die "it does not load";
for (@lines) { m{=>} and not m{=> $to/} and die "it loads $_" }
print "$name\n";
"""
MOST_BYTES = 64 * 1024 * 1024
KEPT = 8  # images, some 6 MB each
USERS = ("/etc/passwd", "/etc/group")  # in which the engine looks for a container's user
USERS_BYTES = 1 << 20
NO_FILE = 0x8F28_0000  # of Go's modes: folder, link, device, pipe, socket, …

_known: dict[str, "_Copies"] = {}


@dataclass(frozen=True, slots=True)
class _Copies:
    """Perl, what it loads, and their loader: its name, and the contents of files by their path."""

    loader: str
    files: Mapping[str, bytes]


def begin_from(
    client: "docker.DockerClient", image: str, labels: Mapping[str, str]
) -> tuple[str, Sequence[str]]:
    """A new name of a folder, and how perl is begun from it, with the files of `image`. Blocking.

    Raises `SandboxUnfit` where its perl cannot be begun from elsewhere.
    """
    if image not in _known:
        while len(_known) >= KEPT:
            _known.pop(next(iter(_known)))
        _known[image] = _copies(client, image, labels)
    folder = f"/.delm-{secrets.token_hex(8)}"
    loader = f"{folder}/{_known[image].loader}"
    return folder, [loader, "--library-path", folder, f"{folder}/perl"]


def lay(client: "docker.DockerClient", image: str, container: "Container", folder: str) -> None:
    """Put that folder into a container that was made and not started, and its files back. Blocking.

    Raises `SandboxUnavailable` where the engine would not get to begin PID 1.
    """
    for path in USERS:
        _check(client, container, path)
    files = _known[image].files
    copies = {f"{folder}/{posixpath.basename(path)}": content for path, content in files.items()}
    container.put_archive("/", _tar({PRELOAD: b"", **files, **copies}))


def _check(client: "docker.DockerClient", container: "Container", path: str) -> None:
    """That `path` is a file of a sensible size, or nothing. /etc itself the engine has made."""
    place = f"/containers/{container.id}/archive"
    answer = ask(client.api, "HEAD", place, {"path": path})
    if answer is None:
        return
    told = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    if told["mode"] & NO_FILE or told["size"] > USERS_BYTES:
        raise SandboxUnavailable(f"no container begins with what commands have put at {path}")


def _copies(client: "docker.DockerClient", image: str, labels: Mapping[str, str]) -> _Copies:
    pristine = client.containers.create(
        image,
        entrypoint=[PERL, "-f", "-e", COPY, PERL, COPIES],
        command=[],
        user="0:0",
        network_mode="none",
        healthcheck={"test": ["NONE"]},
        labels=dict(labels),
    )
    try:
        pristine.start()
        status = pristine.wait()["StatusCode"]
        said = pristine.logs().decode(errors="replace").strip()
        if status != 0:
            raise SandboxUnfit(f"{PERL} of the image {image} cannot be copied: {said[-300:]}")
        stream, _ = pristine.get_archive(COPIES)
        *paths, loader = said.split("\n")
        contents = _contents(b"".join(stream))
        return _Copies(loader, {path: contents[posixpath.basename(path)] for path in paths})
    finally:
        pristine.remove(force=True, v=True)


def _contents(packed: bytes) -> Mapping[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar.getmembers():
            if (file := tar.extractfile(member)) is not None:
                found[member.name.rpartition("/")[2]] = file.read(MOST_BYTES)
    return found


def _tar(files: Mapping[str, bytes]) -> bytes:
    """Of contents by path."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name[1:])
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
