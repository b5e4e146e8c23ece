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
from harness.board.evidence import Part, Quotation, Quotations
from harness.board.protocols import Entry, Proposal, SharedContext


class _Found(NamedTuple):
    """A quotation that was looked up: as readers see it, and with what stands around it."""

    raw: str
    shown: str


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
            told = "\n\n".join(f"{each.label}: {each.quote}" for each in evidence.quotations)
            found = [_Found(told, told)]
        elif not entries and not evidence.quotations:
            raise Refused("Quote the places that show it.")
        else:
            found = [self._looked_up(entries.get(q.label), q) for q in evidence.quotations]
            lines = [f"{e.label}: {e.gist}" for e in entries.values() if _is_finding(e)]
            found += [_Found(line, line) for line in lines]
        shown = "\n\n".join(each.shown for each in found)
        return CheckResult(
            key=key_of(proposal.kind, evidence, gist=gist),
            raw="\n\n".join(each.raw for each in found),
            shown=shown + _computed(gist, f"{shown}\n{self.question}"),
            cites=evidence.labels,
            verified=self.verify,
        )

    async def _entry(self, label: str) -> Entry:
        entry = await self.context.entry(label)
        if entry is None:
            raise Refused(f"There is no entry {label[:40]!r}. Quote from entries that you saw.")
        return entry

    def _looked_up(self, entry: Entry | None, quotation: Quotation) -> _Found:
        text = self.document if entry is None else entry.raw
        try:
            place = quoted(text, quotation.quote)
        except NotThere as fault:
            raise Refused(f"Of {quotation.label}: {fault} Copy the words of its text.") from None
        words = enclosed("quotation", text[place.start : place.end])
        if entry is not None and not isinstance(entry.evidence, Part):
            line = f"{quotation.label}:\n{words}"
            return _Found(line, line)
        start = entry.evidence.start if entry and isinstance(entry.evidence, Part) else 0
        return self._in_document(
            quotation.label, words, Place(start + place.start, start + place.end)
        )

    def _in_document(self, label: str, words: str, place: Place) -> _Found:
        """`words` stand at `place` of the document."""
        lines = [f"{label}:"]
        if heading := self.headings.above(place.start):
            lines.append(f"under the heading {enclosed('heading', heading)}")
        if date := self.headings.dated(place.start):
            lines.append(f"the last date line above it {enclosed('date', date)}")
        lines.append(words)
        raw, around = "\n".join(lines), beside(self.document, place, self.nearby)
        before = self.document[around.start : place.start]
        after = self.document[place.end : around.end]
        if f"{before}{after}".strip():
            lines.append(f"beside it {enclosed('beside', f'{before}[…]{after}')}")
        return _Found(raw, "\n".join(lines))


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
