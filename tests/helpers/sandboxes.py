"""Real sandboxes for tests: one tiny repository, as a Docker image and as a bubblewrap environment.

Nothing here takes a network or a package index. The Docker image is made from a base that is there
already, or else from the programs of this machine.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from host_image import import_host

from harness.config import SandboxLimits
from harness.environments.rebuild import Prepared
from harness.sandbox.bubblewrap.machine import BubblewrapMachine
from harness.sandbox.bubblewrap.namespace import VENV
from harness.sandbox.bubblewrap.overlay import Place
from harness.sandbox.docker.machine import DockerMachine, connect
from harness.sandbox.sandbox import ShellSandbox

BASES = ("delm-offline/base:bookworm", "delm-base:bookworm")
IDENTITY = {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip
LIMITS = SandboxLimits(memory_mb=256, processes=128, file_mb=64)
FIRST_WORD_S = 30


def git(folder: Path, *words: str) -> str:
    """Run git on the host, with nobody's configuration."""
    done = subprocess.run(
        ["git", *words], cwd=folder, env=os.environ | IDENTITY, check=True, capture_output=True
    )
    return done.stdout.decode(errors="surrogateescape").strip()


def plant(folder: Path) -> None:
    """The repository of the tests: one commit of files of every sort, one file untracked."""
    (folder / "pkg").mkdir(parents=True)
    for name, content in {
        "a.txt": b"one\ntwo\nthree\n",
        "pkg/__init__.py": b"",
        "pkg/core.py": b"def add(a, b):\n    return a - b\n",
        "pkg/extra.py": b"EXTRA = 1\n" * 40,
        "data.bin": bytes(range(256)) * 8,
        "latin1.txt": "d\xe9j\xe0 vu\n".encode("latin-1"),
        "crlf.txt": b"one\r\ntwo\r\n",
        "no newline.txt": b"no newline",
        "\xfcn\xefcode.txt": "\u00fcn\u00efc\u00f6de\n".encode(),
        "run.sh": b"#!/bin/sh\necho run\n",
        ".gitignore": b"*.ignored\n__pycache__/\n",
    }.items():
        (folder / name).write_bytes(content)
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    git(folder, "init", "-q", "-b", "main", "--template=")
    git(folder, "add", "-A")
    git(folder, "-c", "core.logAllRefUpdates=false", "commit", "-q", "-m", "base")
    (folder / ".git/info").mkdir()
    (folder / ".git/info/exclude").write_text("/excluded-at-start\n")
    (folder / "untracked at start.txt").write_text("was there\n")
    (folder / "untracked [folder]").mkdir()
    (folder / "untracked [folder]" / "#1!").write_text("was there\n")


class Bubblewrap:
    """Opens bubblewrap sandboxes of the tiny repository, and knows what they leave."""

    name = "bubblewrap"

    def __init__(self, folder: Path, *, place: Place | None = None) -> None:
        self.store = folder / "sandboxes"
        self.place = place
        self._seen: set[str] = set()
        self.prepared = Prepared(
            root=folder / "environment",
            python_prefix=Path(sys.base_prefix),
            python_version=sys.version.split()[0],
            key="test",
        )
        plant(self.prepared.root / "testbed")
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(self.prepared.root / "venv")],
            check=True,
        )
        self.testbed = self.prepared.root / "testbed"

    async def open(self, *, limits: SandboxLimits = LIMITS, network: bool = False) -> ShellSandbox:
        """A fresh sandbox."""
        machine = await BubblewrapMachine.start(
            self.prepared, self.store, limits, network=network, place=self.place
        )
        return await ShellSandbox.start(machine)

    def leftovers(self) -> set[str]:
        """Folders and control groups that are there now."""
        folders = {path.name for path in self.store.iterdir()} if self.store.exists() else set()
        self._seen |= folders
        groups = {
            str(path)
            for pattern in ("delm-*", "*/delm-*")  # not `**`: others' vanish while it looks in
            for path in Path("/sys/fs/cgroup").glob(pattern)
            for owner in self._seen
            if path.name == f"delm-{owner[:16]}"
        }
        return folders | groups

    def kill(self, sandbox: ShellSandbox) -> None:
        """End it from outside."""
        machine = sandbox._machine
        assert isinstance(machine, BubblewrapMachine)
        assert machine._process is not None
        os.kill(machine._process.pid, signal.SIGKILL)

    def script(self) -> str:
        """Python that makes `machine`, a coroutine of a machine, in another process."""
        return (
            "from harness.environments.rebuild import Prepared\n"
            "from harness.sandbox.bubblewrap.machine import BubblewrapMachine\n"
            f"prepared = Prepared(root=Path({str(self.prepared.root)!r}), key='test',\n"
            f"    python_prefix=Path({sys.base_prefix!r}), python_version='')\n"
            f"machine = BubblewrapMachine.start(prepared, Path({str(self.store)!r}),\n"
            f"    SandboxLimits(memory_mb=256), place={self.place!r})\n"
        )

    def mounts(self) -> set[str]:
        """The mounts in its folders, whichever process of this machine has them."""
        place = str(self.store).replace(" ", r"\040")
        found = set[str]()
        for file in Path("/proc").glob("[0-9]*/mountinfo"):
            with contextlib.suppress(OSError):  # its process ended
                found |= {line for line in file.read_text().splitlines() if place in line}
        return found


