"""Tools about candidates: what one's own copy passes, and bringing another's patch into it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from agents.admission.command_runner import CommandOutcome
from agents.admission.evidence import Refused
from agents.admission.matching import shown
from agents.admission.patch_checks import ended
from agents.admission.patch_text import combined, new_tests
from agents.board.session import BoardSession
from agents.concurrency import together
from agents.copies.merging import merge
from agents.delm.candidates import OWN, failures_of
from agents.delm.cross_checks import newest_first
from agents.delm.matrix import CrossCheck
from agents.delm.team import DelmTrial
from agents.delm.workspaces import diff_of
from agents.prompts import enclosed
from agents.tools import Arguments, BadCall, Tool
from harness.board.evidence import Command, Patch
from harness.board.protocols import Entry
from harness.board.vocabulary import BASE, EntryKind, LinkKind, ToolName
from harness.errors import SandboxError, SandboxLost, SandboxUnavailable
from harness.protocols import Sandbox
from harness.types import Activity

CHECKED = 16  # commands of one call, the newest first
OUTPUT_CHARS = 500  # of a command that fails
NOT_RUN = "was not run: the time for it was used up."


def check(team: DelmTrial, session: BoardSession, workspace: Sandbox) -> Tool:
    """Run what was admitted on the changes of a copy, in clean copies."""

    async def act(arguments: Arguments) -> str:
        diff = await diff_of(workspace)
        if not diff:
            raise BadCall("Nothing differs in your copy yet, so there is nothing to check.")
        found = [e for e in await team.standing() if session.sees(e)]
        checks = _failures(found) + newest_first(found)
        checks = sorted(checks, key=lambda each: -int(each.label[1:]))
        if not checks:
            return "No reproduction, failure or constraint was admitted yet."
        run = _Run(team, diff)
        with anyio.move_on_after(team.options.check_s):
            await together(partial(run.one, each) for each in checks[:CHECKED])
        lines = [f"{each.label} {run.told.get(each.label, NOT_RUN)}" for each in checks[:CHECKED]]
        if more := len(checks) - CHECKED:
            lines += [f"{more} older ones were not run."] if more > 0 else []
        return enclosed("checks", "\n".join(lines))

    return Tool(
        name=ToolName.CHECK,
        description="Run all admitted commands on your changes.",
        parameters={},
        act=act,
        activity=Activity.ADMISSION,
    )


def take(team: DelmTrial, session: BoardSession) -> Callable[[str], Awaitable[None]]:
    """Note which PATCH of another seat a task hands in as its own; an empty label: none.

    `BadCall` says why a patch cannot be taken.
    """

    async def act(label: str) -> None:
        session.same = ""
        if not label:
            return
        task = session.claim.task
        if task.kind not in OWN:
            raise BadCall(f"{task.label} hands in no patch: leave `same` out.")
        entry = await session.entry(label)
        if not isinstance(entry.evidence, Patch):
            raise BadCall(f"{label} is a {entry.kind}, not a PATCH.")
        if label not in await team.of_others([label], task):
            raise BadCall(f"{label} is this task's own patch: leave `same` out.")
        links = await team.context.links()
        for link in links:
            if link.kind == LinkKind.REPLACES and link.target == label:
                raise BadCall(f"{label} is replaced by {link.source}: look at that one.")
        standing = await team.standing()
        if all(each.label != label for each in standing):
            raise BadCall(f"{label} was refuted. Write a patch of your own.")
        if failures := failures_of(label, standing):
            raise BadCall(f"{label} fails: {', '.join(failures)}. Write a patch of your own.")
        session.same = label

    return act


def apply(session: BoardSession, workspace: Sandbox) -> Tool:
    """Merge an admitted patch into a copy."""

    async def act(arguments: Arguments) -> str:
        entry = await session.entry(arguments["label"].strip())
        if not isinstance(entry.evidence, Patch):
            raise BadCall(f"{entry.label} is a {entry.kind}, not a PATCH.")
        try:
            conflict = await merge(
                workspace, start="", theirs=entry.evidence.diff, here="your copy"
            )
        except SandboxLost as error:
            raise BadCall(f"{entry.label} was not applied: {error}") from None
        except SandboxError as error:
            raise BadCall(f"Your changes cannot be read: {error}.") from None
        if conflict:
            raise BadCall(
                f"{entry.label} contradicts your changes, and your copy is as it was:\n{conflict}"
            )
        if entry.label not in session.applied:
            session.applied.append(entry.label)
        return f"{entry.label} is in your copy now, beside your own changes."

    return Tool(
        name=ToolName.APPLY,
        description="Merge a PATCH into your copy.",
        parameters={"label": ""},
        act=act,
    )


@dataclass(slots=True)
class _Run:
    """The commands of one `check`, and what came of each, by label."""

    team: DelmTrial
    diff: str
    told: dict[str, str] = field(default_factory=dict)

    async def one(self, check: CrossCheck) -> None:
        """Run one command, and note what came of it."""
        try:
            outcome = await self.team.checks.run_briefly(
                combined(self.diff, check.tests), check.command
            )
        except (Refused, SandboxError, SandboxLost) as refusal:
            self.told[check.label] = f"cannot be run on your changes: {refusal}"
        except SandboxUnavailable:
            self.told[check.label] = "was not run: there was no clean copy for it."
        else:
            self.told[check.label] = "passes." if outcome.exit_status == 0 else _failed(outcome)


def _failed(outcome: CommandOutcome) -> str:
    how = "is flaky" if not outcome.stable else "fails"
    return f"{how}: {ended(outcome)}, 0 is expected. It printed: " + shown(
        outcome.output, OUTPUT_CHARS
    )


def _failures(entries: Sequence[Entry]) -> list[CrossCheck]:
    """The commands that fail on candidates, each once; what solves the issue passes them."""
    known = {
        entry.evidence.command
        for entry in entries
        if isinstance(entry.evidence, Patch) or entry.kind == EntryKind.CONSTRAINT
        if isinstance(entry.evidence, Patch | Command)
    }
    found: dict[str, CrossCheck] = {}
    for entry in reversed(entries):
        match entry.evidence:
            case Command(command=command, state=state, changes=changes) if (
                entry.kind == EntryKind.FAIL and state != BASE and command not in known
            ):
                tests = new_tests(changes)
                found.setdefault(
                    command, CrossCheck(label=entry.label, command=command, tests=tests)
                )
    return list(found.values())
