"""What an answer to a question may take, without an earlier run: by the length of its document."""

from collections.abc import Sequence
from statistics import mean

from harness.score.expected import LOW, Expected, Tokens

CHARS_A_TOKEN = 4.2  # of English prose, about
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
