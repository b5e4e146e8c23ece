"""Check evidence about a document: every quotation must stand where the finding says.

A program looks the quotations up. Then the gate lets a cheap model call compare the finding with
them, as the published judge does: support, arithmetic, qualifiers, synthesis.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from agents.admission.evidence import CheckResult, Refused, key_of
from agents.admission.gate import EvidenceCheck
from agents.admission.gist_check import gist_fault
from agents.documents.chunking import Headings
from agents.documents.quotes import NUMBER, NotThere, beside, quoted, strange_numbers
from agents.documents.summaries import UNKNOWN
from agents.documents.typography import Place
from agents.prompts import enclosed
from agents.vetoes import vetoed
from harness.board.evidence import Part, Quotation, Quotations
from harness.board.protocols import Entry, Proposal, SharedContext
from harness.board.vocabulary import DOCUMENT


class _Found(NamedTuple):
    """A quotation that was looked up: as readers see it, and with what stands around it."""

    raw: str
    shown: str
    label: str = ""  # of the entry in which the words stand


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotationCheck(EvidenceCheck):
    """Looks the quotations of a finding up in `document` or in entries.

    The checker sees of each quotation from the document the headings over it, the last date line
    above it, and the rest of its sentences with `nearby` sentences on either side. `question` is
    what may be repeated without evidence. `verify` off: nothing is looked up.
    """

    context: SharedContext
    count_tokens: Callable[[str], int]
    document: str
    headings: Headings
    question: str = ""
    nearby: int = 1
    verify: bool = True

    async def check(self, proposal: Proposal) -> CheckResult:
        """See `EvidenceCheck`: the quotations in their places, for readers and for the checker."""
        gist, evidence = proposal.gist.strip(), proposal.evidence
        assert isinstance(evidence, Quotations), "the gate asks for this form only"
        if fault := gist_fault(gist, self.count_tokens, name="finding"):
            raise Refused(fault)
        entries = {label: await self._entry(label) for label in evidence.labels}
        if not self.verify:
            found = [_taken(quotation) for quotation in evidence.quotations]
        elif not entries and not evidence.quotations:
            raise Refused("Quote the places that show it.")
        else:
            found = [await self._looked_up(entries.get(q.label), q) for q in evidence.quotations]
            lines = [f"{e.label}: {e.gist}" for e in entries.values() if _is_finding(e)]
            found += [_Found(line, line) for line in lines]
        shown = "\n\n".join(each.shown for each in found)
        return CheckResult(
            key=key_of(proposal.kind, evidence, gist=gist),
            raw="\n\n".join(each.raw for each in found),
            shown=shown + _computed(gist, f"{shown}\n{self.question}"),
            cites=tuple(dict.fromkeys([*(f.label for f in found if f.label), *evidence.builds_on])),
            verified=self.verify,
        )

    async def _entry(self, label: str) -> Entry:
        entry = await self.context.entry(label)
        if veto := (await vetoed(self.context)).get(label):
            raise Refused(veto)
        if entry is None:
            raise Refused(f"There is no entry {label[:40]!r}. Quote from entries that you saw.")
        return entry

    async def _looked_up(self, entry: Entry | None, quotation: Quotation) -> _Found:
        """The words in their entry; those of a part may stand in another one, which is told."""
        text = self.document if entry is None else entry.raw
        part = entry.evidence if entry and isinstance(entry.evidence, Part) else None
        start = part.start if part else 0
        label = entry.label if entry else ""
        try:
            place = quoted(text, quotation.quote)
        except NotThere as fault:
            elsewhere = self._anywhere(quotation.quote) if part else None
            if elsewhere is None:
                reason = f"Of {quotation.label}: {fault} Copy the words of its text."
                raise Refused(reason) from None
            start, place, label = 0, elsewhere, await self._part_at(elsewhere.start)
        if entry is not None and part is None:
            line = f"{label}:\n{enclosed('quotation', text[place.start : place.end])}"
            return _Found(line, line, label)
        return self._in_document(label, Place(start + place.start, start + place.end))

    def _anywhere(self, quotation: str) -> Place | None:
        try:
            return quoted(self.document, quotation)
        except NotThere:
            return None

    async def _part_at(self, place: int) -> str:
        """The label of the part in which a place of the document lies."""
        entries = await self.context.entries()
        parts = ((entry.label, entry.evidence) for entry in entries)
        return next(
            (
                label
                for label, part in parts
                if isinstance(part, Part) and part.start <= place < part.end
            ),
            "",
        )

    def _in_document(self, label: str, place: Place) -> _Found:
        """The words at `place` of the document, with what stands over and beside them."""
        lines = [f"{label or DOCUMENT}:"]
        if heading := self.headings.above(place.start):
            lines.append(f"under the heading {enclosed('heading', heading)}")
        if date := self.headings.dated(place.start):
            lines.append(f"the last date line above it {enclosed('date', date)}")
        lines.append(enclosed("quotation", self.document[place.start : place.end]))
        raw, around = "\n".join(lines), beside(self.document, place, self.nearby)
        before = self.document[around.start : place.start]
        after = self.document[place.end : around.end]
        if f"{before}{after}".strip():
            lines.append(f"beside it {enclosed('beside', f'{before}[…]{after}')}")
        return _Found(raw, "\n".join(lines), label)


def _taken(quotation: Quotation) -> _Found:
    """What is not looked up."""
    line = f"{quotation.label}: {quotation.quote}"
    return _Found(line, line, "" if quotation.label == DOCUMENT else quotation.label)


def _is_finding(entry: Entry) -> bool:
    return isinstance(entry.evidence, Quotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCheck(EvidenceCheck):
    """Takes the parts of `text`, whose claims and gists were checked as they were prepared."""

    text: str
    verify: bool = True

    async def check(self, proposal: Proposal) -> CheckResult:
        """See `EvidenceCheck`."""
        part = proposal.evidence
        assert isinstance(part, Part), "the gate asks for this form only"
        return CheckResult(
            key=key_of(proposal.kind, part),
            raw=self.text[part.start : part.end],
            verified=self.verify and not proposal.gist.endswith(UNKNOWN),
        )


def _computed(gist: str, known: str) -> str:
    """A note for the checker about numbers of the finding that no known text holds, or ""."""
    strange = strange_numbers(gist, known) if NUMBER.search(gist) else []
    if not strange:
        return ""
    return f"\n\nIn none of these: {', '.join(strange)}. Compute again what is computed."
