"""What an opening says of the other tasks: who works on what, and what was reported."""

from collections.abc import Iterable, Sequence, Set

from agents.prompts import one_line
from harness.board.protocols import Task
from harness.board.vocabulary import ResultKey, TaskKind, TaskState

NAMED = 12  # tasks of one state
REPORTS, REPORT_CHARS = 8, 200


def at_work(tasks: Sequence[Task], own: str) -> str:
    """The tasks besides `own` that somebody works on, and those that wait, in one line; empty where
    there are none."""
    there = [task for task in tasks if task.label != own and task.kind != TaskKind.DECIDE]
    claimed = [task.label for task in there if task.state == TaskState.CLAIMED]
    waiting = [task.label for task in there if task.state == TaskState.OPEN]
    said = [("At work", claimed), ("Not begun", waiting)]
    return " ".join(f"{what}: {_listed(labels)}." for what, labels in said if labels)


def reports(tasks: Iterable[Task], told: Set[str]) -> dict[str, str]:
    """By label, what the tasks that finished last were finished with; without those in `told`."""
    said = {
        task.label: f"{task.label}: {one_line(str(task.result[ResultKey.REPORT]), REPORT_CHARS)}"
        for task in tasks
        if task.result.get(ResultKey.REPORT) and task.label not in told
    }
    return dict(list(said.items())[-REPORTS:])


def _listed(labels: Sequence[str]) -> str:
    more = len(labels) - NAMED
    return ", ".join(labels[:NAMED]) + (f" and {more} more" if more > 0 else "")
