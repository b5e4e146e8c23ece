"""The task loop of an agent on a board: claim, renew the lease, finish, decide."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from agents.loop import Ending
from agents.prompts import shortened
from harness.board.protocols import BoardRefused, Claim, LeaseLost, NewTask
from harness.board.vocabulary import ResultKey, TaskKind, TaskState, numbered_label
from harness.errors import AgentLimitReached, SandboxUnavailable, leaf
from harness.protocols import Trial
from harness.types import Activity

BAD_LUCK = 3  # sandboxes in a row that fail before an agent gives up
SUMMARY_CHARS = 20_000  # of what an agent says when it hands a task back
ENDED = (TaskState.DONE, TaskState.FAILED)
LAST = 0  # priority of the decision what to do with an empty queue


def result_of(ending: Ending) -> dict[str, Any]:
    """The result of a task after a conversation about it."""
    summary = shortened(ending.summary, SUMMARY_CHARS)
    return {ResultKey.SUMMARY: summary, ResultKey.REASON: ending.reason}


class TaskLoop:
    """An agent. It lives until the trial is over, or its budget.

    `work` does a claimed task and finishes it; it returns the agent's next claim, where finishing
    gave one. Where the queue is empty, one agent is given a task of the kind `decide`.
    """

    def __init__(
        self,
        trial: Trial,
        name: str,
        *,
        lease_s: float,
        work: Callable[[Claim], Awaitable[Claim | None]],
    ) -> None:
        self.name = name
        self._trial = trial
        self._queue = trial.queue
        self._lease_s = lease_s
        self._work = work
        self.limit = ""  # that ended the agent, if one of its own did

    async def live(self) -> None:
        """Claim and work until nothing is left to do.

        Raises what a trial cannot deal with; whatever happens, what was claimed is open again.
        """
        lease_s, unlucky = self._lease_s, 0
        claim: Claim | None = None
        await self._queue.join(self.name, lease_s=lease_s)
        try:
            while True:
                version = self._queue.version
                claim = claim or await self._queue.claim(self.name, lease_s=lease_s)
                if claim is None:
                    if await self._queue.closed():
                        return
                    if not await self._decide():
                        async with self._trial.doing(self.name, Activity.PEER):
                            await self._queue.wait(version, timeout_s=lease_s / 3)
                    continue
                held, claim = claim, None
                try:
                    claim = await self._hold(held)
                    unlucky = 0
                except SandboxUnavailable as failure:
                    unlucky += 1
                    await self._queue.release(held, reason=str(failure))
                    if unlucky == BAD_LUCK:
                        raise
                except AgentLimitReached as end:
                    self.limit = end.limit
                    return  # the others go on
        finally:
            with anyio.CancelScope(shield=True):
                await self._queue.leave(self.name)

    async def _decide(self) -> bool:
        """If the queue is empty, add a task to decide what to do; return whether this call added
        it."""
        if await self._queue.busy():
            return False
        tasks = await self._queue.tasks()
        number = sum(task.kind == TaskKind.DECIDE for task in tasks) + 1
        task = NewTask(
            kind=TaskKind.DECIDE,
            text="Decide whether something more is to be done.",
            label=numbered_label(TaskKind.DECIDE, number),
            priority=LAST,
        )
        try:
            return await self._queue.put_when_empty(task, by=self.name) is not None
        except BoardRefused:
            return False  # the trial was closed a moment ago

    async def _hold(self, claim: Claim) -> Claim | None:
        """Work on a claim while its lease is renewed; without the lease, drop everything.

        A task that is finished needs no lease for what its agent does then. The claim that follows,
        where handing this one back gave one.
        """
        following: Claim | None = None

        async def renew(scope: anyio.CancelScope) -> None:
            while True:
                await anyio.sleep(self._lease_s / 3)
                try:
                    await self._queue.renew(claim, lease_s=self._lease_s)
                except LeaseLost:
                    if not await self._has_finished(claim):
                        scope.cancel()
                    return

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(renew, group.cancel_scope)
                following = await self._work(claim)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            first = leaf(failures)
            if not isinstance(first, LeaseLost):
                raise first from None
        return following

    async def _has_finished(self, claim: Claim) -> bool:
        """Whether the task was finished under this claim."""
        (task,) = [t for t in await self._queue.tasks() if t.label == claim.task.label]
        return task.state in ENDED and task.attempts == claim.fence
