"""What a reader of a document can do: unfold, publish, add tasks, answer."""

import re
from collections.abc import Sequence

from agents.board.publishing import count_proposal, made, propose
from agents.board.session import BoardSession, level_of, line_of, put_task
from agents.prompts import enclosed
from agents.tools import Arguments, ListOf, Tool
from harness.board.evidence import Quotations
from harness.board.protocols import NewTask, SharedContext
from harness.board.vocabulary import (
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


def unfold(session: BoardSession, pieces: Sequence[str], neighbours: int) -> Tool:
    """Show what stands behind a label: of a piece its claims, or its text and its neighbours'.

    `pieces` are the labels of the document's pieces, in its order.
    """

    async def act(arguments: Arguments) -> str:
        label, level = arguments["label"].strip(), level_of(arguments)
        entry = await session.entry(label)
        around = [label]
        if level == Level.RAW and label in pieces:
            at = pieces.index(label)
            around = list(pieces[max(0, at - neighbours) : at + neighbours + 1])
        await session.context.note_shown(session.conversation, around, level)
        if level == Level.SUMMARY:
            return enclosed("entry", f"{line_of(entry)}\n\n{entry.summary}")
        shown = [await session.entry(each) for each in around]
        return "\n".join(enclosed("entry", f"{each.label}\n\n{each.raw}") for each in shown)

    return Tool(
        name=ToolName.UNFOLD,
        description="Show what stands behind a label.",
        parameters={"label": "The label, such as F3."},
        optional={
            "level": "summary: the claims that were taken from a part of the document, or what the "
            "author of a finding wrote; raw: the text of the part and of those beside it, or the "
            "quotations of a finding. summary if left out."
        },
        act=act,
        activity=None,
    )


def publish(session: BoardSession) -> Tool:
    """Propose a finding and learn the verdict."""

    async def act(arguments: Arguments) -> str:
        count_proposal(session, most=FINDINGS)
        finding = arguments["finding"]
        entry, settled = await propose(
            session,
            kind=EntryKind.FACT,
            gist=" ".join(finding.split()),
            summary=arguments["reasoning"],
            evidence=made(
                Quotations,
                quotations=arguments["quotations"],
                builds_on=ENTRY_LABEL.findall(finding),
            ),
        )
        session.known.add(entry.label)
        word = "Admitted as" if settled == Settled.ADMITTED else "Known already as"
        return f"{word} {entry.label}."

    return Tool(
        name=ToolName.PUBLISH,
        description="Put a finding into the shared context, with the places that show it. They "
        "are looked up, and the finding is compared with them. That something does not stand in "
        "the document is a finding, too, if you say which parts you read.",
        parameters={
            "finding": "One or two sentences, at most 100 tokens, complete in itself, with its "
            "conditions; with the labels of findings that it builds on.",
            "reasoning": "How it follows from the quotations, with every step of a computation.",
        },
        lists={
            "quotations": ListOf(
                meaning="The places, verbatim; none where it follows from findings that it names.",
                fields={"label": "Of the part of the document.", "quote": "Its words."},
            )
        },
        act=act,
        activity=Activity.ADMISSION,
    )


def add_task(session: BoardSession) -> Tool:
    """Put a task into the queue, perhaps behind others."""

    async def act(arguments: Arguments) -> str:
        after = tuple(re.findall(r"[\w-]+", arguments["after"]))
        text = arguments["text"].strip()
        task = NewTask(kind=TaskKind.FIND, text=text, priority=PRIORITY, after=after)
        return await put_task(session, task, most=TASKS)

    return Tool(
        name=ToolName.ADD_TASK,
        description="Add a task to the queue, for whoever is free.",
        parameters={"text": "What is to be found out, complete in itself."},
        optional={"after": "Labels of tasks that have to be done before, such as find-1, find-2."},
        act=act,
        activity=None,
    )


async def uncited(context: SharedContext, because: str) -> str:
    """What is wrong with the labels that an answer rests on: there is one, and all are entries."""
    cited = ENTRY_LABEL.findall(because)
    for label in cited:
        if await context.entry(label) is None:
            return f"There is no entry {label}. Cite entries of the shared context."
    return "" if cited else "Name the labels that the choice rests on."
