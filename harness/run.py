"""A run: its trials, each claimed, worked on, graded and finished, `workers` of them at a time."""

import sqlite3
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import anyio

from harness.benchmarks.grading import Grader
from harness.board import SharedContext, TaskQueue
from harness.board.sqlite import SqliteBoard
from harness.errors import (
    ContextOverflow,
    DelmError,
    LimitReached,
    ModelRefused,
    ModelUnavailable,
    SandboxError,
    SandboxUnavailable,
    UserError,
    leaf,
)
from harness.memo import NoMemo
from harness.model.budget import Budget, TrialBudget, times
from harness.model.client import ModelClient
from harness.model.exchange import Exchange
from harness.protocols import Memo, Model, Sandbox, Sandboxes, System
from harness.store import Row, Store, now
from harness.types import Activity, Instance, Item, Limits, Message, Verdict


class Watcher(Protocol):
    """Is told what happens, to show it. Must not block."""

    def trial(self, row: Row, state: str, note: str = "") -> None:
        """A trial went into a state: preparing, working, grading, done, error or cancelled."""
        ...

    def step(self, row: Row, steps: int, usd: float) -> None:
        """A trial's agents have said something; its calls and dollars so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A system as this run has it."""

    name: str
    system: System
    agents: int
    wanted: int  # submissions of a trial
    submits: Literal["one", "independent", "shared"]
    trials: int = 1  # on each instance


class LiveTrial:
    """`harness.protocols.Trial` for one running trial."""

    def __init__(
        self, run: "Run", row: Row, item: Item, client: ModelClient, budget: TrialBudget
    ) -> None:
        self.instance: Instance = item.instance
        self.agents: int = row["agents"]
        self.limits: Limits = budget.limits
        self.submitted: list[tuple[int, str, str]] = []  # id, author, patch
        self.endings: list[str] = []
        self._run = run
        self._row = row
        self._item = item
        self._client = client
        self._budget = budget
        self._exchange = Exchange()
        self._shares: dict[str, TrialBudget] = {}
        self._sandboxes: list[Sandbox] = []
        board = run.board.of(row["trial_id"])
        self.memo = run.memo(item)
        self.queue: TaskQueue = board.queue
        self.context: SharedContext = board.context

    def count_tokens(self, text: str) -> int:
        """See `harness.protocols.Trial.count_tokens`."""
        return self._client.count_tokens(text)

    def model(self, conversation: str, *, agent: str = "") -> Model:
        """See `harness.protocols.Trial.model`."""
        budget, wanted = self._budget, self._row["wanted"]
        if agent and wanted > 1:  # what one submission may cost is the agent's own
            budget = self._shares.setdefault(agent, self._budget.share(wanted))
        return self._client.conversation(
            self._row["trial_id"],
            system=self._row["system"],
            instance_id=self.instance.instance_id,
            trial=self._row["number"],
            conversation=conversation,
            agent=agent,
            budget=budget,
            exchange=self._exchange,
        )

    @asynccontextmanager
    async def doing(self, agent: str, what: Activity) -> AsyncIterator[None]:
        """See `harness.protocols.Trial.doing`."""
        at, began = now(), anyio.current_time()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._run.store.note_span(
                    self._row["trial_id"],
                    agent=agent,
                    what=what,
                    started_at=at,
                    seconds=anyio.current_time() - began,
                )

    async def sandbox(self) -> Sandbox:
        """See `harness.protocols.Trial.sandbox`."""
        sandboxes = self._run.sandboxes
        try:
            sandbox = await sandboxes.open(self._item, purpose="agents")
        except SandboxUnavailable as error:
            await self._note(str(error) if "leaks" in str(error) else "")
            raise
        self._sandboxes.append(sandbox)
        await self._note(getattr(sandbox, "audit", ""))
        self._run.watcher.trial(self._row, "working")
        return sandbox

    async def _note(self, audit: str) -> None:
        await self._run.store.note_sandbox(
            self._row["trial_id"],
            sandbox=self._run.sandboxes.kind,
            image=self._run.sandboxes.fingerprint(self._item),
            audit=audit,
        )

    async def say(self, conversation: str, *messages: Message) -> None:
        """See `harness.protocols.Trial.say`."""
        await self._run.store.say(self._row["trial_id"], conversation, messages)
        self._run.watcher.step(self._row, self._budget.steps, self._budget.dollars.spent)

    async def submit(
        self, author: str, patch: str, *, reason: str, salvaged: bool = False, agent: str = ""
    ) -> None:
        """See `harness.protocols.Trial.submit`."""
        try:
            submission = await self._run.store.submit(
                self._row["trial_id"],
                author,
                patch,
                agent=agent,
                reason=reason,
                salvaged=salvaged,
            )
        except sqlite3.IntegrityError:
            raise DelmError(f"{author} has submitted already") from None
        self.submitted.append((submission, author, patch))
        self.endings.append(reason)

    async def select(self, author: str, reasons: Sequence[str]) -> None:
        """See `harness.protocols.Trial.select`."""
        chosen = next((each for each, by, _ in self.submitted if by == author), None)
        if chosen is None:
            raise DelmError(f"{author} has submitted nothing that could be selected")
        await self._run.store.select(chosen, reasons)

    async def close(self) -> None:
        """Close every sandbox that was lent."""
        with anyio.CancelScope(shield=True):
            for sandbox in self._sandboxes:
                await sandbox.close()


