"""Hold candidates to each other's commands, and say as the board what fails."""

from collections.abc import Iterator, Sequence

from agents.admission.checks import bounded
from agents.admission.command_runner import CommandOutcome
from agents.admission.expected_output import missing_line
from agents.admission.gate import Gate
from agents.delm.candidates import fails
from agents.delm.matrix import CrossCheck, Matrix, check_of, checks_of
from agents.prompts import one_line
from harness.board.evidence import OUTPUT_CHARS, Command, Patch
from harness.board.protocols import Entry, Proposal
from harness.board.vocabulary import BOARD, EntryKind, Settled

SEEN_LINES, SEEN_CHARS = 4, 400  # of an output, in a failure's evidence
QUOTED = 200  # characters of a gist in another one


class CrossChecks:
    """What the board finds out about candidates by itself."""

    def __init__(self, matrix: Matrix, gate: Gate, *, most: int, within_s: float) -> None:
        """`most` commands are run on a candidate; those of one call within `within_s` seconds."""
        self._matrix = matrix
        self._gate = gate
        self._most = most
        self._within_s = within_s

    async def between(
        self, candidate: Entry, others: Sequence[Entry], standing: Sequence[Entry], *, task: str
    ) -> list[Entry]:
        """Hold a new candidate to all commands, and the others to its own: the new failures.

        Each is an entry of the board, found on `task`. What a candidate refutes does not bind it.
        """
        own, checks = check_of(candidate), newest_first(standing)
        for check in checks:
            if own and (check.command, check.tests) == (own.command, own.tests):
                self._matrix.passes(diff_of(candidate), check)
        pairs = [(candidate, check) for check in checks]
        pairs += [(other, own) for other in others if own is not None]
        return await self.hold(pairs, standing, task=task)

    async def hold(
        self, pairs: Sequence[tuple[Entry, CrossCheck]], standing: Sequence[Entry], *, task: str
    ) -> list[Entry]:
        """Execute commands with candidates; the failures that are new."""
        refuted = await self._gate.refutations()
        bound = [(c, check) for c, check in pairs if check.label not in refuted.get(c.label, ())]
        await self._matrix.cross(
            ((diff_of(candidate), check) for candidate, check in bound),
            most=self._most,
            within_s=self._within_s,
        )
        entries = {entry.label: entry for entry in standing}
        found = []
        for candidate, check in bound:
            outcome = self._matrix.known(diff_of(candidate), check)
            if outcome is not None and outcome.failure is not None and check.label in entries:
                proposal = _failure(candidate, check, entries[check.label], outcome.failure, task)
                ruling = await self._gate.record(proposal, raw=bounded(outcome.failure.output))
                if ruling.entry is not None and ruling.settled == Settled.ADMITTED:
                    found.append(ruling.entry)
        return found

    def in_order(self, one: Entry, other: Entry, check: CrossCheck) -> tuple[Entry, Entry]:
        """Of two candidates that differ on a command the one that passes it, then the other."""
        mine = self._matrix.known(diff_of(one), check)
        return (one, other) if mine and mine.passed else (other, one)

    def executed(self, candidate: Entry, standing: Sequence[Entry]) -> list[CrossCheck]:
        """The commands whose outcome with a candidate is known, newest first."""
        diff = diff_of(candidate)
        return [check for check in newest_first(standing) if self._matrix.known(diff, check)]

    def differing(
        self, one: Entry, other: Entry, checks: Sequence[CrossCheck]
    ) -> Iterator[CrossCheck]:
        """Those of `checks` that one of two candidates passes and the other does not."""
        for check in checks:
            mine = self._matrix.known(diff_of(one), check)
            theirs = self._matrix.known(diff_of(other), check)
            if mine and theirs and mine.passed != theirs.passed:
                yield check


def shows(entry: Entry, candidate: str, check: CrossCheck) -> bool:
    """Whether an entry says of a candidate that it fails a command."""
    evidence = entry.evidence
    is_it = isinstance(evidence, Command) and evidence.command == check.command
    return is_it and fails(entry, candidate)


def newest_first(entries: Sequence[Entry]) -> list[CrossCheck]:
    """Every reproduction, then every constraint, the newest ones first."""
    patches = {entry.label for entry in entries if entry.kind == EntryKind.PATCH}
    checks = checks_of(entries)[::-1]
    return sorted(checks, key=lambda check: check.label not in patches)


def diff_of(candidate: Entry) -> str:
    """The diff of an admitted patch."""
    assert isinstance(candidate.evidence, Patch)
    return candidate.evidence.diff


def _failure(
    candidate: Entry, check: CrossCheck, source: Entry, outcome: CommandOutcome, task: str
) -> Proposal:
    """What the board says of a candidate that fails the command of another entry."""
    says = one_line(source.gist, QUOTED)
    gist = (
        f"{candidate.label} breaks {source.label}."
        if source.kind == EntryKind.CONSTRAINT
        else f"{candidate.label} does not pass the command of {source.label}."
    )
    status = outcome.exit_status
    assert status is not None
    return Proposal(
        kind=EntryKind.FAIL,
        gist=gist,
        summary=f"{source.label} says: {says} With {candidate.label} its command exits with "
        f"{status} in every run.",
        evidence=Command(
            command=check.command,
            exit_status=status,
            output=seen_lines(outcome),
            state=candidate.label,
            changes=check.tests,
        ),
        author=BOARD,
        task=task,
    )


def seen_lines(outcome: CommandOutcome) -> str:
    """The last lines of the output that every run has printed."""
    lines = [line for line in outcome.output.split("\n") if line.strip()]
    kept: list[str] = []
    for line in reversed(lines[-50:]):
        text = "\n".join([line, *kept])
        if len(line) > SEEN_CHARS or any(missing_line(text, run.output) for run in outcome.runs):
            continue
        kept.insert(0, line)
        if len(kept) == SEEN_LINES:
            break
    return "\n".join(kept)[:OUTPUT_CHARS]
