"""What a registry is asked before a pull: tokens, indexes, layers of every kind."""

import base64
import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.sandbox.docker import registry
from harness.sandbox.docker.image_layers import chains
from harness.secrets import redact
from harness.secrets.allowed_addresses import is_private

pytestmark = pytest.mark.slow(seconds=9)

OCI = "application/vnd.oci.image."
PLAIN, RANDOM = b"\0" * 3_000_000, os.urandom(50_000)
PACKED = {  # by kind of layer: what is sent
    "layer.v1.tar+gzip": gzip.compress(PLAIN),
    "layer.v1.tar": RANDOM,
    "layer.v1.tar+zstd": b"z" * 1000,
}
PIECES = gzip.compress(RANDOM) + gzip.compress(b"end")  # two streams: the last 4 bytes are of one


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def documents(layers: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """What a registry holds of an image behind an index, by the end of its path."""
    diff_ids = [f"sha256:{n}" for n in range(len(layers))]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    parts = [
        {"mediaType": OCI + kind, "digest": digest(content), "size": len(content)}
        for kind, content in layers
    ]
    manifest = json.dumps({"config": {"digest": digest(config)}, "layers": parts}).encode()
    index = {
        "manifests": [
            {"digest": "sha256:arm", "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": digest(manifest), "platform": {"os": "linux", "architecture": "amd64"}},
        ]
    }
    blobs = {digest(content): content for _, content in layers}
    return blobs | {
        digest(config): config,
        digest(manifest): manifest,
        "1": json.dumps(index).encode(),
    }


class Registry(ThreadingHTTPServer):
    """Wants a token for everything; or answers everything with `status`.

    `challenge` is how it asks for one; `{}` in it is its own host. `moved` says, of the beginning
    of a path, to which host requests are sent on. `heard` has each path and its credentials.
    """

    challenge = 'Bearer realm="http://{}/token",service="s"'

    def __init__(self, held: dict[str, bytes], *, ranges: bool, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.held, self.ranges, self.status = held, ranges, status
        self.log: list[str] = []
        self.moved: dict[str, str] = {}
        self.heard: list[tuple[str, str]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def credentials(self) -> set[str]:
        """What came with requests, but the token that is for anybody."""
        return {given for _, given in self.heard} - {"", "Bearer let me in"}


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.log.append(path)
        self.server.heard.append((path, self.headers.get("Authorization", "")))
        content = self.server.held.get(path.rpartition("/")[2])
        moved = [to for start, to in self.server.moved.items() if path.startswith(start)]
        given = self.headers.get("Authorization", "")
        allowed = "Basic " if self.server.challenge.startswith("Basic") else "Bearer let me in"
        if moved and (path == "/token" or given.startswith(allowed)):
            self.reply(307, b"", ("Location", f"http://{moved[0]}{self.path}"))
        elif path == "/token":
            self.reply(200, b'{"token": "let me in"}')
        elif self.server.status:
            self.reply(self.server.status, b"{}")
        elif not given.startswith(allowed):
            challenge = self.server.challenge.format(self.headers["Host"])
            self.reply(401, b"{}", ("WWW-Authenticate", challenge))
        elif content is None:
            self.reply(404, b"{}")
        elif self.server.ranges and (asked := self.headers.get("Range")):
            first, last = asked.removeprefix("bytes=").split("-")
            self.reply(206, content[int(first) : int(last) + 1])
        else:
            self.reply(200, content, ("Docker-Content-Digest", digest(content)))

    def reply(self, code: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(
    layers: list[tuple[str, bytes]], *, ranges: bool = True, status: int = 0
) -> Iterator[tuple[str, list[str]]]:
    """A registry with one image; its host, and the paths that were asked for."""
    with served(Registry(documents(layers), ranges=ranges, status=status)) as server:
        yield server.host, server.log


@contextmanager
def served(server: Registry) -> Iterator[Registry]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def two() -> Iterator[tuple[Registry, Registry]]:
    """A registry, and a stranger on the same machine."""
    layers = documents([("layer.v1.tar", RANDOM)])
    with (
        served(Registry(layers, ranges=True, status=0)) as ours,
        served(Registry(layers, ranges=True, status=0)) as other,
    ):
        yield ours, other


def log_in(folder: Path, *hosts: str) -> None:
    """As `docker login` does; the password is of the host."""
    auths = {
        host: {"auth": base64.b64encode(f"me:pass-of-{host}".encode()).decode()} for host in hosts
    }
    (folder / "config.json").write_text(json.dumps({"auths": auths}))


def basic(host: str) -> str:
    return "Basic " + base64.b64encode(f"me:pass-of-{host}".encode()).decode()


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """No login of whoever runs the tests."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def test_every_kind_of_layer_is_weighed_behind_a_token_and_an_index():
    with serving(list(PACKED.items())) as (host, log):
        weight = registry.weigh(f"{host}/a/b:1", {})
    assert weight is not None
    assert list(weight.layers.values()) == [len(PLAIN), len(RANDOM), 1000 * registry.UNPACKED]
    assert list(weight.sent.values()) == [len(content) for content in PACKED.values()]
    assert list(weight.layers) == chains(["sha256:0", "sha256:1", "sha256:2"])
    assert len(weight.ids) == 3  # of the index, the manifest, the configuration
    assert log.count("/token") == 1


def test_a_layer_whose_size_is_known_is_not_asked_for():
    with serving([("layer.v1.tar+gzip", gzip.compress(PLAIN))]) as (host, log):
        weight = registry.weigh(f"{host}/a/b:1", {"sha256:0": 7})
    assert weight is not None
    assert weight.unpacked == 7
    assert not [path for path in log if digest(gzip.compress(PLAIN)) in path]


@pytest.mark.parametrize(("content", "ranges"), [(PIECES, True), (gzip.compress(PLAIN), False)])
def test_a_layer_that_does_not_tell_its_size_counts_as_many_times_what_is_sent(content, ranges):
    with serving([("layer.v1.tar+gzip", content)], ranges=ranges) as (host, _):
        weight = registry.weigh(f"{host}/a/b:1", {})
    assert weight is not None
    assert weight.unpacked == len(content) * registry.UNPACKED


def test_a_busy_registry_is_to_be_asked_again_and_others_tell_nothing():
    with serving([], status=429) as (host, _), pytest.raises(registry.Busy, match="answers 429"):
        registry.weigh(f"{host}/a/b:1", {})
    with serving([], status=403) as (host, _):
        assert registry.weigh(f"{host}/a/b:1", {}) is None
    with serving([]) as (host, _):
        assert registry.weigh(f"{host}/a/b:absent", {}) is None
    assert registry.weigh(f"{host}/a/b:1", {}) is None  # nobody is there any more


HUB = "https://index.docker.io/v1/"  # as `docker login` calls it


@pytest.mark.parametrize("challenge", [Registry.challenge, 'Basic realm="registry"'])
def test_a_mirror_gets_its_own_login_and_never_that_of_docker_hub(tmp_path, two, challenge):
    mirror, _ = two
    mirror.challenge = challenge
    log_in(tmp_path, HUB)
    registry.weigh("swebench/tiny:1", {}, [f"http://{mirror.host}"])
    assert mirror.heard
    assert mirror.credentials() == set()
    log_in(tmp_path, HUB, mirror.host)
    registry.weigh("swebench/tiny:1", {}, [f"http://{mirror.host}"])
    assert mirror.credentials() == {basic(mirror.host)}


def test_a_login_goes_to_the_registry_s_own_service_for_tokens(tmp_path, two):
    ours, _ = two
    log_in(tmp_path, ours.host, HUB)
    assert registry.weigh(f"{ours.host}/a/b:1", {}) is not None
    assert [(path, given) for path, given in ours.heard if given.startswith("Basic")] == [
        ("/token", basic(ours.host))
    ]
    assert redact(f"it says {basic(ours.host)}").startswith("it says Basic bWU6")
    assert f"pass-of-{ours.host}" not in redact(f"it says pass-of-{ours.host}")


def test_another_s_service_for_tokens_hears_nothing(tmp_path, two):
    ours, other = two
    ours.challenge = f'Bearer realm="http://localhost:{other.server_port}/token",service="s"'
    log_in(tmp_path, ours.host)
    assert registry.weigh(f"{ours.host}/a/b:1", {}) is None
    assert other.heard == []
    assert ours.credentials() == set()


@pytest.mark.parametrize(
    ("challenge", "what"),
    [
        (Registry.challenge, "/token"),
        (Registry.challenge, "/v2/a/b/manifests"),
        (Registry.challenge, "/v2/a/b/blobs"),
        ('Basic realm="registry"', "/v2/a/b/manifests"),
        ('Basic realm="registry"', "/v2/a/b/blobs"),
    ],
)
def test_no_credentials_follow_a_redirect_to_another_host(tmp_path, two, what, challenge):
    ours, other = two
    ours.challenge = challenge
    ours.moved = {what: f"localhost:{other.server_port}"}
    log_in(tmp_path, ours.host, f"localhost:{other.server_port}")
    registry.weigh(f"{ours.host}/a/b:1", {})
    assert ours.credentials() == {basic(ours.host)}
    assert {given for _, given in other.heard} == (set() if what == "/token" else {""})


@pytest.mark.parametrize(
    ("realm", "place", "belongs"),
    [
        ("https://auth.docker.io/token", "https://registry-1.docker.io", True),
        ("https://docker.io/token", "https://registry-1.docker.io", False),
        ("https://auth.docker.io/token", "https://mirror.example", False),
        ("https://auth.docker.io.evil.example/token", "https://registry-1.docker.io", False),
        ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com", True),
        ("https://ghcr.io/token", "https://ghcr.io", True),
        ("https://ghcr.io:444/token", "https://ghcr.io", True),
        ("https://auth.registry.example/token", "https://registry.example", True),
        ("https://evil.example/token", "https://registry.example", False),
        ("https://evilregistry.example/token", "https://registry.example", False),
        ("https://a.azurecr.io/token", "https://b.azurecr.io", False),
        ("https://example/token", "https://registry.example", False),
        ("/token", "https://registry.example", False),
    ],
)
def test_a_service_for_tokens_belongs_to_the_registry_on_above_or_below_its_host(
    realm, place, belongs
):
    assert registry._belongs(realm, place) is belongs


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("https://a.example", True),
        ("http://a.example", False),
        ("http://127.0.0.1:5000", True),
        ("http://localhost", True),
        ("http://[::1]:5000", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost@evil.example", False),
        ("ftp://a.example", False),
    ],
)
def test_credentials_go_over_https_or_stay_on_this_machine(address, private):
    assert is_private(address) is private
