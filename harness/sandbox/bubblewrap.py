"""Sandboxes without a daemon: one bubblewrap namespace each, on the instance's rebuilt environment.

Inside: the system and the environment read-only, the repository at /testbed, a /tmp and a
home of its own, no network, no other process, none of the host's variables. What it does not do:
bound the disk space that many files together take (one file is bounded), or hide which programs
the host has under /usr.
"""

import contextlib
import json
import os
import shutil
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import anyio.abc
from anyio import to_thread

from harness.config import SandboxLimits
from harness.environments import Prepared
from harness.errors import SandboxUnavailable
from harness.sandbox import cgroup, folders, namespace, overlay
from harness.sandbox.namespace import remove_tree, system_mounts, whatever_modes
from harness.sandbox.shell import BOOT, SUPERVISOR, Since
from harness.sandbox.undo import or_undo

__all__ = ["BubblewrapMachine", "system_mounts"]

GONE_S = 5.0  # for what was killed


class BubblewrapMachine:
    """One bwrap process, its supervisor, and the folder that holds its writable files."""

    def __init__(
        self,
        prepared: Prepared,
        store: Path,
        limits: SandboxLimits,
        *,
        network: bool,
        overlay: bool | None,
        labels: Mapping[str, str],
    ) -> None:
        self._prepared = prepared
        self._labels = labels
        self._store = store
        self._limits = limits
        self._network = network
        self._overlay = overlay
        self._folder = store / uuid.uuid4().hex
        self._lock = -1
        self._group: cgroup.Cgroup | None = None
        self._process: anyio.abc.Process | None = None
        self._supervisor = -1  # a pidfd: a process id could be another's by the time it is used

    @classmethod
    async def start(
        cls,
        prepared: Prepared,
        store: Path,
        limits: SandboxLimits,
        *,
        network: bool = False,
        files: Path | None = None,
        overlay: bool | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> "BubblewrapMachine":
        """Start on the environment's own files, or on a copy of another machine's `files`.

        `labels` say whose it is, for whoever finds its folder.
        `overlay`: whether /testbed is one or a copy; by default it is where it can be. A machine
        and the one with `files` are of the same kind.
        """
        machine = cls(
            prepared, store, limits, network=network, overlay=overlay, labels=labels or {}
        )
        async with or_undo(machine.destroy):
            await machine._lay_files(files)
            await machine._spawn()
        return machine

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
        if self._process is None or self._process.stdout is None:
            return b""
        try:
            return await self._process.stdout.receive(1 << 18)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return b""

    async def interrupt(self) -> None:
        """See `Machine.interrupt`."""
        if self._supervisor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._supervisor, signal.SIGUSR1)

    async def copy(self, since: Since) -> "BubblewrapMachine":
        """See `Machine.copy`."""
        if self._process is None or self._process.returncode is not None:
            raise SandboxUnavailable("the sandbox ended")
        return await BubblewrapMachine.start(
            self._prepared,
            self._store,
            self._limits,
            network=self._network,
            files=None if since == "image" else self._folder,
            overlay=self._overlay,
            labels=self._labels,
        )

    def memory_kills(self) -> int:
        """See `Machine.memory_kills`."""
        return self._group.kills() if self._group else 0

    async def lend_git(self, folder: str) -> None:
        """See `Machine.lend_git`. `folder` is under /tmp."""
        (self._folder / "tmp").chmod(0o1777)
        target = self._folder / "tmp" / Path(folder).name
        await to_thread.run_sync(remove_tree, target)
        target.mkdir()
        await _run(_copying(self._prepared.root / "testbed" / ".git", target / ".git"))

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
        if self._group is None or await to_thread.run_sync(self._group.remove):
            await to_thread.run_sync(remove_tree, self._folder)  # else `sweep` looks for both
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _lay_files(self, files: Path | None) -> None:
        self._lock = await to_thread.run_sync(folders.claim, self._folder, self._labels)
        below = self._prepared.root / "testbed"
        if self._overlay is None:
            self._overlay = await to_thread.run_sync(overlay.fits, self._store, below)
        if self._overlay:
            overlay.lay(self._folder, below)
        if files is None:
            namespace.lay(self._folder)
            if not self._overlay:
                await _run(_copying(below, self._folder / "testbed"))
            return
        parts = {namespace.ROOT_PART, namespace.NOTHING, *namespace.PARTS}
        if not self._overlay:
            await _run(_copying(*(files / name for name in parts), self._folder))
            return
        (self._folder / overlay.UPPER).rmdir()
        parts = parts - {overlay.MERGED} | {overlay.UPPER}
        await _run(overlay.copying(*(files / name for name in parts), self._folder))

    async def _spawn(self) -> None:
        self._group = cgroup.create(
            folders.group_name(self._folder),
            memory_bytes=self._limits.memory_mb << 20,
            processes=self._limits.processes,
            cpus=self._limits.cpus,
        )
        reading, writing = os.pipe()
        try:
            self._process = await anyio.open_process(
                self._command(writing),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={},
                start_new_session=True,
                pass_fds=(writing,),
            )
        except OSError as error:
            os.close(reading)
            raise SandboxUnavailable(f"bubblewrap did not start: {error}") from error
        finally:
            os.close(writing)
        with os.fdopen(reading) as pipe:
            report = await to_thread.run_sync(pipe.read)
        if not report:
            raise SandboxUnavailable(
                "bubblewrap could not make its namespaces; see `.venv/bin/delm doctor`"
            )
        try:
            self._supervisor = os.pidfd_open(int(json.loads(report)["child-pid"]))
        except ProcessLookupError as error:
            raise SandboxUnavailable(
                "bubblewrap ended at once; see `.venv/bin/delm doctor`"
            ) from error
        await self.send(SUPERVISOR.encode())

    def _command(self, info: int) -> list[str]:
        procs = self._group.procs if self._group else ()
        join = "".join(f"echo $$ > {file} || exit; " for file in procs)
        words = ["/bin/sh", "-c", join + 'exec "$@"', "sh", shutil.which("bwrap") or "bwrap"]
        words[4:4] = overlay.around(self._folder) if self._overlay else []
        words += [*namespace.isolation(network=self._network), "--info-fd", str(info)]
        words += namespace.mounts(self._folder, self._prepared, network=self._network)
        for name, value in (namespace.variables() | self._limit_variables()).items():
            words += ["--setenv", name, value]
        return [*words, "--chdir", "/testbed", "/bin/bash", "-c", BOOT]

    def _limit_variables(self) -> dict[str, str]:
        limits = {"DELM_FSIZE_KB": str(self._limits.file_mb << 10), "DELM_ACTIVATE": ""}
        if self._group is None:
            limits["DELM_DATA_KB"] = str(self._limits.memory_mb << 10)
            limits["DELM_PROCESSES"] = str(self._limits.processes)
        return limits


def _copying(*paths: Path) -> list[str]:
    """The command that copies all but the last path to, or into, the last."""
    return whatever_modes("cp", "-a", "--reflink=auto", "--", *paths)


async def _run(command: list[str]) -> None:
    done = await anyio.run_process(command, check=False)
    if done.returncode != 0:
        raise SandboxUnavailable(f"the files could not be copied: {done.stderr[-300:].decode()}")
