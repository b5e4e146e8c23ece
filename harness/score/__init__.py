"""Scores: pure functions over the rows of a run. Undefined is None, never 0."""

from harness.score.alternative_scores import Unstable, flags_of, only_unstable, readings
from harness.score.breakdown import BREAKDOWN_COLUMNS, breakdowns
from harness.score.budgets import Allowance, allowance_of
from harness.score.compare import COMPARISON_COLUMNS, Comparison, Side, compare, comparisons, sides
from harness.score.estimators import (
    Interval,
    holm,
    mcnemar,
    mean_interval,
    pass_at_k,
    ratio_interval,
    sign_flip,
)
from harness.score.latency import BoardRows, Moments, moments
from harness.score.rows import (
    InstanceScore,
    counted_attempts,
    ended,
    equal_submissions,
    instance_scores,
    last_attempts,
    prefix_share,
    ran,
    repeated_tokens,
)
from harness.score.table import COLUMNS, table

__all__ = [
    "BREAKDOWN_COLUMNS",
    "COLUMNS",
    "COMPARISON_COLUMNS",
    "Allowance",
    "BoardRows",
    "Comparison",
    "InstanceScore",
    "Interval",
    "Moments",
    "Side",
    "Unstable",
    "allowance_of",
    "breakdowns",
    "compare",
    "comparisons",
    "counted_attempts",
    "ended",
    "equal_submissions",
    "flags_of",
    "holm",
    "instance_scores",
    "last_attempts",
    "mcnemar",
    "mean_interval",
    "moments",
    "only_unstable",
    "pass_at_k",
    "prefix_share",
    "ran",
    "ratio_interval",
    "readings",
    "repeated_tokens",
    "sides",
    "sign_flip",
    "table",
]
