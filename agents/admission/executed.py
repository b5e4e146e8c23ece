"""Evidence about a repository is executed: in clean forks, with bounds, once for each question."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import anyio

from agents.admission.chance import by_chance
from agents.admission.checks import Executed, check, unchecked
from agents.admission.command_runner import CommandOutcome, CommandRunner
from agents.admission.constraints import keeps_constraints
from agents.admission.evidence import CheckResult, Refused, judge_evidence
from agents.admission.failures import contradicted_by, judge_failure, pins
from agents.admission.gate import EvidenceCheck
from agents.admission.gist_check import gist_fault
from agents.admission.neighbour_tests import NeighbourTests, judge_neighbours
from agents.admission.patch_text import combined
from agents.admission.plain_form import PlainForm
from agents.admission.watched_runs import WatchedRuns
from agents.copies.attachments import Attachments, attached_to
from agents.prompts import shortened
from agents.vetoes import vetoed
from harness.board.evidence import Command, Evidence, Patch, Span, state_of
from harness.board.protocols import Entry, Proposal, SharedContext
from harness.board.vocabulary import BASE, ENTRY_LABEL, EntryKind
from harness.errors import SandboxError, SandboxLost
from harness.protocols import CheckCache, Sandbox
from harness.types import ExecResult

SHOWN_CHARS = 20_000  # of a diff, to the model that reads it beside the gist
RECIPE = 7  # raise it when a check changes: what was kept before is not believed then
MOST_TESTS = 20
MOST_LIKELY = 99  # a number beyond it that names no entry is something else: X509, F401
LINE_END = re.compile("[\n\r\v\f\x00\x1c-\x1e\x85\u2028\u2029]")


class TooLong(Refused):
    """A check reached its time limit."""


class ExecutedEvidence(EvidenceCheck):
    """Checks spans, commands and patches in clean forks of `pristine`.

    `command_s` is for one run of a command, `time_limit_s` for one whole check after it has begun.
    `at_once` checks run at a time. What held is kept in `check_cache`, and believed when the same
    is asked in the same state again. `verify` off: evidence is taken at its word. `binding`: a
    patch has to keep the admitted constraints. `issue`: what is to be mended, where it is known.
    """

    def __init__(
        self,
        pristine: Sandbox,
        context: SharedContext,
        *,
        command_s: float,
        time_limit_s: float,
        count_tokens: Callable[[str], int],
        at_once: int = 2,
        verify: bool = True,
        binding: bool = True,
        check_cache: CheckCache | None = None,
        issue: str = "",
    ) -> None:
        self._context = context
        self._runs = CommandRunner(pristine, command_s=command_s)
        self._watched = WatchedRuns(self._runs)
        self._time_limit_s = time_limit_s
        self._count_tokens = count_tokens
        self._verify = verify
        self._binding = binding
        self._check_cache = check_cache
        self._issue = issue
        self._command_s = command_s
        self._slots = anyio.Semaphore(at_once)
        self._neighbours = NeighbourTests(
            self._runs, label=self._question, recall=self._recall, keep=self._keep
        )
        self._form = PlainForm(self._runs)
        self.attachments = Attachments(context)

    def by_form(self) -> dict[type[Evidence], EvidenceCheck]:
        """Itself, for each form that it checks: see `Gate`."""
        return {Span: self, Command: self, Patch: self}

    async def check(self, proposal: Proposal) -> CheckResult:
        """See `EvidenceCheck`."""
        evidence = _executed(proposal.evidence)
        self._judge_gist(proposal.gist.strip())
        judge_evidence(proposal.kind, evidence)
        if clash := await self.clash(proposal):
            raise Refused(clash)
        if self._verify:
            await self._judge_labels(proposal)
            async with self._slots:
                await self._form.judge(await self._with_files(evidence))
                seen = await self._within(proposal.kind, evidence)
                await self._among_entries(proposal.kind, evidence)
            if isinstance(evidence, Patch):
                seen = replace(seen, broken_tests=await self._judge_neighbours(proposal, evidence))
            if self._binding and isinstance(evidence, Patch):
                await keeps_constraints(
                    self._context, self.run_briefly, self._contradicted, proposal, evidence.diff
                )
        else:
            seen = unchecked(proposal.kind, evidence)
        return replace(
            seen,
            shown=in_words(evidence, seen.raw) + tests_in_words(seen.broken_tests),
            cites=_cited(proposal),
            verified=self._verify,
        )

    async def clash(self, proposal: Proposal) -> str:
        """See `EvidenceCheck`: a name of its files is taken with other content."""
        return await self.attachments.clash(attached_to(proposal.evidence))

    async def still_holds(self, entry: Entry) -> bool:
        """See `EvidenceCheck`; one that takes too long is not shown to be wrong."""
        if not self._verify:
            return False
        async with self._slots:
            try:
                await self._within(entry.kind, _executed(entry.evidence), fresh=True)
            except TooLong:
                return True
            except (Refused, SandboxError, SandboxLost):
                return False
        return True

    async def run_on(self, diff: str, command: str) -> CommandOutcome:
        """What `command` does with `diff` and nothing else; an empty one is the base commit.

        `Refused`: the diff does not apply, or it took longer than the time limit.
        """
        files = await self.attachments.named_in(command)
        question = self._question("run", diff, [command, files] if files else command)
        if (kept := await self._recall(question)) is not None:
            return CommandOutcome(runs=tuple(ExecResult(**run) for run in kept))
        async with self._slots:
            with anyio.move_on_after(self._time_limit_s):
                outcome = await self._runs.outcome(diff, command, files)
                if outcome.lasting:
                    await self._keep(question, [asdict(run) for run in outcome.runs])
                return outcome
        raise self._too_long()

    async def run_briefly(self, diff: str, command: str) -> CommandOutcome:
        """As `run_on`, but where the first run exits with 0 it is the only one."""
        files = await self.attachments.named_in(command)
        question = self._question("run once", diff, [command, files] if files else command)
        if (kept := await self._recall(question)) is not None:
            return CommandOutcome(runs=(ExecResult(**kept),))
        async with self._slots:
            with anyio.move_on_after(self._time_limit_s) as limit:
                first = await self._runs.first(diff, command, files)
            if limit.cancelled_caught:
                raise self._too_long()
        if first.exit_status != 0:
            return await self.run_on(diff, command)
        if not first.cut_short and not by_chance(command, files):
            await self._keep(question, asdict(first))
        return CommandOutcome(runs=(first,))

    def _question(self, what: str, diff: str, asked: Any) -> str:
        return json.dumps([RECIPE, what, self._command_s, diff, asked], sort_keys=True)

    async def _recall(self, question: str) -> Any:
        kept = await self._check_cache.recall(question) if self._check_cache else None
        return None if kept is None else json.loads(kept)

    async def _keep(self, question: str, answer: Any) -> None:
        if self._check_cache:
            await self._check_cache.keep(question, json.dumps(answer))

    def _judge_gist(self, gist: str) -> None:
        if not gist:
            raise Refused("The gist is empty. Say in one sentence what was found.")
        if LINE_END.search(gist):
            raise Refused("The gist is one paragraph without line breaks. Put more into `summary`.")
        if fault := gist_fault(gist, self._count_tokens):
            raise Refused(
                f"{fault} Say the one thing that matters and put the rest into `summary`."
            )

    async def _judge_labels(self, proposal: Proposal) -> None:
        if proposal.refutes and await self._context.entry(proposal.refutes) is None:
            raise Refused(
                f"`refutes` names {proposal.refutes[:40]!r}, which is no entry. Give the label of "
                "the entry that this one contradicts, or leave it out."
            )
        for label in _cited(proposal):
            if int(label[1:]) <= MOST_LIKELY and await self._context.entry(label) is None:
                raise Refused(
                    f"The text cites {label}, and there is no such entry. Cite entries by the "
                    "labels that you were shown; spell it otherwise if it is not meant as one."
                )

    async def _within(
        self, kind: EntryKind, evidence: Executed, *, fresh: bool = False
    ) -> CheckResult:
        evidence = await self._with_files(evidence)
        with anyio.move_on_after(self._time_limit_s):
            diff = await self._diff(state_of(evidence))
            if isinstance(evidence, Command):
                diff = combined(diff, evidence.changes)
            question = self._question(kind, diff, _asked(evidence))
            if not fresh and (kept := await self._recall(question)) is not None:
                return CheckResult(**kept, remembered=True)
            seen = await check(
                self._runs, self._watched, kind, evidence, diff, issue=self._issue, fresh=fresh
            )
            if seen.lasting:
                await self._keep(question, {"key": seen.key, "raw": seen.raw})
            return seen
        raise self._too_long()

    async def _judge_neighbours(self, proposal: Proposal, patch: Patch) -> tuple[str, ...]:
        """The tests of the repository that a patch breaks, which its author has to name."""
        async with self._slots:  # each run has a limit of its own
            broken = await self._neighbours.broken_by(patch.diff)
        judge_neighbours(broken, f"{proposal.gist}\n{proposal.summary}")
        return broken

    async def _among_entries(self, kind: EntryKind, evidence: Executed) -> None:
        """`Refused` where a command holds, and other entries and the issue say that it shows
        nothing."""
        evidence = await self._with_files(evidence)
        if not isinstance(evidence, Command) or kind == EntryKind.FACT:
            return
        with anyio.move_on_after(self._time_limit_s):
            if kind == EntryKind.FAIL:
                diff = combined(await self._diff(evidence.state), evidence.changes)
                await judge_failure(
                    self._runs, self._watched, self._context, self._issue, evidence, diff
                )
            elif by := await pins(self._runs, self._watched, self._context, self._issue, evidence):
                raise Refused(
                    f"{by}, so that the command pins what is to be mended. Give one that holds in "
                    "either case."
                )
            return
        raise self._too_long()

    async def _contradicted(self, constraint: Command) -> Entry | None:
        """The reproduction that contradicts a constraint, see `contradicted_by`."""
        return await contradicted_by(self._runs, self._watched, self._context, constraint)

    async def _with_files(self, evidence: Executed) -> Executed:
        """Evidence whose command names files of other entries has them, too."""
        if not isinstance(evidence, Command | Patch):
            return evidence
        named = await self.attachments.named_in(evidence.command)
        return evidence.model_copy(update={"files": {**named, **evidence.files}})

    async def _diff(self, state: str) -> str:
        if state == BASE:
            return ""
        entry = await self._context.entry(state)
        if veto := (await vetoed(self._context)).get(state):
            raise Refused(veto)
        if entry is None or not isinstance(entry.evidence, Patch):
            raise Refused(
                f"The state {state[:40]!r} is neither 'base' nor the label of a PATCH entry. Give "
                "one of these. Of your own copy, `on`: mine, only a FAIL by a command speaks."
            )
        return entry.evidence.diff

    def _too_long(self) -> TooLong:
        return TooLong(
            f"The check took longer than {self._time_limit_s:g} s. Give a quicker command: one "
            "test instead of a whole suite."
        )


def _executed(evidence: Evidence) -> Executed:
    assert isinstance(evidence, Executed), "the gate asks for these forms only"
    return evidence


def _asked(evidence: Executed) -> dict[str, Any]:
    """The evidence as part of a question to the check cache: files stand in it where it has any."""
    asked = evidence.model_dump(exclude={"changes"})
    if not asked.get("files"):
        asked.pop("files", None)
    return asked


def in_words(evidence: Executed, raw: str) -> str:
    """The confirmed evidence and its result, as text for other agents."""
    match evidence:
        case Span():
            return f"These lines of {evidence.path} in the state {evidence.state}:\n{raw}"
        case Command():
            changes = shortened(evidence.changes, SHOWN_CHARS)
            besides = f"\nwith these changes:\n{changes}" if changes else ""
            return (
                f"In the state {evidence.state} the command\n{evidence.command}\nended with exit "
                f"status {evidence.exit_status} and printed:\n{raw}{besides}"
            )
        case Patch():
            return (
                f"The command\n{evidence.command}\nfails at the base commit and passes with this "
                f"patch:\n{raw[:SHOWN_CHARS]}"
            )


def tests_in_words(broken: Sequence[str]) -> str:
    """What a patch breaks, as its author says."""
    if not broken:
        return ""
    return "\nThese tests of the repository pass without it and fail with it:\n" + "\n".join(
        broken[:MOST_TESTS]
    )


def _cited(proposal: Proposal) -> list[str]:
    return list(dict.fromkeys(ENTRY_LABEL.findall(f"{proposal.gist}\n{proposal.summary}")))
