"""The shared parts of one trial: the board, the gate, and the rules that create tasks."""

from collections.abc import Sequence

import anyio

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.delm.candidate_tasks import CandidateTasks
from agents.delm.candidates import failures_of
from agents.delm.matrix import Matrix
from agents.delm.options import DelmOptions, framing
from agents.delm.team_board import TeamBoard
from agents.prompts import render
from harness.board.evidence import Span
from harness.board.protocols import Proposal, Ruling
from harness.board.vocabulary import (
    EntryKind,
    Settled,
    TaskKind,
    agent_name,
    numbered_label,
)
from harness.protocols import Sandbox, Trial


class DelmTrial(TeamBoard):
    """One trial of `delm`."""

    def __init__(
        self,
        trial: Trial,
        options: DelmOptions,
        pristine: Sandbox,
        checks: ExecutedEvidence,
        gate: Gate,
    ) -> None:
        super().__init__(trial, options)
        self.pristine = pristine
        self.shipped = ""  # the seat whose patch ended the trial
        self.agents_scope = (
            anyio.CancelScope()
        )  # of all agents: cancelled when one patch is shipped
        self.checks = checks
        self.gate = gate
        self.matrix = Matrix(checks)
        self.candidates = CandidateTasks(self, gate, self.matrix)
        count = options.localizers_of(trial.agents)
        self.localizers = tuple(numbered_label(TaskKind.LOCALIZE, n + 1) for n in range(count))
        self._found: dict[str, int] = {}  # localizers with a finding: turns that they took since

    async def seed(self) -> None:
        """Add the first tasks of a trial. Calling it again adds nothing.

        Seats wait for the localizers, or each begins at once with a framing of its own.
        """
        count = len(self.localizers)
        first = [
            self.new_task(
                TaskKind.LOCALIZE,
                render(
                    "task_localize",
                    framing=framing(n) if count > 1 else "",
                    goes_on=self._goes_on(n),
                ),
                label=label,
                preferred=agent_name(n % self.trial.agents + 1),
            )
            for n, label in enumerate(self.localizers)
        ]
        template = "task_patch" if self.options.queue else "task_solve"
        patches = [
            self.new_task(
                TaskKind.PATCH,
                render(template, framing="" if count or self.options.apart else framing(n)),
                label=seat,
                preferred=agent_name(n + 1),
                after=self.localizers if self.options.seats_wait else (),
            )
            for n, seat in enumerate(self.seats)
        ]
        await self.queue.put(*first, *patches, by="")

    async def judge(self, proposals: Sequence[Proposal]) -> Sequence[Ruling]:
        """Put the proposals of one answer through the gate, and do what follows from them."""
        rulings = await self.gate.submit_all(proposals)
        for proposal, ruling in zip(proposals, rulings, strict=True):
            await self._follow(proposal, ruling)
        return rulings

    async def _follow(self, proposal: Proposal, ruling: Ruling) -> None:
        """Where a localizer has found the place, or has made its patch, the seats begin; a failure
        of a candidate opens its repair.

        A repair that nobody has begun is cancelled where all that it was to mend is refuted.
        """
        entry = ruling.entry
        if entry is None:
            return
        if proposal.task in self.localizers and self.options.early_release:
            quotes = entry.kind == EntryKind.FACT and isinstance(entry.evidence, Span)
            if quotes:
                self._found.setdefault(proposal.task, 0)
            if entry.kind == EntryKind.PATCH or (quotes and not self._goes_first):
                await self._release()
        if ruling.settled == Settled.ADMITTED:
            if entry.kind == EntryKind.FAIL:
                await self.candidates.failed(entry)
            elif entry.kind == EntryKind.PATCH:
                await self.candidates.published(entry)
        if proposal.refutes:
            await self.candidates.settle_repairs()

    @property
    def _goes_first(self) -> bool:
        """Whether a localizer has some turns for its own patch before the seats begin."""
        return bool(self.options.head_start and self.options.carry_tokens)

    async def _release(self) -> None:
        """Let the seats begin, but for those whose patches the localizers are making."""
        for n, label in enumerate(self.localizers):
            own = self.seats[n] if self._goes_on(n) else ""
            await self.queue.release_waiting(label, besides=own)

    def _goes_on(self, number: int) -> bool:
        """Whether the localizer of a number, from 0, makes a patch in the same conversation."""
        return bool(self.options.carry_tokens) and number < self.trial.agents

    async def turn_ended(self, label: str) -> None:
        """Count a turn of the task `label`; where its head start is over the seats begin."""
        if label in self._found and self._goes_first:
            self._found[label] += 1
            if self._found[label] == self.options.head_start:
                await self._release()

    async def unsettled(self) -> list[str]:
        """The open problems when no task is left, one line each."""
        lines = []
        standing = await self.standing()
        for work in await self.works():
            if not work.patch:
                lines.append(f"{work.seat} came to no patch.")
            elif not work.entry:
                lines.append(f"{work.seat} has a patch that was never admitted.")
            elif all(entry.label != work.entry for entry in standing):
                lines.append(f"{work.seat} ({work.entry}) was refuted.")
            elif failures := failures_of(work.entry, standing):
                lines.append(f"{work.seat} ({work.entry}) fails: {', '.join(failures)}.")
        return lines
