"""What people do to the agents of a trial: a pause, the end of one agent, marks on its entries."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from harness.board.protocols import Mark, SharedContext
from harness.errors import AgentLimitReached
from harness.model.run_clock import RunClock
from harness.store.protocol import Store
from harness.text.counted import counted
from harness.text.timestamps import now
from harness.types import Activity

STOPPED = "agent_stopped"
"""The `LimitReached.limit` of an agent that a person has stopped."""
LEAST_S = 0.001  # what takes less is no wait
Told = Callable[[str], Awaitable[None]]
"""Is told, once, what came of an intervention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stop:
    """An agent ends when it has had so many answers."""

    after: int
    why: str
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedMark:
    """A mark of an earlier attempt: made again once the trial has had as many answers as then, on
    the entry with that key."""

    after: int
    key: str
    mark: Mark
    told: Told


class TrialGate:
    """A `harness.model.call_gate.CallGate` for one running trial."""

    def __init__(
        self, store: Store, clock: RunClock, trial_id: int, context: SharedContext
    ) -> None:
        self._store = store
        self._clock = clock
        self._trial_id = trial_id
        self._context = context
        self._answers: Counter[str] = Counter()  # by agent
        self._stops: dict[str, _Stop] = {}
        self._marks: list[CarriedMark] = []

    def stop(self, agent: str, why: str, told: Told, *, after: int = 0) -> None:
        """End `agent` at its next call, or with the answer that it waits for; `after`: not before
        it has had so many answers."""
        self._stops[agent] = _Stop(after=after, why=why, told=told)
        self._clock.tell()

    def carry(self, mark: CarriedMark) -> None:
        """Make a mark of an earlier attempt again when its moment comes."""
        self._marks.append(mark)

    async def close(self, outcome: str) -> None:
        """Say what came of what was not done, since the trial has ended."""
        for stop in self._stops.values():
            await stop.told(outcome)

    async def enter(self, agent: str) -> None:
        """See `CallGate.enter`."""
        await self._wait(agent, lambda: self._clock.paused)
        await self._end(agent)

    async def leave(self, agent: str) -> None:
        """See `CallGate.leave`."""
        await self.answered(agent)
        await self._wait(agent, lambda: self._clock.holds)
        await self._end(agent)

    async def answered(self, agent: str) -> None:
        """Count an answer of `agent`, and make the marks that are due."""
        self._answers[agent] += 1
        for mark in self._marks or ():
            if self._answers.total() >= mark.after:
                await self._mark(mark)

    async def _mark(self, carried: CarriedMark) -> None:
        for entry in await self._context.entries():
            if entry.key == carried.key:
                mark = carried.mark
                again = Mark(label=entry.label, kind=mark.kind, by=mark.by, reason=mark.reason)
                self._marks = [each for each in self._marks if each is not carried]
                await self._context.mark(again)
                await carried.told(f"{entry.label} {mark.kind} again in trial {self._trial_id}")
                return

    async def pause(self, agent: str, held: Callable[[], bool]) -> None:
        """Wait as long as calls, or answers, are `held`, whatever becomes of the agent."""
        await self._wait(agent, held, ends=False)

    async def _wait(self, agent: str, held: Callable[[], bool], *, ends: bool = True) -> None:
        if not held():
            return
        at, began = now(), anyio.current_time()
        try:
            while held():
                if ends:
                    await self._end(agent)
                await self._clock.changed()
        finally:
            seconds = anyio.current_time() - began
            if agent and seconds >= LEAST_S:
                with anyio.CancelScope(shield=True):
                    await self._store.note_span(
                        self._trial_id,
                        agent=agent,
                        what=Activity.PAUSED,
                        started_at=at,
                        seconds=seconds,
                    )

    async def _end(self, agent: str) -> None:
        stop = self._stops.get(agent)
        if stop is not None and self._answers[agent] >= stop.after:
            await stop.told(f"{agent} ended after {counted(self._answers[agent], 'answer')}")
            raise AgentLimitReached(STOPPED, f"{STOPPED}: {stop.why}")


class VerifierGate:
    """The gate of conversations that compare an agent's findings with their evidence: they are
    paused, and end with what they are for."""

    def __init__(self, gate: TrialGate, clock: RunClock) -> None:
        self._gate = gate
        self._clock = clock

    async def enter(self, agent: str) -> None:
        """See `CallGate.enter`."""
        await self._gate.pause(agent, lambda: self._clock.paused)

    async def leave(self, agent: str) -> None:
        """See `CallGate.leave`."""
        await self._gate.answered(agent)
        await self._gate.pause(agent, lambda: self._clock.holds)
