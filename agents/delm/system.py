"""`delm`: N equal agents over a board. Nobody is in charge; only verified findings are shared."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import anyio

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.admission.gist_check import answer_checker
from agents.concurrency import together
from agents.delm.candidates import SeatState, authors_of, fails, failures_of
from agents.delm.cross_checks import diff_of
from agents.delm.matrix import CrossCheck, checks_of
from agents.delm.options import DelmOptions
from agents.delm.team import DelmTrial
from agents.delm.worker import Worker
from agents.loop import ended_by, with_left_out
from agents.selection import Candidate, select
from agents.vetoes import vetoed
from harness.board.evidence import Patch
from harness.board.protocols import Entry, Task
from harness.board.vocabulary import TaskKind, TaskState, agent_name
from harness.errors import LimitReached, ModelError, SandboxLost, SandboxUnavailable
from harness.protocols import Model, Trial

JOINED_LEASE_S = 20.0
LEAST_AT_ONCE, MOST_AT_ONCE = 2, 8  # checks, as the machine has processors


class Delm:
    """The system."""

    Options = DelmOptions

    def __init__(self, options: DelmOptions | None = None) -> None:
        self.options = options or DelmOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        team = await self.assemble(trial)
        await team.seed()
        reason = "interrupted"
        try:
            names = [agent_name(number + 1) for number in range(trial.agents)]
            await self._live(team, names)
            limits = set(team.limits)  # one for all, such as that a person has stopped each
            limit = limits.pop() if len(limits) == 1 else ""
            reason = "finished" if await team.queue.closed() else limit or "steps"
        except (LimitReached, ModelError, SandboxLost) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await hand_in(team, reason)

    async def join(self, trial: Trial, agents: Sequence[str]) -> None:
        """See `harness.protocols.JoinableSystem`.

        They check what they propose in sandboxes of their own machine, and hold their tasks by
        shorter leases, since a network breaks more often than a process.
        """
        lease_s = min(self.options.lease_s, JOINED_LEASE_S)
        own = Delm(self.options.model_copy(update={"lease_s": lease_s}))
        team = await own.assemble(trial, process=f"@{agents[0]}")
        await own._live(team, agents)

    async def assemble(self, trial: Trial, process: str = "") -> DelmTrial:
        """Build the team of a trial: its pristine sandbox, gate and options.

        `process` ends the names of conversations that each process of the trial counts for itself.
        """
        options = self.options
        pristine = await trial.sandbox()
        checks = ExecutedEvidence(
            pristine,
            trial.context,
            command_s=trial.limits.command_s,
            time_limit_s=options.check_s,
            count_tokens=trial.count_tokens,
            at_once=min(MOST_AT_ONCE, max(LEAST_AT_ONCE, trial.cores)),
            verify=options.verification,
            binding=options.binding and options.sharing,
            check_cache=trial.check_cache,
            issue=trial.instance.problem_statement,
        )

        def verifier(conversation: str, agent: str) -> Model:
            return trial.verifier(conversation + process, agent)

        checker = answer_checker(verifier) if options.compares_gists else None
        gate = Gate(trial.context, checks.by_form(), checker=checker, apart=not options.sharing)
        return DelmTrial(trial, options, pristine, checks, gate)

    async def _live(self, team: DelmTrial, names: Sequence[str]) -> None:
        team.alive = len(names)
        with team.agents_scope:
            await together(Worker(team, name).live for name in names)


async def hand_in(team: DelmTrial, reason: str) -> None:
    """Submit the patch of every seat, finished or not, and select one.

    Where one patch is to be shipped, it is the only submission: the one that ended the trial, or
    the one that is selected.
    """
    works = [work for work in await team.last_works() if team.shipped in ("", work.seat)]
    await team.queue.close(by="", reason=reason)
    if not works:
        return
    lost = await vetoed_diffs(team)
    in_time = reason not in {"interrupted", "wall_clock"}
    shipped = select(await candidates(team, works, run=in_time)) if team.options.ship else None
    for work in works:
        if shipped is None or work.seat == shipped.author:
            await _submit(team, work, reason)
    if all(work.patch in lost for work in works):
        return  # a person has vetoed whatever could be selected
    choice = shipped or select(await candidates(team, works, run=in_time))
    await team.trial.select(choice.author, choice.reasons)


async def vetoed_diffs(team: DelmTrial) -> set[str]:
    """The patches that a person has vetoed."""
    labels = await vetoed(team.context)
    entries = [entry for entry in await team.entries() if entry.label in labels]
    return {diff_of(entry) for entry in entries if isinstance(entry.evidence, Patch)}


async def _submit(team: DelmTrial, work: SeatState, reason: str) -> None:
    await team.trial.submit(
        work.seat,
        work.patch,
        reason=with_left_out(work.reason or reason, work.left_out),
        salvaged=not work.finished,
        agent=work.agent,
        built_on=work.built_on if work.patch else "",
        copy_of=work.copy_of,
    )


async def candidates(team: DelmTrial, works: Sequence[SeatState], *, run: bool) -> list[Candidate]:
    """The submissions with the facts for selection. `run`: execute checks that are not known."""
    entries, tasks = await team.standing(), await team.queue.tasks()
    admitted = {entry.label: entry for entry in entries}
    checks: list[CrossCheck] = []
    if len({work.patch for work in works}) > 1:
        checks = await _that_bind(team, works, checks_of(entries))
    passed = await outcomes(team, works, checks, run=run)
    lost = await vetoed_diffs(team)
    return [
        Candidate(
            author=work.seat,
            patch=work.patch,
            verified=work.entry in admitted,
            failures=len(failures_of(work.entry, entries)) if work.entry else 0,
            passed_peers=passed_by_peers(tasks, entries, admitted.get(work.entry)),
            vetoed=work.patch in lost,
            checks=passed[work.seat],
        )
        for work in works
    ]


async def _that_bind(
    team: DelmTrial, works: Sequence[SeatState], checks: Sequence[CrossCheck]
) -> list[CrossCheck]:
    """Those of `checks` that no submission was admitted against."""
    refuted: set[str] = set()
    refutations = await team.gate.refutations()
    for label in {work.entry for work in works if work.entry}:
        refuted |= refutations.get(label, set())
    return [check for check in checks if check.label not in refuted]


async def outcomes(
    team: DelmTrial, works: Sequence[SeatState], checks: Sequence[CrossCheck], *, run: bool = True
) -> Mapping[str, Mapping[str, bool]]:
    """By seat and command, whether the command passes with the seat's patch.

    What is known is not executed again; without `run` nothing is. All submissions are held to the
    same commands: one that is not known of each of them, since the time limit came or a sandbox
    broke, says nothing of any.
    """
    patches = {work.seat: work.patch for work in works if work.patch}
    if run:
        await _execute(team, set(patches.values()), checks)
    found: dict[str, dict[str, bool]] = {work.seat: {} for work in works}
    for check in checks:
        known = {seat: team.matrix.known(patch, check) for seat, patch in patches.items()}
        passed = {seat: outcome.passed for seat, outcome in known.items() if outcome}
        if len(passed) == len(patches):
            for seat, outcome in passed.items():
                found[seat][check.command] = outcome
    return found


async def _execute(team: DelmTrial, patches: Iterable[str], checks: Sequence[CrossCheck]) -> None:
    """Fill the matrix, within the time for selection, one command after the other, each with all
    patches at the same time."""

    async def fill(patch: str, check: CrossCheck) -> None:
        with suppress(SandboxUnavailable):
            await team.matrix.outcome(patch, check)

    with anyio.move_on_after(team.options.selection_s), suppress(LimitReached):
        for check in checks:
            await together(partial(fill, patch, check) for patch in patches)


def passed_by_peers(tasks: Sequence[Task], entries: Sequence[Entry], patch: Entry | None) -> int:
    """How many finished tests of an admitted patch left no failure of it behind.

    Tests by somebody who wrote the same patch are none.
    """
    if patch is None:
        return 0
    authors = authors_of(patch, tasks)
    found = {entry.task for entry in entries if fails(entry, patch.label)}
    return sum(
        task.kind == TaskKind.TEST
        and task.state == TaskState.DONE
        and task.subject == patch.label
        and task.label not in found
        and task.holder not in authors
        for task in tasks
    )
