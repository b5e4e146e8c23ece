"""The board of a trial after each of its changes, and who read what in between. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from harness.analysis.findings import agents_by_conversation, readers
from harness.analysis.narrative import TrialRecord, event_words
from harness.board.records import EventRow, ShownRow
from harness.board.vocabulary import EventKind, Level, LinkKind, TaskState

WAITING = "waiting"
"""In the place of `open`: a task that waits for another one, so that nobody may claim it yet."""
THE_BOARD = "the board"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStanding:
    """A task at one moment. `holder` has it claimed, or had it last; `attempts` is the number of
    its claims so far, the fencing token."""

    state: str
    holder: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One time that a conversation of an agent was first shown an entry at a level."""

    label: str
    agent: str
    conversation: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What changes with one event, or with the entries that one conversation is shown at once.

    `number` is that of the event, 0 for what is read. `seconds` count from the start of the trial.
    """

    number: int
    seconds: float
    words: str
    tasks: Mapping[str, TaskStanding] = field(default_factory=dict)  # those that change, by label
    proposed: int = 0  # the number of a proposal
    settled: int = 0
    admitted: str = ""  # the label of an entry
    read: Sequence[Reading] = ()
    marked: str = ""  # the label of an entry that a person has pinned or vetoed
    mark: str = ""  # a `MarkKind`


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The board at one moment."""

    tasks: Mapping[str, TaskStanding]
    pending: Sequence[int]  # proposals that are not settled
    entries: Sequence[str]
    read: Sequence[Reading]


def board_steps(record: TrialRecord) -> list[Step]:
    """Every change of a trial's board and every reading, in order of time."""
    if not record.events:
        return []
    began = record.zero
    told = _Told(record)
    # a clock may have been set back
    times = accumulate((max(0.0, event["at"] - began) for event in record.events), max)
    steps = [told.step(*each) for each in zip(record.events, times, strict=True)]
    steps += _readings(record, began)
    return sorted(steps, key=lambda step: step.seconds)  # stable: events first


def board_after(steps: Iterable[Step]) -> Board:
    """The board after these steps, which begin with the first."""
    tasks: dict[str, TaskStanding] = {}
    pending: dict[int, None] = {}
    entries: list[str] = []
    read: list[Reading] = []
    for step in steps:
        tasks |= step.tasks
        if step.proposed:
            pending[step.proposed] = None
        pending.pop(step.settled, None)
        entries += [step.admitted] if step.admitted else []
        read += step.read
    return Board(tasks=tasks, pending=list(pending), entries=entries, read=read)


class _Told:
    """The steps of events, which have to be asked for in order."""

    def __init__(self, record: TrialRecord) -> None:
        self._record = record
        self._standing: dict[str, TaskStanding] = {}
        self._waits = {task["label"]: set(task["after"]) for task in record.tasks}

    def step(self, event: EventRow, seconds: float) -> Step:
        """The step of the next event."""
        what, subject, detail = event["what"], event["subject"], event["detail"]
        number = _number(detail.get("proposal", subject))
        return Step(
            number=event["number"],
            seconds=seconds,
            words=event_words(event, self._record) or _plain_words(event),
            tasks=self._changes(event),
            proposed=number if what == EventKind.PROPOSED else 0,
            settled=number if what in _SETTLES else 0,
            admitted=subject if what == EventKind.ADMITTED else "",
            marked=subject if what in _MARKS else "",
            mark=what if what in _MARKS else "",
        )

    def _changes(self, event: EventRow) -> dict[str, TaskStanding]:
        what, label = event["what"], event["subject"]
        if what == EventKind.UNBLOCKED:
            return self._met(str(event["detail"].get("needed", "")), [label])
        state = _STATES.get(what)
        if state is None:
            return {}
        before = self._standing.get(label, TaskStanding(state=state))
        if state == TaskState.OPEN and self._waits.get(label):
            state = WAITING
        after = replace(before, state=state)
        if what == EventKind.CLAIMED:
            fence = event["detail"].get("fence", before.attempts + 1)
            after = replace(after, holder=event["actor"], attempts=fence)
        self._standing[label] = after
        changes = {label: after}
        if what == EventKind.DONE:
            changes |= self._met(label, self._waits)
        return changes

    def _met(self, needed: str, labels: Iterable[str]) -> dict[str, TaskStanding]:
        """The tasks among `labels` that wait for nothing more, since `needed` is there."""
        changes: dict[str, TaskStanding] = {}
        for label in labels:
            waits, before = self._waits.get(label, set()), self._standing.get(label)
            waits.discard(needed)
            if before and before.state == WAITING and not waits:
                changes[label] = replace(before, state=TaskState.OPEN)
        self._standing |= changes
        return changes


def _readings(record: TrialRecord, began: float) -> list[Step]:
    """What was shown outside the work that found it, one step a conversation, time and level."""
    speakers = agents_by_conversation(record.calls)
    shown: dict[str, list[ShownRow]] = {}
    for row in record.shown:
        shown.setdefault(row["label"], []).append(row)
    seen: dict[tuple[float, str, str], list[Reading]] = {}
    for entry in record.entries:
        for row in readers(entry, shown.get(entry["label"], ()), speakers):
            reading = Reading(
                label=row["label"],
                agent=row["agent"],
                conversation=row["conversation"],
                level=row["level"],
            )
            seen.setdefault((row["at"], row["conversation"], row["level"]), []).append(reading)
    steps = []
    for (at, conversation, level), read in sorted(seen.items()):
        labels = ", ".join(each.label for each in read)
        words = f"{read[0].agent} {_READS[level]} {labels} in {conversation}"
        steps.append(Step(number=0, seconds=max(0.0, at - began), words=words, read=read))
    return steps


def _plain_words(event: EventRow) -> str:
    """An event that a story leaves out, in words."""
    actor, subject, detail = event["actor"] or THE_BOARD, event["subject"], event["detail"]
    match event["what"]:
        case EventKind.PUT:
            return f"{actor} adds {subject}"
        case EventKind.PROPOSED:
            kind, task = detail.get("kind", "a finding"), detail.get("task", "")
            return f"{actor} proposes {kind}" + (f" on {task}" if task else "")
        case EventKind.LINKED:
            return f"{detail.get('source')} {detail.get('kind', LinkKind.CITES)} {subject}"
        case EventKind.JOINED:
            return f"{actor} joins"
        case EventKind.LEFT:
            return f"{actor} leaves"
    return " ".join(word for word in (actor, str(event["what"]), subject) if word)


def _number(value: object) -> int:
    """The number of a proposal; 0 for what is none."""
    text = str(value)
    return int(text) if text.isdecimal() else 0


_READS: Mapping[str, str] = {
    Level.GIST: "reads", Level.SUMMARY: "unfolds the summary of",
    Level.RAW: "unfolds the raw text of",
}  # fmt: skip
_STATES: Mapping[str, str] = {
    EventKind.PUT: TaskState.OPEN, EventKind.CLAIMED: TaskState.CLAIMED,
    EventKind.LOST: TaskState.OPEN, EventKind.RELEASED: TaskState.OPEN,
    EventKind.DONE: TaskState.DONE, EventKind.FAILED: TaskState.FAILED,
    EventKind.CANCELLED: TaskState.CANCELLED,
}  # fmt: skip
_MARKS = frozenset({EventKind.PINNED, EventKind.VETOED})
_SETTLES = frozenset({EventKind.ADMITTED, EventKind.MERGED, EventKind.REJECTED})
