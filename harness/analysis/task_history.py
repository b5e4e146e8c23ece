"""Who claimed each task of a board when, and how each claim ended. Pure functions over rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.narrative import TrialRecord
from harness.board.records import EventRow, TaskRow
from harness.board.vocabulary import EventKind, task_of


@dataclass(slots=True, kw_only=True)
class TaskClaim:
    """One claim of a task. Times are seconds since the trial began.

    `fence` is its number, the fencing token; `ended` the kind of the event that ended it, empty
    while it holds.
    """

    agent: str
    fence: int
    began: float
    ended: str = ""
    until: float | None = None
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class TaskHistory:
    """A task with its claims in order. `put` is when it was added, None where no event tells it;
    `released` are the tasks whose end it did not wait for any longer, with the time."""

    task: TaskRow
    put: float | None = None
    claims: list[TaskClaim] = field(default_factory=list)
    released: dict[str, float] = field(default_factory=dict)

    @property
    def began(self) -> float:
        """When it was claimed first; where it never was, when it was added."""
        return self.claims[0].began if self.claims else self.put or 0.0

    @property
    def lost(self) -> int:
        """How many of its claims were lost, because their lease ran out."""
        return sum(claim.ended == EventKind.LOST for claim in self.claims)


def task_histories(record: TrialRecord) -> list[TaskHistory]:
    """The history of each task, in the order in which they were added."""
    found = {task["label"]: TaskHistory(task=task) for task in record.tasks}
    began = record.zero
    for event in record.events:
        history = found.get(event["subject"])
        if history:
            _note(history, event, max(0.0, event["at"] - began))
    return list(found.values())


def _note(history: TaskHistory, event: EventRow, seconds: float) -> None:
    what, detail = event["what"], event["detail"]
    if what == EventKind.PUT:
        history.put = seconds
    elif what == EventKind.UNBLOCKED:
        history.released[str(detail.get("needed", ""))] = seconds
    elif what == EventKind.CLAIMED:
        fence = detail.get("fence", len(history.claims) + 1)
        history.claims.append(TaskClaim(agent=event["actor"], fence=fence, began=seconds))
    elif what in _ENDS and history.claims and not history.claims[-1].ended:
        claim = history.claims[-1]
        claim.ended, claim.until = str(what), seconds
        claim.reason = str(detail.get("reason") or "")


def conversations_of(tasks: Sequence[TaskRow], names: Sequence[str]) -> Mapping[str, list[str]]:
    """The conversations about each task, by its label."""
    found: dict[str, list[str]] = {task["label"]: [] for task in tasks}
    for name in names:
        if (mine := found.get(task_of(name))) is not None:
            mine.append(name)
    return found


_ENDS = frozenset(
    {
        EventKind.DONE, EventKind.FAILED, EventKind.LOST, EventKind.RELEASED, EventKind.CANCELLED,
    }
)  # fmt: skip
