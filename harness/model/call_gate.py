"""What an agent's call passes before it is made, and its answer before the agent gets it."""

from typing import Protocol


class CallGate(Protocol):
    """The hand of a person on the calls of a trial: a pause, and the end of one agent."""

    async def enter(self, agent: str) -> None:
        """Wait while the run is paused. `AgentLimitReached`: a person has stopped the agent."""
        ...

    async def leave(self, agent: str) -> None:
        """The same for an answer, which is in the ledger already."""
        ...


class NoGate:
    """Nobody interferes."""

    async def enter(self, agent: str) -> None:
        """See `CallGate.enter`."""

    async def leave(self, agent: str) -> None:
        """See `CallGate.leave`."""
