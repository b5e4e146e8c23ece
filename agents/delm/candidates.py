"""What tasks and entries say of a trial's submissions and candidates. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.board.evidence import state_of
from harness.board.protocols import Entry, Task
from harness.board.vocabulary import EntryKind, ResultKey, TaskKind

OWN = (TaskKind.PATCH, TaskKind.REPAIR)  # kinds of task whose result is a patch


@dataclass(slots=True)
class SeatState:
    """The state of a seat, i.e. of one requested submission."""

    seat: str
    patch: str = ""
    entry: str = ""  # the label under which exactly this patch was admitted
    agent: str = ""
    reason: str = ""  # how its last conversation ended
    finished: bool = False
    built_on: str = ""  # labels of other seats' patches that it contains
    left_out: tuple[str, ...] = ()  # of its files, since no patch can hold them


def take(work: SeatState, task: Task) -> None:
    """Note in `work` what a finished task of its seat has left."""
    if task.result.get(ResultKey.PATCH):
        work.patch = str(task.result[ResultKey.PATCH])
        work.entry = str(task.result.get(ResultKey.ENTRY, ""))
        work.agent = task.holder
        built_on = [*work.built_on.split(), *task.result.get(ResultKey.BUILT_ON, ())]
        work.built_on = " ".join(dict.fromkeys(built_on))  # a repair goes on from what there was
        work.left_out = tuple(task.result.get(ResultKey.LEFT_OUT, ()))
    work.reason = str(task.result.get(ResultKey.REASON, ""))
    work.finished = work.reason == "finished"


def fails(entry: Entry, patch: str) -> bool:
    """Whether an entry is a failure of an admitted patch."""
    return entry.kind == EntryKind.FAIL and state_of(entry.evidence) == patch


def failures_of(patch: str, entries: Iterable[Entry]) -> list[str]:
    """The labels of the failures admitted against an admitted patch."""
    return [entry.label for entry in entries if fails(entry, patch)]


def seat_of(task: Task) -> str:
    """The seat that a task works for: its own label, what a repair mends, or nothing."""
    if task.kind not in OWN:
        return ""
    return task.label if task.kind == TaskKind.PATCH else task.subject


def authors_of(patch: Entry, tasks: Iterable[Task]) -> set[str]:
    """The authors of exactly this patch, and the agent that published it first."""
    own = [task for task in tasks if task.kind in OWN]
    same = {task.holder for task in own if task.result.get(ResultKey.ENTRY) == patch.label}
    return {patch.author, *same}
