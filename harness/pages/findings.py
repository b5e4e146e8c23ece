"""The findings of a trial, those first that resolved submissions of others rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.finding_influence import (
    Influence,
    in_a_sentence,
    influences,
    outcomes_of_agents,
)
from harness.board.vocabulary import Settled
from harness.pages.trial_data import TrialData
from harness.text.counted import counted

MOST = 200  # findings that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsSection:
    """See the template."""

    sentence: str
    findings: Sequence[Influence]
    left_out: int
    others: str  # proposals that became no entry, counted in words; empty: there are none
    refused: bool  # whether one of them was refused
    outcomes: Mapping[str, str]  # of agents and tasks


def section(data: TrialData) -> FindingsSection | None:
    """The findings of a trial; None where nothing was proposed."""
    proposals = data.record.proposals
    if not proposals:
        return None
    found = influences(data.trial, data.record)
    return FindingsSection(
        sentence=in_a_sentence(found, data.submissions),
        findings=found[:MOST],
        left_out=max(0, len(found) - MOST),
        others=_others([proposal["settled"] for proposal in proposals]),
        refused=any(proposal["settled"] == Settled.REJECTED for proposal in proposals),
        outcomes=outcomes_of_agents(data.submissions),
    )


def _others(settled: Sequence[str | None]) -> str:
    """The proposals that became no entry of their own."""
    told = {
        "said what an entry said before": settled.count(Settled.MERGED),
        "refused": settled.count(Settled.REJECTED),
        "without a ruling": settled.count(None),
    }
    words = [f"{number} {what}" for what, number in told.items() if number]
    number = sum(told.values())
    return f"{counted(number, 'more proposal')}: {', '.join(words)}." if number else ""
