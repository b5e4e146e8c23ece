"""What people and models said of a trial, and of all trials of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.labels import places
from harness.labels.agreement import Agreement, agreements
from harness.labels.rows import counts, standing
from harness.labels.vocabulary import LABELS, MEANINGS
from harness.pages.links import Links
from harness.pages.run_data import RunData
from harness.pages.trial_data import TrialData
from harness.store.rows import Label, LabelRow, SubmissionRow

KINDS: Mapping[Label, str] = {
    "legitimate": "good",
    "cheated": "bad",
    "agent's fault": "bad",
    "unfair task": "warn",
    "broken verifier": "warn",
    "environment": "warn",
    "incomplete": "info",
    "unclear": "info",
}
"""The kind of badge of each label: `marks.html.j2`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLabels:
    """The labels of a trial, the newest last."""

    rows: Sequence[LabelRow]
    submissions: Sequence[SubmissionRow]  # that a label can be about
    run_id: str

    @property
    def words(self) -> Sequence[Label]:
        """The labels that can be given."""
        return LABELS

    @property
    def meanings(self) -> Mapping[Label, str]:
        """What each means."""
        return MEANINGS

    @property
    def kinds(self) -> Mapping[Label, str]:
        """The kind of badge of each."""
        return KINDS

    def link(self, links: Links, trial_id: int, place: str) -> str:
        """Where a page shows the place of a quotation; empty where it does not."""
        return place_link(links, trial_id, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLabels:
    """The labels of a run."""

    rows: Sequence[LabelRow]  # those that stand
    replaced: int
    systems: Sequence[str]
    counts: Mapping[str, Mapping[Label, int]]  # by system
    given: Sequence[Label]  # that stand anywhere
    agreements: Sequence[Agreement]

    @property
    def meanings(self) -> Mapping[Label, str]:
        """What each label means."""
        return MEANINGS

    @property
    def kinds(self) -> Mapping[Label, str]:
        """The kind of badge of each label."""
        return KINDS


def section(data: TrialData) -> TrialLabels:
    """The section of a trial."""
    return TrialLabels(
        rows=data.labels,
        submissions=data.submissions,
        run_id=str(data.facts.get("id", "RUN")),
    )


def run_section(data: RunData) -> RunLabels | None:
    """The section of a run (`labels_summary.html.j2`); None if none of its trials has a label."""
    rows = standing(data.labels)
    if not rows:
        return None
    found = counts(rows, data.systems)
    return RunLabels(
        rows=rows,
        replaced=len(data.labels) - len(rows),
        systems=data.systems,
        counts=found,
        given=[label for label in LABELS if any(mine[label] for mine in found.values())],
        agreements=agreements(rows),
    )


def place_link(links: Links, trial_id: int, place: str) -> str:
    """Where a page shows the place of a quotation (`harness.labels.places`); empty: nowhere."""
    kind, _, name = place.partition(":")
    number = int(name) if name.isascii() and name.isdecimal() else 0
    if kind == places.MESSAGE:
        conversation, _, position = name.rpartition("#")
        return links.conversation(trial_id, conversation, int(position))
    if kind in {places.SUBMISSION, places.GRADE}:
        return links.submission(trial_id, number)
    if kind == places.CALL:
        return links.call(trial_id, number)
    if kind == places.ENTRY:
        return links.entry(trial_id, name)
    if kind == places.PROPOSAL:
        return links.proposal(trial_id, number)
    if kind == places.TEST:
        return links.trial(trial_id, "tests")
    return links.trial(trial_id) if kind == places.TRIAL else ""
