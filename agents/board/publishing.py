"""Publish a finding: build its evidence once and send it to the gate."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from agents.board.session import BoardSession, line_of
from agents.prompts import enclosed
from agents.tools import Arguments, BadCall, Tool
from harness.board.evidence import Command, Evidence, Patch, Span, reason_of
from harness.board.protocols import Entry, Proposal
from harness.board.vocabulary import EntryKind, Settled, ToolName
from harness.errors import SandboxError
from harness.types import Activity

PUBLISHED = 40  # proposals on one task
REFUSED = "Refused, and not in the shared context:"
Made = TypeVar("Made")


def publish(session: BoardSession) -> Tool:
    """Propose an entry and learn the verdict."""

    async def act(arguments: Arguments) -> str:
        count_proposal(session, most=PUBLISHED)
        kind = arguments["kind"].strip().upper()
        if kind not in set(EntryKind):
            raise BadCall(f"The kind is one of {', '.join(EntryKind)}, not {kind!r}.")
        evidence = await _given_evidence(session, EntryKind(kind), arguments)
        entry, settled = await propose(
            session,
            kind=EntryKind(kind),
            gist=arguments["gist"],
            summary=arguments["summary"],
            evidence=evidence,
            refutes=arguments["refutes"].strip(),
        )
        return _told(session, entry, settled, evidence)

    return Tool(
        name=ToolName.PUBLISH,
        description=(
            "Put one finding into the shared context, with its evidence: a quotation (path, line, "
            "quote), or a command with its outcome (command, exit_status, output). It is checked "
            "in a clean copy. For a PATCH give only the command that fails at the base commit and "
            "passes with your changes; they are taken from your copy. Several findings may be "
            "published in one answer, each with a call of its own."
        ),
        parameters={
            "kind": "FACT, FAIL, CONSTRAINT or PATCH.",
            "gist": "The finding in one or two sentences, at most 100 tokens, complete in itself. "
            "Name the labels that it builds on.",
            "summary": "What else somebody needs who wants to use it.",
        },
        optional={
            "path": "The file that is quoted.",
            "line": "The number of the first quoted line.",
            "quote": "Whole lines of that file, verbatim with their indentation.",
            "command": "A bash command.",
            "exit_status": "What it exits with.",
            "output": "Lines of what it prints that matter, verbatim and in order; `...` stands "
            "for anything. A FACT needs at least 3 characters of it: an exit status proves little.",
            "on": "The label of the patch with which it holds, such as P4; otherwise left out.",
            "refutes": "The label of an entry that this shows to be wrong.",
        },
        act=act,
        activity=Activity.ADMISSION,
    )


def count_proposal(session: BoardSession, *, most: int) -> None:
    """Raise `BadCall` if the task has used up its proposals."""
    session.published += 1
    if session.published > most:
        raise BadCall("You have published all that one task may; finish it.")


def made(form: Callable[..., Made], **fields: Any) -> Made:
    """Evidence of what a tool was given. `BadCall` says which bound it is beyond."""
    try:
        return form(**fields)
    except ValidationError as error:
        raise BadCall(f"{REFUSED} {reason_of(error)}") from None


async def propose(session: BoardSession, **finding: Any) -> tuple[Entry, Settled]:
    """The entry that a finding of the session's agent became, or is. `BadCall` says why none."""
    ruling = await session.judge(
        Proposal(author=session.claim.agent, task=session.claim.task.label, **finding)
    )
    if ruling.entry is None:
        raise BadCall(f"{REFUSED} {ruling.reason}")
    return ruling.entry, ruling.settled


async def _given_evidence(
    session: BoardSession, kind: EntryKind, arguments: Arguments
) -> Span | Command | Patch:
    """The evidence that was given; `BadCall` says how to give it."""
    if kind == EntryKind.PATCH:
        try:
            diff = await session.workspace.diff() if session.workspace else ""
        except SandboxError as error:
            raise BadCall(f"Your changes cannot be read: {error}.") from None
        return made(Patch, diff=diff, command=arguments["command"])
    if bool(arguments["quote"]) == bool(arguments["command"]):
        raise BadCall("Give one evidence: either a quote with its path, or a command.")
    if arguments["quote"]:
        line = arguments["line"].strip() or "0"
        if not re.fullmatch(r"\d{1,9}", line):
            raise BadCall(f"line is a number, not {line[:80]!r}.")
        return made(
            Span,
            path=arguments["path"],
            line=int(line),
            quote=arguments["quote"],
            state=arguments["on"],
        )
    status = arguments["exit_status"].strip()
    if not re.fullmatch(r"\d{1,3}", status):
        raise BadCall(
            f"exit_status is the number that the command exits with, not {status[:80]!r}."
        )
    return made(
        Command,
        command=arguments["command"],
        exit_status=int(status),
        output=arguments["output"],
        state=arguments["on"],
    )


def _told(session: BoardSession, entry: Entry, settled: Settled, evidence: Evidence) -> str:
    """The verdict for the author."""
    label = entry.label
    if isinstance(evidence, Patch):
        session.patch = (label, evidence.diff)
    told = label in session.known or settled == Settled.ADMITTED
    session.known.add(label)
    if settled == Settled.ADMITTED:
        return f"Admitted as {label}."
    if told:
        return f"Known already: {label}."
    line = line_of(entry)  # one line, which without a "<" imitates nothing of ours
    return f"Known already as {enclosed('entry', line) if '<' in line else line}"
