"""A Docker engine of the test's own, which it may stop, hang and start again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

START_S = 30


def why_not() -> str:
    """Why there can be none here, or nothing."""
    if os.geteuid() != 0:
        return "a second Docker engine takes root"
    if shutil.which("dockerd") is None or shutil.which("containerd") is None:
        return "dockerd and containerd are not installed"
    return ""


class OwnDaemon:
    """`dockerd` with folders, a socket and no network of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # a short path: the names of sockets are bounded
        self._process: subprocess.Popen[bytes] | None = None
        self.host = f"unix://{folder}/d.sock"

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--net"),  # without a bridge it removes the machine's docker0
                    *("dockerd", "--host", self.host, "--bridge", "none", "--iptables=false"),
                    *("--data-root", self.folder / "data", "--exec-root", self.folder / "exec"),
                    *("--pidfile", self.folder / "pid"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
                probe.connect(self.host.removeprefix("unix://"))
                probe.settimeout(START_S)
                probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b" 200 " in probe.recv(64):
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def hang(self) -> None:
        """Let it neither answer nor end."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """End the hanging."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, and the containers with it."""
        if self._process is not None:
            self.wake()
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """End it and remove its folder, with whatever is mounted there."""
        self.stop()
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        places = [line.split()[4] for line in lines]
        mine = (place for place in places if place.startswith(f"{self.folder}/"))
        for place in sorted(mine, reverse=True):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
