"""An agent's workspace: a fork of the instance, with the candidate that a task is about."""

import shlex
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from agents.board.session import BoardSession
from agents.delm.candidates import OWN, seat_of
from agents.delm.team import DelmTrial
from harness.board.evidence import Patch
from harness.board.protocols import Task
from harness.board.vocabulary import TaskKind
from harness.errors import SandboxError, SandboxLost
from harness.protocols import Sandbox
from harness.types import Message

CANDIDATE = "/tmp/candidate.patch"  # noqa: S108 - inside the sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What an agent that has finished a task may go on with: its conversation and its copy."""

    task: Task
    messages: Sequence[Message]
    tokens: int
    session: BoardSession
    workspace: Sandbox

    def fits(self, task: Task, *, most_tokens: int) -> bool:
        """Whether `task` goes on where this one ended, in a conversation that is short enough.

        A patch goes on from localizing, however long that was where the patch is made already; a
        repair goes on from the same seat's patch or repair.
        """
        if task.kind == TaskKind.PATCH and self.task.kind == TaskKind.LOCALIZE:
            return self.tokens <= most_tokens or bool(self.session.patch[0])
        if self.tokens > most_tokens:
            return False
        return task.kind == TaskKind.REPAIR and seat_of(self.task) == task.subject


async def diff_of(workspace: Sandbox) -> str:
    """What differs in a workspace; empty where that is too large or no text, and so no patch."""
    try:
        return await workspace.diff()
    except SandboxError:
        return ""


async def new_workspace(team: DelmTrial, task: Task) -> Sandbox:
    """A fork of the instance with the candidate applied that the task is about."""
    patch = await _candidate(team, task)
    async with AsyncExitStack() as undo:
        workspace = await team.pristine.fork()
        undo.push_async_callback(workspace.close)
        if patch:
            await _apply(workspace, patch)
        undo.pop_all()
    return workspace


async def has_candidate(team: DelmTrial, task: Task, workspace: Sandbox) -> bool:
    """Whether a workspace holds what one made for `task` would hold, where that is a repair: its
    seat may have taken over another patch than the one that was written there."""
    if task.kind != TaskKind.REPAIR:
        return True
    return await diff_of(workspace) == await _candidate(team, task)


async def _candidate(team: DelmTrial, task: Task) -> str:
    if task.kind == TaskKind.TEST:
        tested = await team.context.entry(task.subject)
        return tested.evidence.diff if tested and isinstance(tested.evidence, Patch) else ""
    if task.kind in OWN and task.kind != TaskKind.PATCH:
        return {work.seat: work.patch for work in await team.works()}.get(task.subject, "")
    return ""


async def _apply(workspace: Sandbox, patch: str) -> None:
    await workspace.write(CANDIDATE, patch.encode())
    path = shlex.quote(CANDIDATE)
    done = await workspace.exec(f"git apply --whitespace=nowarn {path} && rm {path}")
    if done.exit_status != 0:
        raise SandboxLost(f"the candidate does not apply: {done.output[-300:]}")
