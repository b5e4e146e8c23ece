"""What pages call the parts of a cost, where the name in `cost_breakdown.csv` does not say it."""

from collections.abc import Mapping

from harness.analysis.call_costs import TALK
from harness.analysis.prompt_parts import Cause
from harness.analysis.turn_activities import TurnActivity

_WORDS: Mapping[str, str] = {
    TurnActivity.COORDINATE: "coordinate or finish",
    Cause.UNKNOWN: "prompts whose texts are not stored",
    TALK: "words beside tool calls",
}


def part_words(name: str) -> str:
    """A part of a cost in words."""
    return _WORDS.get(name, name)
