"""Estimators and their intervals. scipy is imported inside functions, because it takes seconds."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, isfinite, lcm
from typing import Any

CONFIDENCE = 0.95
RESAMPLES = 9_999
SEED = 20_260  # of every resampling, so that a table that is made again is the same table
METHOD = f"95 % BCa bootstrap over instances; {RESAMPLES} resamples; seed {SEED}"
DENOMINATOR = 1_000  # of a difference, in an exact test
SUMS = 100_000  # that an exact test looks at
NOTHING = 1e-9  # what is smaller is left of rounding
SHARE = (0.0, 1.0)  # between which a share is
DIFFERENCE = (-1.0, 1.0)  # and a difference of two


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """The chance that one of `k` of `n` independent submissions, `c` of them resolved, resolves.

    `1 − C(n−c, k) / C(n, k)`, the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374); None
    where `n < k`.
    """
    if n < k:
        return None
    return 1.0 - comb(n - c, k) / comb(n, k)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean; None if there are no values or one is None."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None) / len(known)


def mean_interval(
    values: Iterable[float | None], *, within: tuple[float, float] | None = None
) -> Interval | None:
    """The bootstrap interval of the mean of one value an instance; None where there is none.

    BCa (Efron 1987) as `scipy.stats.bootstrap` has it. Values that are all the same have no spread
    to resample, and a width of zero would claim certainty. Where `within` bounds them (a share, a
    difference of shares), the interval then covers every mean for which the chance that all n come
    out so is not below 2.5 %: with v the value, up to `q = 1 − 0.025^(1/n)` of the instances may be
    otherwise, which gives `v − q (v − lowest)` to `v + q (highest − v)`; for shares of 0 or 1 that
    is Clopper and Pearson's. Without bounds it is undefined, and None.
    """
    known = list(values)
    numbers = [value for value in known if value is not None]
    if not numbers or len(numbers) < len(known):
        return None
    if max(numbers) - min(numbers) < 1e-12:
        return _of_equals(numbers[0], len(numbers), within)
    return _bootstrap((numbers,))


def ratio_interval(
    amounts: Sequence[float | None], counts: Sequence[int], *, empty: bool = False
) -> Interval | None:
    """The interval of `sum(amounts) / sum(counts)`, both resampled by instance, as pairs.

    Instances with a count of 0 are left out; with `empty` they are resampled too, because their
    amount is part of the sum. None: an amount is unknown, nothing varies, or so few have a count
    that resamples without any are no rarity.
    """
    pairs = [(a, c) for a, c in zip(amounts, counts, strict=True) if c or empty]
    known = [(a, c) for a, c in pairs if a is not None]
    whole, count = sum(a for a, _ in known), sum(c for _, c in known)
    if not count or len(known) < len(pairs):
        return None
    apart = max(abs(a * count - c * whole) for a, c in known)
    if apart <= 1e-12 * abs(whole) * max(c for _, c in known):
        return None
    found = _bootstrap(([a for a, _ in known], [c for _, c in known]))
    return found if isfinite(found.low) and isfinite(found.high) else None


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact test: the two-sided p of so many discordant pairs.

    Under the null hypothesis each of the pairs in which only one of two systems succeeded is as
    likely to be the one's as the other's: a binomial test at 1/2. 1 without discordant pairs.
    """
    from scipy import stats

    pairs = only_a + only_b
    return float(stats.binomtest(only_a, pairs, 0.5).pvalue) if pairs else 1.0


def sign_flip(differences: Sequence[float]) -> float:
    """The two-sided p of a paired permutation test of a mean difference, one value an instance.

    Under the null hypothesis the two systems are alike, so each difference could as well have the
    other sign (Fisher 1935; Dror et al. 2018, ACL, for systems on the same instances). Exact where
    the differences are fractions with small denominators, as shares of submissions are; else of
    `RESAMPLES` random signs, with the observed ones among them (Phipson and Smyth 2010). 1 where
    nothing differs.
    """
    import numpy as np

    values = [value for value in differences if abs(value) > NOTHING]
    if not values:
        return 1.0
    if whole := _whole_numbers(values):
        return _exact_sign_flip(whole)
    known = np.array(values)
    signs = np.random.default_rng(SEED).integers(0, 2, (RESAMPLES, len(known)), dtype=np.int8)
    sums = known.sum() - 2 * (signs @ known)
    return float((np.sum(np.abs(sums) >= abs(known.sum()) - NOTHING) + 1) / (RESAMPLES + 1))


def _whole_numbers(values: Sequence[float]) -> list[int]:
    """Whole numbers in the same proportions; empty where there are none that are small."""
    parts = [Fraction(value).limit_denominator(DENOMINATOR) for value in values]
    if any(abs(part - value) > NOTHING for part, value in zip(parts, values, strict=True)):
        return []
    unit = lcm(*(part.denominator for part in parts))
    whole = [int(part * unit) for part in parts]
    return whole if sum(map(abs, whole)) <= SUMS else []


def _exact_sign_flip(values: Sequence[int]) -> float:
    """The share of all choices of signs whose sum is as far from 0 as that of `values`: the
    chances of every sum, one value after the other."""
    import numpy as np

    most = sum(map(abs, values))
    chances = np.zeros(2 * most + 1)  # of the sums from -most to most
    chances[most] = 1.0
    for value in map(abs, values):
        chances = (np.roll(chances, value) + np.roll(chances, -value)) / 2
    far = np.abs(np.arange(-most, most + 1)) >= abs(sum(values))
    return float(min(1.0, chances[far].sum()))


def holm(ps: Sequence[float]) -> list[float]:
    """Each p adjusted for all of them, in their order (Holm 1979): the family-wise error stays
    below a level at which an adjusted p is called significant."""
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    adjusted, least = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = least
    return adjusted


def otherwise(count: int) -> float:
    """The share of instances that may be otherwise where `count` of them came out the same, at
    97.5 %: see `mean_interval`."""
    return float(1.0 - ((1.0 - CONFIDENCE) / 2) ** (1.0 / count))


def _of_equals(value: float, count: int, within: tuple[float, float] | None) -> Interval | None:
    if within is None:
        return None
    lowest, highest = within
    others = otherwise(count)
    return Interval(low=value - others * (value - lowest), high=value + others * (highest - value))


def _bootstrap(samples: tuple[Sequence[float], ...]) -> Interval:
    """The bootstrap interval of a mean or of a ratio of two sums. The values must vary."""
    import numpy as np
    from scipy import stats

    def ratio(amounts: Any, counts: Any, axis: int = -1) -> Any:
        return np.sum(amounts, axis=axis) / np.sum(counts, axis=axis)

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            samples,
            ratio if len(samples) > 1 else np.mean,
            paired=len(samples) > 1,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=1_000,
            confidence_level=CONFIDENCE,
            method="BCa",
            random_state=np.random.default_rng(SEED),
        ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high))
