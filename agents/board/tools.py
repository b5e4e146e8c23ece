"""The tools of the board for an agent that works in a copy of the repository."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence

from agents.board.session import BoardSession, line_of
from agents.board.shown import found
from agents.prompts import enclosed, shortened
from agents.tools import Arguments, BadCall, Finished, Tool
from harness.board.evidence import ATTACHED, Command, Patch, Span
from harness.board.protocols import BoardRefused, Entry, NewTask
from harness.board.vocabulary import Level, TaskKind, ToolName

ADDED_KIND = re.compile(r"[a-z][a-z0-9-]{1,30}")  # of a task that an agent adds
RESERVED = (TaskKind.LOCALIZE, TaskKind.PATCH, TaskKind.REPAIR, TaskKind.DECIDE)
"""Kinds of task that only the board's own rules make."""
ADDS = 4  # tasks that one agent adds on one task
TASK_CHARS = 4_000
FOUND = 10  # entries that one search shows
UNFOLDED = 16_000  # characters of one entry, as of a command's output


def level_of(arguments: Arguments) -> Level:
    """The level to unfold. Raises `BadCall` for an unknown one."""
    level = arguments["level"] or Level.SUMMARY
    if level not in {Level.SUMMARY, Level.RAW}:
        raise BadCall(f"The level is summary or raw, not {level!r}.")
    return Level(level)


def unfold(session: BoardSession) -> Tool:
    """Show the summary or raw evidence of a label."""

    async def act(arguments: Arguments) -> str:
        entry, level = await session.entry(arguments["label"].strip()), level_of(arguments)
        session.known.add(entry.label)
        await session.context.note_shown(session.conversation, [entry.label], level)
        text = entry.raw if level == Level.RAW else f"{entry.summary}\n\n{_evidence(entry)}"
        return enclosed("entry", f"{line_of(entry)}\n\n{shortened(text, UNFOLDED)}\n")

    return Tool(
        name=ToolName.UNFOLD,
        description="Show what is behind a label.",
        parameters={"label": ""},
        optional={"level": "raw: the whole output or diff"},
        act=act,
        activity=None,
    )


def search(session: BoardSession) -> Tool:
    """Find entries by words of their gists and summaries."""

    async def act(arguments: Arguments) -> str:
        entries = [entry for entry in await session.context.entries() if session.sees(entry)]
        hits = found(entries, arguments["words"])
        if not hits:
            return f"None of the {len(entries)} entries has any of these words."
        labels = [entry.label for entry in hits[:FOUND]]
        session.known.update(labels)
        await session.context.note_shown(session.conversation, labels, Level.GIST)
        lines = [line_of(entry) for entry in hits[:FOUND]]
        if len(hits) > FOUND:
            lines.append(f"{len(hits) - FOUND} more have one of these words.")
        return enclosed("entries", "\n".join(lines))

    return Tool(
        name=ToolName.SEARCH,
        description="Find findings by words.",
        parameters={"words": ""},
        act=act,
        activity=None,
    )


def add_task(session: BoardSession, seats: Sequence[str] = ()) -> Tool:
    """Put a task into the queue, for anybody; a `repair` only about one of `seats`."""

    async def act(arguments: Arguments) -> str:
        kind, text = arguments["kind"].strip().lower(), arguments["text"].strip()
        about = arguments["about"].strip()
        repair = kind == TaskKind.REPAIR and bool(seats)
        if repair and about not in seats:
            raise BadCall(f"A repair is about one of {', '.join(seats)}, not {about!r}.")
        if not ADDED_KIND.fullmatch(kind) or (kind in RESERVED and not repair):
            raise BadCall(
                f"{kind!r} cannot be the kind of a task that you add; take a word such as test or "
                "investigate."
            )
        after = tuple(re.findall(r"[\w-]+", arguments["after"]))
        new = NewTask(kind=kind, text=text, subject=about, after=after)
        return await put_task(session, new, most=ADDS)

    return Tool(
        name=ToolName.ADD_TASK,
        description="Add a task for whoever is free.",
        parameters={"kind": "One word", "text": "Complete in itself"},
        optional={"about": "Label", "after": "Labels of what comes before"},
        act=act,
        activity=None,
    )


async def put_task(session: BoardSession, new: NewTask, *, most: int) -> str:
    """Put a task that an agent asks for into the queue, and say so; `most` on one task of its own.

    `BadCall` says why it was not added.
    """
    if not new.text or len(new.text) > TASK_CHARS:
        raise BadCall(f"The text of a task has 1 to {TASK_CHARS} characters.")
    if session.added >= most:
        raise BadCall(f"You have added {most} tasks on this one, which is the most.")
    if session.max_tasks and len(await session.queue.tasks()) >= session.max_tasks:
        raise BadCall(
            f"The trial has {session.max_tasks} tasks, which is the most. Do it yourself."
        )
    try:
        (task,) = await session.queue.put(new, by=session.claim.agent)
    except BoardRefused as refusal:
        raise BadCall(f"The task was not added: {refusal}") from None
    session.added += 1
    return f"The task is `{task.label}` and {task.state}; whoever is free takes it."


def finish_task(
    session: BoardSession,
    ready: Callable[[], Awaitable[str]],
    take: Callable[[str], Awaitable[None]],
) -> Tool:
    """End the task, unless a finding was refused or `ready` says what should be done first.

    The second time it ends. `take` makes another's patch the one that the task hands in.
    """
    asked: list[str] = []

    async def act(arguments: Arguments) -> str:
        same = arguments["same"].strip()
        await take(same)
        refused = await _refused(session)
        missing = "" if asked else refused or ("" if same else await ready())
        if missing:
            asked.append(missing)
            raise BadCall(f"{missing} If you leave it so, call `finish` again.")
        session.report = arguments["summary"]
        raise Finished(arguments["summary"])

    return Tool(
        name=ToolName.FINISH,
        description="Hand back the task.",
        parameters={"summary": "One sentence, with labels"},
        optional={"same": "PATCH"},
        act=act,
        activity=None,
    )


async def _refused(session: BoardSession) -> str:
    """Wait for the rulings on what was published; those that refuse, for the author."""
    if session.verdicts is None:
        return ""
    session.verdicts.start()
    if all(ruling.entry is not None for ruling in await session.rule()):
        return ""
    verdicts, session.untold = session.untold, []
    return f"Not finished. {' '.join(verdicts)}"


def _with(files: Iterable[str]) -> str:
    return "".join(f"\n{ATTACHED}{name} is in your copy." for name in files)


def _evidence(entry: Entry) -> str:
    match entry.evidence:
        case Span(path=path, state=state, quote=quote):
            return f"{path}, state {state}:\n{quote}"
        case Command(command=command, state=state, exit_status=status, output=output, files=files):
            changes = entry.evidence.changes
            besides = f"\nwith these changes:\n{changes}" if changes else ""
            ran = f"$ {command}\n(state {state}, exit status {status})\n{output}{besides}"
            return f"{ran}{_with(files)}"
        case Patch(command=command, files=files):
            return f"fails without it and passes with it:\n$ {command}{_with(files)}"
    return ""  # of a document, whose readers unfold otherwise
