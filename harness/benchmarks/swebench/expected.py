"""The expected tokens of a SWE-bench submission without an earlier run: those of the recording."""

from collections.abc import Mapping

from harness.score.expected import Expected, Tokens
from harness.score.measured import Measured
from harness.system_files import CostBasis
from harness.text.counted import counted

TURN_S = 10.0  # assumed for a call and the command after it: the recording was not timed
GRADING_S = 60.0  # assumed for sandboxes and grading
ASSUMPTION = (
    "assumed, without an earlier run of the system with this model in the output folder: the "
    "tokens that were measured in the bundled recording of {date}, on {instances}; a harder issue "
    f"takes more. Time: {TURN_S:g} s a turn"
)


def assumed(system: str, basis: CostBasis, rows: Mapping[str, Measured]) -> Expected | None:
    """The tokens that `system` needed in the recording, or else the first of `basis.like` that it
    holds; None where it holds none."""
    found = next((rows[name] for name in (system, *basis.like) if name in rows), None)
    if found is None:
        return None
    likely = Tokens(
        prompt=found.prompt_tokens,
        cached=found.cached_tokens,
        completion=found.completion_tokens,
    )
    agents = f" with {counted(found.agents, 'agent')}" if found.agents > 1 else ""
    return Expected(
        system=system,
        low=likely.times(found.low_prompt_tokens / found.prompt_tokens),
        likely=likely,
        trial_s=found.turns * TURN_S + GRADING_S,
        source=f"assumed: as {found.system}{agents} in {counted(found.trials, 'recorded trial')}",
        assumption=ASSUMPTION.format(
            date=found.date, instances=counted(found.instances, "instance")
        ),
    )
