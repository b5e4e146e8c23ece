"""A run: its trials, each claimed, worked on, graded and finished, `workers` of them at a time."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import anyio

from harness.benchmarks.protocol import Benchmark
from harness.board.records import Boards
from harness.errors import (
    RUN_COST,
    ContextOverflow,
    ConversationRefused,
    DocumentUnavailable,
    LimitReached,
    ModelRefused,
    ModelUnavailable,
    SandboxLost,
    SandboxUnavailable,
    TrialLost,
    UserError,
    leaf,
)
from harness.model.budget import TrialBudget, times
from harness.model.client import ModelClient
from harness.model.run_clock import RunClock
from harness.model.shared_cache import SharedCache
from harness.protocols import CheckCache, Grader, Sandboxes, System
from harness.runner.call_sharing import shared_calls
from harness.runner.check_cache import NoCheckCache
from harness.runner.fault_origin import unexpected
from harness.runner.interventions import HeldTrial, Interventions
from harness.runner.launchers import Launcher, launch
from harness.runner.membership import Member
from harness.runner.planning import RunSystem, planned
from harness.runner.services import TrialServices, Watcher
from harness.runner.stopping import StopCause, stopped_by
from harness.runner.trial import LiveTrial
from harness.runner.trial_clock import TrialClock
from harness.runner.worker_pool import LOOK_S, WorkerPool
from harness.score.submission_rank import in_order, model_name
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial, InstanceText
from harness.terminal import one_line
from harness.types import Item, Limits, Verdict

INTERRUPTED = "interrupted"


class Run:
    """All unfinished trials of a run."""

    def __init__(
        self,
        *,
        store: Store,
        board: Boards,
        benchmark: Benchmark[Any],
        items: Sequence[Item],
        run_systems: Sequence[RunSystem],
        client: ModelClient,
        verifier: ModelClient | None = None,
        sandboxes: Sandboxes,
        grader: Grader[Any],
        limits: Limits,
        agent_tools: Sequence[str],
        workers: int,
        watcher: Watcher,
        member: Member | None = None,
        check_cache: Callable[[Item], CheckCache] = lambda _: NoCheckCache(),
        retry_failed: bool = False,
        most: int = 0,
        launcher: Launcher | None = None,
        clock: RunClock | None = None,
        stop: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`stop` ends the process as Ctrl-C does, `say` shows a line: where a person wants it.
        `most`: see `WorkerPool`. `launcher`: others do the work."""
        self._launcher, self._member, self._most = launcher, member, most
        self.items: Mapping[str, Item] = {item.instance.instance_id: item for item in items}
        self.systems = {c.name: c for c in run_systems}
        self._grader = grader
        self.limits = limits
        self._workers = workers
        clock, answered = clock or RunClock(), partial(store.answered, client.model)
        self.services = TrialServices(
            store=store,
            benchmark=benchmark,
            board=board,
            client=client,
            verifier=verifier or client,
            sandboxes=sandboxes,
            check_cache=check_cache,
            shared=SharedCache(answered, member.one_at_a_time) if member else SharedCache(answered),
            watcher=watcher,
            clock=clock,
            agent_tools=agent_tools,
        )
        self.say = say
        self._stop = stop
        name, run_id = (member.name, member.run_id) if member else ("", "")
        self.interventions = Interventions(
            store, board, clock, name=name, run_id=run_id, process=self
        )
        self._pool = WorkerPool(store, clock, self._trial, lambda: bool(self.stopped), most)
        self._retry_failed = retry_failed
        self._mistake = ""  # of the user, which ends the run
        self.stopped = ""  # why no further trial is started
        self.stop_cause: StopCause = ""  # what that is about

    async def check_instances(self) -> None:
        """Raise `UserError` when the dataset here lacks an instance of the run."""
        trials = await self.services.store.trials()
        if lost := {row["instance_id"] for row in trials} - self.items.keys():
            raise UserError(
                f"the run holds {min(lost)}, which the dataset does not have any more; take "
                "another --run-id, or the dataset as it was"
            )

    async def plan(self) -> None:
        """Put what is to be done into the store, save what it holds already; see
        `check_instances`."""
        store = self.services.store
        await self.check_instances()
        instances, rows = planned(self.items, self.systems, self.services.benchmark)
        await store.plan(instances, rows, await self._alive(), retry_failed=self._retry_failed)
        await store.keep_texts(map(self._text_of, self.items.values()))
        self.services.watcher.stands(await store.standing())

    def _text_of(self, item: Item) -> InstanceText:
        known = self.services.benchmark
        name = item.instance.instance_id
        return {"instance_id": name, "asked": known.asked_of(item), "gold": known.gold(item)}

    async def _alive(self) -> set[str]:
        return await self._member.alive() if self._member else set()

    async def work(self) -> None:
        """Run every waiting trial. Cancelling it salvages and marks what is under way.

        Where other processes work on the run, it ends when theirs have, too; what they leave behind
        when they die is taken over. `stopped` says why trials were left that nobody has.
        """
        store = self.services.store
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._take_over, tasks.cancel_scope)
                if self._launcher:
                    self.stopped, self.stop_cause = await launch(store, self._launcher)
                else:
                    if self._most:  # others have worked on it, and may have met with what stops all
                        self.stopped, self.stop_cause = stopped_by(await store.trials())
                    async with self.shared_calls():
                        await self._pool.run(self._workers)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            mistakes, rest = group.split(UserError)
            if mistakes is None or rest is not None:
                raise
            raise leaf(mistakes) from None

    def shared_calls(self) -> AbstractAsyncContextManager[None]:
        """Share the limits of model calls with the run's other processes during this block."""
        clients = {each.model: each for each in (self.services.client, self.services.verifier)}
        name = self._member.name if self._member else ""
        return shared_calls(clients.values(), self.services.store, name, self._alive)

    async def _take_over(self, scope: anyio.CancelScope) -> None:
        store = self.services.store
        while True:
            await anyio.sleep(LOOK_S)
            self.services.watcher.stands(await store.standing())
            held = await store.others()
            if self._member and held and held - (alive := await self._alive()):
                await store.take_over(alive)

    def stop(self, why: str) -> None:
        """End, since a person wants it: see `Told`."""
        self._stop()

    def resize(self, workers: int) -> None:
        """Go on with so many workers."""
        self._workers = workers
        self._pool.resize(workers)

    def look_again(self) -> None:
        """See whether there is another trial to claim."""
        self._pool.look_again()

    async def _trial(self, row: ClaimedTrial) -> None:
        item, store = self.items[row["instance_id"]], self.services.store
        clock = TrialClock(row["seconds"] or 0.0, self.services.clock)
        state, reason, detail = "cancelled", INTERRUPTED, ""
        held = self.interventions.hold(row)
        self.services.watcher.trial(row, "preparing")
        try:
            with held.scope:
                async with self.services.sandboxes.holding(item):
                    await store.restart_clock(row["trial_id"])
                    clock.start()
                    state, reason = await self._attempt_and_grade(held, item, clock)
        except UserError as mistake:
            self._mistake = reason = str(mistake)
            raise
        except SandboxUnavailable as failure:
            state, reason = "error", f"sandbox: {failure}"
        except Exception as surprise:  # noqa: BLE001 - one trial's bug must not end the run
            state, reason = unexpected(row["system"], surprise, _run_system.__name__)
            detail = traceback.format_exc()
        finally:
            if state == "cancelled":
                reason = held.cancelled or reason
            reason = one_line(reason)  # it may quote what commands have made
            with anyio.CancelScope(shield=True):
                if reason == INTERRUPTED and await store.hand_grading_on(row["trial_id"]):
                    reason = "interrupted; what is made is graded when the run goes on"
                else:
                    if reason == INTERRUPTED:
                        reason = self._mistake or reason  # what ended the run ended it, too
                    await store.finish_trial(
                        row["trial_id"], state, reason=reason, detail=detail, seconds=clock.seconds
                    )
                await self.interventions.end(held, state)
                self.services.watcher.stands(await store.standing())
            self.services.watcher.trial(row, state, reason)

    async def _attempt_and_grade(
        self, held: HeldTrial, item: Item, clock: TrialClock
    ) -> tuple[str, str]:
        """Run and grade one attempt; return its state and reason. Closes every sandbox of it."""
        row, services = held.row, self.services
        budget = TrialBudget(times(self.limits, row["wanted"]), clock=services.clock)
        paid = await services.store.paid(row["trial_id"])
        trial = LiveTrial(services, row, item, budget, paid)
        await self.interventions.begin(held, trial)
        try:
            state, reason = "done", row["reason"]
            if row["state"] != "grading":
                state, reason = await self._attempt(row, trial)
                await trial.close()
            if state == "done":
                await self.services.store.begin_grading(
                    row["trial_id"], reason=reason, seconds=clock.seconds
                )
                state, reason = await self._grade(row, reason)
            return state, reason
        finally:
            await trial.close()
            # a call that never answered counts as a step
            self.services.watcher.step(row, budget.steps, trial.cost, resumed=budget.resumed_steps)

    async def _attempt(self, row: ClaimedTrial, trial: LiveTrial) -> tuple[str, str]:
        """Let the system work; the trial's state and how it ended.

        What had no answer because the model gives none is to be run again, whatever the system made
        of that.
        """
        state, reason = await self._worked(row, trial)
        endpoint_health, trial_id = self.services.client.endpoint_health, row["trial_id"]
        if reason == "wall_clock" and endpoint_health.silent(trial_id):
            silence = ModelUnavailable("no answer within the trial's wall clock")
            endpoint_health.failed(trial_id, silence)
            state, reason = "error", f"model: {silence}"
        if endpoint_health.closed and not self.stopped:
            self.stopped = endpoint_health.closed
            self.stop_cause = "machine" if endpoint_health.lacking else "model"
        if endpoint_health.turned_away(trial_id):
            return (
                "cancelled",
                endpoint_health.closed
                if endpoint_health.lacking
                else f"model: {endpoint_health.closed}",
            )
        return state, reason

    async def _worked(self, row: ClaimedTrial, trial: LiveTrial) -> tuple[str, str]:
        run_system = self.systems[row["system"]]
        try:
            await _run_system(run_system.system, trial)
        except LimitReached as limit:
            if limit.limit == RUN_COST:
                self.stopped, self.stop_cause = str(limit), "budget"
                return "cancelled", limit.limit
            return "done", limit.limit
        except ConversationRefused as end:
            return "done", "context" if isinstance(end, ContextOverflow) else "refused"
        except (ModelRefused, ModelUnavailable) as failure:
            return "error", f"model: {failure}"
        except SandboxLost:
            return "done", "sandbox_lost"
        except SandboxUnavailable as failure:
            return "error", f"sandbox: {failure}"
        except DocumentUnavailable as failure:
            return "error", f"document: {failure}"
        except TrialLost as lost:
            return "cancelled", str(lost)
        if len(trial.submitted) < run_system.wanted:
            made = f"it submitted {len(trial.submitted)} of {run_system.wanted}"
            return "failed", f"error in the system {run_system.name}: {made}"
        return "done", trial.endings[-1]

    async def _grade(self, row: ClaimedTrial, reason: str) -> tuple[str, str]:
        """Grade the ungraded submissions; return the trial's state and reason."""
        self.services.watcher.trial(row, "grading")
        item = self.items[row["instance_id"]]
        state = "done"
        for index, made in enumerate(in_order(await self.services.store.made(row["trial_id"]))):
            if made["outcome"] is not None:
                continue
            name = model_name(
                row["system"], self.services.client.model, row["number"] * row["wanted"] + index
            )
            verdict: Verdict = await self._grader.grade(item, made["patch"], model_name=name)
            await self.services.store.grade(made["submission_id"], verdict)
            if verdict.outcome == "error":
                state, reason = "error", f"grading: {verdict.reason}"
        return state, reason


async def _run_system(system: System, trial: LiveTrial) -> None:
    """Run the system in a frame of its own: frames below it in a traceback are the system's."""
    await system.run(trial)
