"""A control group for one bubblewrap sandbox: memory, processes and CPU, where we may set them.

Both generations of the kernel's interface are tried. Where neither is writable (an ordinary user,
a container), `create` returns None and the supervisor's rlimits are what holds: memory is then
bounded for each process, not for all of them together.
"""

import contextlib
import os
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from harness.no_space import lack

MOUNT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
# Of a sandbox's memory what sockets hold takes one part in so many at most, where that is counted
# apart (first generation): it comes on top. In the second it is memory as any other.
OF_SOCKETS = 4


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group a hierarchy; a process joins by writing its id to every one of `procs`."""

    folders: tuple[Path, ...]

    @property
    def procs(self) -> tuple[Path, ...]:
        """The files that take process ids."""
        return tuple(folder / "cgroup.procs" for folder in self.folders)

    def kills(self) -> int:
        """The number of processes that the kernel killed at the group's memory limit; 0 if
        unknown."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    for line in (folder / name).read_text().splitlines():
                        word, _, count = line.partition(" ")
                        if word == "oom_kill":
                            return int(count)
        return 0

    def remove(self) -> bool:
        """Kill the remaining processes and remove the groups; waits up to 5 s. Returns whether all
        are gone."""
        for folder in self.folders:
            for _ in range(500):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # a process is still in there, or a killed one is leaving
                    _kill(folder)
                    time.sleep(0.01)
                else:
                    break
        return not any(folder.exists() for folder in self.folders)


def _kill(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for process in (folder / "cgroup.procs").read_text().split():
            if int(process) > 1:  # 0 stands for one that cannot be seen from here
                os.kill(int(process), signal.SIGKILL)


def create(name: str, *, memory_bytes: int, processes: int, cpus: float = 1) -> Cgroup | None:
    """Create the group `name` with its limits; None if that is not permitted.

    Without swap accounting or a CPU controller it is made all the same. `OSError`: the machine
    lacks something for it.
    """
    quota = int(cpus * PERIOD_US)
    if (MOUNT / "cgroup.controllers").exists():
        with contextlib.suppress(OSError):
            (MOUNT / "cgroup.subtree_control").write_text("+memory +pids")
        with contextlib.suppress(OSError):
            (MOUNT / "cgroup.subtree_control").write_text("+cpu")
        plans = [(MOUNT / name, {"memory.max": memory_bytes, "pids.max": processes})]
        optional = {"memory.swap.max": "0", "cpu.max": f"{quota} {PERIOD_US}"}
    else:
        plans = [
            (MOUNT / "memory" / name, {"memory.limit_in_bytes": memory_bytes}),
            (MOUNT / "pids" / name, {"pids.max": processes}),
        ]
        if (MOUNT / "cpu" / "cpu.cfs_quota_us").exists():
            plans.append((MOUNT / "cpu" / name, {}))
        optional = {
            "memory.memsw.limit_in_bytes": str(memory_bytes),
            "memory.kmem.tcp.limit_in_bytes": str(memory_bytes // OF_SOCKETS),
            "cpu.cfs_period_us": str(PERIOD_US),
            "cpu.cfs_quota_us": str(quota),
        }
    made = []
    try:
        for folder, limits in plans:
            folder.mkdir()
            made.append(folder)
            for file, value in limits.items():
                (folder / file).write_text(str(value))
            for file, text in optional.items():
                if (folder / file).exists():
                    with contextlib.suppress(OSError):
                        (folder / file).write_text(text)
    except OSError as error:
        Cgroup(tuple(made)).remove()
        if lack(error):
            raise
        return None
    return Cgroup(tuple(made))


def lacks() -> str:
    """Why this machine cannot limit the processes of a sandbox, and how to fix it; empty if it can.

    An ordinary user has a limit per user namespace (RLIMIT_NPROC), which does not apply to root.
    """
    if os.geteuid() != 0:
        return ""
    group = create(f"delm-try-{uuid.uuid4().hex}", memory_bytes=1 << 28, processes=16)
    if group is None:
        return (
            "as root, and without a control group (none can be made in /sys/fs/cgroup), nothing "
            "would bound the processes of a sandbox; run as an ordinary user"
        )
    group.remove()
    return ""


def left(name: str) -> Cgroup:
    """The group `name` that a dead process may have left."""
    folders = (MOUNT / name, *(MOUNT / kind / name for kind in ("memory", "pids", "cpu")))
    return Cgroup(tuple(folder for folder in folders if folder.is_dir()))
