"""Whether a patch keeps what has to go on passing."""

from collections.abc import Awaitable, Callable
from functools import partial

from agents.admission.command_runner import CommandOutcome
from agents.admission.evidence import Refused
from agents.admission.matching import shown
from agents.admission.shell_words import nothing_ran
from agents.concurrency import together
from agents.prompts import one_line, shortened
from agents.vetoes import vetoed
from harness.board.evidence import Command
from harness.board.protocols import Entry, Proposal, SharedContext
from harness.board.vocabulary import EntryKind, LinkKind

MOST = 16  # constraints that one patch is held to, the newest ones
GIST_CHARS, COMMAND_CHARS = 300, 2_000  # that a refusal repeats

Run = Callable[[str, str], Awaitable[CommandOutcome]]
"""What a command does with a diff: `ExecutedEvidence.run_briefly`."""
Contradicted = Callable[[Command], Awaitable[Entry | None]]
"""The reproduction that asks for the contrary of a constraint, where there is one."""


async def keeps_constraints(
    context: SharedContext,
    run: Run,
    contradicted: Contradicted,
    proposal: Proposal,
    diff: str,
) -> None:
    """`Refused` for a patch that breaks an admitted constraint and does not refute it.

    A command that cannot be run with the patch, or whose outcome differs from run to run, binds
    nobody; nor does one that a reproduction contradicts.
    """
    constraints = [
        entry for entry in await _standing(context) if entry.label != proposal.refutes.strip()
    ]
    broken: dict[str, CommandOutcome] = {}

    async def hold(entry: Entry) -> None:
        assert isinstance(entry.evidence, Command)
        try:
            outcome = await run(diff, entry.evidence.command)
        except Refused:
            return
        status = outcome.exit_status
        fails = status and not outcome.cut_short
        fails = fails and not nothing_ran(entry.evidence.command, status or 0)
        if fails and await contradicted(entry.evidence) is None:
            broken[entry.label] = outcome

    await together(partial(hold, entry) for entry in constraints[-MOST:])
    for entry in constraints:
        if entry.label in broken:
            raise Refused(_reason(entry, broken[entry.label]))


async def _standing(context: SharedContext) -> list[Entry]:
    """The constraints by a command that nothing refutes and nobody vetoed, oldest first."""
    refuted = {link.target for link in await context.links() if link.kind == LinkKind.REFUTES}
    refuted |= (await vetoed(context)).keys()
    return [
        entry
        for entry in await context.entries()
        if entry.kind == EntryKind.CONSTRAINT
        and isinstance(entry.evidence, Command)
        and entry.label not in refuted
    ]


def _reason(entry: Entry, outcome: CommandOutcome) -> str:
    assert isinstance(entry.evidence, Command)
    return (
        f"The patch breaks {entry.label} ({one_line(entry.gist, GIST_CHARS)}): with it\n"
        f"$ {shortened(entry.evidence.command, COMMAND_CHARS)}\n"
        f"ends with exit status {outcome.exit_status} and prints: {shown(outcome.output)}\n"
        f"Mend the patch. Where the constraint is wrong by the issue, publish the patch with "
        f"`refutes`: {entry.label}, and say in the summary why."
    )
