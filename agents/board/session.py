"""The board as one agent sees it during a task: new entries, and the tools of the board."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agents.board.verdicts import Verdicts
from agents.prompts import enclosed, one_line, render, shortened
from agents.tools import Arguments, BadCall, Finished, Tool
from harness.board.evidence import Command, Patch, Span, state_of
from harness.board.protocols import (
    BoardRefused,
    Claim,
    Entry,
    Link,
    NewTask,
    Proposal,
    Ruling,
    SharedContext,
    TaskQueue,
)
from harness.board.vocabulary import (
    BASE,
    ENTRY_LABEL,
    Level,
    LinkKind,
    Settled,
    TaskKind,
    ToolName,
)
from harness.protocols import Sandbox
from harness.types import Message

ADDED_KIND = re.compile(r"[a-z][a-z0-9-]{1,30}")  # of a task that an agent adds
RESERVED = (TaskKind.LOCALIZE, TaskKind.PATCH, TaskKind.REPAIR, TaskKind.DECIDE)
"""Kinds of task that only the board's own rules make."""
ADDS = 4  # tasks that one agent adds on one task
TASK_CHARS = 4_000
QUOTED = 60  # characters of an own finding, in what its author is told of it
UNFOLDED = 16_000  # characters of one entry, as of a command's output


@dataclass(slots=True)
class BoardSession:
    """The state of one conversation on the board."""

    queue: TaskQueue
    context: SharedContext
    claim: Claim
    conversation: str
    judge: Callable[[Proposal], Awaitable[Ruling]] | None = None
    workspace: Sandbox | None = None  # the copy of the repository, where there is one
    verdicts: Verdicts | None = None  # where findings are checked while their author goes on
    peers: bool = True  # whether news tell of what others have found meanwhile
    sharing: bool = True
    max_tasks: int = 0  # of the trial; an agent adds none beyond it. 0: any number
    read_to: int = 0  # position of the last entry that this conversation was told of
    links_to: int = 0
    known: set[str] = field(default_factory=set)
    patch: tuple[str, str] = ("", "")  # label and diff of the PATCH admitted last
    untold: list[str] = field(default_factory=list)  # rulings on its findings, as it is told them
    added: int = 0
    published: int = 0

    def go_on_from(self, before: "BoardSession") -> None:
        """Know what the conversation `before` knew, which this one goes on with."""
        self.read_to, self.links_to = before.read_to, before.links_to
        self.known |= before.known
        self.patch = before.patch
        self.untold = before.untold

    def forget(self) -> None:
        """Know nothing of the context: the conversation begins anew."""
        self.read_to = self.links_to = 0
        self.known.clear()

    async def lines(self) -> list[str]:
        """What is new in the context, one line an entry, in the order of admission."""
        entries = await self.context.entries(after=self.read_to)
        mine = [entry for entry in entries if self._visible(entry)]
        fresh = [entry for entry in mine if entry.label not in self.known]
        self.read_to = max([self.read_to, *(entry.position for entry in entries)])
        self.known.update(entry.label for entry in fresh)
        links = await self.context.links(after=self.links_to)
        self.links_to = max([self.links_to, *(link.position for link in links)])
        if fresh:
            await self.context.note_shown(
                self.conversation, [entry.label for entry in fresh], Level.GIST
            )
        return [line_of(entry) for entry in fresh] + [
            f"{link.source} {link.kind} {link.target}."
            for link in links
            if link.kind != LinkKind.CITES and {link.source, link.target} <= self.known
        ]

    async def news(self) -> str:
        """The text for the end of a turn's last observation.

        First the rulings on the findings of earlier answers, which it waits for: what an agent is
        told at a turn so does not depend on how long a check takes. Then what is new.
        """
        if self.verdicts is not None:
            await self.rule()
            self.verdicts.start()
        verdicts, self.untold = self.untold, []
        lines = await self.lines() if self.peers else []
        return render("delm_news", verdicts=verdicts, lines=lines) if verdicts or lines else ""

    async def rule(self) -> list[Ruling]:
        """Wait for the rulings on all findings that are being checked; they will be told."""
        rulings = []
        for proposal, ruling in await self.verdicts.settled() if self.verdicts else ():
            self.untold.append(self.ruled(proposal, ruling))
            rulings.append(ruling)
        return rulings

    def ruled(self, proposal: Proposal, ruling: Ruling) -> str:
        """Take note of a ruling on an own finding; in words for its author."""
        entry = ruling.entry
        if entry is None:
            return f"Refused: {one_line(proposal.gist, QUOTED)!r}: {ruling.reason}"
        told = entry.label in self.known or ruling.settled == Settled.ADMITTED
        self.known.add(entry.label)
        if isinstance(proposal.evidence, Patch):
            self.patch = (entry.label, proposal.evidence.diff)
        if ruling.settled == Settled.ADMITTED:
            return f"Admitted as {entry.label}: {one_line(proposal.gist, QUOTED)!r}"
        return f"Known already: {entry.label if told else line_of(entry)}"

    async def cite(self, messages: list[Message], *, source: str = "") -> None:
        """Record the labels that the agent named as citations of its task, or of `source`."""
        for label in dict.fromkeys(ENTRY_LABEL.findall(" ".join(map(_own_words, messages)))):
            if label in self.known:
                await self.context.link(
                    Link(source=source or self.claim.task.label, target=label, kind=LinkKind.CITES)
                )

    def _visible(self, entry: Entry) -> bool:
        return self.sharing or entry.author == self.claim.agent

    async def entry(self, label: str) -> Entry:
        """An entry that this agent may see. Raises `BadCall` for any other label."""
        entry = await self.context.entry(label)
        if entry is None or not self._visible(entry):
            there = ", ".join(sorted(self.known, key=lambda known: int(known[1:]))) or "none yet"
            raise BadCall(f"There is no entry {label!r}. There are: {there}.")
        return entry


