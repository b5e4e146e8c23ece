"""What a pause does to deadlines: they are moments of the run's clock, and that stands still."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from harness.errors import LimitReached
from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.replay_order import ReplayOrder
from harness.model.run_clock import RunClock
from harness.sandbox.trial_sandbox import TimedSandbox
from harness.types import ExecResult, Limits

LIMITS = Limits(steps=2, cost_usd=1, tokens=0, wall_clock_s=0.1, command_s=1)
PAUSE_S = 0.3  # longer than every deadline here


async def paused(clock: RunClock) -> None:
    """A pause that begins now."""
    clock.pause()
    await anyio.sleep(PAUSE_S)
    clock.resume()


async def test_who_waits_for_money_has_the_time_of_a_pause_on_top():
    clock = RunClock()
    budget = TrialBudget(LIMITS, clock=clock)
    hold = budget.check_and_reserve(1.0, 1)  # all that there is
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(paused, clock)

        async def gives_back() -> None:
            await anyio.sleep(PAUSE_S + 0.03)
            hold.settle(0.0, 1)

        tasks.start_soon(gives_back)
        await budget.take(0.5, 1)
    assert budget.remaining_s > 0


async def test_without_a_pause_the_same_wait_ends_at_the_wall_clock():
    budget = TrialBudget(LIMITS)
    budget.check_and_reserve(1.0, 1)
    with anyio.fail_after(5), pytest.raises(LimitReached, match="wall_clock"):
        await budget.take(0.5, 1)


async def test_who_waits_for_a_cap_that_is_raised_goes_on():
    budget = TrialBudget(Limits(steps=0, cost_usd=1, tokens=0, wall_clock_s=0, command_s=1))
    share = budget.share(2)
    share.check_and_reserve(0.5, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(share.take, 0.5, 1)
        await anyio.wait_all_tasks_blocked()
        budget.raise_to(Limits(steps=0, cost_usd=2, tokens=0, wall_clock_s=0, command_s=1))
    assert (share.limits.cost_usd, share.dollars.limit_usd, share.steps) == (1, 1, 2)


async def test_a_replay_does_not_lose_patience_during_a_pause():
    clock = RunClock()
    first, second = (
        CallKey(system="s", instance_id="i", trial=0, conversation=name, position=0)
        for name in "ab"
    )
    order = ReplayOrder([(first, 1, 2), (second, 3, 4)], patience_s=0.1, clock=clock)
    ended: list[str] = []

    async def late() -> None:
        order.begin(second)
        await order.end(second)
        ended.append("second")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(late)
        tasks.start_soon(paused, clock)
        await anyio.sleep(PAUSE_S / 2)
        assert ended == []  # its patience of 0.1 s is over by every other clock
        order.begin(first)
        await order.end(first)
        ended.append("first")
    assert ended == ["first", "second"]


@pytest.mark.parametrize("pauses", [True, False])
async def test_a_command_that_is_cut_while_the_clock_stands_is_no_end_of_the_trial(pauses):
    """It was given what was left; where there is time again it is a command that took too long."""
    lost = iter([2.0, 9.0 if pauses else 2.0])

    async def exec_(command: str, **_: Any) -> ExecResult:
        return ExecResult(exit_status=None, output="", output_bytes=0, seconds=0.5, timed_out=True)

    sandbox = TimedSandbox(SimpleNamespace(exec=exec_), lambda: 0.5, lambda: next(lost))
    if pauses:
        assert (await sandbox.exec("sleep 60", timeout_s=60)).timed_out
    else:
        with pytest.raises(LimitReached, match="wall_clock"):
            await sandbox.exec("sleep 60", timeout_s=60)
