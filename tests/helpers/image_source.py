"""A registry on this machine with images of instances that anybody can solve, each of some size."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from host_image import import_host

BASE = f"delm-test/source:{os.getpid()}"
CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "{host}"}}
"""
EVALUATION = """\
#!/bin/bash
set -uxo pipefail
cd /testbed
: '>>>>> Start Test Output'
if grep -q mended answer.txt; then echo 'PASSED t.py::test_it'; else echo 'FAILED t.py::test_it'; fi
: '>>>>> End Test Output'
"""
PATCH = """\
diff --git a/answer.txt b/answer.txt
--- a/answer.txt
+++ b/answer.txt
@@ -1 +1 @@
-broken
+mended
"""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def why_not() -> str:
    """Why there is no such registry here, or nothing."""
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed (apt-get install docker-registry)"
    return ""


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port of the loopback; its host and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(CONFIG.format(folder=folder / "registry", host=host))
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{host}/v2/", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield host
    finally:
        process.terminate()
        process.wait()


@contextmanager
def base_image(client: docker.DockerClient, folder: Path) -> Iterator[str]:
    """An image with this machine's programs and a repository; its base commit."""
    import_host(client, f"{BASE}-host", folder)
    repository = folder / "testbed"
    repository.mkdir()
    (repository / "answer.txt").write_text("broken\n")
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "begin"]):
        subprocess.run([*git, *words], check=True)
    said = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    archive = folder / "testbed.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(repository, "testbed", filter=_of_root)
    _commit(client, f"{BASE}-host", archive, BASE)
    try:
        yield said.stdout.strip()
    finally:
        for name in (BASE, f"{BASE}-host"):
            with contextlib.suppress(docker.errors.ImageNotFound):
                client.images.remove(name, force=True)


def push(client: docker.DockerClient, name: str, folder: Path, size: int, *, zeros: bool) -> None:
    """Push an image with a file of `size` bytes in a layer of its own, and have it here no more."""
    archive = folder / "big.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo(f"big-{secrets.token_hex(8)}")  # zeros are all alike otherwise
        member.size = size
        with Path("/dev/zero" if zeros else "/dev/urandom").open("rb") as stream:
            tar.addfile(member, stream)
    _commit(client, BASE, archive, name)
    archive.unlink()
    for line in client.images.push(name, stream=True, decode=True):
        assert "error" not in line, line
    client.images.remove(name)


def _commit(client: docker.DockerClient, base: str, archive: Path, name: str) -> None:
    container = client.containers.create(base, ["true"], network_mode="none")
    try:
        with archive.open("rb") as stream:
            container.put_archive("/", stream)
        repository, _, tag = name.rpartition(":")
        container.commit(repository, tag)
    finally:
        container.remove()


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def write_rows(path: Path, commit: str, images: dict[str, str]) -> None:
    """A dataset of the instances with these images."""
    rows = [
        {
            "instance_id": name, "repo": "a/b", "base_commit": commit, "version": "1",
            "problem_statement": "It is broken.", "patch": PATCH, "test_patch": "",
            "FAIL_TO_PASS": '["t.py::test_it"]', "PASS_TO_PASS": "[]", "image": image,
            "eval_script": EVALUATION, "log_parser": "parse_log_pytest",
            "eval_type": "pass_and_fail",
        }
        for name, image in images.items()
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_answers(path: Path, dataset: Path, names: Sequence[str], trials: int = 1) -> None:
    """A recording in which `single` mends every instance."""
    calls = [
        ("bash", '{"command": "sed -i s/broken/mended/ answer.txt"}'),
        ("finish", '{"summary": "Mended."}'),
    ]
    header = {"model": "none/played", "dataset": str(dataset), "created": "2026-01-01T00:00:00Z"}
    lines: list[dict[str, object]] = [header]
    lines += [
        {
            "system": "single", "instance_id": name, "trial": trial, "conversation": "agent-1",
            "position": position, "prompt_sha256": "", "content": "", "usage": USAGE,
            "tool_calls": [{"id": f"call_{position}", "name": tool, "arguments": given}],
        }
        for name in names
        for trial in range(trials)
        for position, (tool, given) in enumerate(calls)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


class Watch:
    """Looks at what the images of a registry take on this machine, until its block ends.

    By the daemon's list of images, with the base that they share counted once. `highest` in bytes;
    `removed`: how many that were here at a look were not at the next.
    """

    def __init__(
        self, client: docker.DockerClient, host: str, *, but: Collection[str] = ()
    ) -> None:
        self._client = client
        self._host = host
        self._but = set(but)
        self._shared = int(client.images.get(BASE).attrs["Size"])
        self._thread = threading.Thread(target=self._look)
        self._over = threading.Event()
        self.highest = 0
        self.removed = 0
        self.looks = 0

    def here(self) -> dict[str, int]:
        """The images by name, and their size."""
        return {
            name: int(image["Size"])
            for image in self._client.api.images()
            for name in image["RepoTags"] or ()
            if name.startswith(self._host) and name not in self._but
        }

    def _look(self) -> None:
        before: dict[str, int] = {}
        while not self._over.wait(0.1):
            here = self.here()
            own = sum(size - self._shared for size in here.values())
            self.highest = max(self.highest, own + self._shared * bool(here))
            self.removed += len(before.keys() - here.keys())
            self.looks += 1
            before = here

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
