"""Agents that join a trial from another process than the one that has it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from harness.store.rows import ClaimedTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTrial:
    """A running trial of another process, and the agents that joined it."""

    row: ClaimedTrial
    owner: str  # the process that has it
    agents: Sequence[str]  # their names, which nobody else in the trial has
    seconds: float  # since it began
    moments: int  # the last of its calls' beginnings and ends


@runtime_checkable
class JoinableStore(Protocol):
    """A store whose trials can have agents in several processes, on any machines.

    Its `begin_call` then holds all of them to the limits of the trial (`NewCall.limits`).
    """

    async def join_trial(
        self, trial_id: int, agents: int, *, by: str, name: Callable[[int], str]
    ) -> JoinedTrial:
        """Add so many agents of this process to a trial, as an intervention of the person `by`:
        the trial has more agents than its system says. `name` gives that of an agent's number.

        `StoreConflict`: no process runs it."""
        ...

    async def goes_on(self, joined: JoinedTrial) -> bool:
        """Whether the process that had a trial still runs it."""
        ...
