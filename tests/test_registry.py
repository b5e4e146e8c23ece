"""What a registry is asked before a pull: tokens, indexes, layers of every kind."""

import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import registry
from harness.weights import chains

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
    """Wants a token for everything; or answers everything with `status`."""

    def __init__(self, held: dict[str, bytes], *, ranges: bool, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.held, self.ranges, self.status = held, ranges, status
        self.log: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.log.append(path)
        content = self.server.held.get(path.rpartition("/")[2])
        if path == "/token":
            self.reply(200, b'{"token": "let me in"}')
        elif self.server.status:
            self.reply(self.server.status, b"{}")
        elif self.headers.get("Authorization") != "Bearer let me in":
            realm = f"http://{self.headers['Host']}/token"
            self.reply(401, b"{}", ("WWW-Authenticate", f'Bearer realm="{realm}",service="s"'))
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
    server = Registry(documents(layers), ranges=ranges, status=status)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.log
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