class Docker:
    """Opens containers of the tiny repository, and knows what they leave."""

    name = "docker"

    def __init__(self, folder: Path) -> None:
        found = connect()
        assert not isinstance(found, str)
        self.client = found
        self.session = uuid.uuid4().hex
        self.labels = {"delm.test": self.session}
        self.image = f"delm-test:{self.session[:12]}"
        self.testbed = folder / "testbed"
        plant(self.testbed)
        self._made = [self.image]
        base = next((name for name in BASES if self.client.images.list(name=name)), "")
        if not base:
            base = f"delm-test-base:{self.session[:12]}"
            self._made.append(base)
            import_host(self.client, base, folder)
        archive = folder / "testbed.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(self.testbed, "testbed", filter=_owned_by_root)
        container = self.client.containers.create(base, ["true"], network_mode="none")
        try:
            with archive.open("rb") as stream:
                container.put_archive("/", stream)
            container.commit(*self.image.split(":"), changes=f"ENV LANG=C.UTF-8 VIRTUAL_ENV={VENV}")
        finally:
            container.remove()

    async def open(self, *, limits: SandboxLimits = LIMITS, network: bool = False) -> ShellSandbox:
        """A fresh sandbox."""
        machine = DockerMachine(
            self.client, self.image, self.labels, limits, network=network, activate=False
        )
        await machine.start()
        return await ShellSandbox.start(machine)

    def leftovers(self) -> set[str]:
        """Containers, committed images and volumes that are there now."""
        containers = self.client.api.containers(all=True, filters=self.filters())
        images = self.client.api.images(filters=self.filters(), all=True)
        return {str(thing["Id"]) for thing in containers + images}

    def filters(self) -> dict[str, str]:
        """What finds the containers and images of this session."""
        return {"label": f"delm.test={self.session}"}

    def kill(self, sandbox: ShellSandbox) -> None:
        """End it from outside."""
        machine = sandbox._machine
        assert isinstance(machine, DockerMachine)
        assert machine._container is not None
        machine._container.remove(force=True)

    def script(self) -> str:
        """Python that makes `machine`, a coroutine of a machine, in another process."""
        return (
            "from harness.sandbox.docker.machine import DockerMachine, connect\n"
            "async def start():\n"
            f"    machine = DockerMachine(connect(), {self.image!r}, {self.labels!r},\n"
            "        SandboxLimits(memory_mb=256), network=False, activate=False)\n"
            "    await machine.start()\n"
            "    return machine\n"
            "machine = start()\n"
        )

    def close(self) -> None:
        """Remove the images that were made."""
        for name in self._made:
            self.client.images.remove(name, force=True)
        self.client.close()


Kind = Bubblewrap | Docker


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def why_not(name: str) -> str:
    """Why there are no sandboxes of that kind on this machine, or nothing."""
    if name == "docker":
        answer = connect()
        if isinstance(answer, str):
            return f"no Docker engine answers: {answer}"
        answer.close()
        return ""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    words = ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc"]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    return f"bubblewrap cannot make namespaces here: {tried.stderr}" if tried.returncode else ""


@pytest.fixture(scope="session", params=["bubblewrap", "docker"])
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kind]:
    """Each kind of sandbox that works on this machine."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "bubblewrap":
        yield Bubblewrap(folder)
        return
    docker = Docker(folder)
    try:
        yield docker
    finally:
        docker.close()


@pytest.fixture
async def sandbox(kind: Kind) -> AsyncIterator[ShellSandbox]:
    """A fresh one, which leaves nothing."""
    opened = await kind.open()
    namespace = await namespace_of(opened)
    try:
        yield opened
    finally:
        await opened.close()
    assert kind.leftovers() == set()
    await vanish(namespace, within_s=10)


RESTORE = """
chmod -R u+rwX /testbed; chmod 1777 /tmp
find /testbed /tmp /root -mindepth 1 -maxdepth 1 ! -name .pyenv -exec rm -rf {} +
cp -a /pristine/. /testbed/ && ls -A /tmp
"""


@pytest.fixture(scope="module")
async def shared(kind: Kind) -> AsyncIterator[ShellSandbox]:
    """The sandbox behind `bench`."""
    opened = await kind.open()
    try:
        await opened.exec("cp -a /testbed /pristine")
        yield opened
    finally:
        await opened.close()
    assert kind.leftovers() == set()


@pytest.fixture
async def bench(shared: ShellSandbox) -> ShellSandbox:
    """One sandbox for many small tests, its files put back before each.

    The module that asks for it has an `anyio_backend` of its own, of module scope.
    """
    assert (await shared.exec(RESTORE, cwd="/")).output == ""
    return shared


async def settled(sandbox: ShellSandbox) -> int:
    """How many processes there are inside while a command runs."""
    result = await sandbox.exec("set -- /proc/[0-9]*; echo $#")
    return int(result.output)


def processes_of(namespace: str) -> list[int]:
    """The processes of this machine that are in a process namespace ("pid:[4026532281]")."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str((folder / "ns/pid").readlink()) == namespace:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


HELD: dict[str, int] = {}  # namespaces whose number nobody else is given meanwhile


async def namespace_of(sandbox: ShellSandbox) -> str:
    """What `processes_of` takes; its number is not used again before `vanish`."""
    namespace = (await sandbox.inspect("readlink /proc/self/ns/pid")).output.strip()
    for process in processes_of(namespace):
        with contextlib.suppress(OSError):
            HELD[namespace] = os.open(f"/proc/{process}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            break
    return namespace


async def vanish(namespace: str, *, within_s: float) -> None:
    """Wait until no process is left in a namespace; fail when some are after that time."""
    with anyio.move_on_after(within_s):
        while processes_of(namespace):
            await anyio.sleep(0.05)
    left = processes_of(namespace)
    if namespace in HELD:
        os.close(HELD.pop(namespace))
    assert left == []