class Run:
    """All trials of a run that are not done yet."""

    def __init__(
        self,
        *,
        store: Store,
        board: SqliteBoard,
        items: Sequence[Item],
        contestants: Sequence[Contestant],
        client: ModelClient,
        sandboxes: Sandboxes,
        grader: Grader,
        limits: Limits,
        budget: Budget,
        workers: int,
        watcher: Watcher,
        memo: Callable[[Item], Memo] = lambda _: NoMemo(),
    ) -> None:
        self.store = store
        self.memo = memo
        self.board = board
        self.sandboxes = sandboxes
        self.watcher = watcher
        self._items: Mapping[str, Item] = {item.instance.instance_id: item for item in items}
        self._contestants = {c.name: c for c in contestants}
        self._client = client
        self._grader = grader
        self._limits = limits
        self._budget = budget
        self._workers = workers
        self._answered = False  # the model has answered at least once
        self.stopped = ""  # why no further trial is started

    async def plan(self) -> None:
        """Put what is to be done into the store, save what it holds already.

        Raises `UserError` when the dataset has lost an instance since the run began.
        """
        lost = {row["instance_id"] for row in self.store.trials()} - self._items.keys()
        if lost:
            raise UserError(
                f"the run holds {min(lost)}, which the dataset does not have any more; take "
                "another --run-id, or the dataset as it was"
            )
        most = max(contestant.trials for contestant in self._contestants.values())
        rows = [
            {
                "system": c.name,
                "instance_id": i,
                "number": n,
                "agents": c.agents,
                "wanted": c.wanted,
                "submits": c.submits,
            }
            for i in self._items
            for n in range(most)
            for c in self._contestants.values()
            if n < c.trials
        ]
        instances = [
            {
                "instance_id": item.instance.instance_id,
                "repo": item.instance.repo,
                "difficulty": item.instance.difficulty,
            }
            for item in self._items.values()
        ]
        await self.store.plan(instances, rows)
        self._budget.charge(self.store.spent())

    async def work(self) -> None:
        """Run every waiting trial. Cancelling it salvages and marks what is under way.

        Raises `UserError` when the model refuses the very first call: nothing can work then.
        """
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(self._workers):
                    tasks.start_soon(self._worker)
        except BaseExceptionGroup as group:
            mistakes, rest = group.split(UserError)
            if mistakes is None or rest is not None:
                raise
            raise leaf(mistakes) from None

    async def _worker(self) -> None:
        while not self.stopped:
            row = await self.store.claim_trial()
            if row is None:
                return
            await self._trial(row)

    async def _trial(self, row: Row) -> None:
        item = self._items[row["instance_id"]]
        budget = TrialBudget(times(self._limits, row["wanted"]), self._budget)
        trial = LiveTrial(self, row, item, self._client, budget)
        started = anyio.current_time()
        state, reason, detail = "cancelled", "interrupted", ""
        self.watcher.trial(row, "preparing")
        try:
            state, reason = await self._attempt(row, trial)
            await trial.close()
            if state == "done":
                state, reason = await self._grade(row, trial, reason)
        except UserError:
            raise
        except Exception as surprise:  # noqa: BLE001 - one trial's bug must not end the run
            state, reason = "error", f"{type(surprise).__name__}: {surprise}"
            detail = traceback.format_exc()
        finally:
            await trial.close()
            with anyio.CancelScope(shield=True):
                await self.store.finish_trial(
                    row["trial_id"],
                    state,
                    reason=reason,
                    detail=detail,
                    seconds=anyio.current_time() - started,
                )
            self.watcher.step(row, budget.steps, budget.dollars.spent)  # calls that never answered
            self.watcher.trial(row, state, reason)

    async def _attempt(self, row: Row, trial: LiveTrial) -> tuple[str, str]:
        """Let the system work; the trial's state and how it ended."""
        try:
            await self._contestants[row["system"]].system.run(trial)
        except LimitReached as limit:
            if limit.limit == "run_cost":
                self.stopped = str(limit)
                return "cancelled", limit.limit
            return "done", limit.limit
        except ContextOverflow:
            return "done", "context"
        except ModelRefused as refusal:
            if not self._anything_answered():
                raise UserError(f"the model refuses every call: {refusal}") from None
            return "error", f"model: {refusal}"
        except ModelUnavailable as failure:
            return "error", f"model: {failure}"
        except (SandboxUnavailable, SandboxError) as failure:
            return "error", f"sandbox: {failure}"
        if len(trial.submitted) < self._contestants[row["system"]].wanted:
            return "error", "the system submitted less than it was to"
        return "done", trial.endings[-1]

    def _anything_answered(self) -> bool:
        self._answered = self._answered or any(c["outcome"] == "ok" for c in self.store.calls())
        return self._answered

    async def _grade(self, row: Row, trial: LiveTrial, reason: str) -> tuple[str, str]:
        self.watcher.trial(row, "grading")
        item = self._items[row["instance_id"]]
        state = "done"
        for index, (submission, _, patch) in enumerate(trial.submitted):
            name = model_name(
                row["system"], self._client.model, row["number"] * row["wanted"] + index
            )
            verdict: Verdict = await self._grader.grade(item, patch, model_name=name)
            await self.store.grade(submission, verdict)
            if verdict.outcome == "error":
                state, reason = "error", f"grading: {verdict.reason}"
        return state, reason


def model_name(system: str, model: str, index: int) -> str:
    """What predictions and logs call the `index`-th submission of a system on each instance."""
    return f"{system}.{model}" + (f".{index + 1}" if index else "")
