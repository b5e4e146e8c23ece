import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import docker
import pytest
from tiny_release import download_pins, tiny_index

from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.cache import cache_dir
from harness.errors import UserError
from harness.sandbox.docker import image_build
from harness.sandbox.docker.client import LABEL, OWNER, connected
from harness.sandbox.docker.image_leases import ImageLeases
from harness.types import Issue

pytestmark = pytest.mark.slow(seconds=13)

IMAGE_JSON = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def client():
    with ExitStack() as stack:
        try:
            daemon = stack.enter_context(connected())
        except UserError:
            pytest.skip("no Docker daemon answers")
        yield daemon


def test_without_a_daemon_the_user_is_told_to_start_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(UserError, match="daemon does not answer: start it") as caught:
        image_build.list_images(tmp_path)
    assert "\n" not in str(caught.value)


async def test_published_instances_cannot_be_built(client, tmp_path):
    with pytest.raises(UserError, match="nothing to build"):
        await image_build.build([_item("x")], cache=tmp_path, on_progress=print)


async def test_an_image_that_is_only_built_here_is_never_pulled(client, tmp_path):
    with pytest.raises(UserError, match="is in no registry"):
        await image_build.pull([_item("delm-offline/no:1")], cache=tmp_path, on_progress=print)


async def test_a_base_image_that_is_not_there_is_named(client, tmp_path):
    item = _item("x", tiny_index(tmp_path / "index", []))
    with pytest.raises(UserError, match="no image no-such-base:1"):
        await image_build.build([item], base="no-such-base:1", cache=tmp_path, on_progress=print)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
async def test_a_built_image_has_the_tree_the_venv_and_our_label(client, tmp_path, monkeypatch):
    if not client.images.list(image_build.BASE) and (
        os.geteuid() or not shutil.which("debootstrap")
    ):
        pytest.skip(f"no image {image_build.BASE}: making it takes root and debootstrap")
    await image_build.base_image(client, cache_dir(), print)
    pins = download_pins(tmp_path / "pins")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    item = _item("x", tiny_index(tmp_path / "index", pins))
    (name,) = await image_build.build([item], cache=tmp_path / "cache", on_progress=print)
    try:
        written = client.containers.run(
            name,
            ["sh", "-ec", "python -m tiny; git status --porcelain; id -u; pwd"],
            remove=True,
            network_mode="none",
        )
        assert written.split() == [b"0", b"/testbed"]
        assert client.images.get(name).labels == {LABEL: "image", OWNER: ""}
        found = {image.name: image for image in image_build.list_images(tmp_path / "cache")}
        assert found[name].ours
        assert list((tmp_path / "cache" / "images").glob("*.building")) == []
        assert client.containers.list(all=True, filters={"label": f"{LABEL}=build"}) == []
        again = []
        await image_build.build([item], cache=tmp_path / "cache", on_progress=again.append)
        assert again == []
    finally:
        client.images.remove(name)


async def test_a_busy_registry_is_asked_again_and_what_came_is_recorded(client, tmp_path):
    with _registry(busy=2) as host:
        name = f"{host}/swebench/tiny:latest"
        said = []
        try:
            assert await image_build.pull(
                [_item(name), _item(name)], cache=tmp_path, on_progress=said.append
            ) == [name]
            assert said[-1].endswith("again in 2 s")
            recorded = json.loads((tmp_path / "pulled.json").read_text())
            assert recorded == {name: client.images.get(name).id}
        finally:
            if client.images.list(name):
                client.images.remove(name)


async def test_a_pull_that_is_cancelled_ends_at_once_and_leaves_nothing(client, tmp_path):
    with _registry(busy=0, size=20_000_000, pause_s=0.05) as host:  # takes 15 s
        name = f"{host}/swebench/tiny:latest"
        began = time.monotonic()
        with anyio.move_on_after(2):
            await image_build.pull([_item(name)], cache=tmp_path, on_progress=print)
        assert time.monotonic() - began < 8
        time.sleep(1)
        assert not client.images.list(name)
        assert not (tmp_path / "pulled.json").exists()


async def test_an_image_that_no_registry_has_fails_at_once(client, tmp_path):
    with (
        _registry(busy=0) as host,
        pytest.raises(UserError, match=r"absent:1 is not on this machine and cannot be pulled: "),
    ):
        await image_build.pull([_item(f"{host}/absent:1")], cache=tmp_path, on_progress=print)


