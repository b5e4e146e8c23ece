"""The board of a trial at each moment, for a slider.

The page holds everything that ever stands on the board, each with the steps between which it does;
the script hides what does not stand there at the moment that the slider shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.board_replay import Step, board_steps
from harness.analysis.narrative import TrialRecord
from harness.board.records import EntryRow, ProposalRow, TaskRow
from harness.pages.trial_inside import TrialInside


@dataclass(slots=True, kw_only=True)
class Held:
    """A state of a task, from one step on until another."""

    first: int
    state: str
    holder: str
    attempts: int
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTrack:
    """A task with its states. It appears with the first of them."""

    task: TaskRow
    states: Sequence[Held]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who read an entry first at which step, and how deep."""

    first: int
    agent: str
    conversation: str
    level: str


@dataclass(slots=True, kw_only=True)
class EntryTrack:
    """An entry, from its admission on, with its readers, and the steps from which on it is pinned
    or vetoed."""

    entry: EntryRow
    first: int
    readers: list[Reader] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalTrack:
    """A proposal while it is checked."""

    proposal: ProposalRow
    first: int
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReplay:
    """Steps are counted from 1; a thing is there from its `first` step until before `until`."""

    steps: Sequence[Step]
    tasks: Sequence[TaskTrack]
    entries: Sequence[EntryTrack]
    proposals: Sequence[ProposalTrack]

    @property
    def labels(self) -> frozenset[str]:
        """The labels of its entries."""
        return frozenset(track.entry["label"] for track in self.entries)

    @property
    def pending(self) -> int:
        """How many proposals are not settled at the end."""
        return sum(each.until is None for each in self.proposals)


def section(data: TrialInside) -> BoardReplay | None:
    """The board of a trial; None if it has none."""
    return board_replay(data.record)


def board_replay(record: TrialRecord) -> BoardReplay | None:
    """The board of `record`; None if it has none."""
    steps = board_steps(record)
    if not steps:
        return None
    return BoardReplay(
        steps=steps,
        tasks=_tasks(record, steps),
        entries=_entries(record, steps),
        proposals=_proposals(record, steps),
    )


def _tasks(record: TrialRecord, steps: Sequence[Step]) -> list[TaskTrack]:
    states: dict[str, list[Held]] = {}
    for number, step in enumerate(steps, start=1):
        for label, standing in step.tasks.items():
            mine = states.setdefault(label, [])
            if mine:
                mine[-1].until = number
            mine.append(
                Held(
                    first=number,
                    state=standing.state,
                    holder=standing.holder,
                    attempts=standing.attempts,
                )
            )
    known = (task for task in record.tasks if task["label"] in states)
    return [TaskTrack(task=task, states=states[task["label"]]) for task in known]


def _entries(record: TrialRecord, steps: Sequence[Step]) -> list[EntryTrack]:
    rows = {entry["label"]: entry for entry in record.entries}
    found: dict[str, EntryTrack] = {}
    for number, step in enumerate(steps, start=1):
        if step.admitted in rows:
            found[step.admitted] = EntryTrack(entry=rows[step.admitted], first=number)
        if step.marked in found:
            found[step.marked].marks.append((number, step.mark))
        for each in step.read:
            if each.label in found:
                found[each.label].readers.append(
                    Reader(
                        first=number,
                        agent=each.agent,
                        conversation=each.conversation,
                        level=each.level,
                    )
                )
    return list(found.values())


def _proposals(record: TrialRecord, steps: Sequence[Step]) -> list[ProposalTrack]:
    rows = {proposal["number"]: proposal for proposal in record.proposals}
    settled: Mapping[int, int] = {
        step.settled: number for number, step in enumerate(steps, start=1) if step.settled
    }
    return [
        ProposalTrack(proposal=rows[step.proposed], first=n, until=settled.get(step.proposed))
        for n, step in enumerate(steps, start=1)
        if step.proposed in rows
    ]
