"""The tasks that follow from candidates: who tests one, and who repairs it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.admission.gate import Gate
from agents.delm import openings
from agents.delm.candidates import authors_of, fails, failures_of, seat_of
from agents.delm.cross_checks import CrossChecks
from agents.delm.matrix import Matrix
from agents.delm.team_board import TeamBoard
from harness.board.evidence import state_of
from harness.board.protocols import Entry, NewTask, Task
from harness.board.vocabulary import TaskKind, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """The candidate that a seat has handed in last."""

    label: str
    agent: str


class CandidateTasks:
    """What the board does when a candidate is handed in, and when one fails."""

    def __init__(self, board: TeamBoard, gate: Gate, matrix: Matrix) -> None:
        self._board = board
        self._options = board.options
        self._cross_checks = CrossChecks(
            matrix, gate, most=board.options.crossed, within_s=board.options.selection_s
        )
        self._coming: dict[str, HandedIn] = {}  # by seat, also where its task ends only now

    async def following(self, patch: str, task: Task, agent: str) -> Sequence[NewTask]:
        """What is to be done when `agent` hands back `task` with the admitted `patch`.

        The candidate and the others are held to each other's commands first. Then its test, by
        somebody who has not written the same patch, where there is anybody; and its repair, where
        it is known to fail.
        """
        admitted = await self._board.context.entry(patch) if patch else None
        if admitted is None or not self._options.queue:
            return ()
        self._coming[seat_of(task)] = HandedIn(label=patch, agent=agent)
        await self._cross_check(admitted, task)
        authors = {agent, *authors_of(admitted, await self._board.queue.tasks())}
        failures = [e for e in await self._board.standing() if fails(e, patch)]
        repairs = await self._repairs(seat_of(task), agent, failures[0]) if failures else ()
        repairs = [replace(repair, after=()) for repair in repairs]  # the task ends with this
        return (*await self._tests(admitted, authors), *repairs)

    async def failed(self, failure: Entry) -> None:
        """Open the repair of each seat whose candidate fails.

        What a seat has published and not handed in is looked at when it is.
        """
        state = state_of(failure.evidence)
        for seat, held in (await self._handed_in()).items():
            if held.label == state and self._options.queue:
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
        done = {
            work.seat: HandedIn(label=work.entry, agent=work.agent)
            for work in await self._board.works()
            if work.entry
        }
        return done | self._coming

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

    async def _tests(self, candidate: Entry, authors: Collection[str]) -> Sequence[NewTask]:
        """The test of a candidate by somebody who did not write it, where one is wanted."""
        if 1 < self._board.trial.agents <= len(authors):  # a lone agent tests its own work
            await self._cancel_test(candidate.label)
            return ()
        if self._options.tests in ("none", "disagreement"):
            return ()
        if self._options.tests == "one":
            tasks = await self._board.queue.tasks()
            if any(t.kind == TaskKind.TEST and t.subject != candidate.label for t in tasks):
                return ()
        return (
            self._board.new_task(
                TaskKind.TEST,
                openings.test_text(candidate),
                key=f"test:{candidate.label}",
                subject=candidate.label,
                excluded=tuple(sorted(authors)),
            ),
        )

    async def _cancel_test(self, patch: str) -> None:
        for task in await self._board.queue.tasks():
            if task.kind == TaskKind.TEST and task.subject == patch:
                await self._board.queue.cancel(
                    task.label, by="", reason="every agent has written it"
                )


def _is_of(task: Task, seat: str) -> bool:
    """Whether a task makes the submission of a seat."""
    return seat_of(task) == seat
