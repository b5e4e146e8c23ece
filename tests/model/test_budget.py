"""Budgets never pass a cap, at any level, whatever runs in parallel."""

import random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import AgentLimitReached, LimitReached
from harness.model.budget import Budget, Crowded, TrialBudget
from harness.model.run_clock import RunClock
from harness.types import Limits


def limits(**given_limits) -> Limits:
    nothing = {"steps": 0, "cost_usd": 0, "tokens": 0, "wall_clock_s": 0, "command_s": 0}
    return Limits(**nothing | given_limits)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_settled_is_spent_and_the_rest_is_free_again():
    budget = Budget(1.0)
    reservation = budget.reserve(0.75)
    assert (budget.spent, budget.reserved) == (0, 0.75)
    with pytest.raises(LimitReached, match=r"cost: .*\$0.5000.*\$0.7500 of \$1.0000"):
        budget.reserve(0.5)
    reservation.settle(0.25)
    reservation.settle(0.25)
    reservation.release()
    assert (budget.spent, budget.reserved) == (0.25, 0)
    budget.reserve(0.75).release()
    assert (budget.spent, budget.reserved) == (0.25, 0)


def test_a_parent_that_does_not_cover_it_is_named_and_nothing_is_taken():
    trial = Budget(1.0, limit_name="whole")
    first, second = Budget(0.8, trial), Budget(0.8, trial)
    first.reserve(0.7).settle(0.7)
    with pytest.raises(LimitReached) as caught:
        second.reserve(0.7)
    assert caught.value.limit == "whole"
    assert (second.reserved, trial.reserved, trial.spent) == (0, 0, 0.7)


def test_no_limit_is_no_limit_and_still_counts():
    trial = Budget(0)
    Budget(0, trial).reserve(1e9).settle(5)
    assert trial.spent == 5


@pytest.mark.anyio
async def test_fifty_spenders_in_parallel_never_pass_any_cap():
    rng = random.Random(7)
    whole = TrialBudget(limits(cost_usd=3.0))
    parts = [TrialBudget(limits(cost_usd=1.0, tokens=9_000), whole=whole) for _ in range(4)]
    refusals = []

    async def spend(part: TrialBudget) -> None:
        for _ in range(40):
            worst = rng.uniform(0.01, 0.1)
            try:
                hold = part.check_and_reserve(worst, 300)
            except LimitReached as limit:
                refusals.append(limit.limit)
                continue
            for level in (whole.dollars, part.dollars):
                assert level.spent + level.reserved <= level.limit_usd + 1e-9
            assert part.tokens + sum(part.held_tokens.values()) <= 9_000
            await anyio.sleep(rng.uniform(0, 0.001))
            if rng.random() < 0.3:
                hold.release()
            else:
                hold.settle(rng.uniform(0, worst), rng.randrange(300))

    async with anyio.create_task_group() as tasks:
        for i in range(50):
            tasks.start_soon(spend, parts[i % 4])
    assert whole.dollars.spent <= 3.0
    assert whole.dollars.reserved == 0
    assert refusals, "the caps were reached"
    assert whole.dollars.spent == pytest.approx(sum(part.dollars.spent for part in parts))


@pytest.mark.parametrize("given_limits", [{"steps": 4}, {"tokens": 40}, {"cost_usd": 0.4}])
def test_who_has_used_up_its_share_ends_alone_while_another_is_at_its_last_call(given_limits):
    trial = TrialBudget(limits(**given_limits))
    first, second = trial.share(2), trial.share(2)
    for share in (first, second, first):
        share.check_and_reserve(0.1, 10).settle(0.1, 10)
    second.check_and_reserve(0.1, 10)  # under way: all of the trial's is taken
    with pytest.raises(AgentLimitReached) as caught:
        first.check_and_reserve(0.1, 10)
    assert caught.value.limit == f"agent_{next(iter(given_limits)).removesuffix('_usd')}"


def test_what_is_left_of_a_share_is_the_smallest_part_of_a_limit_and_all_without_any():
    assert TrialBudget(limits()).left == 1
    trial = TrialBudget(limits(steps=8, tokens=400, cost_usd=2))
    share, other = trial.share(2), trial.share(2)
    share.check_and_reserve(0.5, 190).settle(0.25, 150)
    assert share.left == pytest.approx(1 - 150 / 200)
    share.check_and_reserve(0.7, 20).settle(0.7, 10)
    assert share.left == pytest.approx(0.05)
    assert other.left == 1
    assert trial.left == pytest.approx(1 - 0.95 / 2)


@pytest.mark.parametrize("given_limits", [{"steps": 2}, {"tokens": 20}, {"cost_usd": 0.2}])
def test_where_all_of_the_trials_is_used_up_the_end_is_no_single_agents(given_limits):
    trial = TrialBudget(limits(**given_limits))
    for _ in range(2):
        trial.check_and_reserve(0.1, 10).settle(0.1, 10)
    share = trial.share(1)
    with pytest.raises(LimitReached) as caught:
        share.check_and_reserve(0.1, 10)
    assert not isinstance(caught.value, AgentLimitReached)


def test_what_calls_under_way_hold_may_come_back_and_what_is_spent_does_not():
    budget = Budget(1.0)
    first = budget.reserve(0.6)
    with pytest.raises(Crowded):
        budget.reserve(0.6)
    first.settle(0.5)
    with pytest.raises(LimitReached) as caught:
        budget.reserve(0.6)
    assert not isinstance(caught.value, Crowded)


