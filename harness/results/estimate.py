"""What a run may cost before it starts: expected tokens, dollars, bytes and hours.

Pure functions; `harness.commands.pricing` collects what they need. Expectations come from earlier
runs of the same system with the same model where there are any, else from the benchmark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import mean, quantiles

from harness.model.prices import Price
from harness.score.expected import Expected, Tokens
from harness.store.rows import EarlierTrial
from harness.text.counted import counted

REBUILT_BYTES = 100_000_000  # of a rebuilt environment: 1.3 GB for the 15 bundled instances
RUN_BYTES = 300_000  # that a trial leaves in the run's folder: 2.3 MB for 8 bundled ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The planned work of one system, over all instances."""

    expected: Expected
    trials: int
    submissions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The estimate for a whole run. None: unknown, or no limit."""

    tokens: Tokens  # of all submissions
    low_usd: float | None
    likely_usd: float | None
    high_usd: float | None  # the budget
    wanted_usd: float | None  # likely, if there were no budget
    likely_s: float | None
    high_s: float | None


class PastTrial(EarlierTrial):
    """A trial of an earlier run."""

    run: str


def from_runs(system: str, trials: Sequence[PastTrial]) -> Expected | None:
    """The expected tokens of `system` from its finished `trials`; None without any.

    Counts all calls of these trials.
    """
    mine = [row for row in trials if row["system"] == system and row["prompt_tokens"]]
    if not mine:
        return None
    each = [_tokens(row).times(1 / row["wanted"]) for row in mine]
    likely = Tokens(
        prompt=mean(t.prompt for t in each),
        cached=mean(t.cached for t in each),
        completion=mean(t.completion for t in each),
    )
    prompts = [t.prompt for t in each]
    quarter = quantiles(prompts, n=4, method="inclusive")[0] if len(each) > 1 else prompts[0]
    seconds = [row["seconds"] for row in mine if row["seconds"]]
    runs = len({row["run"] for row in mine})
    return Expected(
        system=system,
        low=likely.times(min(1.0, quarter / likely.prompt)),
        likely=likely,
        trial_s=mean(seconds) if seconds else None,
        source=f"{counted(len(each), 'trial')} in {counted(runs, 'earlier run')}",
    )


def estimate(
    planned: Sequence[Planned],
    *,
    price: Price | None,
    submission_usd: float,
    run_usd: float,
    trial_wall_s: float,
    workers: int,
) -> Estimate:
    """Add up the expected tokens, cost and time.

    A limit of 0 means no limit. A likely value never exceeds its limit.
    """
    submissions = sum(each.submissions for each in planned)
    bounds = [bound for bound in (submissions * submission_usd, run_usd) if bound]
    high = min(bounds) if bounds and price is not None else None

    def dollars(which: str) -> float | None:
        if price is None:
            return None
        found = 0.0
        for each in planned:
            one = getattr(each.expected, which).usd(price)
            found += each.submissions * (min(one, submission_usd) if submission_usd else one)
        return found if high is None else min(found, high)

    parts = [each.expected.likely.times(each.submissions) for each in planned]
    trials = [each.expected.trial_s for each in planned]
    likely_s = None
    if None not in trials:
        each_s = [
            min(seconds, trial_wall_s) if trial_wall_s else seconds
            for seconds in trials
            if seconds is not None
        ]
        whole = sum(p.trials * s for p, s in zip(planned, each_s, strict=True))
        likely_s = max([whole / workers, *each_s]) if each_s else None
    rounds = ceil(sum(each.trials for each in planned) / workers)
    wanted = Tokens(
        prompt=sum(t.prompt for t in parts),
        cached=sum(t.cached for t in parts),
        completion=sum(t.completion for t in parts),
    )
    return Estimate(
        tokens=wanted,
        low_usd=dollars("low"),
        likely_usd=dollars("likely"),
        high_usd=high,
        wanted_usd=None if price is None else wanted.usd(price),
        likely_s=likely_s,
        high_s=rounds * trial_wall_s or None,
    )


def to_pull(images: Sequence[str], here: Sequence[str]) -> list[str]:
    """The images, each once, that are not on this machine."""
    there = set(here)
    return [name for name in dict.fromkeys(images) if name not in there]


def hours(seconds: float) -> str:
    """A long duration in words."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def gigabytes(amount: float) -> str:
    """A number of bytes in words."""
    return f"{amount / 1e9:.1f} GB" if amount >= 5e7 else f"{amount / 1e6:.0f} MB"


def thousands(tokens: float) -> str:
    """A number of tokens in words."""
    return f"{tokens / 1e6:.2f}M" if tokens >= 1e6 else f"{tokens / 1e3:.0f}k"


def _tokens(row: PastTrial) -> Tokens:
    return Tokens(
        prompt=row["prompt_tokens"],
        cached=row["cached_tokens"],
        completion=row["completion_tokens"],
    )
