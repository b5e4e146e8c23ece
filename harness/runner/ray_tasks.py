"""Place the processes of a run on a Ray cluster: one task a trial.

A task needs the processors and the memory of one sandbox, and a `sandbox` of its node: whoever
starts a node says how many of them it has room for (`ray start --resources='{"sandbox": 4}'`).
"""

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import ray

from harness.errors import UserError
from harness.terminal import one_line

RESOURCE = "sandbox"
RETRIES = 3  # of a task whose node is lost
REACHED_S = 10.0
AT_ONCE = 2_000  # tasks that Ray is given at a time


class RayTasks:
    """A `harness.runner.launchers.Launcher` on the cluster at `address`.

    `work` runs on a node, in a process of Ray's; what it imports has to be installed there.
    """

    def __init__(
        self, address: str, work: Callable[[], Any], *, cpus: float, memory_mb: int
    ) -> None:
        """`UserError`: the cluster cannot be reached, or no node of it has a `sandbox`."""
        try:
            _reach(address)
            ray.init(
                address or "auto", log_to_driver=False, configure_logging=False,
                ignore_reinit_error=True,
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError) as error:
            where = address or "this machine"
            raise UserError(
                f"there is no Ray cluster at {where} ({one_line(str(error))[:200]}); start one "
                "with `ray start --head`, or give its address with --ray-address"
            ) from None
        if ray.cluster_resources().get(RESOURCE, 0) < 1:
            ray.shutdown()
            raise UserError(
                "no node of the Ray cluster has a `sandbox`; start each with as many as it has "
                f"room for: ray start … --resources='{{\"{RESOURCE}\": 4}}'"
            )
        self._task = ray.remote(
            num_cpus=cpus, memory=memory_mb * 2**20, resources={RESOURCE: 1}, max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )(_in_task)  # fmt: skip
        self._work = work
        self._tasks: list[Any] = []
        self._later = 0

    def start(self, count: int) -> None:
        """See `Launcher.start`."""
        self._later += count

    def stop(self) -> None:
        """See `Launcher.stop`. What Ray has begins, sees why the run was stopped, and ends."""
        self._later = 0

    async def running(self) -> int:
        """See `Launcher.running`."""
        room = min(self._later, AT_ONCE - len(self._tasks))
        self._tasks += [self._task.remote(self._work) for _ in range(room)]
        self._later -= room
        ended, self._tasks = await anyio.to_thread.run_sync(self._wait)
        for task in ended:
            try:
                await anyio.to_thread.run_sync(ray.get, task)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, UserError):
                    raise UserError(f"on a node of the Ray cluster: {error.cause}") from None
                raise UserError(
                    f"a Ray task ended by an error: {one_line(str(error.cause))[:300]}"
                ) from None
            except ray.exceptions.RayError:
                continue  # its node or process is lost: what it had is taken over
        return len(self._tasks) + self._later

    def _wait(self) -> tuple[list[Any], list[Any]]:
        if not self._tasks:
            return [], []
        ended, others = ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0.2)
        return list(ended), list(others)

    async def aclose(self) -> None:
        """See `Launcher.aclose`."""
        for task in self._tasks:
            ray.cancel(task)
        await anyio.to_thread.run_sync(partial(ray.shutdown))


def _reach(address: str) -> None:
    """Raise `OSError` if nothing listens there, which Ray finds out in five minutes only."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        with socket.create_connection((host.strip("[]"), int(port)), REACHED_S):
            pass


def _in_task(work: Callable[[], Any]) -> Any:
    os.environ.setdefault("TERM", "dumb")
    # Ray takes uvloop's where that is installed, which starts no programs for other loops
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    return work()