@pytest.mark.anyio
@pytest.mark.parametrize("cap", ["cost", "tokens"])
async def test_who_finds_a_budget_crowded_waits_for_a_call_under_way(cap):
    trial = TrialBudget(limits(**{"cost": {"cost_usd": 1.0}, "tokens": {"tokens": 100}}[cap]))
    first = trial.check_and_reserve(0.6, 60)
    took = []

    async def second() -> None:
        took.append(await trial.take(0.6, 60))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(second)
            await anyio.sleep(0.05)
            assert took == []
            first.settle(0.1, 10)
        (hold,) = took
        hold.settle(0.6, 60)
        with pytest.raises(LimitReached) as caught:
            await trial.take(0.6, 60)
    assert caught.value.limit == cap
    assert (trial.steps, trial.tokens, trial.dollars.spent) == (2, 70, 0.7)


@pytest.mark.anyio
async def test_a_wait_for_money_ends_with_the_wall_clock_and_takes_nothing():
    trial = TrialBudget(limits(cost_usd=1.0, wall_clock_s=0.2))
    trial.check_and_reserve(0.6, 0)
    with anyio.fail_after(5), pytest.raises(LimitReached) as caught:
        await trial.take(0.6, 0)
    assert caught.value.limit == "wall_clock"
    assert (trial.steps, trial.dollars.reserved) == (1, 0.6)


@pytest.mark.anyio
async def test_many_who_wait_for_one_anothers_money_all_get_their_turn():
    whole = TrialBudget(limits(cost_usd=1.0))
    parts = [TrialBudget(limits(), whole=whole) for _ in range(3)]
    rng, turns = random.Random(3), []

    async def spend(part: TrialBudget) -> None:
        for _ in range(5):
            hold = await part.take(rng.uniform(0.1, 0.8), 1)
            assert whole.dollars.spent + whole.dollars.reserved <= 1.0 + 1e-9
            await anyio.sleep(rng.uniform(0, 0.002))
            turns.append(hold.settle(0.001, 1))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(spend, parts[number % 3])
    assert len(turns) == 150
    assert whole.dollars.spent == pytest.approx(0.15)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1), st.booleans()), max_size=30))
def test_no_sequence_of_calls_passes_the_cap(calls):
    budget = Budget(3.0)
    waiting = []
    for worst, share, at_once in calls:
        try:
            reservation = budget.reserve(worst)
        except LimitReached:
            continue
        if at_once:
            reservation.settle(worst * share)
        else:
            waiting.append((reservation, worst * share))
        assert budget.spent + budget.reserved <= 3.0 + 1e-9
    for reservation, actual in waiting:
        reservation.settle(actual)
    assert budget.spent <= 3.0 + 1e-9
    assert budget.reserved == 0


def test_a_trial_names_the_limit_that_it_reached():
    clock = Clock()
    for given_limits, name in (
        ({"steps": 1}, "steps"),
        ({"tokens": 150}, "tokens"),
        ({"cost_usd": 0.15}, "cost"),
        ({"wall_clock_s": 10}, "wall_clock"),
    ):
        budget = TrialBudget(limits(**given_limits), clock=RunClock(clock))
        budget.check_and_reserve(0.1, 100).settle(0.1, 100)
        clock.now += 11
        with pytest.raises(LimitReached) as caught:
            budget.check_and_reserve(0.1, 100)
        assert caught.value.limit == name
        assert budget.steps == 1, "what was refused is no step"
        assert (budget.tokens, budget.dollars.spent) == (100, 0.1)


def test_another_attempt_is_no_new_step():
    budget = TrialBudget(limits(steps=1))
    budget.check_and_reserve(None, 10).settle(None, 10)
    budget.check_and_reserve(None, 10, new_step=False).release()
    assert (budget.steps, budget.tokens) == (1, 10)


def test_a_call_that_was_not_made_is_no_step_at_any_level():
    whole = TrialBudget(limits(steps=2, cost_usd=1, tokens=100))
    part = whole.share(2)
    part.check_and_reserve(0.5, 50).withdraw()
    for level in (whole, part):
        assert (level.steps, level.tokens, level.held_tokens, level.dollars.reserved) == (
            0,
            0,
            {},
            0,
        )
    part.check_and_reserve(0.5, 50, new_step=False).withdraw()
    assert (whole.steps, part.steps) == (0, 0)


def test_a_cost_that_nobody_can_tell_uses_up_its_reservation():
    budget = TrialBudget(limits(cost_usd=1))
    budget.check_and_reserve(0.6, 10).settle(None, 0)
    budget.check_and_reserve(0.3, 10).settle(0.1, 0)
    assert budget.dollars.spent == pytest.approx(0.7)
    assert budget.dollars.unsure == 0.6


def test_an_unknown_price_leaves_dollars_uncounted():
    whole = TrialBudget(limits(cost_usd=0.01))
    budget = TrialBudget(limits(cost_usd=0.01), whole=whole)
    budget.check_and_reserve(None, 10).settle(None, 10)
    assert (budget.dollars.spent, whole.dollars.spent) == (0, 0)


def test_the_wall_clock_runs_from_the_start_of_the_trial():
    clock = Clock()
    budget = TrialBudget(limits(wall_clock_s=60), clock=RunClock(clock))
    clock.now += 50
    assert budget.remaining_s == pytest.approx(10)
    budget.check_time(5)
    with pytest.raises(LimitReached):
        budget.check_time(20)
    assert TrialBudget(limits()).remaining_s == float("inf")
