"""What a reader of a document can do: unfold, publish, add tasks, answer, hand a task back."""

import re
from collections.abc import Callable, Sequence

from agents.board.publishing import count_proposal, made, propose
from agents.board.session import BoardSession, line_of
from agents.board.tools import level_of, put_task
from agents.prompts import enclosed
from agents.tools import Arguments, BadCall, Finished, ListOf, Tool
from harness.board.evidence import Part, Quotations
from harness.board.protocols import Entry, NewTask, SharedContext
from harness.board.vocabulary import (
    DOCUMENT,
    ENTRY_LABEL,
    EntryKind,
    Level,
    Settled,
    TaskKind,
    ToolName,
)
from harness.types import Activity

FINDINGS = 20  # proposals on one task
TASKS = 8  # that one task may add
PRIORITY = 10  # of what is to be found out
RANGE = re.compile(r"\[?\s*(\d{1,9})\s*[-–]\s*(\d{1,9})\s*\]?")


def unfold(session: BoardSession, pieces: Sequence[str], neighbours: int) -> Tool:
    """The tool that shows an entry: the claims or text of a piece, the evidence of a finding.

    `pieces` are the labels of the document's pieces, in its order. At most so many `neighbours` on
    either side of a piece come with its text, where they are asked for.
    """

    async def act(arguments: Arguments) -> str:
        label, level = arguments["label"].strip(), level_of(arguments)
        entry = await session.entry(label)
        if arguments["range"].strip():
            await session.context.note_shown(session.conversation, [label], Level.RAW)
            return enclosed("entry", f"{label}\n\n{_within(entry, arguments['range'])}")
        around = [label]
        if level == Level.RAW and label in pieces:
            at, wide = pieces.index(label), _count(arguments.get("neighbours", ""), neighbours)
            around = list(pieces[max(0, at - wide) : at + wide + 1])
        await session.context.note_shown(session.conversation, around, level)
        if level == Level.SUMMARY:
            return enclosed("entry", f"{line_of(entry)}\n\n{entry.summary}")
        shown = [await session.entry(each) for each in around]
        return "\n".join(raw_of(each) for each in shown)

    optional = {
        "level": "summary: the claims that were taken from a part of the document, or what the "
        "author of a finding wrote; raw: the text of the part, or the quotations of a finding. "
        "summary if left out.",
        "range": "The place of a claim as the summary has it, such as 1200–1800: only this much of "
        "the part's text.",
    }
    if neighbours:
        optional["neighbours"] = (
            f"With raw: how many parts on either side come with it, 0 to {neighbours}. 0 if left "
            "out."
        )
    return Tool(
        name=ToolName.UNFOLD,
        description="Show what stands behind a label.",
        parameters={"label": "The label, such as F3."},
        optional=optional,
        act=act,
        activity=None,
    )


def raw_of(entry: Entry) -> str:
    """The raw text of an entry, as it stands in prompts."""
    return enclosed("entry", f"{entry.label}\n\n{entry.raw}")


def _within(entry: Entry, given: str) -> str:
    """The asked range of a part's text. Raises `BadCall` if it is not a range of that text."""
    part, found = entry.evidence, RANGE.fullmatch(given.strip())
    if not isinstance(part, Part):
        raise BadCall(f"{entry.label} is no part of the document: it has no ranges.")
    start, end = (int(found[1]), int(found[2])) if found else (0, 0)
    if not part.start <= start < end <= part.end:
        raise BadCall(f"A range of {entry.label} lies in {part.start}–{part.end}, not {given!r}.")
    return entry.raw[start - part.start : end - part.start]


def _count(given: str, most: int) -> int:
    text = given.strip() or "0"
    if not text.isdecimal() or int(text) > most:
        raise BadCall(f"neighbours is a number from 0 to {most}, not {given[:20]!r}.")
    return int(text)


