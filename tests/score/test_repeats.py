"""What more trials and more instances make of an interval."""

import random
import statistics

import numpy as np
import pytest
from score_rows import Rows

from harness.score.repeats import half_widths, paired_spread, spread


def played(outcomes, system="single", rows=None):
    """By instance, the outcome of each trial."""
    rows = rows or Rows()
    for instance, trials in outcomes.items():
        for number, passed in enumerate(trials):
            rows.add(instance, ("resolved" if passed else "unresolved",), system=system,
                     number=number)  # fmt: skip
    return rows


def test_the_parts_are_those_of_an_analysis_of_variance():
    outcomes = {"a": [1, 1, 0, 0], "b": [1, 1, 1, 1], "c": [0, 0, 0, 1], "d": [0, 0, 0, 0]}
    found = spread(played(outcomes).scores())
    table = np.array(list(outcomes.values()), dtype=float)
    within = table.var(axis=1, ddof=1).mean()
    assert found.instances == 4
    assert found.variance == pytest.approx(table.mean(axis=1).var(ddof=1))
    assert found.within == pytest.approx(within / 4)
    assert found.within_later == pytest.approx(within / 6)


def test_unequal_trials_are_pooled():
    found = spread(played({"a": [1, 0], "b": [1, 0, 0], "c": [1]}).scores())
    pooled = (0.5 + 2 * statistics.variance([1, 0, 0])) / 3
    assert found.within == pytest.approx(pooled * (1 / 2 + 1 / 3 + 1) / 3)
    assert found.within_later == pytest.approx(pooled * (1 / 4 + 1 / 5 + 1 / 3) / 3)


def test_one_trial_each_says_nothing_of_more_trials_and_something_of_more_instances():
    found = spread(played({"a": [1], "b": [0], "c": [1]}).scores())
    widths = half_widths(0.2, 0.8, found)
    assert (widths.now, widths.more_trials) == (pytest.approx(0.3), None)
    assert widths.more_instances == pytest.approx(0.3 * (3 / 103) ** 0.5)


def test_what_never_varies_or_is_unknown_has_no_forecast():
    flat = half_widths(0.9, 1.0, spread(played({"a": [1, 1], "b": [1, 1]}).scores()))
    assert (flat.now, flat.more_trials, flat.more_instances) == (pytest.approx(0.05), None, None)
    assert half_widths(None, None, None).now is None
    assert spread(played({"a": [1, 0]}).scores()) is None


def test_of_a_difference_the_trials_of_both_systems_count_and_common_instances_only():
    rows = played({"a": [1, 0], "b": [1, 1], "c": [0, 1]})
    rows = played({"a": [0, 0], "b": [1, 0], "d": [1, 1]}, "delm", rows)
    mine = [each for each in rows.scores() if each.system == "single"]
    theirs = [each for each in rows.scores() if each.system == "delm"]
    found = paired_spread(mine, theirs)
    assert found.instances == 2
    assert found.variance == pytest.approx(statistics.variance([0.5, 0.5]))
    assert found.within == pytest.approx(0.25 / 2 + 0.25 / 2)


def test_the_forecast_is_what_more_trials_really_give():
    """On simulated systems, the mean forecast is within 3 % of the true standard error."""
    rng = random.Random(3)
    chances = [rng.betavariate(0.6, 0.6) for _ in range(150)]
    foreseen = []
    for _ in range(30):
        outcomes = {
            str(n): [rng.random() < chance for _ in range(4)] for n, chance in enumerate(chances)
        }
        found = spread(played(outcomes).scores())
        foreseen.append(half_widths(-1.0, 1.0, found).more_trials ** 2 * found.variance)
    between = statistics.variance(chances)
    within = statistics.fmean(chance * (1 - chance) for chance in chances)
    assert statistics.fmean(foreseen) == pytest.approx(between + within / 6, rel=0.03)
