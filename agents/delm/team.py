"""The shared parts of one trial: the board, the gate, and the rules that create tasks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.options import Natural, Options, Seconds
from agents.prompts import one_line, render
from harness.board.evidence import Span, state_of
from harness.board.protocols import Entry, NewTask, Proposal, Ruling, Task
from harness.board.vocabulary import (
    EntryKind,
    LinkKind,
    ResultKey,
    Settled,
    TaskKind,
    TaskState,
    agent_name,
    numbered_label,
)
from harness.protocols import Sandbox, Trial

FRAMINGS = (
    "Reproduce it first: write the smallest program that shows it, and follow it into the source.",
    "Read the code first: follow the names that the issue mentions, and what calls them.",
    "Read the specification first: what documentation, docstrings and standards promise here.",
    "Read the tests first: what is tested near it, what is not, and how such tests are run.",
)
PRIORITIES: Mapping[str, int] = {
    TaskKind.LOCALIZE: 30,
    TaskKind.REPAIR: 25,
    TaskKind.TEST: 20,
    TaskKind.PATCH: 10,
    TaskKind.DECIDE: 0,
}
OWN = (TaskKind.PATCH, TaskKind.REPAIR)  # kinds of task whose result is a patch
QUOTED = 300  # characters of a finding in the text of a task


class Turns(Options):
    """The turn limit of each kind of task; 0: no limit, None: as `other`."""

    localize: Natural | None = None
    patch: Natural | None = None
    repair: Natural | None = None
    test: Natural | None = None
    decide: Natural | None = None
    other: Natural = 0  # also of the kinds that agents make up


class DelmOptions(Options):
    """The switches of the system; each is a line of its configuration."""

    sharing: bool = True  # agents see each other's entries
    verification: bool = True  # an entry's evidence is executed before it is admitted
    queue: bool = True  # off: each agent does its whole issue as one task
    gist_check: bool = False  # a model is asked whether a gist says more than its evidence
    refresh: Literal["step", "dispatch"] = "step"  # when an agent is told of new entries
    # tasks that look for the fault first; 0: every seat begins at once; each: one an agent, at most
    # as many as there are framings
    localizers: Natural | Literal["each"] = 1
    early_release: bool = True  # seats begin at the first FACT that quotes source, else at the end
    carry_tokens: Natural = 30_000  # an agent goes on in its conversation while it is shorter
    tests: Literal["none", "disagreement", "one", "each"] = "disagreement"  # by a model
    repairs: Natural = 2  # of one submission
    rounds: Natural = 1  # times that an empty queue is thought about by an agent
    max_tasks: Natural = 60  # of a trial; agents add none beyond it; 0: any number
    turns: Turns = Turns()
    # a conversation whose prompt is longer is compacted, once; 0: none is
    long_tokens: Natural = 100_000
    lease_s: Seconds = 60.0
    check_s: Seconds = 180.0  # one check of one proposal
    selection_s: Seconds = 300.0  # running every candidate against every check

    @property
    def apart(self) -> bool:
        """Nothing is shared, checked or handed over: each agent is as in `independent`."""
        return not (self.sharing or self.verification or self.queue)

    def localizers_of(self, agents: int) -> int:
        """How many tasks of a trial with so many agents look for the fault first."""
        if not self.queue:
            return 0
        return min(agents, len(FRAMINGS)) if self.localizers == "each" else self.localizers

    def turns_of(self, kind: str) -> int:
        """The turn limit of a kind of task; 0: no limit."""
        turns: int | None = self.turns.model_dump().get(kind)
        return self.turns.other if turns is None else turns


@dataclass(slots=True)
class SeatState:
    """The state of a seat, i.e. of one requested submission."""

    seat: str
    patch: str = ""
    entry: str = ""  # the label under which exactly this patch was admitted
    agent: str = ""
    reason: str = ""  # how its last conversation ended
    finished: bool = False
    left_out: tuple[str, ...] = ()  # of its files, since no patch can hold them


class DelmTrial:
    """One trial of `delm`."""

    def __init__(
        self,
        trial: Trial,
        options: DelmOptions,
        pristine: Sandbox,
        checks: ExecutedEvidence,
        gate: Gate,
    ) -> None:
        self.trial = trial
        self.options = options
        self.pristine = pristine
        self.checks = checks
        self.gate = gate
        self.queue = trial.queue
        self.context = trial.context
        self.seats = tuple(numbered_label(TaskKind.PATCH, n + 1) for n in range(trial.agents))
        count = options.localizers_of(trial.agents)
        self.localizers = tuple(numbered_label(TaskKind.LOCALIZE, n + 1) for n in range(count))
        self.salvage: dict[str, tuple[str, str]] = {}  # seat: the agent, and its last diff

    async def seed(self) -> None:
        """Add the first tasks of a trial. Calling it again adds nothing.

        Seats wait for the localizers, or each begins at once with a framing of its own.
        """
        count = len(self.localizers)
        first = [
            self._new(
                TaskKind.LOCALIZE,
                render("task_localize", framing=framing(n) if count > 1 else ""),
                label=label,
                preferred=agent_name(n % self.trial.agents + 1),
            )
            for n, label in enumerate(self.localizers)
        ]
        template = "task_patch" if self.options.queue else "task_solve"
        patches = [
            self._new(
                TaskKind.PATCH,
                render(template, framing="" if count or self.options.apart else framing(n)),
                label=seat,
                preferred=agent_name(n + 1),
                after=self.localizers,
            )
            for n, seat in enumerate(self.seats)
        ]
        await self.queue.put(*first, *patches, by="")

    def _new(self, kind: str, text: str, **more: Any) -> NewTask:
        return NewTask(kind=kind, text=text, priority=PRIORITIES.get(kind, 15), **more)

    async def judge(self, proposals: Sequence[Proposal]) -> Sequence[Ruling]:
        """Put the proposals of one answer through the gate, and do what follows from them."""
        rulings = await self.gate.submit_all(proposals)
        for proposal, ruling in zip(proposals, rulings, strict=True):
            await self._follow(proposal, ruling)
        return rulings

    async def _follow(self, proposal: Proposal, ruling: Ruling) -> None:
        """Where a localizer quotes source the seats begin; a failure of a candidate opens its
        repair.

        A repair that nobody has begun is cancelled where all that it was to mend is refuted.
        """
        entry = ruling.entry
        if entry is None:
            return
        quotes = entry.kind == EntryKind.FACT and isinstance(entry.evidence, Span)
        if quotes and proposal.task in self.localizers and self.options.early_release:
            for label in self.localizers:
                await self.queue.release_waiting(label)
        if ruling.settled == Settled.ADMITTED and entry.kind == EntryKind.FAIL:
            await self._open_repairs(entry)
        if proposal.refutes:
            await self._cancel_repairs()

    async def _open_repairs(self, failure: Entry) -> None:
        """One for each submission that is this candidate, however many have written the same."""
        state = state_of(failure.evidence)
        candidate = await self.context.entry(state)
        if candidate is None or not self.options.queue:
            return
        agents = {w.seat: w.agent for w in await self.works() if w.entry == state}
        if seat := await self.seat_of(candidate):
            agents.setdefault(seat, candidate.author)
        for seat, agent in agents.items():
            await self.queue.put(*await self._repairs(seat, agent, state, failure), by="")

    async def _repairs(
        self, seat: str, agent: str, state: str, failure: Entry
    ) -> Sequence[NewTask]:
        """The repair of a seat whose candidate fails, unless it had its repairs."""
        tasks = await self.queue.tasks()
        mended = [task for task in tasks if task.kind == TaskKind.REPAIR and task.subject == seat]
        if len(mended) >= self.options.repairs:
            return ()
        gist = one_line(failure.gist, QUOTED)
        text = render("task_repair", patch=state, failure=failure.label, gist=gist)
        key = f"repair:{seat}:{state}"
        return (self._new(TaskKind.REPAIR, text, key=key, subject=seat, preferred=agent),)

    async def _cancel_repairs(self) -> None:
        """Those that the board opened for failures of which none stands any more."""
        standing = await self.standing()
        works = {work.seat: work for work in await self.works()}
        for task in await self.queue.tasks():
            work = works.get(task.subject)
            if task.kind != TaskKind.REPAIR or work is None or not task.preferred:
                continue  # without a preferred agent it is one that an agent asked for
            if work.entry and not failures_of(work.entry, standing):
                await self.queue.cancel(task.label, by="", reason="the failure was refuted")

    async def seat_of(self, candidate: Entry) -> str:
        """The `patch` task that an admitted patch is the work of, or nothing."""
        tasks = {task.label: task for task in await self.queue.tasks()}
        return seat_of(tasks[candidate.task]) if candidate.task in tasks else ""

    async def standing(self) -> list[Entry]:
        """The entries that no admitted entry refutes, in order."""
        links = await self.context.links()
        refuted = {link.target for link in links if link.kind == LinkKind.REFUTES}
        return [entry for entry in await self.context.entries() if entry.label not in refuted]

    async def following(self, patch: str, task: Task, agent: str) -> Sequence[NewTask]:
        """What is to be done when `agent` hands back `task` with the admitted `patch`.

        Its test, by somebody who has not written the same patch, where there is anybody; and its
        repair, where it is known to fail already.
        """
        admitted = await self.context.entry(patch) if patch else None
        if admitted is None or not self.options.queue:
            return ()
        authors = {agent, *authors_of(admitted, await self.queue.tasks())}
        failures = [e for e in await self.standing() if fails(e, patch)]
        repairs = await self._repairs(seat_of(task), agent, patch, failures[0]) if failures else ()
        if 1 < self.trial.agents <= len(authors):  # a lone agent looks at its own work once more
            await self._cancel_test(patch)
            return repairs
        return (*await self._test(patch, authors), *repairs)

    async def _test(self, patch: str, authors: set[str]) -> Sequence[NewTask]:
        """The test of a candidate by somebody who did not write it, where one is wanted."""
        if self.options.tests in ("none", "disagreement"):
            return ()
        if self.options.tests == "one":
            tasks = await self.queue.tasks()
            if any(task.kind == TaskKind.TEST and task.subject != patch for task in tasks):
                return ()
        text = render("task_test", patch=patch)
        excluded = tuple(sorted(authors))
        return (
            self._new(TaskKind.TEST, text, key=f"test:{patch}", subject=patch, excluded=excluded),
        )

    async def _cancel_test(self, patch: str) -> None:
        for task in await self.queue.tasks():
            if task.kind == TaskKind.TEST and task.subject == patch:
                await self.queue.cancel(task.label, by="", reason="every agent has written it")

    async def works(self) -> list[SeatState]:
        """The last finished patch of each seat."""
        tasks = await self.queue.tasks()
        works = {seat: SeatState(seat=seat) for seat in self.seats}
        for task in tasks:
            seat = task.subject if task.kind == TaskKind.REPAIR else task.label
            if task.kind in OWN and task.state == TaskState.DONE and seat in works:
                _take(works[seat], task)
        for seat, (agent, diff) in self.salvage.items():
            if not works[seat].patch and diff:
                works[seat].patch, works[seat].agent = diff, agent
        return list(works.values())

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


def framing(number: int) -> str:
    """The assignment of a seat or a localizer, numbered from 0."""
    return FRAMINGS[number % len(FRAMINGS)]


def _take(work: SeatState, task: Task) -> None:
    if task.result.get(ResultKey.PATCH):
        work.patch = str(task.result[ResultKey.PATCH])
        work.entry = str(task.result.get(ResultKey.ENTRY, ""))
        work.agent = task.holder
        work.left_out = tuple(task.result.get(ResultKey.LEFT_OUT, ()))
    work.reason = str(task.result.get(ResultKey.REASON, ""))
    work.finished = work.reason == "finished"


def fails(entry: Entry, patch: str) -> bool:
    """Whether an entry is a failure of an admitted patch."""
    return entry.kind == EntryKind.FAIL and state_of(entry.evidence) == patch


def failures_of(patch: str, entries: Iterable[Entry]) -> list[str]:
    """The labels of the failures admitted against an admitted patch."""
    return [entry.label for entry in entries if fails(entry, patch)]


def seat_of(task: Task) -> str:
    """The seat that a task works for: its own label, what a repair mends, or nothing."""
    if task.kind not in OWN:
        return ""
    return task.label if task.kind == TaskKind.PATCH else task.subject


def authors_of(patch: Entry, tasks: Iterable[Task]) -> set[str]:
    """The authors of exactly this patch, and the agent that published it first."""
    own = [task for task in tasks if task.kind in OWN]
    same = {task.holder for task in own if task.result.get(ResultKey.ENTRY) == patch.label}
    return {patch.author, *same}
