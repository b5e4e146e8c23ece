"""One agent of a team: it claims tasks, works on each in a copy of its own, and finishes them."""

from collections.abc import Sequence

import anyio

from agents.board.task_loop import TaskLoop
from agents.delm.candidates import SeatState
from agents.delm.job import Job
from agents.delm.shipping import ready_to_ship
from agents.delm.team import DelmTrial
from agents.delm.workspaces import Carried, diff_of, has_candidate, new_workspace
from harness.board.protocols import Claim, Task
from harness.board.vocabulary import ResultKey, TaskKind
from harness.errors import EndpointRefused, ModelRefused, SandboxUnavailable
from harness.protocols import Sandbox


class Worker:
    """An agent of a team that solves an issue."""

    def __init__(self, team: DelmTrial, name: str) -> None:
        self.name = name
        self._team = team
        self._queue = team.queue
        self._carried: Carried | None = None

    async def live(self) -> None:
        """Claim and work until no task is left; see `TaskLoop.live`.

        What a provider refuses this agent for good ends the agent, and the trial with the last one.
        """
        task_loop = TaskLoop(
            self._team.trial, self.name, lease_s=self._team.options.lease_s, work=self._work
        )
        try:
            await task_loop.live()
            self._team.limits.append(task_loop.limit)
        except ModelRefused as refusal:
            if isinstance(refusal, EndpointRefused) or self._team.alive == 1:
                raise
        finally:
            self._team.alive -= 1
            with anyio.CancelScope(shield=True):
                await self._drop_carried()

    async def _work(self, claim: Claim) -> Claim | None:
        task = claim.task
        if task.kind == TaskKind.DECIDE and not await self._worth_a_thought(task):
            await self._queue.finish(claim, result={ResultKey.SUMMARY: "every submission is made"})
            await self._queue.close(by=self.name, reason="every submission is made")
            return None
        carried = await self._taken_up(task)
        workspace = carried.workspace if carried else await new_workspace(self._team, task)
        job = Job(self._team, claim, workspace, carried)
        try:
            following = await job.run()
            self._carried = job.carried()
        finally:
            if self._carried is None:
                with anyio.CancelScope(shield=True):
                    await self._rescue(task, workspace, await job.built_on())
                    await workspace.close()
        if task.kind == TaskKind.DECIDE and not await self._anything_open():
            await self._queue.close(by=self.name, reason="no more tasks")
        if self._team.options.ship and (seat := await ready_to_ship(self._team)):
            await self._ship(seat)
        return following

    async def _ship(self, seat: str) -> None:
        """End the trial with the patch of `seat`, unless another one has ended it already."""
        self._team.shipped = self._team.shipped or seat
        await self._queue.close(by=self.name, reason=f"{seat} passes every check")
        self._team.agents_scope.cancel()

    async def _taken_up(self, task: Task) -> Carried | None:
        """The agent's last conversation and copy, where `task` goes on with them."""
        carried = self._carried
        if (
            carried
            and carried.fits(task, most_tokens=self._team.options.carry_tokens)
            and await has_candidate(self._team, task, carried.workspace)
        ):
            self._carried = None
            return carried
        await self._drop_carried()
        return None

    async def _drop_carried(self) -> None:
        carried, self._carried = self._carried, None
        if carried is not None:
            await carried.workspace.close()

    async def _worth_a_thought(self, task: Task) -> bool:
        if self._team.options.apart:
            return False
        number = int(task.label.rpartition("-")[2])
        return number <= self._team.options.rounds and bool(await self._team.unsettled())

    async def _anything_open(self) -> bool:
        return any(task.state in {"open", "claimed"} for task in await self._queue.tasks())

    async def _rescue(self, task: Task, workspace: Sandbox, built_on: Sequence[str]) -> None:
        """Keep the current state of a patch when the work is interrupted."""
        if task.kind != TaskKind.PATCH:
            return
        try:
            with anyio.move_on_after(60):
                diff = await diff_of(workspace)
                if diff:
                    self._team.salvage[task.label] = SeatState(
                        seat=task.label, patch=diff, agent=self.name, built_on=" ".join(built_on)
                    )
        except SandboxUnavailable:
            return  # then there is nothing to keep
