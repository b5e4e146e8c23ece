"""Two systems on the same instances, from rows made by hand."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_rows import Rows

from harness.config import resolve
from harness.score import COMPARISON_COLUMNS, Allowance, allowance_of, compare, comparisons, sides

ONE = Allowance(usd=3, steps=250, tokens=None, wall_clock_s=3600)


def pair(a, b, allowances=(ONE, ONE)):
    """Both systems; each is by instance the outcomes of its trials: R, U, E for an error,
    C for one that was cut, - for one that was not started."""
    rows = Rows()
    for system, outcomes in (("a", a), ("b", b)):
        for instance, trials in outcomes.items():
            for number, letter in enumerate(trials):
                outcome = {"R": ["resolved"], "U": ["unresolved"]}.get(letter, [])
                state = {"E": "error", "-": "waiting", "C": "cancelled"}.get(letter, "done")
                costs = [] if letter == "-" else [0.25]
                rows.add(instance, outcome, system=system, number=number, state=state, costs=costs)
    left, right = sides(rows.scores(), None)
    return tuple(
        type(side)(name=side.name, scores=side.scores, allowance=allowance)
        for side, allowance in zip((left, right), allowances, strict=True)
    )


def test_a_comparison_by_hand():
    a = {"i1": "RU", "i2": "RR", "i3": "UR", "i4": "EU", "i5": "RR"}
    b = {"i1": "UU", "i2": "RU", "i3": "RR", "i4": "UU", "i6": "RR"}
    found = compare(*pair(a, b))
    assert (found.instances, found.left_out) == (("i1", "i2", "i3", "i4"), 2)
    assert found.average_a == pytest.approx((1 / 2 + 1 + 1 / 2 + 0) / 4)
    assert found.average_b == pytest.approx((0 + 1 / 2 + 1 + 0) / 4)
    assert found.difference == pytest.approx(1 / 8)
    # of 1/2, 1/2 and -1/2 all eight signs are as far from 0
    assert found.difference_p == 1
    assert (found.both, found.only_a, found.only_b, found.neither) == (1, 1, 1, 1)
    assert found.mcnemar_p == 1
    assert found.cost_a == found.cost_b == 0.5
    assert found.cost_difference == 0
    assert found.difference_95.low < 0 < found.difference_95.high


def test_only_the_first_trial_counts_for_the_paired_test():
    never, always = {f"i{n}": "UR" for n in range(6)}, {f"i{n}": "RU" for n in range(6)}
    found = compare(*pair(always, never))
    assert (found.only_a, found.difference) == (6, 0)
    assert found.mcnemar_p == pytest.approx(2 / 2**6)


def test_systems_with_nothing_in_common_have_no_difference_rather_than_none_at_all():
    found = compare(*pair({"i1": "R"}, {"i2": "R"}))
    assert (found.instances, found.left_out) == ((), 2)
    assert (found.average_a, found.difference, found.difference_95) == (None, None, None)


def test_what_one_of_them_has_not_run_is_not_compared():
    a = {"i1": "RR", "i2": "--", "i3": "-R", "i4": "UC"}
    b = {"i1": "UU", "i2": "RR", "i3": "RR", "i4": "RR"}
    found = compare(*pair(a, b))
    assert (found.instances, found.not_run) == (("i1", "i3", "i4"), 1)
    assert found.average_a == pytest.approx((1 + 1 + 0) / 3)
    assert found.average_b == pytest.approx((0 + 1 + 1) / 3)
    # on i3 the first trial of A was not run: it ships nothing that could be compared
    assert (found.both, found.only_a, found.only_b, found.neither) == (0, 1, 1, 0)
    # two submissions at 0.25 each, whatever part of them was run
    assert found.cost_a == found.cost_b == 0.5
    nothing = compare(*pair({"i1": "-"}, {"i1": "R"}))
    assert (nothing.instances, nothing.not_run, nothing.left_out) == ((), 1, 0)
    assert (nothing.difference, nothing.mcnemar_p, nothing.cost_a) == (None, None, None)
    assert (nothing.same_budget, nothing.cost_difference) == (None, None)


@pytest.mark.parametrize(
    ("other", "trials", "same"),
    [
        (ONE, "RR", True),
        (ONE, "R", False),  # half as many submissions: half the budget
        (Allowance(usd=6, steps=500, tokens=None, wall_clock_s=3600), "R", True),
        (Allowance(usd=3, steps=250, tokens=None, wall_clock_s=1800), "RR", False),
        (Allowance(usd=3, steps=250, tokens=10**6, wall_clock_s=3600), "RR", False),
        (Allowance(usd=3, steps=None, tokens=None, wall_clock_s=3600), "RR", False),
        (None, "RR", None),
    ],
)
def test_budgets_are_the_same_where_all_of_an_instance_may_spend_is(other, trials, same):
    assert compare(*pair({"i1": "RU"}, {"i1": trials}, (ONE, other))).same_budget is same


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["RR", "RU", "UR", "UU", "EU"]),
                          st.sampled_from(["RR", "RU", "UR", "UU", "EU"])),
                min_size=1, max_size=12))  # fmt: skip
def test_a_comparison_the_other_way_round_is_the_same_with_its_sign_turned(outcomes):
    a = {f"i{n}": mine for n, (mine, _) in enumerate(outcomes)}
    b = {f"i{n}": theirs for n, (_, theirs) in enumerate(outcomes)}
    left, right = pair(a, b)
    there, back = compare(left, right), compare(right, left)
    assert there.difference == pytest.approx(-back.difference)
    assert (there.only_a, there.only_b) == (back.only_b, back.only_a)
    assert there.mcnemar_p == pytest.approx(back.mcnemar_p)
    assert there.both + there.only_a + there.only_b + there.neither == len(outcomes)
    low, high = there.difference_95.low, there.difference_95.high
    assert -1 <= low <= there.difference <= high <= 1
    assert [-high, -low] == pytest.approx([back.difference_95.low, back.difference_95.high],
                                          abs=0.12)  # fmt: skip


def test_every_pair_is_compared_once_and_unknown_budgets_are_blank():
    rows = Rows()
    for system in "abcd":
        rows.add(system=system)
    found = comparisons(sides(rows.scores(), None))
    pairs = [(row["system_a"], row["system_b"]) for row in found]
    assert pairs == list(itertools.combinations("abcd", 2))
    assert all(tuple(row) == COMPARISON_COLUMNS for row in found)
    assert {row["same_budget"] for row in found} == {None}
    assert comparisons(sides(Rows().add().scores(), ONE)) == []


def test_an_allowance_is_what_the_run_says_of_one_submission():
    config = resolve([{"budget": {"steps": 0, "tokens": 7, "cost_usd": 2}}]).model_dump(mode="json")
    facts = {"config": config, "model": "m", "prices": {"m": {"input": 1}}}
    assert allowance_of(facts) == Allowance(usd=2, steps=None, tokens=7, wall_clock_s=3600)
    unpriced = allowance_of(facts | {"prices": {"m": None}})
    assert unpriced.usd is None, "no limit on dollars holds for a model without a price"
    assert allowance_of({}) is None
    assert ONE.times(4) == Allowance(usd=12, steps=1000, tokens=None, wall_clock_s=3600)
