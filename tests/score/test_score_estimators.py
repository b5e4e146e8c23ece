"""Estimators beside other ways to the same number: counting, sums, a second bootstrap."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.score import mcnemar, mean_interval, pass_at_k, ratio_interval, sign_flip
from harness.score.estimators import DIFFERENCE, SHARE


def by_counting(n: int, c: int, k: int) -> float:
    """The share of all choices of `k` out of `n` submissions that hold one of the `c` good ones."""
    choices = list(itertools.combinations([True] * c + [False] * (n - c), k))
    return sum(any(choice) for choice in choices) / len(choices)


@given(st.data())
def test_pass_at_k_is_the_share_of_choices_that_hold_a_solution(data):
    n = data.draw(st.integers(1, 9))
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    assert pass_at_k(n, c, k) == pytest.approx(by_counting(n, c, k))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20))
def test_pass_at_k_is_undefined_for_fewer_submissions_and_a_share_otherwise(n, c, k):
    value = pass_at_k(n, min(c, n), k)
    assert (value is None) == (n < k)
    assert value is None or 0 <= value <= 1


def test_pass_at_one_is_the_mean_and_large_numbers_do_not_overflow():
    assert pass_at_k(8, 3, 1) == pytest.approx(3 / 8)
    assert pass_at_k(10_000, 1, 4) == pytest.approx(4 / 10_000)


@given(st.integers(1, 30), st.data())
def test_more_tries_and_more_solutions_never_lower_pass_at_k(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    value = pass_at_k(n, c, k)
    assert value is not None
    if k < n:
        assert pass_at_k(n, c, k + 1) >= value
    if c < n:
        assert pass_at_k(n, c + 1, k) >= value
    assert value >= c / n - 1e-12  # one try is the mean


def bca(values, seed, resamples=20_000, confidence=0.95):
    """Efron's interval of a mean, written out: bias from the resamples, skew from the jackknife."""
    x, normal = np.asarray(values, float), NormalDist()
    means = np.random.default_rng(seed).choice(x, (resamples, len(x))).mean(axis=1)
    below = ((means < x.mean()).sum() + (means <= x.mean()).sum()) / (2 * resamples)
    bias = normal.inv_cdf(below)
    left_out = (x.sum() - x) / (len(x) - 1)
    off = left_out.mean() - left_out
    skew = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + normal.inv_cdf(tail)
        ends.append(np.quantile(means, normal.cdf(bias + z / (1 - skew * z))))
    return ends


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 40 + [1.0] * 60,
        [0.0] * 45 + [1.0] * 5,
        [0.0] * 20 + [0.25] * 9 + [0.5] * 8 + [0.75] * 7 + [1.0] * 56,
        [-1.0] * 4 + [0.0] * 60 + [0.5] * 10 + [1.0] * 6,
        list(np.random.default_rng(5).lognormal(size=80)),
    ],
)
def test_an_interval_is_that_of_another_bootstrap_with_another_seed(values):
    found = mean_interval(values)
    spread = np.std(values) / math.sqrt(len(values))
    assert [found.low, found.high] == pytest.approx(bca(values, seed=77), abs=0.25 * spread)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.25)


def test_an_interval_of_a_ratio_resamples_amounts_and_counts_as_pairs():
    random = np.random.default_rng(6)
    counts = random.integers(1, 5, 60)
    amounts = counts * random.uniform(0.8, 1.2, size=60)  # they follow the counts
    found = ratio_interval(amounts.tolist(), counts.tolist())
    picks = np.random.default_rng(78).integers(0, 60, (20_000, 60))
    ratios = amounts[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.2 * (high - low))
    equal = ratio_interval((counts * 0.5).tolist(), counts.tolist())
    assert equal is None, "every task costs the same: nothing varies, whatever the counts do"


def test_a_ratio_leaves_out_what_was_never_started_and_needs_every_amount():
    with_it = ratio_interval([1.0, 2.0, 4.0, 9.0], [1, 1, 2, 0])
    assert with_it == ratio_interval([1.0, 2.0, 4.0], [1, 1, 2])
    assert ratio_interval([1.0, None, 4.0], [1, 1, 2]) is None
    assert ratio_interval([0.0], [0]) is None
    assert ratio_interval([0.0, 0.0], [1, 1]) is None


def test_money_that_bought_nothing_is_resampled_with_the_rest_where_it_is_part_of_the_sum():
    amounts, counts = [1.0, 2.0, 4.0] * 7 + [9.0], [1, 1, 2] * 7 + [0]
    found = ratio_interval(amounts, counts, empty=True)
    assert found.low <= sum(amounts) / sum(counts) <= found.high
    without = ratio_interval(amounts, counts)
    assert found.high > without.high
    assert ratio_interval([1.0, 2.0], [1, 0], empty=True) is None, "half have nothing to divide by"


