"""A network for a bubblewrap sandbox that is to have one: its own, behind `slirp4netns`.

It reaches what other machines offer, and this one under its addresses on a network, but nothing
that listens on the machine's loopback, and none of its abstract sockets: these belong to the
machine's own network namespace, in which no sandbox is. Names are looked up as the machine does.

`slirp4netns` hands on what a sandbox sends, and `--disable-host-loopback` is about one address of
its own. A packet for 127.0.0.1 leaves a sandbox too, with SO_BINDTODEVICE or IP_PKTINFO, and would
come out on the machine's loopback: so there is no route for it.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Sequence
from subprocess import DEVNULL

import anyio
import anyio.abc

from harness.errors import SandboxUnavailable

PROGRAM = "slirp4netns"
DEVICE = "/dev/net/tun"
FILES = {  # of /etc
    "resolv.conf": "nameserver 10.0.2.3\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
NO_ROUTE = ("127.0.0.0/8", "169.254.0.0/16")  # loopback; this link, with a cloud's metadata
SHUT = 'for network; do ip route add prohibit "$network" || exit; done'
OWNER_OF_NAMESPACE = 0xB701  # NS_GET_USERNS of ioctl_nsfs(2)
READY_S = 30.0
GONE_S = 5.0


def lacks() -> str:
    """What this machine lacks for sandboxes with network, and how to fix it; empty if nothing."""
    for name, package in (PROGRAM, PROGRAM), ("ip", "iproute2"), ("nsenter", "util-linux"):
        if shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is None:
            return f"{name} is not installed; run: sudo apt-get install {package}"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"{DEVICE} cannot be opened by this user; run: sudo chmod 0666 {DEVICE}"
    return ""


class Network:
    """What connects one sandbox; it ends with this process, whatever way that ends."""

    def __init__(self, process: anyio.abc.Process, keep: int) -> None:
        self._process = process
        self._keep = keep  # the other end of it tells the program to end when this one is closed

    @classmethod
    async def connect(cls, inside: int, within: Sequence[str]) -> "Network":
        """Connect the sandbox that the process `inside` is in. `SandboxUnavailable` on failure.

        `within` begins the program within the limits of the sandbox: what it holds and does is for
        connections that commands make.
        """
        if lack := lacks():
            raise SandboxUnavailable(lack)
        with contextlib.ExitStack() as stack:

            def closed_after(fd: int) -> int:
                stack.callback(os.close, fd)
                return fd

            network = closed_after(os.open(f"/proc/{inside}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            users = closed_after(fcntl.ioctl(network, OWNER_OF_NAMESPACE))
            await _shut(network, users)
            ended, keep = os.pipe()
            closed_after(ended)
            ready, writing = os.pipe()
            not_connected = stack.enter_context(contextlib.ExitStack())
            not_connected.callback(os.close, keep)
            fds = (network, users, ended, writing)
            try:
                process = await anyio.open_process(
                    [*within, shutil.which(PROGRAM) or PROGRAM, "--configure", "--mtu=65520",
                     "--disable-host-loopback", "--enable-seccomp",
                     f"--ready-fd={writing}", f"--exit-fd={ended}", "--netns-type=path",
                     f"--userns-path=/proc/self/fd/{users}", f"/proc/self/fd/{network}", "tap0"],
                    stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env={}, pass_fds=fds,
                    start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(writing)
            made = cls(process, keep)
            not_connected.pop_all()
        await made._wait_until(ready)
        return made

    async def _wait_until(self, ready: int) -> None:
        """Until something can be read from the open file `ready`, which is closed then."""
        said = b""
        with os.fdopen(ready, "rb", buffering=0) as reading:
            with anyio.move_on_after(READY_S):
                await anyio.wait_readable(reading)
                said = reading.read(1)
        if not said:
            await self.close()
            raise SandboxUnavailable(f"{PROGRAM} could not connect the sandbox to a network")

    async def close(self) -> None:
        """Disconnect the sandbox."""
        os.close(self._keep)
        with anyio.move_on_after(GONE_S):
            await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.aclose()


async def _shut(network: int, users: int) -> None:
    """Leave a network namespace without a route to where nobody inside is to get."""
    words = ["nsenter", "--preserve-credentials", f"--user=/proc/self/fd/{users}",
             f"--net=/proc/self/fd/{network}", "/bin/sh", "-c", SHUT, "sh", *NO_ROUTE]  # fmt: skip
    done = await anyio.run_process(words, check=False, env={}, pass_fds=(network, users))
    if done.returncode != 0:
        said = done.stderr[-300:].decode(errors="replace").strip()
        raise SandboxUnavailable(f"the routes of a sandbox could not be set: {said}")
