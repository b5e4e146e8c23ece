"""What a run may cost before it starts: expected tokens, dollars, bytes and hours.

Pure functions; `harness.commands.pricing` collects what they need. Expectations are of one
submission, because that is what a budget is of, and come from earlier runs of the same system with
the same model where there are any, else from stated assumptions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import mean, quantiles
from typing import Any

from harness.model.prices import Price
from harness.score.published import MODEL, SWE_BENCH, Published
from harness.text.counted import counted

Row = Mapping[str, Any]
BASIS = {
    "mini-swe-agent": ("mini-SWE-agent", 1),
    "single": ("mini-SWE-agent", 1),
    "independent": ("mini-SWE-agent", 1),
    "centralized": ("AOrchestra", None),
    "centralized-parallel": ("AOrchestra-Parallel", None),
}
"""Whose published cost a system without an earlier run is assumed to have; all others: DeLM's."""
TEAM_BASIS = ("DeLM", 4)
LATENCY_OF = {"AOrchestra-Parallel": "AOrchestra"}  # whose latency stands in for an unpublished one
GEMINI = (0.50e-6, 0.05e-6, 3.00e-6)
"""USD per fresh prompt, cached prompt and completion token behind the published costs: those of
Gemini 3 Flash, as gemini/gemini-3-flash-preview in litellm 1.106.2."""
CACHED = 0.7  # assumed share of the prompt tokens that the provider serves from its cache
ANSWERED = 0.02  # assumed completion tokens by prompt tokens
ASSUMPTION = (
    f"assumed, without an earlier run of the system with this model in the output folder: what was "
    f"published with {MODEL}, as {CACHED:.0%} cached prompt and {ANSWERED:.0%} as much completion; "
    "low is a quarter of it"
)
READS = {
    "base": 1.0, "readagent": 3.0, "independent-documents": 3.0,
    "centralized-parallel-documents": 5.0,
}  # fmt: skip
"""How many times over a submission's prompts hold the document, without an earlier run; all others:
`TEAM_READS`, which is between the 8 and 13 of `delm-documents` in the bundled recording."""
TEAM_READS = 10.0
BASE_TOKENS = 120_000  # that `base` sends at most
WRITTEN = 0.04  # assumed completion tokens by prompt tokens, of readers
READING = (
    "assumed, without an earlier run of the system with this model in the output folder: its "
    f"document so many times over, nothing cached and {WRITTEN:.0%} as much completion; low is a "
    "quarter of it, and more than one trial pays less, as preparation is shared"
)
LOW = 0.25  # without an earlier run: how much less than the assumption it may be
GRADING_S = 60.0  # assumed for sandboxes and grading, beside the published latency
IMAGE_BYTES = 240_000_000  # of an image of SWE-bench Verified: 120 GB for all 500
REBUILT_BYTES = 100_000_000  # of a rebuilt environment: 1.3 GB for the 15 bundled instances
RUN_BYTES = 300_000  # that a trial leaves in the run's folder: 2.3 MB for 8 bundled ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Of one submission, on average."""

    prompt: float  # cached ones included
    cached: float
    completion: float

    def usd(self, price: Price) -> float:
        """What they cost; long prompts are not counted dearer."""
        fresh = self.prompt - self.cached
        return (
            fresh * price.input + self.cached * price.cached_input + self.completion * price.output
        )

    def times(self, factor: float) -> "Tokens":
        """So many times as many."""
        return Tokens(
            prompt=self.prompt * factor,
            cached=self.cached * factor,
            completion=self.completion * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one system is expected to take."""

    system: str
    low: Tokens
    likely: Tokens
    trial_s: float | None  # wall clock of a trial
    source: str  # in words
    assumption: str = ""  # in words, where there is no earlier run

    @property
    def assumed(self) -> bool:
        """Whether there is no earlier run."""
        return bool(self.assumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is asked of one system, over all instances."""

    expected: Expected
    trials: int
    submissions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of a whole run. None: unknown, or without a limit."""

    tokens: Tokens  # of all submissions
    low_usd: float | None
    likely_usd: float | None
    high_usd: float | None  # the budget
    likely_s: float | None
    high_s: float | None


def from_runs(system: str, trials: Sequence[Row]) -> Expected | None:
    """What `trials` of `system` that were done took; None without any.

    A row has the trial's `run`, `system`, `wanted` submissions, `seconds`, and its tokens:
    `prompt_tokens`, `cached_tokens` and `completion_tokens` of all its calls.
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


def assumed(system: str, rows: Sequence[Published]) -> Expected:
    """Tokens that, at the price behind them, cost what was published; `rows` are those numbers."""
    method, agents = BASIS.get(system, TEAM_BASIS)
    usd = _number(rows, method, agents, "cost_per_submission_usd")
    latency = _number(rows, LATENCY_OF.get(method, method), agents, "latency_s")
    fresh, cached, completion = GEMINI
    prompt = usd / ((1 - CACHED) * fresh + CACHED * cached + ANSWERED * completion)
    likely = Tokens(prompt=prompt, cached=CACHED * prompt, completion=ANSWERED * prompt)
    return Expected(
        system=system,
        low=likely.times(LOW),
        likely=likely,
        trial_s=latency + GRADING_S,
        source=f"assumed: ${usd:.2f}, as published for {method}",
        assumption=ASSUMPTION,
    )


def assumed_reading(system: str, documents: Sequence[float]) -> Expected:
    """What answering questions over documents of so many tokens may take, by their length."""
    most = BASE_TOKENS if system == "base" else max(documents)
    times = READS.get(system, TEAM_READS)
    prompt = times * mean(min(tokens, most) for tokens in documents)
    likely = Tokens(prompt=prompt, cached=0.0, completion=WRITTEN * prompt)
    return Expected(
        system=system,
        low=likely.times(LOW),
        likely=likely,
        trial_s=None,
        source="assumed: its document once" if times == 1 else f"assumed: its document {times:g}×",
        assumption=READING,
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
    """Add it up. Limits of 0 are none; what is likely is never above them."""
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
    return Estimate(
        tokens=Tokens(
            prompt=sum(t.prompt for t in parts),
            cached=sum(t.cached for t in parts),
            completion=sum(t.completion for t in parts),
        ),
        low_usd=dollars("low"),
        likely_usd=dollars("likely"),
        high_usd=high,
        likely_s=likely_s,
        high_s=rounds * trial_wall_s or None,
    )


def to_pull(images: Sequence[str], here: Sequence[str]) -> list[str]:
    """Of the images of a run, each once, those that are not on this machine."""
    there = set(here)
    return [name for name in dict.fromkeys(images) if name not in there]


def hours(seconds: float) -> str:
    """A long duration for a person."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def gigabytes(amount: float) -> str:
    """An amount of bytes for a person."""
    return f"{amount / 1e9:.1f} GB" if amount >= 5e7 else f"{amount / 1e6:.0f} MB"


def thousands(tokens: float) -> str:
    """A number of tokens for a person."""
    return f"{tokens / 1e6:.2f}M" if tokens >= 1e6 else f"{tokens / 1e3:.0f}k"


def _number(rows: Sequence[Published], method: str, agents: int | None, metric: str) -> float:
    """The last one in the file: of the newest version."""
    wanted = (method, agents, metric, SWE_BENCH, MODEL)
    return [
        row.value
        for row in rows
        if (row.method, row.agents, row.metric, row.benchmark, row.model) == wanted
    ][-1]


def _tokens(row: Row) -> Tokens:
    return Tokens(
        prompt=row["prompt_tokens"],
        cached=row["cached_tokens"],
        completion=row["completion_tokens"],
    )
