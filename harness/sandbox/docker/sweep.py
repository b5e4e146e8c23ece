"""What dead owners have left in Docker, found by its labels; nothing else is touched."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.sandbox.docker.client import LABEL, OWNER
from harness.sandbox.owners import dead

if TYPE_CHECKING:
    import docker

OURS = ("sandbox", "build", "commit")  # of what is labelled so, none outlives its owner
ENDED = ("created", "exited", "dead")


def sweep_docker(client: "docker.DockerClient", *, remove: bool = True) -> list[str]:
    """Remove containers, committed images, volumes and networks of dead owners."""
    import docker
    import requests

    api = client.api
    found = []
    with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
        for what, name, labels, act in _orphans(api):
            if remove:
                try:
                    act()
                except docker.errors.APIError:  # in use, or somebody else is removing it
                    continue
            run = labels.get("delm.run")
            found.append(f"{what} {name}" + (f" of run {run}" if run else ""))
    return found


def _orphans(api: Any) -> Iterator[tuple[str, str, Mapping[str, str], Callable[[], Any]]]:
    """Kind, name, labels and removal of everything in Docker whose owner is certainly dead."""
    marked = {"label": OWNER}
    for each in api.containers(all=True, filters=marked):
        key, labels = each["Id"], each.get("Labels") or {}
        if _orphaned(labels, active=each["State"] not in ENDED):
            yield (
                "container",
                key[:12],
                labels,
                partial(api.remove_container, key, v=True, force=True),
            )
    for each in api.images(filters=marked | {"dangling": True}):
        key, labels = each["Id"], each.get("Labels") or {}
        if _orphaned(labels):
            name = key.removeprefix("sha256:")[:12]
            yield "image", name, labels, partial(api.remove_image, key, force=True)
    for each in api.volumes(filters=marked)["Volumes"] or ():
        key, labels = each["Name"], each.get("Labels") or {}
        if _orphaned(labels):
            yield "volume", key[:12], labels, partial(api.remove_volume, key)
    for each in api.networks(filters=marked):
        if _orphaned(each.get("Labels") or {}):
            yield (
                "network",
                each["Name"],
                each.get("Labels") or {},
                partial(api.remove_network, each["Id"]),
            )


def _orphaned(labels: Mapping[str, str] | None, *, active: bool = False) -> bool:
    labels = labels or {}
    return labels.get(LABEL) in OURS and dead(labels.get(OWNER, ""), active=active)
