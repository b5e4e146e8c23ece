"""Which candidate passes which admitted command: executed without a model, each pair once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import anyio

from agents.admission.command_runner import CommandOutcome
from agents.admission.evidence import Refused
from agents.admission.executed import ExecutedEvidence
from agents.admission.patch_text import combined, new_tests
from agents.admission.shell_words import nothing_ran
from agents.concurrency import together
from harness.board.evidence import Command, Patch
from harness.board.protocols import Entry
from harness.board.vocabulary import EntryKind
from harness.errors import LimitReached, SandboxError, SandboxLost, SandboxUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """A command that a good patch passes."""

    label: str  # of the entry whose command it is
    command: str
    tests: str = ""  # the new test files that it may need, as a diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a command with a candidate."""

    passed: bool
    failure: CommandOutcome | None = None  # in which every run failed with the same exit status


class Matrix:
    """The outcomes of a trial, by candidate (its diff) and command."""

    def __init__(self, checks: ExecutedEvidence) -> None:
        self._checks = checks
        self._outcomes: dict[str, dict[CrossCheck, Outcome]] = {}
        self._asking: defaultdict[tuple[str, CrossCheck], anyio.Lock] = defaultdict(anyio.Lock)
        self._crossed: Counter[str] = Counter()  # commands of others that a candidate was held to

    def known(self, diff: str, check: CrossCheck) -> Outcome | None:
        """The outcome, where the pair was executed."""
        return self._outcomes.get(diff, {}).get(check)

    def passes(self, diff: str, check: CrossCheck) -> None:
        """Note that a candidate passes a command, as its own admission has shown."""
        self._outcomes.setdefault(diff, {})[check] = Outcome(passed=True)

    def known_of(self, diff: str) -> dict[str, bool]:
        """By label of the command's entry, whether the candidate passes, as far as known."""
        known = self._outcomes.get(diff, {})
        return {check.label: outcome.passed for check, outcome in known.items()}

    async def outcome(self, diff: str, check: CrossCheck) -> Outcome:
        """The outcome, executed where it is not known.

        Raises `SandboxUnavailable` and `LimitReached`, which say nothing of the candidate.
        """
        known = self._outcomes.setdefault(diff, {})
        async with self._asking[diff, check]:
            if check not in known:
                known[check] = await self._run(combined(diff, check.tests), check.command)
        return known[check]

    async def cross(
        self, pairs: Iterable[tuple[str, CrossCheck]], *, most: int, within_s: float
    ) -> None:
        """Execute pairs that are not known: at most `most` a candidate, the first ones first.

        What cannot be executed, or not within `within_s` seconds, stays unknown.
        """
        due = []
        for diff, check in pairs:
            if self.known(diff, check) is None and self._crossed[diff] < most:
                self._crossed[diff] += 1
                due.append(partial(self._try, diff, check))
        with anyio.move_on_after(within_s):
            await together(due)

    async def _try(self, diff: str, check: CrossCheck) -> None:
        try:
            await self.outcome(diff, check)
        except (SandboxUnavailable, LimitReached):
            return

    async def _run(self, diff: str, command: str) -> Outcome:
        try:
            seen = await self._checks.run_briefly(diff, command)
        except (Refused, SandboxError, SandboxLost):
            return Outcome(passed=False)
        status = seen.exit_status
        if not status or seen.cut_short or nothing_ran(command, status):
            return Outcome(passed=status == 0)
        return Outcome(passed=False, failure=seen)


def checks_of(entries: Sequence[Entry]) -> list[CrossCheck]:
    """Every reproduction and every constraint by a command, each command once, oldest first."""
    checks: dict[str, CrossCheck] = {}
    for entry in entries:
        if (check := check_of(entry)) is not None:
            checks.setdefault(check.command, check)
    return list(checks.values())


def failing_check(failure: Entry) -> CrossCheck | None:
    """The command of a failure, if it is by one."""
    match failure.evidence:
        case Command(command=command, changes=changes):
            return CrossCheck(label=failure.label, command=command, tests=changes)
    return None


def check_of(entry: Entry) -> CrossCheck | None:
    """The command of an entry that a good patch passes, if it has one."""
    match entry.evidence:
        case Patch(command=command, diff=diff):
            return CrossCheck(label=entry.label, command=command, tests=new_tests(diff))
        case Command(command=command, exit_status=0) if entry.kind == EntryKind.CONSTRAINT:
            return CrossCheck(label=entry.label, command=command)
    return None
