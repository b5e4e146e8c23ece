"""The expected tokens of an answer without an earlier run, from the document's length."""

from collections.abc import Sequence
from statistics import mean

from harness.score.expected import LOW, Expected, Tokens
from harness.system_files import CostBasis

CHARS_A_TOKEN = 4.2  # of English prose, about
WRITTEN = 0.04  # assumed completion tokens by prompt tokens, of readers
READING = (
    "assumed, without an earlier run of the system with this model in the output folder: its "
    f"document so many times over, nothing cached and {WRITTEN:.0%} as much completion; low is a "
    "quarter of it, and more than one trial pays less, as preparation is shared"
)


def assumed_reading(system: str, basis: CostBasis, documents: Sequence[float]) -> Expected:
    """The expected tokens of answers to questions over documents of these lengths."""
    most, times = basis.document_tokens or max(documents), basis.document_reads
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
