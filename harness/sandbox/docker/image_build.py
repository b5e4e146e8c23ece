"""Docker images of instances: built here from archives and pins, or pulled where a registry is.

Nothing is removed that is not ours: what we built has our label, what we pulled is in
`pulled.json` in the cache folder.
"""

import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from harness.environments import programs
from harness.environments.build_once import scratch
from harness.environments.interpreters import find_python, fits
from harness.environments.rebuild import TESTBED, VARIABLES, install_script, lay_out, local_image
from harness.errors import UserError
from harness.sandbox.docker.client import BUILT_PREFIX, LABEL, OWNER, blocking, connected, exists
from harness.sandbox.docker.image_leases import ImageLeases
from harness.sandbox.docker.image_pull import pull, pulled_images, record
from harness.sandbox.docker.sweep import sweep_docker
from harness.sandbox.owners import Owner
from harness.secrets import child_environment
from harness.types import Environment, Item

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["LocalImage", "build", "gc", "list_images", "pull"]

PREFIXES = (BUILT_PREFIX, "swebench/sweb.eval.")
BASE = "delm-offline/base:bookworm"
DEBIAN = "bookworm"
PACKAGES = "python3,python3-venv,git,ca-certificates,patch,procps"
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """An instance image on this machine. `ours`: `gc` would remove it."""

    name: str
    id: str
    size_bytes: int
    ours: bool


async def build(
    items: Sequence[Item],
    *,
    base: str | None = None,
    cache: Path,
    on_progress: Callable[[str], None],
) -> list[str]:
    """Build the images of the items' environments that are not there; the names of all of them.

    `base` is an image with git, patch and the Python that the environments name; None: a minimal
    Debian made here, once, which takes root and debootstrap. No network during the build itself.
    Raises `UserError`.
    """
    environments = {local_image(i.environment): i.environment for i in items if i.environment}
    if not environments:
        raise UserError("nothing to build: these instances come as published images; pull them")
    with connected() as client:
        missing = [name for name in environments if not await blocking(exists, client, name)]
        if missing and base is None:
            base = await base_image(client, cache, on_progress)
        if missing and base is not None and not await blocking(exists, client, base):
            raise UserError(
                f"no image {base} on this machine (--base is not pulled); run: docker pull {base}"
            )
        for name in missing:
            await _build_one(client, environments[name], name, str(base), cache, on_progress)
    return list(environments)


def list_images(cache: Path) -> list[LocalImage]:
    """The images of instances on this machine, by name. Blocking."""
    with connected() as client:
        return _images_of_instances(client, cache)


def gc(cache: Path) -> list[str]:
    """Remove the images that we built or pulled, unless in use; their names. Blocking.

    What dead owners left goes first: their containers may use images.
    """
    import docker

    removed = []
    leases = ImageLeases(cache / "uses")
    with connected() as client:
        sweep_docker(client)
        for image in _images_of_instances(client, cache):
            with leases.unused(image.name) as free:
                if not (image.ours and free):
                    continue
                try:
                    client.images.remove(image.name)
                except docker.errors.APIError as error:
                    if error.status_code == 409:
                        continue  # in use
                    raise UserError(f"cannot remove {image.name}: {error.explanation}") from error
                removed.append(image.name)
    record(cache, {}, forget=removed)
    return removed


def _images_of_instances(client: "DockerClient", cache: Path) -> list[LocalImage]:
    pulled = pulled_images(cache)
    found = [
        LocalImage(
            name=name,
            id=str(image.id),
            size_bytes=int(image.attrs["Size"]),
            ours=LABEL in image.labels or pulled.get(name) == image.id,
        )
        for image in client.images.list()
        for name in image.tags
        if LABEL in image.labels or name.startswith(PREFIXES) or name in pulled
    ]
    return sorted(found, key=lambda image: image.name)


