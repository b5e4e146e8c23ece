"""The expected tokens of a SWE-bench submission without an earlier run, from published costs."""

from collections.abc import Sequence

from harness.errors import UserError
from harness.score.expected import LOW, Expected, Tokens
from harness.score.published import MODEL, SWE_BENCH, Published
from harness.system_files import CostBasis

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
GRADING_S = 60.0  # assumed for sandboxes and grading, beside the published latency


def assumed(system: str, basis: CostBasis, rows: Sequence[Published]) -> Expected:
    """Tokens that would cost the published amount at the published price. `rows` are the
    numbers."""
    method, agents = basis.method, basis.agents
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


def _number(rows: Sequence[Published], method: str, agents: int | None, metric: str) -> float:
    """The last matching number in the file, which is of the newest version."""
    wanted = (method, agents, metric, SWE_BENCH, MODEL)
    found = [
        row.value
        for row in rows
        if (row.method, row.agents, row.metric, row.benchmark, row.model) == wanted
    ]
    if not found:
        raise UserError(
            f"cost_basis: no {metric} of {method} with {agents or 'any number of'} agents and "
            f"{MODEL} is in published.csv"
        )
    return found[-1]
