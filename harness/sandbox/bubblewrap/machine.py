"""Sandboxes without a daemon: one bubblewrap namespace each, on the instance's rebuilt environment.

Inside: the system and the environment read-only, the repository at /testbed, a /tmp and a
home of its own, no network, no other process, none of the host's variables. What it does not do:
hide which programs the host has under /usr.
"""

import contextlib
import json
import os
import shutil
import signal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import anyio.abc
from anyio import to_thread

from harness.config import SandboxLimits
from harness.environments.rebuild import Prepared
from harness.errors import SandboxUnavailable
from harness.no_space import full, lack, sandbox_unavailable
from harness.sandbox import disk_limits
from harness.sandbox.bubblewrap import cgroup, folders, namespace, overlay
from harness.sandbox.bubblewrap.confined_programs import program, remove_tree
from harness.sandbox.bubblewrap.disk_usage import removed, written
from harness.sandbox.bubblewrap.mount_points import make_mount_points
from harness.sandbox.bubblewrap.network import FILES, Network
from harness.sandbox.bubblewrap.overlay import OpenFolder, Place, Source
from harness.sandbox.cleanup import or_undo
from harness.sandbox.disk_watch import DiskWatch
from harness.sandbox.seccomp.syscalls import bubblewrap_filter
from harness.sandbox.shell import PERL, SHARES, STOP, Since, supervisor

__all__ = ["BubblewrapMachine", "missing_packages"]

GONE_S = 5.0  # for what was killed
END_S = 60.0  # for bwrap, after its PID 1 has ended
COPY_S = 300.0  # for the files of a fork


