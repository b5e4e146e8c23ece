"""Sandboxes with a network have one of their own, and this machine is not in it."""

import contextlib
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from sandboxes import Bubblewrap, Kind

from harness.sandbox.bubblewrap.folders import sweep
from harness.sandbox.bubblewrap.network import lacks
from harness.sandbox.sandbox import ShellSandbox

pytestmark = pytest.mark.slow(seconds=11)

SOON_S = 15


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def online(kind: Kind) -> AsyncIterator[ShellSandbox]:
    """A sandbox with a network."""
    if isinstance(kind, Bubblewrap) and (lacking := lacks()):
        pytest.skip(f"no network for bubblewrap: {lacking}")
    opened = await kind.open(network=True)
    try:
        yield opened
    finally:
        await opened.close()
    assert kind.leftovers() == set()


def slirps() -> set[int]:
    """The slirp4netns processes of this machine."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes().split(b"\0")[0].endswith(b"slirp4netns"):
                found.add(int(file.parent.name))
    return found


async def python(sandbox: ShellSandbox, script: str) -> str:
    """What a Python program prints inside."""
    result = await sandbox.exec(f"python3 - <<'E'\n{script}\nE", timeout_s=90)
    assert result.exit_status == 0, result.output
    return result.output


async def test_the_gateway_of_its_own_network_answers(online):
    script = """
import socket, time
gateway = next(line.split()[2] for line in open("/proc/net/route") if line.split()[1] == "0" * 8)
gateway = ".".join(str(byte) for byte in reversed(bytes.fromhex(gateway)))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(100):
    sender.sendto(b"x", ("198.51.100.1", 9))
    for line in open("/proc/net/arp"):
        if line.split()[0] == gateway and line.split()[2] == "0x2":
            raise SystemExit(print("answered"))
    time.sleep(0.1)
"""
    assert await python(online, script) == "answered\n"


async def test_it_has_a_name_server_and_asks_it(online):
    result = await online.exec("grep ^nameserver /etc/resolv.conf && grep hosts /etc/nsswitch.conf")
    assert result.output.count("nameserver") >= 1
    assert "hosts:" not in result.output or " dns" in result.output


# Every way in which a program says where a packet is to leave, or what else leads to a loopback.
WAYS = """
import socket, struct, sys
index = [n for n, name in socket.if_nameindex() if name != "lo"][0]
device = socket.if_indextoname(index).encode()
def bound(s): s.setsockopt(socket.SOL_SOCKET, 25, device)
def by_index(s): s.setsockopt(socket.SOL_SOCKET, 62, struct.pack("i", index))
def unicast_if(s): s.setsockopt(socket.IPPROTO_IP, 50, struct.pack("!I", index))
def routed(s): s.setsockopt(socket.IPPROTO_IP, 4, b"\\x01\\x83\\x07\\x04\\x7f\\0\\0\\x01")
def dont_route(s): s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1); bound(s)
def plain(s): pass
def reach(address, port):
    for way in (plain, bound, by_index, unicast_if, routed, dont_route):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as s:
                s.settimeout(0.5)
                try: way(s); s.connect((address, port)); s.send(b"x")
                except OSError: pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        info = struct.pack("i4s4s", index, bytes(4), bytes(4))
        try: s.sendmsg([b"x"], [(socket.IPPROTO_IP, 8, info)], 0, (address, port))
        except OSError: pass
    for mapped in ("::ffff:" + address, "::1"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET6, kind) as s:
                s.settimeout(0.5)
                try: bound(s); s.connect((mapped, port)); s.send(b"x")
                except OSError: pass
"""


@contextlib.contextmanager
def heard(address: str) -> Iterator[tuple[int, list[str]]]:
    """A port of this machine that listens at an address, and what has come to it at the end."""
    said: list[str] = []
    with (
        socket.create_server((address, 0)) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        port = stream.getsockname()[1]
        datagrams.bind((address, port))
        yield port, said
        for listener, read in (
            (stream, stream.accept),
            (datagrams, lambda: datagrams.recvfrom(9)),
        ):
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                said.append(f"{listener.type.name} {read()[1]}")


async def test_no_packet_reaches_the_loopback_of_the_machine(online):
    with heard("127.0.0.1") as (port, said):
        targets = ("127.0.0.1", "127.0.0.2", "0.0.0.0", "10.0.2.2", "255.255.255.255")
        await python(online, f"{WAYS}\nfor address in {targets}: reach(address, {port})")
    assert said == []


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_there_is_no_way_to_the_metadata_of_a_cloud(kind, online):
    script = """
import socket
try: socket.create_connection(("169.254.169.254", 80), 5)
except OSError as error: print(error.errno)
"""
    assert await python(online, script) == "13\n"  # EACCES: a route that prohibits it


async def test_no_abstract_socket_of_the_machine_is_in_it(online):
    name = f"delm-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        script = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        result = await online.exec(f'python3 -c "{script}"; cat /proc/net/unix')
    assert "ConnectionRefusedError" in result.output
    assert name not in result.output


async def test_nothing_inside_changes_its_routes(online):
    words = "ip route del default || ip route add default dev lo || ip link set lo down || exit 9"
    assert (await online.exec(words)).exit_status == 9
    assert "0" * 8 in (await online.exec("cat /proc/net/route")).output


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_two_of_them_have_no_network_in_common(kind, online):
    other = await online.fork()
    try:
        async with anyio.create_task_group() as tasks:
            serve = "import socket\ns = socket.create_server(('', 4567))\nprint(s.accept())"
            tasks.start_soon(other.exec, f'timeout 20 python3 -c "{serve}"')
            await anyio.sleep(0.5)
            assert "got" not in await python(
                online,
                "import socket\nfor at in ('10.0.2.100', '10.0.2.101', '127.0.0.1'):\n"
                "    try: socket.create_connection((at, 4567), 1); print('got', at)\n"
                "    except OSError: pass",
            )
            tasks.cancel_scope.cancel()
    finally:
        await other.close()


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_what_makes_the_network_ends_when_the_harness_is_killed(kind):
    if lacking := lacks():
        pytest.skip(lacking)
    script = (
        "import anyio, os\nfrom pathlib import Path\n"
        "from harness.config import SandboxLimits\n"
        "from harness.sandbox.sandbox import ShellSandbox\n"
        + kind.script().replace("place=", "network=True, place=")
        + "async def main():\n    kept = await ShellSandbox.start(await machine)\n"
        "    print('ready', flush=True)\n    await anyio.sleep(60)\nanyio.run(main)\n"
    )
    before, mounted = slirps(), kind.mounts()
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        made = slirps() - before
        process.kill()
    assert made
    with anyio.fail_after(SOON_S):
        while slirps() & made or kind.mounts() - mounted:
            await anyio.sleep(0.05)
    assert len(sweep(kind.store)) == 1
