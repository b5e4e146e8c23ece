"""How evidence about a document is checked: every quotation must stand where it is said to stand.

A program looks the quotations up; then the gate has a cheap call compare the finding with them, as
the published judge does: support, arithmetic, qualifiers, synthesis.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agents.admission.evidence import CheckResult, Refused, key_of
from agents.admission.gate import EvidenceCheck
from agents.admission.gist_check import gist_fault
from agents.documents.quotes import NUMBER, NotThere, quoted, strange_numbers
from agents.documents.summaries import UNKNOWN
from agents.prompts import enclosed
from harness.board.evidence import Part, Quotation, Quotations
from harness.board.protocols import Entry, Proposal, SharedContext


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotationCheck(EvidenceCheck):
    """Looks the quotations of a finding up.

    `above` tells the headings over a place of the document; the checker sees those of a quotation.
    `verify` off: nothing is looked up.
    """

    context: SharedContext
    count_tokens: Callable[[str], int]
    above: Callable[[int], str]
    verify: bool = True

    async def check(self, proposal: Proposal) -> CheckResult:
        """See `EvidenceCheck`: the quotations in their places, for readers and for the checker."""
        gist, evidence = proposal.gist.strip(), proposal.evidence
        assert isinstance(evidence, Quotations), "the gate asks for this form only"
        if fault := gist_fault(gist, self.count_tokens, name="finding"):
            raise Refused(fault)
        entries = {label: await self._entry(label) for label in evidence.labels}
        if not self.verify:
            shown = [f"{each.label}: {each.quote}" for each in evidence.quotations]
        elif not entries:
            raise Refused("Quote the places that show it, each with the label of its entry.")
        else:
            shown = [self._looked_up(entries[each.label], each) for each in evidence.quotations]
            findings = [e for e in entries.values() if isinstance(e.evidence, Quotations)]
            shown += [f"{entry.label}: {entry.gist}" for entry in findings]
        raw = "\n\n".join(shown)
        return CheckResult(
            key=key_of(proposal.kind, evidence, gist=gist),
            raw=raw,
            shown=raw + _computed(gist, raw),
            cites=evidence.labels,
            verified=self.verify,
        )

    async def _entry(self, label: str) -> Entry:
        entry = await self.context.entry(label)
        if entry is None:
            raise Refused(f"There is no entry {label[:40]!r}. Quote from entries that you saw.")
        return entry

    def _looked_up(self, entry: Entry, quotation: Quotation) -> str:
        label = entry.label
        try:
            place = quoted(entry.raw, quotation.quote)
        except NotThere as fault:
            raise Refused(f"Of {label}: {fault} Unfold {label} raw and copy the words.") from None
        lines = [f"{label}:", enclosed("quotation", entry.raw[place.start : place.end])]
        part = entry.evidence
        if isinstance(part, Part) and (heading := self.above(part.start + place.start)):
            lines.insert(1, f"under the heading {enclosed('heading', heading)}")
        return "\n".join(lines)


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


def _computed(gist: str, raw: str) -> str:
    """What the checker is told of numbers that the finding does not take from its quotations."""
    strange = strange_numbers(gist, raw) if NUMBER.search(gist) else []
    if not strange:
        return ""
    return f"\n\nIn none of these: {', '.join(strange)}. Compute again what is computed."