class BubblewrapMachine:
    """One bwrap process, its supervisor, and the folder at which its writable files are."""

    def __init__(
        self,
        prepared: Prepared,
        store: Path,
        limits: SandboxLimits,
        *,
        network: bool,
        place: Place,
        labels: Mapping[str, str],
    ) -> None:
        self._prepared = prepared
        self._labels = labels
        self._store = store
        self._limits = limits
        self._network = network
        self._place = place
        self._folder = store / uuid.uuid4().hex
        self._files: OpenFolder | None = None  # of the folder as the sandbox has it
        self._lock = -1
        self._report: int = -1  # what bwrap says of the supervisor
        self._group: cgroup.Cgroup | None = None
        self._process: anyio.abc.Process | None = None
        self._first = 0  # the supervisor's id
        self._watch: DiskWatch | None = None
        self._uplink: Network | None = None
        self._supervisor = -1  # a pidfd: a process id could be another's by the time it is used

    @classmethod
    async def start(
        cls,
        prepared: Prepared,
        store: Path,
        limits: SandboxLimits,
        *,
        network: bool = False,
        labels: Mapping[str, str] | None = None,
        place: Place | None = None,
    ) -> "BubblewrapMachine":
        """Start on the environment's own files.

        `labels` say whose it is, for whoever finds its folder. `place` is where its files are; by
        default the best that can be had.
        """
        with sandbox_unavailable():
            best = await to_thread.run_sync(overlay.place, store, prepared.root)
        machine = cls(
            prepared, store, limits, network=network, place=place or best, labels=labels or {}
        )
        await machine._start(None)
        return machine

    async def _start(self, source: Source | None) -> None:
        """Start on the environment's own files, or on a copy of another machine's."""
        with sandbox_unavailable():
            async with or_undo(self.destroy):
                await self._make(source)

    async def _make(self, source: Source | None) -> None:
        self._lock = await to_thread.run_sync(folders.claim, self._folder, self._labels)
        await self._begin(source or self._environment())
        await to_thread.run_sync(self._lay_files, source is not None)
        await self._go_on()

    async def send(self, data: bytes) -> None:
        """See `Machine.send`."""
        if self._process is None or self._process.stdin is None:
            raise SandboxUnavailable("the sandbox is closed")
        try:
            await self._process.stdin.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise SandboxUnavailable("the sandbox ended") from error

    async def receive(self) -> bytes:
        """See `Machine.receive`."""
        if self._watch is None:
            return await self._received()
        return await self._watch.receive(self._received, partial(self.send, STOP))

    async def _received(self) -> bytes:
        if self._process is None or self._process.stdout is None:
            return b""
        try:
            return await self._process.stdout.receive(1 << 18)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return b""

    async def outside_cause(self) -> str:
        """See `Machine.outside_cause`.

        bwrap itself is outside, where nothing inside reaches it: it ends by a signal where somebody
        of this machine sent one, and with an exit status where its PID 1 ended.
        """
        if self._process is None:
            return "it was closed"
        with anyio.move_on_after(GONE_S):
            await anyio.wait_readable(self._supervisor)  # it has ended
            with anyio.move_on_after(END_S, shield=True):
                if await self._process.wait() < 0:
                    return "bubblewrap was killed from outside"
        return "" if self._place == "memory" else full(self._store)

    async def copy(self, since: Since, *, used: bool) -> "BubblewrapMachine":
        """See `Machine.copy`. The supervisor is a program of the host, `used` or not."""
        del used
        if self._process is None or self._process.returncode is not None:
            raise SandboxUnavailable("the sandbox ended")
        twin = BubblewrapMachine(
            self._prepared,
            self._store,
            self._limits,
            network=self._network,
            place=self._place,
            labels=self._labels,
        )
        await twin._start(None if since == "image" else self._all_files())
        return twin

    def memory_kills(self) -> int:
        """See `Machine.memory_kills`."""
        return self._group.kills() if self._group else 0

    def disk_stops(self) -> int:
        """See `Machine.disk_stops`; where the files are in memory a command gets ENOSPC instead."""
        return self._watch.stops if self._watch else 0

    def _count(self) -> disk_limits.Size:
        """The bytes written, including deleted files that are still open."""
        seen = written([self._folder])
        if self._place == "copy":
            seen = seen.minus(_of_environment(self._prepared.root / "testbed"))
        return disk_limits.Size(bytes=seen.bytes + removed(self._first), inodes=seen.inodes)

    async def destroy(self) -> None:
        """See `Machine.destroy`."""
        process, self._process = self._process, None
        supervisor, self._supervisor = self._supervisor, -1
        if supervisor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(supervisor, signal.SIGKILL)
            with anyio.move_on_after(GONE_S):  # it takes every process inside with it
                await anyio.wait_readable(supervisor)
            os.close(supervisor)
        if process is not None:
            with anyio.move_on_after(GONE_S):
                await process.wait()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.aclose()
        uplink, self._uplink = self._uplink, None
        if uplink is not None:
            await uplink.close()
        files, self._files = self._files, None
        if files is not None:
            files.close()
        if self._report >= 0:
            os.close(self._report)
            self._report = -1
        with contextlib.suppress(OSError):  # what stays for lack of open files is for `sweep`, too
            if self._group is None or await to_thread.run_sync(self._group.remove):
                await to_thread.run_sync(remove_tree, self._folder)  # else `sweep` looks for both
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _environment(self) -> Source | None:
        """The folder of the environment to copy, or None."""
        if self._place != "copy":
            return None
        return Source(folder=self._prepared.root, names=("testbed",))

    def _all_files(self) -> Source:
        """What another machine is a copy of."""
        names = {namespace.ROOT_PART, namespace.NOTHING, *namespace.PARTS}
        if self._place != "copy":
            names = names - {"testbed"} | {overlay.UPPER}
        found = Source(folder=self._folder, names=tuple(sorted(names)))
        if self._place == "memory" and self._process:
            return replace(found, process=self._process.pid, inside=self._first)
        return found

    async def _begin(self, source: Source | None) -> None:
        """Have the process that becomes bwrap, in its control group, with the folder mounted.

        What is copied into that is copied by a process of the control group.
        """
        self._group = cgroup.create(
            folders.group_name(self._folder),
            memory_bytes=self._limits.memory_mb << 20,
            processes=self._limits.processes,
            cpus=self._limits.cpus,
        )
        with contextlib.ExitStack() as handed_on:
            self._report, writing = os.pipe()
            handed_on.callback(os.close, writing)
            rules = os.memfd_create("seccomp")
            handed_on.callback(os.close, rules)
            os.write(rules, bubblewrap_filter())
            os.lseek(rules, 0, os.SEEK_SET)
            command = self._command(writing, rules, source)
            self._process = await _opened(command, (writing, rules))
        said = b""
        with anyio.move_on_after(COPY_S):
            said = await self.receive()
        if said != b"\n":
            why = said.decode(errors="replace").strip()[-300:] or "no folder could be mounted"
            raise SandboxUnavailable(f"a sandbox got no files of its own: {why}")
        namespace.limit_core(self._process.pid)
        self._files = OpenFolder.of_process(self._process.pid)

    def _lay_files(self, copied: bool) -> None:
        """Create the files that are not copied, and the mount points."""
        assert self._files is not None
        mine = self._files.path
        if self._place != "copy":
            overlay.lay(mine, self._prepared.root, copied=copied)
        etc_files = namespace.ETC | (FILES if self._network else {})
        if not copied:
            namespace.lay(mine, etc_files)
        namespace.lay_fixed(mine, etc_files)
        make_mount_points(mine, self._prepared)

    async def _go_on(self) -> None:
        """Let bwrap run the supervisor on the prepared files."""
        await self.send(b"\n")
        report, self._report = self._report, -1
        with os.fdopen(report) as pipe:
            said = await to_thread.run_sync(pipe.read)
        if not said:
            raise SandboxUnavailable(
                "bubblewrap could not make its namespaces; see `.venv/bin/delm doctor`"
            )
        try:
            self._first = int(json.loads(said)["child-pid"])
            self._supervisor = os.pidfd_open(self._first)
        except ProcessLookupError as error:
            raise SandboxUnavailable(
                "bubblewrap ended at once; see `.venv/bin/delm doctor`"
            ) from error

        await namespace.limit_shared(self._first)
        if self._network:
            self._uplink = await Network.connect(self._first, self._joining(memory=True))
        if self._place != "memory":
            self._watch = DiskWatch(
                disk_limits.on_disk(self._limits),
                self._count,
                self._store,
            )

    def _joining(self, *, memory: bool = False) -> list[str]:
        """What runs a command that follows in the control group, with few open files.

        `memory`: and with no more memory of its own than the sandbox, control group or not.
        """
        procs = self._group.procs if self._group else ()
        join = "".join(f"echo $$ > {file} || exit; " for file in procs)
        limit = f"ulimit -n {self._limits.open_files} 2>/dev/null; "
        if memory:
            limit += f"ulimit -d {self._limits.memory_mb << 10} || exit; "
        return ["/bin/sh", "-c", join + limit + 'exec "$@"', "sh"]

    def _command(self, info: int, rules: int, source: Source | None) -> list[str]:
        size = disk_limits.in_memory(self._limits) if self._place == "memory" else None
        has_overlay = self._place != "copy"
        words = self._joining()
        words += overlay.around(self._folder, size=size, overlay=has_overlay, source=source)
        words += [program("bwrap"), *namespace.isolation()]
        words += ["--info-fd", str(info), "--seccomp", str(rules)]
        words += namespace.mounts(self._folder, self._prepared, overlay=has_overlay)
        for name, value in namespace.variables().items():
            words += ["--setenv", name, value]
        return [*words, *supervisor(self._options())]

    def _options(self) -> dict[str, int]:
        options = SHARES | {"fsize": self._limits.file_mb << 20}
        if self._group is None:
            options |= {"data": self._limits.memory_mb << 20, "processes": self._limits.processes}
        return options


def missing_packages() -> str:
    """Packages to install, as arguments for apt-get; empty if all are installed."""
    needed = {"bwrap": "bubblewrap", PERL: "perl-base"}
    return " ".join(package for name, package in needed.items() if not shutil.which(name))


@cache
def _of_environment(folder: Path) -> disk_limits.Size:
    return written([folder])


async def _opened(command: list[str], fds: Sequence[int]) -> anyio.abc.Process:
    """Start `command` with our `fds` and without our environment variables."""
    try:
        return await anyio.open_process(
            command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True,
            pass_fds=fds,
        )  # fmt: skip
    except OSError as error:
        told = lack(error) or str(error)
        raise SandboxUnavailable(f"bubblewrap did not start: {told}") from error
