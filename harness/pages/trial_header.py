"""The head of a trial opened: how it ended, what it cost, what helped, and its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.finding_influence import in_a_sentence, influences
from harness.pages.activity import cost_sentence
from harness.pages.submissions import outcome_of, relation
from harness.pages.trial_data import TrialData
from harness.score import ended
from harness.score.cost import Spent, spent
from harness.store.rows import SubmissionRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A trial on the same instance."""

    row: TrialRow
    marks: Sequence[tuple[str, str]]  # of its submissions; of which patch each is a copy, or empty
    this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialHeader:
    """See the template."""

    marks: Sequence[tuple[SubmissionRow, str]]  # submissions with their kind of mark
    running: bool
    sentences: Sequence[tuple[str, str, str]]  # a section, what it says in short, a link's words
    cost: Spent
    neighbours: Sequence[tuple[str, Sequence[Neighbour]]]  # by system
    copies: bool  # whether one of the neighbours' submissions is one
    before: int  # the trial_id of the neighbour before this one; 0: there is none
    after: int


def header(data: TrialData) -> TrialHeader:
    """The head of a trial's page."""
    found = influences(data.trial, data.record)
    told = [
        ("activity", cost_sentence(data), "Why"),
        ("submissions", relation(data), "See them"),
        ("findings", in_a_sentence(found, data.submissions), "Which findings"),
    ]
    ids = [0, *(each["trial_id"] for each in data.trials_here), 0]
    at = ids.index(data.trial_id)
    return TrialHeader(
        marks=[(row, outcome_of(row)) for row in data.submissions],
        running=not ended(data.trial),
        sentences=[each for each in told if each[1]],
        cost=spent(call for call in data.calls if call["paid_call"] is None),
        neighbours=_neighbours(data),
        copies=any(row["copy_of"] for row in data.submissions_here),
        before=ids[at - 1],
        after=ids[at + 1],
    )


def _neighbours(data: TrialData) -> list[tuple[str, list[Neighbour]]]:
    """The trials on the instance by system, each attempt of them."""
    found: dict[str, list[Neighbour]] = {}
    for trial in data.trials_here:
        mine = [row for row in data.submissions_here if row["trial_id"] == trial["trial_id"]]
        neighbour = Neighbour(
            row=trial,
            marks=[(outcome_of(row), row["copy_of"]) for row in mine],
            this=trial["trial_id"] == data.trial_id,
        )
        found.setdefault(trial["system"], []).append(neighbour)
    return list(found.items())