def line_of(entry: Entry) -> str:
    """An entry in one line, as in every prompt."""
    state = state_of(entry.evidence)
    on = "" if state == BASE else f" on {state}"
    return f"{entry.label} {entry.kind}{on} ({entry.task}): {' '.join(entry.gist.split())}"


def _own_words(message: Message) -> str:
    if message.get("role") != "assistant":
        return ""
    calls = message.get("tool_calls") or ()
    return " ".join(
        [str(message.get("content") or ""), *(c["function"]["arguments"] for c in calls)]
    )


# -- the tools ---------------------------------------------------------------------------------


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
        await session.context.note_shown(session.conversation, [entry.label], level)
        text = entry.raw if level == Level.RAW else f"{entry.summary}\n\n{_evidence(entry)}"
        return enclosed("entry", f"{line_of(entry)}\n\n{shortened(text, UNFOLDED)}\n")

    return Tool(
        name=ToolName.UNFOLD,
        description="Show what stands behind a label of the shared context.",
        parameters={"label": "The label, such as F3."},
        optional={
            "level": "summary: what its author wrote, and the evidence; raw: what the check saw, "
            "such as the whole output or the diff. summary if left out."
        },
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
        return await put_task(session, NewTask(kind=kind, text=text, subject=about), most=ADDS)

    return Tool(
        name=ToolName.ADD_TASK,
        description="Add a task to the queue, for whoever is free. Only for work that is needed "
        "and that is not yours now.",
        parameters={
            "kind": "One word: test, investigate, …",
            "text": "What is to be done, complete in itself.",
        },
        optional={"about": "The label of the task or entry that it is about."},
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


def finish_task(session: BoardSession, ready: Callable[[], Awaitable[str]]) -> Tool:
    """End the task, unless a finding was refused or `ready` says what should be done first.

    The second time it ends.
    """
    asked: list[str] = []

    async def act(arguments: Arguments) -> str:
        refused = await _refused(session)
        missing = "" if asked else refused or await ready()
        if missing:
            asked.append(missing)
            raise BadCall(f"{missing} If you leave it so, call `finish_task` again.")
        raise Finished(arguments["summary"])

    return Tool(
        name=ToolName.FINISH,
        description="Hand back the task.",
        parameters={"summary": "One or two sentences, with the labels that it rests on."},
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


def _evidence(entry: Entry) -> str:
    match entry.evidence:
        case Span(path=path, state=state, quote=quote):
            return f"{path}, state {state}:\n{quote}"
        case Command(command=command, state=state, exit_status=status, output=output):
            return f"$ {command}\n(state {state}, exit status {status})\n{output}"
        case Patch(command=command):
            return f"fails without it and passes with it:\n$ {command}"
    return ""  # of a document, whose readers unfold otherwise
