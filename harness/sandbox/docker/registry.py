"""What a registry says of an image before it is pulled: its layers, and what they take unpacked.

Asked directly, as the Docker daemon tells nobody the sizes of layers. A manifest has the size of
each layer as it is sent. A gzip stream ends with the length of what was packed (modulo 4 GiB), so
four bytes of each layer tell what it takes unpacked.

What `docker login` kept for a registry goes to that registry and to its own token service, over
https or to this machine, and follows no redirect. A mirror of Docker Hub is not Docker Hub.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.sandbox.docker.image_layers import ImageSize, chains
from harness.secrets import learn
from harness.secrets.allowed_addresses import is_private, on_this_machine

if TYPE_CHECKING:
    import requests

WAIT_S = 15.0
UNPACKED = 4  # times what is sent, where nothing better is known: twice what source trees have
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
HUB = "registry-1.docker.io"
HUB_TOKENS = "auth.docker.io"
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Busy(Exception):
    """The registry wants to be asked again later."""


def weigh(image: str, known: Mapping[str, int], mirrors: Sequence[str] = ()) -> ImageSize | None:
    """What an image takes, for this kind of machine; None where no registry tells. Blocking.

    `known` has layers whose size need not be asked for, by chain; `mirrors` are asked first for
    images of Docker Hub. Raises `Busy`.
    """
    import requests
    from docker.auth import resolve_repository_name
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)
    host, path = resolve_repository_name(repository)
    places = [f"https://{host}"]
    if host in ("docker.io", "index.docker.io"):
        path = path if "/" in path else f"library/{path}"
        places = [*(mirror.rstrip("/") for mirror in mirrors), f"https://{HUB}"]
    elif on_this_machine(f"//{host}"):
        places = [f"http://{host}", f"https://{host}"]  # as the daemon takes loopback
    for place in places:
        with requests.Session() as session:
            try:
                return _Place(session, place, path).weigh(tag or "latest", known)
            except (requests.RequestException, ValueError, KeyError, TypeError):
                continue
    return None


class _Place:
    """One repository in one registry."""

    def __init__(self, session: "requests.Session", place: str, path: str) -> None:
        self._session = session
        self._place = place
        self._base = f"{place}/v2/{path}"
        self._host = urlsplit(place).netloc.rpartition("@")[2]

    def weigh(self, tag: str, known: Mapping[str, int]) -> ImageSize:
        """`requests.RequestException`, `ValueError`, `KeyError`, `TypeError`: it is not told."""
        ids = []
        accept = ", ".join((*INDEXES, *MANIFESTS))
        answer = self._get(f"manifests/{tag}", Accept=accept)
        manifest = answer.json()
        if "manifests" in manifest:
            ids.append(answer.headers.get("Docker-Content-Digest", ""))
            answer = self._get(f"manifests/{_for_this_machine(manifest)}", Accept=accept)
            manifest = answer.json()
        config = manifest["config"]["digest"]
        ids += [answer.headers.get("Docker-Content-Digest", ""), config]
        diff_ids = self._get(f"blobs/{config}").json()["rootfs"]["diff_ids"]
        names = chains(diff_ids)
        parts = manifest["layers"]
        if len(parts) != len(names):
            raise ValueError("the image has not as many layers as its manifest")
        return ImageSize(
            layers={
                name: known[name] if name in known else self._unpacked(part)
                for name, part in zip(names, parts, strict=True)
            },
            sent={name: int(part["size"]) for name, part in zip(names, parts, strict=True)},
            ids=tuple(each for each in ids if each),
        )

    def _unpacked(self, part: Mapping[str, Any]) -> int:
        """The unpacked bytes of a layer's archive."""
        size, kind = int(part["size"]), str(part.get("mediaType", ""))
        if kind.endswith(".tar"):
            return size
        if not kind.endswith("gzip"):
            return size * UNPACKED
        end = self._get(f"blobs/{part['digest']}", Range=f"bytes={size - 4}-{size - 1}")
        length = int.from_bytes(end.content, "little") if end.status_code == 206 else 0
        # less than was sent: more than 4 GiB, or packed in pieces
        return length if length >= size * 0.99 else size * UNPACKED

    def _get(self, path: str, **headers: str) -> "requests.Response":
        import requests

        url = f"{self._base}/{path}"
        answer = self._session.get(url, headers=headers, timeout=WAIT_S, stream=True)
        if answer.status_code == 401:
            self._sign_in(answer.headers.get("WWW-Authenticate", ""))
            answer = self._session.get(url, headers=headers, timeout=WAIT_S, stream=True)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Busy(f"{self._host} answers {answer.status_code}")
        answer.raise_for_status()
        if "Range" in headers and answer.status_code != 206:
            answer.close()  # all of it: not worth reading
            answer = requests.Response()
        return answer

    def _sign_in(self, challenge: str) -> None:
        """With what `docker login` kept for this very place, or as nobody.

        `ValueError`: the service that gives tokens is somebody else's.
        """
        private = is_private(self._place)
        if not challenge.lower().startswith("bearer"):
            self._session.auth = self._login() if private else None
            return
        asked = dict(CHALLENGE.findall(challenge))
        realm = asked["realm"]
        own = _belongs(realm, self._place)
        if not own and urlsplit(realm).hostname != HUB_TOKENS:  # to which mirrors send, too
            raise ValueError(f"{self._host} sends to another's service for tokens")
        told = self._session.get(
            realm,
            params={key: asked[key] for key in ("service", "scope") if key in asked},
            auth=self._login() if own and private and is_private(realm) else None,
            timeout=WAIT_S,
            allow_redirects=False,
        ).json()
        token = told.get("token") or told["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def _login(self) -> tuple[str, str] | None:
        """Name and password for this place; never in a text from now on."""
        from docker.auth import load_config
        from docker.errors import DockerException

        try:
            name = "docker.io" if self._host == HUB else self._host
            mine = load_config().resolve_authconfig(name) or {}
        except DockerException:  # its store of passwords does not work
            return None
        # small where the file itself has them, large where a program keeps them
        user, password = (
            mine.get(key) or mine.get(key.title()) for key in ("username", "password")
        )
        if not (user and password):
            return None
        learn(password)
        return user, password


def _belongs(realm: str, place: str) -> bool:
    """Whether a service for tokens is the registry's own: on its host, above it, or below it."""
    service, registry = urlsplit(realm).hostname or "", urlsplit(place).hostname or ""
    if registry == HUB:
        return service == HUB_TOKENS
    above = "." in service and registry.endswith(f".{service}")
    return bool(service) and (service == registry or above or service.endswith(f".{registry}"))


def _for_this_machine(index: Mapping[str, Any]) -> str:
    """The digest of the image that `pull` would choose."""
    for each in index["manifests"]:
        platform = each.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return str(each["digest"])
    raise ValueError("no image for linux/amd64")
