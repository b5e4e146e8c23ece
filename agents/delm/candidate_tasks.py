"""The tasks that follow from candidates: who tests one, and who repairs it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.admission.gate import Gate
from agents.delm import openings
from agents.delm.candidates import authors_of, fails, failures_of, seat_of
from agents.delm.cross_checks import CrossChecks, diff_of, shows
from agents.delm.equal_candidates import EqualCandidates
from agents.delm.matrix import Matrix, failing_check
from agents.delm.team_board import TeamBoard
from harness.board.evidence import state_of
from harness.board.protocols import Entry, Link, NewTask, Task
from harness.board.vocabulary import EntryKind, LinkKind, ResultKey, TaskKind, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """The candidate that a seat has handed in last."""

    label: str
    agent: str
    same: str = ""  # label of the candidate of another seat that it equals, or is a copy of


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What follows from a candidate: tasks, and what the result of its own task says of it."""

    tasks: Sequence[NewTask] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


class CandidateTasks:
    """What the board does when a candidate is handed in, and when one fails."""

    def __init__(self, board: TeamBoard, gate: Gate, matrix: Matrix) -> None:
        self._board = board
        self._options = board.options
        self._cross_checks = CrossChecks(
            matrix, gate, most=board.options.crossed, within_s=board.options.selection_s
        )
        self._equal = EqualCandidates(matrix.known_of)
        self._seats: dict[str, str] = {}  # by candidate, the seat that handed it in first
        self._coming: dict[str, HandedIn] = {}  # by seat, also where its task ends only now

    async def following(self, patch: str, task: Task, agent: str) -> Following:
        """What is to be done when `agent` hands back `task` with the admitted `patch`.

        The candidate and the others are held to each other's commands first. Then its test, by
        somebody who has not written the same patch, where there is anybody; and its repair, where
        it is known to fail.
        """
        candidate = await self._board.context.entry(patch) if patch else None
        seat = seat_of(task)
        if candidate is None or not self._options.queue:
            self._coming.pop(seat, None)  # what the seat handed in before is not its candidate
            return Following()
        self._coming[seat] = HandedIn(label=patch, agent=agent)
        await self._cross_check(candidate, task)
        held = replace(self._coming[seat], same=await self._same_as(candidate, seat))
        self._coming[seat] = held
        await self._hold_to_failures_of_equals(candidate, task)
        standing = await self._board.standing()
        repairs: Sequence[NewTask] = ()
        failures = [entry for entry in standing if fails(entry, patch)]
        if failures and not await self._is_mended_elsewhere(held):
            repairs = await self._repairs(seat, agent, failures[0])
            # the task that they would wait for ends with this
            repairs = [replace(repair, after=()) for repair in repairs]
        tests = await self._tests(candidate, agent, standing)
        result: dict[str, Any] = {ResultKey.EQUAL: held.same} if held.same else {}
        return Following(tasks=(*tests, *repairs), result=result)

    async def copied(self, label: str, task: Task, agent: str) -> Following:
        """What is to be done when `agent` hands back `task` with the candidate of another seat."""
        entry = await self._board.context.entry(label)
        assert entry is not None
        self._coming[seat_of(task)] = HandedIn(label=label, agent=agent, same=label)
        return Following(
            result={
                ResultKey.PATCH: diff_of(entry),
                ResultKey.ENTRY: label,
                ResultKey.COPY: label,
            }
        )

    async def published(self, patch: Entry) -> None:
        """Mark the patch that the same seat has published before as replaced."""
        seats = {task.label: seat_of(task) for task in await self._board.queue.tasks()}
        seat = seats.get(patch.task)
        earlier = [
            entry.label
            for entry in await self._board.entries()
            if seat and entry.kind == EntryKind.PATCH and seats.get(entry.task) == seat
        ]
        for label in earlier[-2:-1]:  # the last one is this
            await self._board.context.link(
                Link(source=patch.label, target=label, kind=LinkKind.REPLACES)
            )

    async def failed(self, failure: Entry) -> None:
        """Open the repair of each seat whose candidate fails; of equal ones, of the first seat.

        What equals the candidate is held to the same command. What a seat has published and not
        handed in is looked at when it is.
        """
        if not self._options.queue:
            return
        state = state_of(failure.evidence)
        await self._hold_equals(state, failure)
        for seat, held in (await self._handed_in()).items():
            if held.label == state and not await self._is_mended_elsewhere(held):
                await self._board.queue.put(*await self._repairs(seat, held.agent, failure), by="")

    async def settle_repairs(self) -> None:
        """Cancel the repairs that the board opened for failures of which none stands any more."""
        standing = await self._board.standing()
        works = {work.seat: work for work in await self._board.works()}
        for task in await self._board.queue.tasks():
            work = works.get(task.subject)
            if task.kind != TaskKind.REPAIR or work is None or not task.preferred:
                continue  # without a preferred agent it is one that an agent asked for
            if work.entry and not failures_of(work.entry, standing):
                await self._board.queue.cancel(task.label, by="", reason="the failure was refuted")

    async def _handed_in(self) -> Mapping[str, HandedIn]:
        """By seat, its candidate."""
        works = [work for work in await self._board.works() if work.entry]
        done = {w.seat: HandedIn(label=w.entry, agent=w.agent, same=w.same) for w in works}
        followed = {work.seat: done[work.seat] for work in works if work.copy_of}
        return done | self._coming | followed

    async def _cross_check(self, candidate: Entry, task: Task) -> None:
        if not self._options.crossed:
            return
        standing = await self._board.standing()
        labels = {held.label for held in (await self._handed_in()).values()} - {candidate.label}
        others = [entry for entry in reversed(standing) if entry.label in labels]
        failures = await self._cross_checks.between(candidate, others, standing, task=task.label)
        for failure in failures:
            if not fails(failure, candidate.label):
                await self.failed(failure)

    async def _same_as(self, candidate: Entry, seat: str) -> str:
        """The label of the first candidate that equals one of `seat`, where another seat has it."""
        if not self._options.merge_equal:
            return ""
        await self._know_others()
        first = self._equal.add(candidate.label, diff_of(candidate))
        if first != candidate.label:
            await self._board.context.link(
                Link(source=candidate.label, target=first, kind=LinkKind.EQUALS)
            )
        return first if self._seats.setdefault(first, seat) != seat else ""

    async def _know_others(self) -> None:
        """Know the candidates of agents in other processes, which only the board has."""
        if not self._options.merge_equal:
            return
        works = [each for each in await self._board.works() if each.entry and not each.same]
        for work in works:
            self._equal.add(work.entry, work.patch)
            self._seats.setdefault(self._equal.all_of(work.entry)[0], work.seat)

    async def _hold_equals(self, state: str, failure: Entry) -> None:
        """Execute a failure of one candidate with those that equal it."""
        check = failing_check(failure)
        if check is None or not self._options.crossed:
            return
        await self._know_others()
        held = {each.label for each in (await self._handed_in()).values()}
        equals = (held & set(self._equal.all_of(state))) - {state}
        standing = await self._board.standing()
        pairs = [(entry, check) for entry in standing if entry.label in equals]
        for other in await self._cross_checks.hold(pairs, standing, task=failure.task):
            await self.failed(other)

    async def _hold_to_failures_of_equals(self, candidate: Entry, task: Task) -> None:
        """Execute with a candidate what failed with those that equal it."""
        equals = set(self._equal.all_of(candidate.label)) - {candidate.label}
        if not equals or not self._options.crossed:
            return
        standing = await self._board.standing()
        checks = [
            failing_check(entry) for entry in standing if any(fails(entry, each) for each in equals)
        ]
        pairs = [(candidate, check) for check in checks if check is not None]
        await self._cross_checks.hold(pairs, standing, task=task.label)

    async def _is_mended_elsewhere(self, held: HandedIn) -> bool:
        """Whether another seat has the same candidate, and the repair of it."""
        if not held.same:
            return False
        first = next(
            (each for each in (await self._handed_in()).values() if each.label == held.same), None
        )
        # the other seat has moved on, or it fails there, too
        return first is None or bool(failures_of(held.same, await self._board.standing()))

    async def _repairs(self, seat: str, agent: str, failure: Entry) -> Sequence[NewTask]:
        """The repair of a seat whose candidate fails, unless it had its repairs."""
        state = state_of(failure.evidence)
        candidate = await self._board.context.entry(state)
        tasks = [task for task in await self._board.queue.tasks() if _is_of(task, seat)]
        repairs = sum(task.kind == TaskKind.REPAIR for task in tasks)
        if candidate is None or repairs >= self._options.repairs:
            return ()
        return (
            self._board.new_task(
                TaskKind.REPAIR,
                openings.repair_text(candidate, failure),
                key=f"repair:{seat}:{state}",
                subject=seat,
                preferred=agent,
                after=tuple(task.label for task in tasks if task.state == TaskState.CLAIMED),
            ),
        )

    async def _tests(
        self, candidate: Entry, agent: str, standing: Sequence[Entry]
    ) -> Sequence[NewTask]:
        """The test of a candidate by somebody who wrote neither it nor its equal, if wanted."""
        first = self._equal.all_of(candidate.label)[0]
        authors = await self._authors_of(candidate.label) | {agent}
        if 1 < self._board.trial.agents <= len(authors):  # a lone agent tests its own work
            await self._cancel_test(first)
            return ()
        if self._options.tests == "disagreement":
            return await self._disagreement(candidate, authors, standing)
        tasks = await self._board.queue.tasks()
        tested = any(t.kind == TaskKind.TEST and t.subject != first for t in tasks)
        subject = await self._board.context.entry(first)
        if self._options.tests == "none" or (self._options.tests == "one" and tested):
            return ()
        text = openings.test_text(subject or candidate)
        return (self._test(text, f"test:{first}", first, authors),)

    async def _disagreement(
        self, candidate: Entry, authors: Collection[str], standing: Sequence[Entry]
    ) -> Sequence[NewTask]:
        """The task to find out who is right, where the candidate and another one differ."""
        equals = self._equal.all_of(candidate.label)
        labels = {held.label for held in (await self._handed_in()).values()} - set(equals)
        executed = self._cross_checks.executed(candidate, standing)
        for other in (entry for entry in standing if entry.label in labels):
            checks = list(self._cross_checks.differing(candidate, other, executed))
            if not checks:
                continue
            excluded = {*authors, *await self._authors_of(other.label)}
            if len(excluded) >= self._board.trial.agents:
                continue
            passing, failing = self._cross_checks.in_order(candidate, other, checks[0])
            failure = next((e.label for e in standing if shows(e, failing.label, checks[0])), "")
            text = openings.disagreement_text(passing, failing, checks, failure)
            key = f"test:{failing.label}:{checks[0].label}"  # one, however many others pass it
            return (self._test(text, key, failing.label, excluded),)
        return ()

    def _test(self, text: str, key: str, subject: str, authors: Collection[str]) -> NewTask:
        return self._board.new_task(
            TaskKind.TEST, text, key=key, subject=subject, excluded=tuple(sorted(authors))
        )

    async def _authors_of(self, label: str) -> set[str]:
        """Everybody who wrote a candidate, or one that equals it."""
        tasks = await self._board.queue.tasks()
        equals = self._equal.all_of(label)
        entries = [await self._board.context.entry(each) for each in equals]
        coming = {held.agent for held in self._coming.values() if held.label in equals}
        return coming.union(*(authors_of(entry, tasks) for entry in entries if entry))

    async def _cancel_test(self, patch: str) -> None:
        for task in await self._board.queue.tasks():
            if task.kind == TaskKind.TEST and task.subject == patch:
                await self._board.queue.cancel(
                    task.label, by="", reason="every agent has written it"
                )


def _is_of(task: Task, seat: str) -> bool:
    """Whether a task makes the submission of a seat."""
    return seat_of(task) == seat
