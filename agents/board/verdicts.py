"""The proposals of one conversation, which are checked while their author goes on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from harness.board.protocols import Proposal, Ruling
from harness.errors import LimitReached, ModelError, SandboxUnavailable

Judge = Callable[[Sequence[Proposal]], Awaitable[Sequence[Ruling]]]
"""Rules on the proposals of one answer, in their order."""


@dataclass(slots=True)
class _Batch:
    """The proposals of one answer."""

    proposals: Sequence[Proposal]
    settled: anyio.Event = field(default_factory=anyio.Event)
    rulings: Sequence[Ruling] = ()
    error: Exception | None = None


class Verdicts:
    """Rulings that arrive later, in the order in which they were asked for.

    An answer's proposals are ruled on after those of the answer before: labels so do not depend on
    how long checks take, and a patch is held to the constraints that its author has published.
    The checks run in `group`, which has to outlive the conversation.
    """

    def __init__(self, judge: Judge, group: TaskGroup) -> None:
        self._judge = judge
        self._group = group
        self._answer: list[Proposal] = []
        self._batches: list[_Batch] = []
        self._last: _Batch | None = None  # that was started

    def put(self, proposal: Proposal) -> None:
        """Keep a proposal of the answer that is being carried out."""
        self._answer.append(proposal)

    def start(self) -> None:
        """Start checking what was put since the last time."""
        if self._answer:
            batch = _Batch(self._answer)
            self._answer = []
            self._batches.append(batch)
            self._group.start_soon(self._rule, batch, self._last)
            self._last = batch

    async def settled(self) -> list[tuple[Proposal, Ruling]]:
        """Wait for the rulings on everything that was started, each given once.

        Raises what checking raised: `SandboxUnavailable`, `ModelError`, `LimitReached`.
        """
        found: list[tuple[Proposal, Ruling]] = []
        while self._batches:
            batch = self._batches[0]
            await batch.settled.wait()
            self._batches.pop(0)
            if batch.error is not None:
                raise batch.error
            found += zip(batch.proposals, batch.rulings, strict=True)
        return found

    async def _rule(self, batch: _Batch, before: _Batch | None) -> None:
        if before is not None:
            await before.settled.wait()
        try:
            batch.rulings = await self._judge(batch.proposals)
        except (SandboxUnavailable, ModelError, LimitReached) as error:
            batch.error = error  # raised again where the agent asks for the rulings
        batch.settled.set()
