"""What a process does because of what people do to its run: it follows the rows of the store."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from harness.board.protocols import BoardRefused, Mark
from harness.board.records import Boards
from harness.board.vocabulary import MarkKind
from harness.model.run_clock import RunClock
from harness.runner.control import raised
from harness.runner.trial import LiveTrial
from harness.runner.trial_gate import CarriedMark
from harness.store.interventions import Action, Cap, InterventionRow, in_words
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial

LOOK_S = 0.2  # between two looks at what people have written
MARKS = {Action.PIN: MarkKind.PINNED, Action.VETO: MarkKind.VETOED}
OF_TRIAL = (Action.CANCEL, Action.STOP_AGENT, Action.RAISE, Action.PIN, Action.VETO)


class Told(Protocol):
    """What the process does when it is told."""

    def stop(self, why: str) -> None:
        """End, as after Ctrl-C."""
        ...

    def resize(self, workers: int) -> None:
        """Go on with so many workers."""
        ...

    def look_again(self) -> None:
        """See whether there is another trial to claim."""
        ...

    def say(self, line: str) -> None:
        """Show a line to whoever started the process."""
        ...


@dataclass(eq=False, slots=True)
class HeldTrial:
    """An attempt that this process works on."""

    row: ClaimedTrial
    scope: anyio.CancelScope
    live: LiveTrial | None = None  # once its system works on it
    agents: Collection[str] = ()  # of this process, where the trial is another one's
    elsewhere: set[str] = field(default_factory=set)  # agents that have joined from other processes
    cancel: InterventionRow | None = None
    early: list[InterventionRow] = field(default_factory=list)  # before there was a live one

    def has(self, agent: str) -> bool:
        """Whether an agent of the trial lives in this process."""
        return agent in self.agents if self.agents else agent not in self.elsewhere

    @property
    def cancelled(self) -> str:
        """Who cancelled it and why, in words; empty: nobody."""
        row = self.cancel
        return f"cancelled by {row['by']}: {row['reason']}" if row else ""


class Interventions:
    """The interventions of a run, as far as they concern this process."""

    def __init__(
        self,
        store: Store,
        boards: Boards,
        clock: RunClock,
        *,
        name: str,
        run_id: str,
        process: Told,
    ) -> None:
        """`name` is this process's among those that work on the run `run_id`."""
        self._store = store
        self._boards = boards
        self._clock = clock
        self._name = name
        self._resume = f"delm ctl {run_id} resume" if run_id else ""
        self._process = process
        self._seen = 0
        self._held: dict[int, HeldTrial] = {}

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Act on what people do during this block, from the state on in which they left the run."""
        await self._catch_up()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            yield
            tasks.cancel_scope.cancel()

    def hold(self, row: ClaimedTrial, agents: Collection[str] = ()) -> HeldTrial:
        """From now on this process works on an attempt, in its `scope`; `agents`: with these, which
        have joined it."""
        held = HeldTrial(row, anyio.CancelScope(), agents=agents)
        self._held[row["trial_id"]] = held
        return held

    async def begin(self, held: HeldTrial, live: LiveTrial) -> None:
        """Do to `live` what people have done to the attempts that it goes on from."""
        for row in await self._store.carried(held.row["trial_id"]):
            told = partial(self._store.note_applied, row["intervention_id"])
            why = f"{row['by']}: {row['reason']}"
            if row["action"] == Action.RAISE:
                await self._raise(live, row)
            elif row["action"] == Action.STOP_AGENT:
                live.gate.stop(row["target"], why, told, after=row["answers"])
            elif row["trial_id"] is not None:
                board = self._boards.of(row["trial_id"]).context
                entry = await board.entry(row["target"])
                if entry is not None:
                    mark = _mark(row)
                    live.gate.carry(
                        CarriedMark(after=row["answers"], key=entry.key, mark=mark, told=told)
                    )
        held.live = live
        early, held.early = held.early, []
        for each in early:
            await self._act(held, each)

    async def end(self, held: HeldTrial, state: str) -> None:
        """The attempt has ended in a state, which the store has."""
        del self._held[held.row["trial_id"]]
        if held.cancel is not None:
            done = "cancelled" if state == "cancelled" else f"too late: it was {state}"
            await self._store.note_applied(held.cancel["intervention_id"], done)
        if held.live is not None:
            await held.live.gate.close(f"too late: it was {state}")
        for row in held.early:
            await self._note(row, f"too late: it was {state}")

    # -- rows --------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        """Take the run as people left it, without doing anything twice."""
        last: dict[str, InterventionRow] = {}
        for row in await self._store.interventions():
            self._seen = row["intervention_id"]
            key = Action.PAUSE if row["action"] == Action.RESUME else row["action"]
            last[key] = row
            if row["action"] == Action.STOP and self._name in row["value"]:
                await self._apply(row)
        for key in (Action.PAUSE, Action.WORKERS):
            if key not in last:
                continue
            if last[key]["action"] != Action.RESUME:
                await self._apply(last[key])
            elif not last[key]["applied"]:
                await self._note(last[key], "calls go on")

    async def _follow(self) -> None:
        while True:
            await anyio.sleep(LOOK_S)
            for row in await self._store.interventions(after=self._seen):
                self._seen = row["intervention_id"]
                if row["action"] == Action.JOIN:
                    self._note_joined(row)
                else:
                    await self._apply(row)

    def _note_joined(self, row: InterventionRow) -> None:
        if (held := self._held.get(row["trial_id"] or 0)) is not None:
            held.elsewhere.update(row["target"].split())
            self._process.say(_line(row))

    async def _apply(self, row: InterventionRow) -> None:
        if row["action"] in OF_TRIAL:
            held = self._held.get(row["trial_id"] or 0)
            if held is not None:
                self._process.say(_line(row))
                await self._act(held, row)
            return
        if row["action"] == Action.STOP and self._name not in row["value"]:
            return
        self._process.say(_line(row))
        match row["action"]:
            case Action.PAUSE:
                self._clock.pause(holds=bool(row["value"]))
                answers = " and answers" if row["value"] else ""
                await self._note(row, f"calls{answers} are held")
                if self._resume:
                    self._process.say(f"it goes on after: {self._resume}")
            case Action.RESUME:
                self._clock.resume()
                await self._note(row, "calls go on")
            case Action.WORKERS:
                self._process.resize(int(row["value"]))
                await self._note(row, f"{row['value']} workers")
            case Action.STOP:
                await self._note(row, "the process ends")
                self._process.stop(_line(row))
            case Action.REQUEUE:
                self._process.look_again()

    async def _act(self, held: HeldTrial, row: InterventionRow) -> None:
        """Do what a person wants to an attempt."""
        if row["action"] == Action.CANCEL:
            held.cancel = row
            held.scope.cancel()
            return
        live = held.live
        if live is None:
            held.early.append(row)
            return
        match row["action"]:
            case Action.STOP_AGENT if held.has(row["target"]):
                why = f"{row['by']}: {row['reason']}"
                told = partial(self._store.note_applied, row["intervention_id"])
                live.gate.stop(row["target"], why, told)
            case Action.RAISE:
                await self._raise(live, row)
            case Action.PIN | Action.VETO:
                try:
                    await live.context.mark(_mark(row))
                except BoardRefused as refusal:
                    await self._note(row, str(refusal))
                else:
                    await self._note(row, f"{row['target']} is {MARKS[row['action']]}")

    async def _raise(self, live: LiveTrial, row: InterventionRow) -> None:
        live.raise_to(raised(live.limits, Cap(row["target"]), float(row["value"])))
        await self._note(row, f"the cap on {row['target']} is {row['value']:g}")

    async def _note(self, row: InterventionRow, outcome: str) -> None:
        await self._store.note_applied(row["intervention_id"], outcome)


def _mark(row: InterventionRow) -> Mark:
    kind = MARKS[row["action"]]
    return Mark(label=row["target"], kind=kind, by=row["by"], reason=row["reason"])


def _line(row: InterventionRow) -> str:
    return f"{row['by']} {in_words(row)}: {row['reason']}"
