"""The entries that a person has vetoed: they do not count any more."""

from collections.abc import Mapping

from agents.prompts import one_line
from harness.board.protocols import Mark, SharedContext
from harness.board.vocabulary import MarkKind

REASON_CHARS = 300


async def vetoed(context: SharedContext) -> Mapping[str, str]:
    """By label of each vetoed entry, that it is vetoed and why, in words."""
    return {
        mark.label: in_words(mark) for mark in await context.marks() if mark.kind == MarkKind.VETOED
    }


def in_words(veto: Mark) -> str:
    """What agents are told of a veto, in one line."""
    reason = one_line(veto.reason, REASON_CHARS).rstrip(".")
    return f"{veto.label} was vetoed by a person: {reason}."
