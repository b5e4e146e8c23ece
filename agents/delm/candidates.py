"""What tasks and entries say of a trial's submissions and candidates. Pure functions."""

from collections.abc import Iterable, Mapping
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
    same: str = ""  # label of the PATCH of another seat that its own equals, or is a copy of
    copy_of: str = ""  # label of another seat's PATCH that it took over


def take(work: SeatState, task: Task) -> None:
    """Note in `work` what a finished task of its seat has left."""
    if task.result.get(ResultKey.PATCH):
        work.patch = str(task.result[ResultKey.PATCH])
        work.entry = str(task.result.get(ResultKey.ENTRY, ""))
        work.agent = task.holder
        built_on = [*work.built_on.split(), *task.result.get(ResultKey.BUILT_ON, ())]
        work.built_on = " ".join(dict.fromkeys(built_on))  # a repair goes on from what there was
        work.left_out = tuple(task.result.get(ResultKey.LEFT_OUT, ()))
        work.copy_of = str(task.result.get(ResultKey.COPY, ""))
        work.same = work.copy_of or str(task.result.get(ResultKey.EQUAL, ""))
    work.reason = str(task.result.get(ResultKey.REASON, ""))
    work.finished = work.reason == "finished"


def follow(works: Mapping[str, SeatState], tasks: Iterable[Task]) -> None:
    """Let seats whose candidate is another seat's, too, take over what that one was repaired to."""
    origins = {
        str(task.result[ResultKey.ENTRY]): seat_of(task)
        for task in tasks
        if task.kind in OWN
        and task.result.get(ResultKey.ENTRY)
        and not (task.result.get(ResultKey.EQUAL) or task.result.get(ResultKey.COPY))
    }
    for work in works.values():
        leader = works.get(origins.get(work.same, ""))
        if leader is None or leader is work or leader.entry in ("", work.same):
            continue
        work.patch, work.entry, work.copy_of = leader.patch, leader.entry, leader.entry


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