def publish(session: BoardSession, *, whole: bool) -> Tool:
    """The tool that proposes a finding and answers whether it was admitted.

    `whole`: quotations are of the document as a whole, not of a part.
    """

    async def act(arguments: Arguments) -> str:
        count_proposal(session, most=FINDINGS)
        finding = arguments["finding"]
        quotations = [{"label": DOCUMENT} | each for each in arguments["quotations"]]
        entry, settled = await propose(
            session,
            kind=EntryKind.FACT,
            gist=" ".join(finding.split()),
            summary=arguments["reasoning"],
            evidence=made(
                Quotations, quotations=quotations, builds_on=ENTRY_LABEL.findall(finding)
            ),
        )
        session.known.add(entry.label)
        word = "Admitted as" if settled == Settled.ADMITTED else "Known already as"
        return f"{word} {entry.label}."

    label = {} if whole else {"label": "Of the part of the document."}
    return Tool(
        name=ToolName.PUBLISH,
        description="Put a finding into the shared context, with the places that show it. It "
        "states facts as the document has them, never that a choice is right or wrong. The places "
        "are looked up, and the finding is compared with them, the headings over them and the "
        "sentences beside them. That something does not stand in the document is a finding, too, "
        "if you say what you read.",
        parameters={
            "finding": "One or two sentences, at most 100 tokens, complete in itself, with its "
            "conditions; with the labels of findings that it builds on.",
            "reasoning": "How it follows from the quotations, with every step of a computation, "
            "and what it means for the choices. Nobody checks this.",
        },
        lists={
            "quotations": ListOf(
                meaning="The places, verbatim; none where it follows from findings that it names.",
                fields=label | {"quote": "Its words."},
            )
        },
        act=act,
        activity=Activity.ADMISSION,
    )


def add_task(session: BoardSession, refusal: str = "") -> Tool:
    """The tool that adds a task, perhaps after others. `refusal` says why none may be added."""

    async def act(arguments: Arguments) -> str:
        if refusal:
            raise BadCall(refusal)
        after = tuple(re.findall(r"[\w-]+", arguments["after"]))
        text = arguments["text"].strip()
        task = NewTask(kind=TaskKind.FIND, text=text, priority=PRIORITY, after=after)
        return await put_task(session, task, most=TASKS)

    return Tool(
        name=ToolName.ADD_TASK,
        description="Add a task to the queue, for whoever is free. In the order in which they are "
        "added tasks are called find-1, find-2, …",
        parameters={"text": "What is to be found out, complete in itself."},
        optional={"after": "Labels of tasks that have to be done before, such as find-1, find-2."},
        act=act,
        activity=None,
    )


def hand_back(missing: Callable[[], str]) -> Tool:
    """The tool that ends the task, unless `missing` says that something is missing."""

    async def act(arguments: Arguments) -> str:
        if reason := missing():
            raise BadCall(reason)
        raise Finished(arguments["summary"])

    return Tool(
        name=ToolName.FINISH,
        description="Hand back the task.",
        parameters={"summary": "What was done, in one sentence."},
        act=act,
        activity=None,
    )


async def objection(session: BoardSession, because: str) -> str:
    """Why an answer with the reasons `because` is refused; empty if it is taken.

    It is asked for on the task that decides, when no task was added, and names entries, where the
    context has any.
    """
    task = session.claim.task
    if task.kind != TaskKind.DECIDE:
        return f"The answer is asked for when all tasks are done. Yours is {task.label}."
    if session.added:
        return "You have added tasks: hand this one back; the answer is asked for after them."
    return await _uncited(session.context, because)


async def _uncited(context: SharedContext, because: str) -> str:
    """Why the labels in `because` are refused: there is none, or one is no entry; else ""."""
    cited = ENTRY_LABEL.findall(because)
    for label in cited:
        if await context.entry(label) is None:
            return f"There is no entry {label}. Cite entries of the shared context."
    if cited or not await context.entries():
        return ""
    return "Name the labels that the choice rests on."
