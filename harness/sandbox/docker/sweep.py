"""Remove what dead owners left in Docker, found by its labels. Nothing else is touched."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.sandbox.docker.client import LABEL, OWNER, ask
from harness.sandbox.owners import dead

if TYPE_CHECKING:
    import docker

OURS = ("sandbox", "build", "commit")  # of what is labelled so, none outlives its owner
REMOVE_S = 10.0  # for one removal: the daemon may hang at one container, and not at the next
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
                try:  # in use, somebody else is removing it, or the daemon hangs at this one
                    if act() is None:
                        continue
                except (docker.errors.APIError, requests.Timeout, requests.ConnectionError):
                    continue
            run = labels.get("delm.run")
            found.append(f"{what} {name}" + (f" of run {run}" if run else ""))
    return found


def _orphans(api: Any) -> Iterator[tuple[str, str, Mapping[str, str], Callable[[], Any]]]:
    """Kind, name, labels and removal of each Docker object whose owner is certainly dead."""
    marked = {"label": OWNER}

    def remove(path: str, **words: str) -> Callable[[], Any]:
        return partial(ask, api, "DELETE", path, words, timeout_s=REMOVE_S)

    for each in api.containers(all=True, filters=marked):
        key, labels = each["Id"], each.get("Labels") or {}
        if _orphaned(labels, active=each["State"] not in ENDED):
            yield "container", key[:12], labels, remove(f"/containers/{key}", v="1", force="1")
    for each in api.images(filters=marked | {"dangling": True}):
        key, labels = each["Id"], each.get("Labels") or {}
        if _orphaned(labels):
            name = key.removeprefix("sha256:")[:12]
            yield "image", name, labels, remove(f"/images/{key}", force="1")
    for each in api.volumes(filters=marked)["Volumes"] or ():
        key, labels = each["Name"], each.get("Labels") or {}
        if _orphaned(labels):
            yield "volume", key[:12], labels, remove(f"/volumes/{key}")
    for each in api.networks(filters=marked):
        key, labels = each["Id"], each.get("Labels") or {}
        if _orphaned(labels):
            yield "network", each["Name"], labels, remove(f"/networks/{key}")


def _orphaned(labels: Mapping[str, str] | None, *, active: bool = False) -> bool:
    labels = labels or {}
    return labels.get(LABEL) in OURS and dead(labels.get(OWNER, ""), active=active)
