"""Agents of this process in a trial that another process runs, on this machine or on another."""

from collections.abc import Iterable

import anyio

from harness.board.vocabulary import agent_name
from harness.errors import (
    LimitReached,
    ModelError,
    SandboxLost,
    SandboxUnavailable,
    StoreConflict,
    TrialLost,
    UserError,
    leaf,
)
from harness.model.budget import TrialBudget, times
from harness.model.trial_calls import TrialCalls
from harness.protocols import JoinableSystem
from harness.runner.control import trial_named
from harness.runner.run import Run
from harness.runner.services import TrialServices
from harness.runner.trial import LiveTrial
from harness.store.interventions import InterventionRefused
from harness.store.joined_agents import JoinableStore, JoinedTrial
from harness.store.rows import TrialRow
from harness.types import Item

LOOK_S = 1.0  # between two looks whether the trial goes on
NAMED = 20  # trials


class TrialElsewhere(LiveTrial):
    """A trial of another process, which makes its submissions and describes its sandbox."""

    def __init__(
        self, services: TrialServices, joined: JoinedTrial, item: Item, budget: TrialBudget
    ) -> None:
        super().__init__(services, joined.row, item, budget)
        self._trial_calls = TrialCalls(joined.moments)

    async def _note(self, audit: str) -> None:
        """Nothing: see the class."""


async def join_trial(run: Run, name: str, agents: int, *, by: str) -> None:
    """Let so many agents of this process work on a trial until it ends; `run.stopped` says why
    they ended.

    `name`: see `harness.runner.control.trial_named`. Raises `UserError` where no process runs it,
    or its system has no such agents.
    """
    store, services = run.services.store, run.services
    rows = {row["trial_id"]: row for row in await store.trials()}
    try:
        trial_id = trial_named(list(rows.values()), name)
    except InterventionRefused as refused:
        raise UserError(f"{refused}; {_able_in_words(run, rows.values())}") from None
    if trial_id not in _able(run, rows.values()) or not isinstance(store, JoinableStore):
        raise UserError(f"{_why_not(rows[trial_id])}; {_able_in_words(run, rows.values())}")
    item = run.items[rows[trial_id]["instance_id"]]
    async with services.sandboxes.holding(item):  # which can take as long as a download
        try:
            joined = await store.join_trial(trial_id, agents, by=by, name=agent_name)
        except StoreConflict as gone:
            raise UserError(f"{gone} any more") from None
        run.say(f"{' and '.join(joined.agents)} joined trial {trial_id}")
        row = joined.row
        limits = times(run.limits, row["wanted"])
        budget = TrialBudget(limits, clock=services.clock, used_s=joined.seconds)
        async with run.shared_calls():
            await _worked(run, joined, TrialElsewhere(services, joined, item, budget))


async def _worked(run: Run, joined: JoinedTrial, trial: TrialElsewhere) -> None:
    system = run.systems[joined.row["system"]].system
    assert isinstance(system, JoinableSystem)
    held = run.interventions.hold(joined.row, joined.agents)
    run.services.watcher.trial(joined.row, "preparing")
    state, why = "done", "the trial has ended"
    try:
        with held.scope:
            await run.interventions.begin(held, trial)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_until_it_ends, run, joined, held.scope)
                    await system.join(trial, joined.agents)
                    tasks.cancel_scope.cancel()
            except BaseExceptionGroup as group:
                raise leaf(group) from None
    except LimitReached as limit:
        why = str(limit)
    except TrialLost:
        pass  # it has ended a moment ago
    except ModelError as failure:
        state, why, run.stop_cause = "error", str(failure), "model"
    except (SandboxUnavailable, SandboxLost) as failure:
        state, why, run.stop_cause = "error", str(failure), "machine"
    finally:
        with anyio.CancelScope(shield=True):
            await trial.close()
            ended = "cancelled" if held.cancel else "left by these agents"
            await run.interventions.end(held, ended)
        run.stopped = held.cancelled or why
        run.services.watcher.trial(joined.row, state, run.stopped)


async def _until_it_ends(run: Run, joined: JoinedTrial, scope: anyio.CancelScope) -> None:
    store = run.services.store
    assert isinstance(store, JoinableStore)
    while await store.goes_on(joined):  # noqa: ASYNC110 - another process ends it
        await anyio.sleep(LOOK_S)
    scope.cancel()


def _able(run: Run, rows: Iterable[TrialRow]) -> list[int]:
    """The trials that agents can join now."""
    return [
        row["trial_id"]
        for row in rows
        if row["state"] == "running"
        and isinstance(run.systems[row["system"]].system, JoinableSystem)
    ]


def _why_not(row: TrialRow) -> str:
    if row["state"] != "running":
        return f"trial {row['trial_id']} is not running: it is {row['state']}"
    return f"{row['system']} (trial {row['trial_id']}) has no agents that join a trial"


def _able_in_words(run: Run, rows: Iterable[TrialRow]) -> str:
    able = [str(trial_id) for trial_id in _able(run, rows)]
    more = f" and {len(able) - NAMED} more" if len(able) > NAMED else ""
    return f"trials that agents can join now: {', '.join(able[:NAMED]) or 'none'}{more}"