async def base_image(
    client: "DockerClient", cache: Path, on_progress: Callable[[str], None]
) -> str:
    """The name of the minimal Debian, made if it is not there.

    Raises `UserError` where it would have to be, and there is no root or no debootstrap.
    """
    if await blocking(exists, client, BASE):
        return BASE
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise UserError(
            f"making {BASE} takes root and the package debootstrap; or pass --base IMAGE, "
            "an image with Python 3.11, git and patch"
        )
    async with scratch(cache / "images" / "base", on_progress=on_progress) as beside:
        if await blocking(exists, client, BASE):
            return BASE
        on_progress(f"making {BASE} with debootstrap (about a minute)")
        root = beside / "root"
        await programs.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, root],
            doing="debootstrap",
            env=child_environment.installer(),
        )
        archive = beside / "root.tar"
        await programs.run(
            ["tar", "-C", root, "-cf", archive, "."], doing="packing the base image", env={}
        )
        await blocking(_import, client, archive)
    return BASE


def _import(client: "DockerClient", archive: Path) -> None:
    repository, _, tag = BASE.partition(":")
    client.api.import_image_from_file(
        str(archive), repository=repository, tag=tag, changes=[f"LABEL {LABEL}=image"]
    )


async def _build_one(
    client: "DockerClient",
    environment: Environment,
    name: str,
    base: str,
    cache: Path,
    on_progress: Callable[[str], None],
) -> None:
    python = await find_python(environment.python)
    if not fits(python, environment.python):
        raise UserError(
            f"{environment.name} needs Python {environment.python} on this machine too, "
            "to choose its wheels: install it"
        )
    target = cache / "images" / name.rpartition(":")[2]
    async with scratch(target, on_progress=on_progress) as beside:
        if await blocking(exists, client, name):
            return
        wheels = await lay_out(environment, python, cache, beside, on_progress)
        context = beside / "context.tar"
        await blocking(_pack, context, beside / "testbed", wheels)
        on_progress(f"{environment.name}: building {name}")
        inside = [f"/wheels/{wheel.name}" for wheel in wheels]
        script = "\n".join(
            [
                _check_python(environment.python),
                install_script(environment, "python3", inside),
                "rm -rf /wheels",
            ]
        )
        await _install(client, base, context, script, name)


def _check_python(wanted: str) -> str:
    major, minor = wanted.split(".")
    fault = f"the base image has no Python {wanted}"
    return (
        f"python3 -c 'import sys; sys.exit(sys.version_info[:2] != ({major}, {minor}))'"
        f" || {{ echo {fault}; exit 1; }}"
    )


def _pack(context: Path, testbed: Path, wheels: Sequence[Path]) -> None:
    """An archive of the tree and the wheels in which everything belongs to root."""

    def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(context, "w") as tar:
        tar.add(testbed, "testbed", filter=owned_by_root)
        for wheel in wheels:
            tar.add(wheel, f"wheels/{wheel.name}", filter=owned_by_root)


async def _install(
    client: "DockerClient", base: str, context: Path, script: str, name: str
) -> None:
    """Run `script` in a container of `base` with the archive's files; keep it as image `name`."""
    container = await blocking(_create, client, base, script)
    try:
        await blocking(_start, container, context)
        while True:
            await blocking(container.reload)
            if container.status not in ("created", "running"):
                break
            await anyio.sleep(POLL_SECONDS)
        if container.attrs["State"]["ExitCode"] != 0:
            written = await blocking(_log, container)
            raise UserError(f"building {name} failed: {programs.tail(written)}")
        await blocking(_commit, container, name)
    finally:
        with anyio.CancelScope(shield=True):
            await blocking(_remove_container, container)


def _create(client: "DockerClient", base: str, script: str) -> "Container":
    return client.containers.create(
        base,
        ["/bin/sh", "-euc", script],
        environment=VARIABLES,
        user="0:0",
        network_mode="none",
        labels={LABEL: "build", OWNER: str(Owner.me())},
    )


def _start(container: "Container", context: Path) -> None:
    with context.open("rb") as stream:
        container.put_archive("/", stream)
    container.start()


def _commit(container: "Container", name: str) -> None:
    repository, _, tag = name.partition(":")
    container.commit(
        repository=repository,
        tag=tag,
        changes=[
            *(f"ENV {name}={value}" for name, value in VARIABLES.items()),
            f"WORKDIR {TESTBED}",
            'CMD ["/bin/bash"]',
            f'LABEL {LABEL}=image {OWNER}=""',  # the builder's own goes with its container
        ],
    )


def _log(container: "Container") -> str:
    return b"".join(container.logs(stream=True)).decode(errors="replace")


def _remove_container(container: "Container") -> None:
    container.remove(force=True)