@pytest.mark.parametrize(("n", "chance"), [(15, 0.3), (40, 0.65), (60, 0.9)])
def test_about_95_of_100_intervals_hold_the_truth(n, chance):
    random = np.random.default_rng(9)
    held = 0
    for _ in range(200):
        skill = random.beta(2 * chance, 2 * (1 - chance), n)  # instances differ in difficulty
        found = mean_interval((random.binomial(4, skill) / 4).tolist(), within=SHARE)
        held += found.low <= chance <= found.high
    assert 0.87 <= held / 200 <= 0.995  # a bootstrap of few instances is a little too narrow


@pytest.mark.parametrize("n", [1, 2, 3, 10, 500])
def test_equal_outcomes_have_the_interval_of_clopper_and_pearson_and_no_certainty(n):
    from scipy import stats

    for value, solved in ((0.0, 0), (1.0, n)):
        found = mean_interval([value] * n, within=SHARE)
        exact = stats.binomtest(solved, n).proportion_ci(0.95, method="exact")
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    same = mean_interval([0.0] * n, within=DIFFERENCE)
    assert same.low == pytest.approx(-same.high)
    assert same.high == pytest.approx(1 - 0.025 ** (1 / n))
    assert mean_interval([0.5] * n) is None  # of no bounds nothing can be said


def test_nothing_and_the_unknown_have_no_interval():
    assert mean_interval([]) is None
    assert mean_interval([0.5, None, 1.0]) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 0.25, 0.5, 0.75, 1]), min_size=1, max_size=40))
def test_an_interval_of_shares_is_a_share_holds_the_mean_and_has_a_width(values):
    found = mean_interval(values, within=SHARE)
    assert 0 <= found.low <= sum(values) / len(values) <= found.high <= 1
    assert found.low < found.high
    assert found == mean_interval(values, within=SHARE)


def exact_p(b, c):
    """The chance of a split at most as likely as this one, summed over all splits."""
    ways = [math.comb(b + c, i) for i in range(b + c + 1)]
    return sum(way for way in ways if way <= ways[b]) / 2 ** (b + c)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_sum_of_the_splits_that_are_no_likelier(b, c):
    assert mcnemar(b, c) == pytest.approx(exact_p(b, c))
    assert mcnemar(b, c) == pytest.approx(mcnemar(c, b))
    assert 0 < mcnemar(b, c) <= 1


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 5) == pytest.approx(2 / 2**5)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(7, 7) == 1


@pytest.mark.parametrize("count", [1, 2, 5, 11, 16])
def test_the_sign_flip_test_of_few_differences_is_exact(count):
    rng = np.random.default_rng(count)
    values = rng.integers(-4, 5, count) / 4
    sums = [sum(signed) for signed in itertools.product(*((x, -x) for x in values))]
    exact = np.mean([abs(each) >= abs(values.sum()) - 1e-9 for each in sums])
    assert sign_flip(list(values)) == pytest.approx(exact)


def test_of_many_differences_it_agrees_with_scipy():
    rng = np.random.default_rng(1)
    for shift, unit in ((0.0, 0), (0.1, 0), (0.2, 0), (0.1, 4), (0.2, 12)):
        values = rng.normal(shift, 0.7, 60)
        values = np.round(values * unit) / unit if unit else values
        told = stats.permutation_test((values,), np.mean, permutation_type="samples",
                                      n_resamples=20_000, random_state=2).pvalue  # fmt: skip
        assert sign_flip(list(values)) == pytest.approx(told, abs=0.015)


def test_a_sign_flip_test_is_symmetric_never_0_and_1_where_nothing_differs():
    assert sign_flip([]) == sign_flip([0.0, 0.0]) == 1
    assert sign_flip([1.0] * 20) == pytest.approx(2 / 2**20)
    assert 0 < sign_flip([2**0.5] * 200) <= 1e-4
    assert sign_flip([0.25] * 6) == pytest.approx(2 / 2**6)
    values = [0.5, -0.25, 1.0, 0.75, 0.0]
    assert sign_flip(values) == sign_flip([-value for value in values])


def test_equal_systems_are_called_different_as_seldom_as_the_level_says():
    rng = np.random.default_rng(5)
    found = [sign_flip(list(rng.integers(-1, 2, 25) * 1.0)) < 0.05 for _ in range(400)]
    assert np.mean(found) < 0.08
