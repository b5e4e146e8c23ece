"""The entries of a trial's shared context, each unfolded to the execution that admitted it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from harness.analysis.findings import agents_by_conversation, checked, cost_of, readers
from harness.analysis.first_checks import FirstCheck
from harness.analysis.narrative import TrialRecord, cited_entries
from harness.analysis.publications import Place, check_call, publications
from harness.board.records import EntryRow, LinkRow, ProposalRow, ShownRow
from harness.board.vocabulary import LinkKind, MarkKind
from harness.pages.evidence import Evidenced
from harness.pages.links import Links
from harness.pages.rendering import SHOWN, render
from harness.pages.trial_inside import NotInTrial, TrialInside
from harness.store.rows import CallRow, SubmissionRow

IN_A_LIST = 4_000  # characters of one text, where all entries stand below each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An agent that was shown an entry, in which conversation, and how deep."""

    agent: str
    conversation: str
    level: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A proposal that was merged into an entry, because it says the same."""

    proposal: ProposalRow
    place: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a proposal was checked: `executed`, `remembered` (an equal check had held before),
    `none`, or None where that was not recorded; by what it was compared with its evidence.

    `seconds` of executing it; a look-up in the check cache is no check. `first`: where the run
    executed a remembered check; None: it holds no execution of it.
    """

    how: str | None
    seconds: float | None
    compared: CallRow | None
    first: FirstCheck | None = None

    @property
    def first_at(self) -> str:
        """The date and time of the first execution, to the minute, in UTC."""
        at = self.first and self.first.proposal["settled_at"]
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC" if at else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """That a person has pinned or vetoed an entry, with the reason."""

    kind: str
    by: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Evidenced):
    """An entry with all that is known of it."""

    row: EntryRow
    proposal: ProposalRow | None
    place: Place | None
    execution: Execution
    merged: Sequence[Repeat]
    readers: Sequence[Reader]
    to_it: Sequence[LinkRow]  # how tasks and other entries name it
    from_it: Sequence[LinkRow]  # how it names other entries
    carried_by: Sequence[SubmissionRow]
    marks: Sequence[Mark]
    cost_usd: float | None
    began: float
    labels: frozenset[str]  # of all entries of the trial

    @property
    def seconds(self) -> float:
        """When it was admitted, since the trial began."""
        return max(0.0, self.row["at"] - self.began)

    @property
    def rewritten(self) -> bool:
        """Whether it says something else than its author proposed."""
        return self.proposal is not None and self.proposal["gist"] != self.row["gist"]

    @property
    def refuted(self) -> bool:
        """Whether a later entry shows, or claims, that it is wrong."""
        return any(link["kind"] in _AGAINST for link in self.to_it)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The shared context of a trial."""

    entries: Sequence[Entry]


def section(data: TrialInside) -> Entries | None:
    """The shared context of a trial; None if it has none."""
    found = entries_of(data, most=IN_A_LIST)
    return Entries(entries=found) if found else None


def entry_html(data: TrialInside, label: str, links: Links) -> Markup:
    """One entry as HTML, without the frame of a page. Raises `NotInTrial` if there is none."""
    for entry in entries_of(data):
        if entry.row["label"] == label:
            return render("entry", entry=entry, data=data, links=links)
    raise NotInTrial(label)


def entries_of(data: TrialInside, *, most: int = SHOWN) -> list[Entry]:
    """Every entry of a trial, in the order of admission."""
    found = _Known(data)
    return [found.entry(row, most) for row in data.record.entries]


class _Known:
    """What entries are made of, found once for all of a trial."""

    def __init__(self, data: TrialInside) -> None:
        self._record = record = data.record
        self._first_checks = data.first_checks
        self._places = publications(record, data.messages)
        self._proposals = {proposal["number"]: proposal for proposal in record.proposals}
        self._carried = {
            row["submission_id"]: {e["label"] for e in cited_entries(record, row["author"])}
            for row in record.submissions
        }
        self._shown: dict[str, list[ShownRow]] = {}
        for row in record.shown:
            self._shown.setdefault(row["label"], []).append(row)
        self._speakers = agents_by_conversation(record.calls)
        self._labels = frozenset(entry["label"] for entry in record.entries)
        self._began = record.zero

    def entry(self, row: EntryRow, most: int) -> Entry:
        """One entry with all that is known of it."""
        label, record, proposal = row["label"], self._record, self._proposals.get(row["proposal"])
        return Entry(
            row=row,
            proposal=proposal,
            place=self._places.get(row["proposal"]),
            execution=execution_of(proposal, record, self._first_checks),
            merged=self._merged(row),
            readers=self._readers(row),
            to_it=[link for link in record.links if link["target"] == label],
            from_it=[link for link in record.links if link["source"] == label],
            carried_by=[
                each for each in record.submissions if label in self._carried[each["submission_id"]]
            ],
            marks=self._marks(label),
            cost_usd=cost_of(proposal, record) if proposal else None,
            began=self._began,
            most=most,
            labels=self._labels,
        )

    def _marks(self, label: str) -> list[Mark]:
        return [
            Mark(
                kind=event["what"],
                by=str(event["detail"].get("by", "")),
                reason=str(event["detail"].get("reason", "")),
                seconds=max(0.0, event["at"] - self._began),
            )
            for event in self._record.events
            if event["subject"] == label and event["what"] in set(MarkKind)
        ]

    def _merged(self, row: EntryRow) -> list[Repeat]:
        return [
            Repeat(proposal=each, place=self._places.get(each["number"]))
            for each in self._record.proposals
            if each["entry"] == row["label"] and each["number"] != row["proposal"]
        ]

    def _readers(self, row: EntryRow) -> list[Reader]:
        return [
            Reader(
                agent=each["agent"],
                conversation=each["conversation"],
                level=each["level"],
                seconds=max(0.0, each["at"] - self._began),
            )
            for each in readers(row, self._shown.get(row["label"], ()), self._speakers)
        ]


def execution_of(
    proposal: ProposalRow | None, record: TrialRecord, first: Mapping[int, FirstCheck]
) -> Execution:
    """How a proposal was checked. `first`: `TrialInside.first_checks`."""
    if proposal is None:
        return Execution(how=None, seconds=None, compared=None)
    return Execution(
        how=checked(proposal["unverified"], proposal["remembered"]),
        seconds=None if proposal["remembered"] else proposal["seconds"],
        compared=check_call(proposal, record.calls),
        first=first.get(proposal["number"]),
    )


_AGAINST = frozenset({LinkKind.REFUTES, LinkKind.CONTRADICTS})
