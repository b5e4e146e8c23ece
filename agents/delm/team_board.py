"""The board of a team, as the rules of the trial read it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from agents.delm.candidates import OWN, SeatState, follow, seat_of, take
from agents.delm.cross_checks import diff_of
from agents.delm.options import DelmOptions
from agents.vetoes import vetoed
from harness.board.evidence import Patch
from harness.board.protocols import Entry, NewTask, SharedContext, Task, TaskQueue
from harness.board.vocabulary import LinkKind, TaskKind, TaskState, numbered_label
from harness.protocols import Trial

PRIORITIES = {
    TaskKind.LOCALIZE: 30,
    TaskKind.REPAIR: 25,
    TaskKind.TEST: 20,
    TaskKind.PATCH: 10,
    TaskKind.DECIDE: 0,
}
ELSE = 15  # the priority of other tasks


class TeamBoard:
    """Its queue, its context, and what they say of the seats."""

    def __init__(self, trial: Trial, options: DelmOptions) -> None:
        self.trial = trial
        self.options = options
        self.queue: TaskQueue = trial.queue
        self.context: SharedContext = trial.context
        self.seats = tuple(numbered_label(TaskKind.PATCH, n + 1) for n in range(trial.agents))
        self.alive = trial.agents  # agents that have not ended
        self.limits: list[str] = []  # by which those that have ended did; empty: by none
        self._entries: list[Entry] = []
        self.salvage: dict[str, SeatState] = {}  # by seat, where its work was interrupted

    def new_task(self, kind: TaskKind, text: str, **more: Any) -> NewTask:
        """A task with the priority of its kind."""
        return NewTask(kind=kind, text=text, priority=PRIORITIES.get(kind, ELSE), **more)

    async def standing(self) -> list[Entry]:
        """The entries that no admitted entry refutes and no person has vetoed, in order."""
        links = await self.context.links()
        refuted = {link.target for link in links if link.kind == LinkKind.REFUTES}
        refuted |= (await vetoed(self.context)).keys()
        return [entry for entry in await self.entries() if entry.label not in refuted]

    async def entries(self) -> Sequence[Entry]:
        """All entries, in order: each is read once and shared by all who ask, as none changes."""
        for entry in await self.context.entries(after=self._position()):
            if entry.position > self._position():  # another one may have read it meanwhile
                self._entries.append(entry)
        return self._entries

    def _position(self) -> int:
        return self._entries[-1].position if self._entries else 0

    async def of_others(self, labels: Iterable[str], task: Task) -> list[str]:
        """Those of the PATCHes `labels` that are the work of another seat than that of `task`."""
        tasks = {each.label: each for each in await self.queue.tasks()}
        found = []
        for label in labels:
            entry = await self.context.entry(label)
            author = tasks.get(entry.task) if entry else None
            if author is None or seat_of(author) != seat_of(task):
                found.append(label)
        return found

    async def works(self) -> list[SeatState]:
        """The last finished patch of each seat."""
        tasks = await self.queue.tasks()
        works = {seat: SeatState(seat=seat) for seat in self.seats}
        for task in tasks:
            seat = task.subject if task.kind == TaskKind.REPAIR else task.label
            if task.kind in OWN and task.state == TaskState.DONE and seat in works:
                take(works[seat], task)
        follow(works, tasks)
        for seat, left in self.salvage.items():
            if not works[seat].patch:
                works[seat] = replace(
                    works[seat], patch=left.patch, agent=left.agent, built_on=left.built_on
                )
        return list(works.values())

    async def last_works(self) -> list[SeatState]:
        """As `works`; a seat that finished none has the patch that was interrupted, or, where that
        was lost with its sandbox, the last one of the seat that was admitted and stands.
        """
        seats = {task.label: seat_of(task) for task in await self.queue.tasks()}
        admitted = [entry for entry in await self.standing() if isinstance(entry.evidence, Patch)]
        works = await self.works()
        for work in works:
            own = [entry for entry in admitted if seats.get(entry.task) == work.seat]
            if own and not (work.patch or work.finished):
                work.patch, work.agent = diff_of(own[-1]), own[-1].author
            if work.patch and not work.entry:
                same = [entry.label for entry in admitted if diff_of(entry) == work.patch]
                work.entry = same[-1] if same else ""
        return works
