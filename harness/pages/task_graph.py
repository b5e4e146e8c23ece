"""The tasks of a trial as a graph: who claimed each when, what it waited for, how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.board_replay import WAITING, board_after, board_steps
from harness.analysis.narrative import TrialRecord
from harness.analysis.task_history import TaskHistory, conversations_of, task_histories
from harness.board.records import TaskRow
from harness.board.vocabulary import ResultKey, TaskKind, TaskState
from harness.pages.trial_inside import TrialInside

MOST = 40  # boxes of one drawing; the table has every task
WIDE, HIGH, ACROSS, DOWN, EDGE = 196, 62, 74, 18, 12  # of boxes, between boxes, around all
LETTERS = 22  # of a line in a box
AFTER, RELEASED, ABOUT = "after", "released", "about"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the page shows it."""

    history: TaskHistory
    state: str
    conversations: Sequence[str]
    entries: Sequence[str]  # labels of what was found on it
    submission: int | None  # the id of the one that it made
    results: Sequence[tuple[str, str]]  # what finishing it left, besides its summary and patch

    @property
    def row(self) -> TaskRow:
        """Its row."""
        return self.history.task

    @property
    def summary(self) -> str:
        """What its agent said at the end, unchecked."""
        return str(self.row["result"].get(ResultKey.SUMMARY) or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A task with its place in the drawing, and the lines of text in it."""

    task: Task
    x: int
    y: int
    lines: Sequence[str]
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An arrow from one task to another. `kind`: `after`, `released` or `about`."""

    kind: str
    path: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGraph:
    """The drawing and the table."""

    tasks: Sequence[Task]
    boxes: Sequence[Box]
    edges: Sequence[Edge]
    kinds: Sequence[tuple[str, int]]  # the heads of the columns: kind, x
    entries: frozenset[str]  # the labels of the trial's entries
    width: int
    height: int
    wide: int = WIDE
    high: int = HIGH

    @property
    def labels(self) -> frozenset[str]:
        """The labels of its tasks."""
        return frozenset(task.row["label"] for task in self.tasks)

    @property
    def left_out(self) -> int:
        """How many tasks only the table has."""
        return len(self.tasks) - len(self.boxes)


def section(data: TrialInside) -> TaskGraph | None:
    """The tasks of a trial; None if it has no board."""
    return task_graph(data.record, list(data.messages))


def task_graph(record: TrialRecord, conversations: Sequence[str] = ()) -> TaskGraph | None:
    """The tasks of `record`; None if there are none. `conversations`: the names that it has."""
    if not record.tasks:
        return None
    tasks = _tasks(record, conversations)
    drawn = sorted(tasks[:MOST], key=lambda task: task.history.began)
    columns: dict[str, list[Task]] = {}
    for task in drawn:
        columns.setdefault(task.row["kind"], []).append(task)
    boxes = [
        _box(task, EDGE + column * (WIDE + ACROSS), EDGE + HIGH // 2 + row * (HIGH + DOWN))
        for column, mine in enumerate(columns.values())
        for row, task in enumerate(mine)
    ]
    places = {box.task.row["label"]: box for box in boxes}
    return TaskGraph(
        tasks=tasks,
        boxes=boxes,
        edges=[edge for task in tasks[:MOST] for edge in _edges(task, places, record)],
        entries=frozenset(entry["label"] for entry in record.entries),
        kinds=[(_cut(kind), EDGE + n * (WIDE + ACROSS)) for n, kind in enumerate(columns)],
        width=max(box.x for box in boxes) + WIDE + ACROSS // 2,
        height=max(box.y for box in boxes) + HIGH + EDGE,
    )


def _tasks(record: TrialRecord, conversations: Sequence[str]) -> list[Task]:
    histories = task_histories(record)
    standing = board_after(board_steps(record)).tasks
    named = conversations_of(record.tasks, conversations)
    made = {row["author"]: row["submission_id"] for row in record.submissions}
    found: dict[str, list[str]] = {}
    for entry in record.entries:
        found.setdefault(entry["task"], []).append(entry["label"])
    tasks = []
    for history in histories:
        row, label = history.task, history.task["label"]
        waits = label in standing and standing[label].state == WAITING
        tasks.append(
            Task(
                history=history,
                state=WAITING if waits and row["state"] == TaskState.OPEN else row["state"],
                conversations=named[label],
                entries=found.get(label, ()),
                submission=made.get(label),
                results=_results(row["result"]),
            )
        )
    return tasks


def _results(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What finishing a task left, in words."""
    found = []
    for key, words in _RESULTS.items():
        value = result.get(key)
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((words, text))
    if patch := result.get(ResultKey.PATCH):
        found.append(("patch", f"{str(patch).count(chr(10))} lines"))
    return found


def _box(task: Task, x: int, y: int) -> Box:
    row, history = task.row, task.history
    times = f" (claim {row['attempts']})" if row["attempts"] > 1 else ""
    who = f"{row['holder']}{times}" if row["holder"] else "nobody"
    last = history.claims[-1] if history.claims else None
    lines = [_cut(row["label"]), _cut(who), _between(history)]
    told = f"{row['label']}: {task.state}, {who}"
    if last:
        told += f", {_between(history)}"
    if history.lost:
        told += f", lease lost {history.lost} times" if history.lost > 1 else ", lease lost once"
    return Box(task=task, x=x, y=y, lines=lines, title=told)


def _between(history: TaskHistory) -> str:
    """When it was worked on."""
    if not history.claims:
        return "not claimed"
    until = history.claims[-1].until
    return f"{history.claims[0].began:.1f} – " + ("…" if until is None else f"{until:.1f} s")


def _edges(task: Task, places: Mapping[str, Box], record: TrialRecord) -> list[Edge]:
    label, released = task.row["label"], task.history.released
    there = places[label]
    edges = []
    for needed in task.row["after"]:
        if needed in places:
            early = needed in released
            told = f"{label} waits for {needed}"
            if early:
                told += f", released after {released[needed]:.1f} s, before its end"
            kind = RELEASED if early else AFTER
            edges.append(Edge(kind=kind, path=_path(places[needed], there), title=told))
    if task.row["kind"] == TaskKind.DECIDE:
        edges += _to_decide(label, task.row["after"], places, record)
    of = _task_of_subject(task.row["subject"], record)
    if of in places and of != label and of not in task.row["after"]:
        told = f"{label} is about {task.row['subject']}"
        edges.append(Edge(kind=ABOUT, path=_path(places[of], there), title=told))
    return edges


def _to_decide(
    label: str, after: Sequence[str], places: Mapping[str, Box], record: TrialRecord
) -> list[Edge]:
    """From each submission to the task that decides about them."""
    made = dict.fromkeys(row["author"] for row in record.submissions)
    return [
        Edge(
            kind=ABOUT,
            path=_path(places[author], places[label]),
            title=f"{label} is about the submission of {author}",
        )
        for author in made
        if author in places and author != label and author not in after
    ]


def _task_of_subject(subject: str, record: TrialRecord) -> str:
    """The task that a task is about: by its label, or by that of an entry found on it."""
    found = (entry["task"] for entry in record.entries if entry["label"] == subject)
    return next(found, subject)


def _path(a: Box, b: Box) -> str:
    """A curve from the side of one box to the facing side of another."""
    y1, y2 = a.y + HIGH // 2, b.y + HIGH // 2
    if a.x == b.x:
        x = a.x + WIDE
        return f"M{x} {y1} C{x + 30} {y1} {x + 30} {y2} {x} {y2}"
    forward = a.x < b.x
    x1, x2 = (a.x + WIDE, b.x) if forward else (a.x, b.x + WIDE)
    bend = ACROSS // 2 if forward else -ACROSS // 2
    return f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


_RESULTS: Mapping[str, str] = {
    ResultKey.REASON: "ended", ResultKey.ENTRY: "admitted as", ResultKey.COPY: "a copy of",
    ResultKey.EQUAL: "the same change as", ResultKey.BUILT_ON: "built on",
    ResultKey.LEFT_OUT: "not in the patch",
}  # fmt: skip
