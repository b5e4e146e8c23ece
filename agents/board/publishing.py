"""Publish a finding: build its evidence once and send it to the gate."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from agents.board.session import BoardSession
from agents.board.verdicts import Verdicts
from agents.copies.attachments import named_in
from agents.tools import Arguments, BadCall, Finished, Tool
from harness.board.evidence import ATTACHED, FILES, Command, Patch, Span, reason_of
from harness.board.protocols import Entry, Proposal
from harness.board.vocabulary import BASE, MINE, EntryKind, Settled, ToolName
from harness.errors import SandboxError
from harness.types import Activity

PUBLISHED = 40  # proposals on one task
REFUSED = "Refused, and not in the shared context:"
DESCRIPTION = (
    "Share a finding with evidence: a command with exit_status and output; FACT: or quoted "
    "lines (path, quote). A PATCH: only a command that fails without your changes and passes with "
    "them."
)
GIVEN = {
    "kind": "FACT, FAIL, CONSTRAINT or PATCH",
    "gist": "One or two sentences (100 tokens), no more than the evidence shows",
}
MAY_BE_GIVEN = {
    "summary": "",
    "path": "",
    "line": "",
    "quote": "FACT: whole lines, verbatim",
    "command": "",
    "exit_status": "",
    "output": "Whole lines, verbatim; `...`: left out",
    "on": "PATCH with which it holds; FAIL: or mine",
    "refutes": "Label that it shows to be wrong",
    "finish": "true: admission ends the task",
}
Made = TypeVar("Made")


def publish(
    session: BoardSession, verdicts: Verdicts, *, at_once: bool = False, patch_ends: bool = True
) -> Tool:
    """Propose an entry; its author learns the verdict with a later observation.

    A PATCH is ruled on at once, and so is what is to end the task; `at_once`: everything is. What
    is no PATCH ends the task only where nothing that was published with it is refused.
    `patch_ends`: an admitted PATCH ends the task where its author does not say otherwise.
    """

    async def act(arguments: Arguments) -> str:
        count_proposal(session, most=PUBLISHED)
        kind = arguments["kind"].strip().upper()
        if kind not in set(EntryKind):
            raise BadCall(f"The kind is one of {', '.join(EntryKind)}, not {kind!r}.")
        ends = _ends(arguments["finish"], default=patch_ends and kind == EntryKind.PATCH)
        evidence = await _given_evidence(session, EntryKind(kind), arguments)
        verdicts.put(
            Proposal(
                kind=EntryKind(kind),
                gist=arguments["gist"],
                summary=arguments["summary"],
                evidence=evidence,
                author=session.claim.agent,
                task=session.claim.task.label,
                refutes=arguments["refutes"].strip(),
            )
        )
        if kind != EntryKind.PATCH and not ends and not at_once:
            return "It is being checked; the verdict comes after your next answer."
        verdicts.start()
        rulings = await session.rule()
        if rulings[-1].entry is None or (
            ends and kind != EntryKind.PATCH and any(ruling.entry is None for ruling in rulings)
        ):
            raise BadCall(f"{session.refusals()}{' The task goes on.' if ends else ''}")
        told, session.untold = " ".join(session.untold), []
        if ends:
            raise Finished(arguments["gist"], told=f"{told}. The task is finished.")
        return told

    return Tool(
        name=ToolName.PUBLISH,
        description=DESCRIPTION,
        parameters=GIVEN,
        optional=MAY_BE_GIVEN,
        act=act,
        activity=Activity.ADMISSION,
    )


def _ends(text: str, *, default: bool) -> bool:
    """Whether the task ends with an admission. `BadCall` for what is neither yes nor no."""
    word = text.strip().lower()
    if word in ("", "true", "false"):
        return default if not word else word == "true"
    raise BadCall(f"finish is true or false, not {text[:80]!r}.")


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
    """The entry that a finding of the session's agent became, or is. `BadCall` says why none.

    It is ruled on at once, by the session's judge.
    """
    assert session.judge is not None
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
        diff = await _changes(session)
        files = await _attached(session, arguments["command"])
        return made(Patch, diff=diff, command=arguments["command"], files=files)
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
    attempt = arguments["on"].strip().lower() == MINE
    return made(
        Command,
        command=arguments["command"],
        exit_status=int(status),
        output=arguments["output"],
        state=BASE if attempt else arguments["on"],
        changes=await _attempt(session, kind) if attempt else "",
        files=await _attached(session, arguments["command"]),
    )


async def _attempt(session: BoardSession, kind: EntryKind) -> str:
    """What differs in the author's copy, for a failure of it. `BadCall` where there is nothing."""
    if kind != EntryKind.FAIL:
        raise BadCall(
            "Only a FAIL speaks of your own copy: what you tried there, and how it fails."
        )
    changes = await _changes(session)
    if not changes:
        raise BadCall("Nothing differs in your copy: leave `on` out to speak of the base commit.")
    return changes


async def _changes(session: BoardSession) -> str:
    """What differs in the author's copy."""
    try:
        return await session.workspace.diff() if session.workspace else ""
    except SandboxError as error:
        raise BadCall(f"Your changes cannot be read: {error}.") from None


async def _attached(session: BoardSession, command: str) -> dict[str, str]:
    """The files in the author's copy that a command names in the shared folder, by name."""
    found: dict[str, str] = {}
    names = named_in(command) if session.workspace else []
    for name in names[: FILES + 1]:  # one more than are taken: its evidence says so
        try:
            assert session.workspace
            found[name] = (await session.workspace.read(f"{ATTACHED}{name}")).decode()
        except SandboxError as error:
            raise BadCall(f"{REFUSED} {str(error)[:300]}; the command needs it.") from None
        except UnicodeDecodeError:
            raise BadCall(f"{REFUSED} {ATTACHED}{name} is no UTF-8 text.") from None
    return found
