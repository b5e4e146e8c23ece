"""Hosts on one machine: network namespaces that reach each other through a bridge, and nothing
else."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator

import pytest

NETWORK = f"10.77.{os.getpid() % 250 + 1}"  # of this test process
HERE = f"{NETWORK}.1"  # the address of the bridge: of this machine itself


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host(list[str]):
    """The words before a command that runs on a host."""

    def __init__(self, namespace: str, link: str, bridge: str) -> None:
        super().__init__(["nsenter", f"--net=/run/netns/{namespace}"])
        self._link = link
        self._bridge = bridge

    def cut(self) -> None:
        """Take the host from the network: what is sent to it or by it is lost without a word."""
        _ip("link", "set", self._link, "nomaster")

    def mend(self) -> None:
        """Put it back."""
        _ip("link", "set", self._link, "master", self._bridge)


@contextlib.contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many hosts on a network.

    The test is skipped where namespaces cannot be made.
    """
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    tag = secrets.token_hex(2)
    bridge, names = f"dbr{tag}", [f"delm{tag}{n}" for n in range(count)]
    made = []
    with contextlib.ExitStack() as undo:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            undo.callback(_ip, "link", "del", bridge)
            _ip("addr", "add", f"{HERE}/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            for number, name in enumerate(names):
                inside, outside = f"i{tag}{number}", f"o{tag}{number}"
                _ip("netns", "add", name)
                undo.callback(_ip, "netns", "del", name)
                _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
                _ip("link", "set", inside, "netns", name)
                _ip("link", "set", outside, "master", bridge, "up")
                within = ["netns", "exec", name, "ip"]
                _ip(*within, "addr", "add", f"{NETWORK}.{number + 2}/24", "dev", inside)
                _ip(*within, "link", "set", inside, "up")
                _ip(*within, "link", "set", "lo", "up")
                made.append(Host(name, outside, bridge))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield made
