"""The gate for findings in documents: every quotation must stand where it is said to stand.

A program looks the quotations up; then a cheap call compares the finding with them, as the
published judge does: support, arithmetic, qualifiers, synthesis. What it refuses goes back with
the reason.
"""

from collections.abc import Callable, Mapping, Sequence

import anyio

from agents.admission.evidence import Refused
from agents.admission.gist_check import GIST_TOKENS, Checker
from agents.documents.quotes import NUMBER, NotThere, quoted, strange_numbers
from agents.prompts import enclosed
from harness.board.protocols import BoardRefused, Entry, Link, Proposal, Ruling, SharedContext
from harness.board.vocabulary import FORM, EvidenceForm, LinkKind, Settled
from harness.errors import LimitReached, ModelError

QUOTATIONS, QUOTED_CHARS = 8, 2_000  # of one finding; of one quotation


class FindingGate:
    """Admits findings about a document. `verify` off: none is looked at.

    `above` tells the headings over a place of the document; the checker sees those of a quotation.
    """

    def __init__(
        self,
        context: SharedContext,
        *,
        count_tokens: Callable[[str], int],
        above: Callable[[int], str],
        verify: bool = True,
        checker: Checker | None = None,
    ) -> None:
        self._context = context
        self._count_tokens = count_tokens
        self._above = above
        self._verify = verify
        self._checker = checker
        self._settling = anyio.Lock()  # two equal findings: the second has to find the first

    async def submit(self, proposal: Proposal) -> Ruling:
        """Keep a proposal, check it, and settle it. Raises what the checker raises, after that."""
        try:
            number = await self._context.propose(proposal)
        except BoardRefused as refusal:
            return Ruling(settled=Settled.REJECTED, entry=None, reason=f"{refusal}. Shorten it.")
        began = anyio.current_time()
        reason, broken = "", None
        try:
            raw = await self._judged(proposal)
        except Refused as refusal:
            reason = str(refusal)
        except (ModelError, LimitReached) as failure:
            reason, broken = f"It could not be checked: {failure}", failure
        seconds = anyio.current_time() - began
        if reason:
            with anyio.CancelScope(shield=broken is not None):
                ruling = await self._context.reject(number, reason=reason, seconds=seconds)
            if broken is not None:
                raise broken
            return ruling
        async with self._settling:
            ruling = await self._context.admit(
                number,
                key=" ".join(proposal.gist.lower().split()),
                raw=raw,
                seconds=seconds,
                verified=self._verify,
            )
        if ruling.settled == Settled.ADMITTED and ruling.entry is not None:
            for label in labels_of(proposal):
                await self._context.link(
                    Link(source=ruling.entry.label, target=label, kind=LinkKind.CITES)
                )
        return ruling

    async def _judged(self, proposal: Proposal) -> str:
        """The quotations in their places, for readers and for the checker."""
        gist = proposal.gist.strip()
        if not gist:
            raise Refused("The finding is empty.")
        tokens = self._count_tokens(gist[:20_000])
        if tokens > GIST_TOKENS:
            raise Refused(f"The finding has {tokens} tokens, at most {GIST_TOKENS} are taken.")
        entries = [await self._entry(label) for label in labels_of(proposal)]
        quotations = quotations_of(proposal)
        if not self._verify:
            return "\n\n".join(f"{label}: {quote}" for label, quote in quotations)
        if not entries:
            raise Refused("Quote the places that show it, each with the label of its entry.")
        shown = [self._looked_up(entries, label, quote) for label, quote in quotations]
        rested = [f"{entry.label}: {entry.gist}" for entry in entries if _found(entry)]
        raw = "\n\n".join([*shown, *rested])
        if self._checker is not None:
            reason = await self._checker(gist, raw + _computed(gist, raw))
            if reason:
                raise Refused(reason)
        return raw

    async def _entry(self, label: str) -> Entry:
        entry = await self._context.entry(label)
        if entry is None:
            raise Refused(f"There is no entry {label[:40]!r}. Quote from entries that you saw.")
        return entry

    def _looked_up(self, entries: Sequence[Entry], label: str, quote: str) -> str:
        entry = next(entry for entry in entries if entry.label == label)
        if len(quote) > QUOTED_CHARS:
            raise Refused(f"A quotation has at most {QUOTED_CHARS} characters.")
        try:
            place = quoted(entry.raw, quote)
        except NotThere as fault:
            raise Refused(f"Of {label}: {fault} Unfold {label} raw and copy the words.") from None
        lines = [f"{label}:", enclosed("quotation", entry.raw[place.start : place.end])]
        if not _found(entry) and (heading := self._above(entry.evidence["start"] + place.start)):
            lines.insert(1, f"under the heading {enclosed('heading', heading)}")
        return "\n".join(lines)


def labels_of(proposal: Proposal) -> list[str]:
    """The labels of the entries that a finding quotes or builds on, each once."""
    built = [str(label) for label in proposal.evidence.get("builds_on", ())]
    return list(dict.fromkeys([*(label for label, _ in quotations_of(proposal)), *built]))


def quotations_of(proposal: Proposal) -> list[tuple[str, str]]:
    """Its quotations as label and words."""
    found: Sequence[Mapping[str, str]] = proposal.evidence.get("quotations", ())
    return [(each["label"], each["quote"]) for each in found[:QUOTATIONS]]


def _found(entry: Entry) -> bool:
    """Whether an entry is a finding, and not a piece of the document."""
    return entry.evidence.get(FORM) == EvidenceForm.QUOTATIONS


def _computed(gist: str, raw: str) -> str:
    """What the checker is told of numbers that the finding does not take from its quotations."""
    strange = strange_numbers(gist, raw) if NUMBER.search(gist) else []
    if not strange:
        return ""
    return f"\n\nIn none of these: {', '.join(strange)}. Compute again what is computed."
