"""Sandboxes without a daemon: one bubblewrap namespace each, on the instance's rebuilt environment.

Inside: the system and the environment read-only, a copy of the repository at /testbed, a /tmp and a
home of its own, no network, no other process, none of the host's variables. What it does not do:
bound the disk space that many files together take (one file is bounded), or hide which programs
the host has under /usr.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import anyio.abc
from anyio import to_thread

from harness.config import SandboxLimits
from harness.environments import Prepared
from harness.errors import SandboxUnavailable
from harness.sandbox import cgroup, namespace
from harness.sandbox.namespace import remove_tree, system_mounts, whatever_modes
from harness.sandbox.shell import BOOT, SUPERVISOR

__all__ = ["BubblewrapMachine", "sweep", "system_mounts"]

GONE_S = 5.0  # for what was killed


class BubblewrapMachine:
    """One bwrap process, its supervisor, and the folder that holds its writable files."""

    def __init__(
        self, prepared: Prepared, store: Path, limits: SandboxLimits, *, network: bool
    ) -> None:
        self._prepared = prepared
        self._store = store
        self._limits = limits
        self._network = network
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
    ) -> "BubblewrapMachine":
        """Start on the environment's own files, or on a copy of another machine's `files`."""
        machine = cls(prepared, store, limits, network=network)
        try:
            await machine._copy_files(files)
            await machine._spawn()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await machine.destroy()
            raise
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

    async def copy(self, *, untouched: bool) -> "BubblewrapMachine":
        """See `Machine.copy`."""
        if self._process is None or self._process.returncode is not None:
            raise SandboxUnavailable("the sandbox ended")
        return await BubblewrapMachine.start(
            self._prepared,
            self._store,
            self._limits,
            network=self._network,
            files=None if untouched else self._folder,
        )

    async def lend_git(self, folder: str) -> None:
        """See `Machine.lend_git`. `folder` is under /tmp."""
        (self._folder / "tmp").chmod(0o1777)
        target = self._folder / "tmp" / Path(folder).name
        await to_thread.run_sync(remove_tree, target)
        target.mkdir()
        await _copy(self._prepared.root / "testbed" / ".git", target / ".git")

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
        if self._group is not None:
            await to_thread.run_sync(self._group.remove)
        await to_thread.run_sync(remove_tree, self._folder)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _claim(self) -> None:
        """Make the folder, and lock it as long as this process lives."""
        self._store.mkdir(parents=True, exist_ok=True)
        with _locked(self._store):
            self._folder.mkdir(mode=0o700)
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    async def _copy_files(self, files: Path | None) -> None:
        await to_thread.run_sync(self._claim)
        if files is None:
            namespace.lay(self._folder)
            await _copy(self._prepared.root / "testbed", self._folder / "testbed")
            return
        parts = (namespace.ROOT_PART, namespace.NOTHING, *namespace.PARTS)
        await _copy(*(files / name for name in parts), self._folder)

    async def _spawn(self) -> None:
        self._group = cgroup.create(
            _group_name(self._folder),
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
            raise SandboxUnavailable("bubblewrap could not make its namespaces; see `delm doctor`")
        try:
            self._supervisor = os.pidfd_open(int(json.loads(report)["child-pid"]))
        except ProcessLookupError as error:
            raise SandboxUnavailable("bubblewrap ended at once; see `delm doctor`") from error
        await self.send(SUPERVISOR.encode())

    def _command(self, info: int) -> list[str]:
        procs = self._group.procs if self._group else ()
        join = "".join(f"echo $$ > {file} || exit; " for file in procs)
        words = ["/bin/sh", "-c", join + 'exec "$@"', "sh", shutil.which("bwrap") or "bwrap"]
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


def sweep(store: Path) -> int:
    """Remove what sandboxes of dead processes left in `store`; return how many there were."""
    if not store.is_dir():
        return 0
    dead = []
    with _locked(store):
        for folder in store.iterdir():
            with contextlib.suppress(OSError):  # gone, or not a folder
                lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                else:
                    dead.append((folder, lock))
    for folder, lock in dead:
        cgroup.left(_group_name(folder)).remove()
        remove_tree(folder)
        os.close(lock)
    return len(dead)


@contextlib.contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Between making a folder and locking it nobody sweeps."""
    lock = os.open(store, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _group_name(folder: Path) -> str:
    return f"delm-{folder.name[:16]}"


async def _copy(*paths: Path) -> None:
    """Copy all but the last path to, or into, the last."""
    done = await anyio.run_process(
        whatever_modes("cp", "-a", "--reflink=auto", "--", *paths), check=False
    )
    if done.returncode != 0:
        raise SandboxUnavailable(f"the files could not be copied: {done.stderr[-300:].decode()}")
