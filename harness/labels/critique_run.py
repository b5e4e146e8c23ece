"""All critiques of a run: each claimed, worked on and ended, some at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from harness.board.records import Boards
from harness.errors import (
    RUN_COST,
    LimitReached,
    ModelError,
    SandboxError,
    SandboxUnavailable,
)
from harness.labels.adding import material
from harness.labels.critique_material import item_texts
from harness.labels.critique_trial import CritiqueTrial
from harness.model.budget import TrialBudget
from harness.protocols import System
from harness.runner.services import TrialServices
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial, NewInstance, NewTrial, RunRows, TrialRow
from harness.terminal import one_line
from harness.types import Item, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """The run whose trials are labelled. Only labels are written to its store."""

    store: Store
    boards: Boards
    rows: RunRows


@dataclass(slots=True, kw_only=True)
class Critiques:
    """The critiques of some trials of a run, by one model.

    In the store of `services` a critique is a trial whose number is the `trial_id` of the judged
    one: so each attempt is labelled once by a model, and what came to no label goes on, where the
    command is given again, with the answers that are paid for.
    """

    run: JudgedRun
    services: TrialServices
    critic: System
    items: Mapping[str, Item]
    limits: Limits
    workers: int
    say: Callable[[str], None]
    given: int = 0
    without: int = 0  # that ended without a label
    failed: int = 0  # for infrastructure
    stopped: str = ""  # why no further one is begun
    _judged: dict[int, TrialRow] = field(default_factory=dict)

    async def plan(self, trials: Sequence[TrialRow]) -> None:
        """Put a critique of each of `trials` into the store, save those that it holds already."""
        self._judged = {trial["trial_id"]: trial for trial in self.run.rows.trials}
        instances = {
            trial["instance_id"]: NewInstance(
                instance_id=trial["instance_id"],
                repo=trial["repo"],
                difficulty=trial["difficulty"],
                length=trial["length"],
            )
            for trial in trials
        }
        rows = [
            NewTrial(
                system=trial["system"],
                instance_id=trial["instance_id"],
                number=trial["trial_id"],
                agents=1,
                wanted=1,
                submits="one",
            )
            for trial in trials
        ]
        await self.services.store.plan(list(instances.values()), rows)

    async def work(self) -> None:
        """Make every critique that waits. Cancelling it ends those under way; they go on later."""
        async with anyio.create_task_group() as workers:
            for _ in range(self.workers):
                workers.start_soon(self._worker)

    async def _worker(self) -> None:
        while not self.stopped:
            row = await self.services.store.claim_trial()
            if row is None:
                return
            await self._critique(row)

    async def _critique(self, row: ClaimedTrial) -> None:
        store, began = self.services.store, anyio.current_time()
        state, reason = "cancelled", "interrupted"
        try:
            item = self.items[row["instance_id"]]
            async with self.services.sandboxes.holding(item):
                await store.restart_clock(row["trial_id"])
                state, reason = await self._worked(row, item)
        except SandboxUnavailable as failure:
            state, reason = "error", f"sandbox: {failure}"
        finally:
            with anyio.CancelScope(shield=True):
                seconds = anyio.current_time() - began
                await store.finish_trial(
                    row["trial_id"], state, reason=one_line(reason), seconds=seconds
                )
        self.failed += state == "error"
        trial = self._judged[row["number"]]
        name = f"{trial['system']} {trial['instance_id']} #{trial['number'] + 1}"
        self.say(one_line(f"{name}: {reason}, {seconds:.0f} s"))

    async def _worked(self, row: ClaimedTrial, item: Item) -> tuple[str, str]:
        """Let the critic work; the state of the critique, and what came of it."""
        run, services = self.run, self.services
        texts = item_texts(services.benchmark, item)
        judged = await material(run.store, run.boards, run.rows, self._judged[row["number"]], texts)
        paid = await services.store.paid(row["trial_id"])
        trial = CritiqueTrial(
            services, row, item, TrialBudget(self.limits, clock=services.clock), paid,
            judged=judged, labels_store=run.store,
        )  # fmt: skip
        reason = "turns"
        try:
            await self.critic.run(trial)
        except LimitReached as limit:
            if limit.limit == RUN_COST:
                self.stopped = str(limit)
                return "cancelled", str(limit)
            reason = limit.limit
        except ModelError as failure:
            if closed := services.client.endpoint_health.closed:
                self.stopped = closed
            return "error", f"model: {failure}"
        except SandboxError as failure:  # such as a patch that its disk has no room for
            return "error", f"sandbox: {failure}"
        finally:
            await trial.close()
        if trial.label_id is None:  # with a higher limit it goes on
            self.without += 1
            return "cancelled", f"no label ({(trial.endings or [reason])[-1]})"
        self.given += 1
        return "done", f"label {trial.label_id}"