async def test_only_labelled_and_recorded_images_are_ever_removed(tmp_path, monkeypatch):
    daemon_images = {
        "sha256:1": ("delm-offline/a:1", {LABEL: "image"}),
        "sha256:2": ("swebench/sweb.eval.x86_64.pulled:latest", {}),
        "sha256:3": ("swebench/sweb.eval.x86_64.of-somebody:latest", {}),
        "sha256:4": ("precious:latest", {}),
        "sha256:5": ("swebench/sweb.eval.x86_64.pulled-anew:latest", {}),
    }
    (tmp_path / "pulled.json").write_text(
        json.dumps(
            {
                "swebench/sweb.eval.x86_64.pulled:latest": "sha256:2",
                "swebench/sweb.eval.x86_64.pulled-anew:latest": "sha256:0",
                "precious:latest": "sha256:4-before",
            }
        )
    )
    with _daemon(daemon_images) as (host, removed):
        monkeypatch.setenv("DOCKER_HOST", host)
        ours = {image.name: image.ours for image in image_build.list_images(tmp_path)}
        assert ours["swebench/sweb.eval.x86_64.of-somebody:latest"] is False
        assert not ours["precious:latest"]  # pulled by us once, by somebody else since
        expected = ["delm-offline/a:1", "swebench/sweb.eval.x86_64.pulled:latest"]
        async with ImageLeases(tmp_path / "uses").holding(expected[1]):
            assert image_build.gc(tmp_path) == expected[:1]
        removed.clear()
        assert image_build.gc(tmp_path) == expected
        assert removed == expected
    assert expected[1] not in json.loads((tmp_path / "pulled.json").read_text())


def _item(image, environment=None):
    shared = {"instance_id": "a__b-1", "repo": "a/b", "version": "1", "image": image}
    return IssueItem(
        instance=Issue(**shared, base_commit="0" * 40, problem_statement="It is broken."),
        reference=IssueReference(
            **shared,
            patch="",
            test_patch="",
            fail_to_pass=(),
            pass_to_pass=(),
            eval_script="true",
            log_parser="parse_log_pytest",
            eval_type="pass_and_fail",
        ),
        environment=environment,
    )


@contextmanager
def _serving(answer, pause_s=0):
    """An HTTP server whose every reply is `answer(method, path)`: status, content type, body.

    It waits `pause_s` before every 64 KiB of a body.
    """

    class Handler(BaseHTTPRequestHandler):
        def reply(self):
            status, kind, body = answer(self.command, self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                with suppress(ConnectionError):  # a client that was told to stop
                    for at in range(0, len(body), 1 << 16):
                        time.sleep(pause_s)
                        self.wfile.write(body[at : at + (1 << 16)])

        do_GET = do_HEAD = do_DELETE = reply  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _registry(*, busy, size=0, pause_s=0):
    """A registry with one image of `size`, which refuses the first `busy` manifests with status
    429, and sends slowly (see `_serving`)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = size
        tar.addfile(member, io.BytesIO(os.urandom(size)))
    layer = buffer.getvalue()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()
    blobs = {_digest(layer): layer, _digest(config): config}
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": IMAGE_JSON,
            "config": _described("application/vnd.docker.container.image.v1+json", config),
            "layers": [_described("application/vnd.docker.image.rootfs.diff.tar", layer)],
        }
    ).encode()
    refusals = iter(range(busy))

    def answer(_, path):
        if path == "/v2/":
            return 200, "application/json", b"{}"
        if path.startswith("/v2/swebench/tiny/manifests/"):
            if next(refusals, None) is not None:
                return 429, "application/json", b'{"errors": [{"code": "TOOMANYREQUESTS"}]}'
            return 200, IMAGE_JSON, manifest
        if (digest := path.rpartition("/")[2]) in blobs:
            return 200, "application/octet-stream", blobs[digest]
        return 404, "application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'

    with _serving(answer, pause_s) as host:
        yield host


@contextmanager
def _daemon(known):
    """The part of a Docker daemon that lists and removes images."""
    removed = []
    version = docker.constants.DEFAULT_DOCKER_API_VERSION

    def answer(method, path):
        path = path.removeprefix(f"/v{version}")
        if path == "/_ping":
            return 200, "text/plain", b"OK"
        if method == "DELETE":
            removed.append(path.removeprefix("/images/"))
            content = []
        elif path == "/version":
            content = {"ApiVersion": version}
        elif path == "/containers/json":
            content = []
        elif path == "/images/json":
            content = [{"Id": key} for key in known]
        else:
            key = path.split("/")[2]
            name, labels = known[key]
            content = {"Id": key, "RepoTags": [name], "Size": 1, "Config": {"Labels": labels}}
        return 200, "application/json", json.dumps(content).encode()

    with _serving(answer) as host:
        yield f"tcp://{host}", removed


def _described(media_type, content):
    return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}


def _digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()
