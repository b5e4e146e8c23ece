"""The gate between a proposed entry and the shared context: its evidence is checked again.

What is particular about a form of evidence is in its `EvidenceCheck`. Whether a finding says more
than its evidence shows, a model is asked: see `agents.admission.gist_check`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import anyio

from agents.admission.evidence import CheckResult, Refused, key_of
from agents.admission.gist_check import Checker, Compared, Held
from agents.admission.known_findings import KnownFindings
from agents.concurrency import together
from harness.board.evidence import GIST_CHARS, GIST_TOKENS, SUMMARY_CHARS, Evidence, Part
from harness.board.protocols import BoardRefused, Entry, Link, Proposal, Ruling, SharedContext
from harness.board.vocabulary import BOARD, LinkKind, Settled
from harness.errors import (
    ConversationRefused,
    LimitReached,
    ModelError,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
)


class EvidenceCheck(Protocol):
    """How evidence of one form, or of several, is checked. To be subclassed."""

    async def check(self, proposal: Proposal) -> CheckResult:
        """`Refused` unless the proposal holds; whatever else it raises says nothing of it."""
        ...

    async def clash(self, proposal: Proposal) -> str:
        """Why a proposal that holds cannot stand beside what was admitted meanwhile; else ""."""
        return ""

    async def still_holds(self, entry: Entry) -> bool:
        """Whether an entry's own evidence is shown to hold now: what does not change does."""
        return True


class Gate:
    """Admits what holds when its evidence is checked, and says why not.

    A finding that repeats an entry, see `KnownFindings`, or has the key of its evidence, is merged
    into it. `apart`: what one agent has found is none of another's business, so that nothing is
    merged into another agent's entry. `checker` is asked once for all findings of a call that
    hold. Any number of tasks may call.
    """

    def __init__(
        self,
        context: SharedContext,
        checks: Mapping[type[Evidence], EvidenceCheck],
        *,
        checker: Checker | None = None,
        apart: bool = False,
    ) -> None:
        self._context = context
        self._checks = checks
        self._checker = checker
        self._known = KnownFindings(context, apart=apart)
        self._settling = anyio.Lock()  # two equal gists: the second has to find the first

    async def submit(self, proposal: Proposal) -> Ruling:
        """As `submit_all`, for one."""
        (ruling,) = await self.submit_all([proposal])
        return ruling

    async def submit_all(self, proposals: Sequence[Proposal]) -> list[Ruling]:
        """Keep proposals, check them at the same time, and settle them in their order.

        What is beyond a bound is not kept. Raises `SandboxUnavailable`, and what the checker
        raises, after settling all: that the machine or the model failed says nothing of the
        proposal, which is rejected.
        """
        asked = [_Asked(proposal) for proposal in proposals]
        for each in asked:
            await self._propose(each)
        kept = [each for each in asked if each.number]
        await together(partial(self._examine, each) for each in kept)
        await self._compare([each for each in kept if each.seen is not None])
        for each in kept:
            each.ruling = await self._settle(each)
        for each in asked:
            if each.broken is not None:
                raise each.broken
        return [each.ruling for each in asked if each.ruling is not None]

    async def record(self, proposal: Proposal, *, raw: str) -> Ruling:
        """Admit what the board itself has executed; `raw` is what it saw."""
        asked = _Asked(proposal)
        await self._propose(asked)
        if asked.ruling is not None:
            return asked.ruling
        asked.seen = CheckResult(key=key_of(proposal.kind, proposal.evidence), raw=raw)
        return await self._settle(asked)

    async def refuted_by(self, label: str) -> set[str]:
        """The entries that the entry `label` shows, or claims, to be wrong."""
        return (await self.refutations()).get(label, set())

    async def refutations(self) -> dict[str, set[str]]:
        """By the label of an entry, those that it shows, or claims, to be wrong."""
        found: dict[str, set[str]] = {}
        for link in await self._context.links():
            if link.kind in (LinkKind.REFUTES, LinkKind.CONTRADICTS):
                found.setdefault(link.source, set()).add(link.target)
        return found

    async def _propose(self, asked: "_Asked") -> None:
        try:
            _judge_lengths(asked.proposal)
            asked.number = await self._context.propose(asked.proposal)
        except Refused as refusal:
            reason = str(refusal)
        except BoardRefused as refusal:
            reason = f"{refusal}. Shorten it."
        else:
            return
        asked.ruling = Ruling(settled=Settled.REJECTED, entry=None, reason=reason)

    async def _examine(self, asked: "_Asked") -> None:
        """Check the evidence; what became of it stands in `asked`."""
        began = anyio.current_time()
        try:
            evidence = asked.proposal.evidence
            asked.seen = await self._checks[type(evidence)].check(asked.proposal)
        except (Refused, SandboxError, SandboxLost) as refusal:
            asked.reason = str(refusal)
        except (SandboxUnavailable, ModelError, LimitReached) as broken:
            asked.reason = f"It could not be checked: {broken}"
            asked.broken = broken
        asked.seconds = anyio.current_time() - began

    async def _settle(self, asked: "_Asked") -> Ruling:
        """Admit or reject a proposal that was examined."""
        seen = asked.seen
        if seen is None:
            return await self._context.reject(
                asked.number, reason=asked.reason, seconds=asked.seconds
            )
        async with self._settling:
            if clash := await self._checks[type(asked.proposal.evidence)].clash(asked.proposal):
                return await self._context.reject(asked.number, reason=clash, seconds=asked.seconds)
            ruling = await self._context.admit(
                asked.number,
                key=await self._known.key(asked.proposal, seen.key),
                raw=seen.raw,
                seconds=asked.seconds,
                verified=seen.verified,
                remembered=seen.remembered,
                gist=asked.rewritten,
            )
        await self._link(asked.proposal, seen, ruling)
        return ruling

    async def _compare(self, examined: Sequence["_Asked"]) -> None:
        """Have the findings that hold compared with their evidence, all in one call.

        Not those that will be merged: their words are shown to nobody.
        """
        if self._checker is None:
            return
        compared = [
            each
            for each in examined
            if each.proposal.author != BOARD
            and not isinstance(each.proposal.evidence, Part)
            and each.seen is not None
            and not await self._known.repeats(each.proposal, each.seen.key)
        ]
        if not compared:
            return
        began = anyio.current_time()
        held = [
            Held(proposal=each.proposal, evidence=each.seen.shown if each.seen else "")
            for each in compared
        ]
        try:
            found = await self._checker(held)
        except (ModelError, LimitReached) as broken:
            found = [Compared(reason=f"It could not be checked: {broken}")] * len(held)
            if not isinstance(broken, ConversationRefused):  # which is the checker's own
                compared[0].broken = broken
        for each, came_to in zip(compared, found, strict=True):
            each.seconds += anyio.current_time() - began
            each.rewritten = came_to.gist
            if came_to.reason:
                each.seen, each.reason = None, came_to.reason

    async def _link(self, proposal: Proposal, seen: CheckResult, ruling: Ruling) -> None:
        if ruling.entry is None:
            return
        source = ruling.entry.label
        if ruling.settled == Settled.ADMITTED:
            proposed = f"{proposal.gist} {proposal.summary}"
            kept = f"{ruling.entry.gist} {ruling.entry.summary}"
            for label in seen.cites:
                if label in proposed and label not in kept:
                    continue  # it went with words that the evidence does not show
                if label != source and await self._context.entry(label) is not None:
                    await self._context.link(Link(source=source, target=label, kind=LinkKind.CITES))
        refuted = await self._context.entry(proposal.refutes) if proposal.refutes else None
        if refuted is not None and refuted.label != source:
            holds = await self._checks[type(refuted.evidence)].still_holds(refuted)
            await self._context.link(
                Link(
                    source=source,
                    target=refuted.label,
                    kind=LinkKind.CONTRADICTS if holds else LinkKind.REFUTES,
                )
            )


@dataclass(slots=True)
class _Asked:
    """A proposal on its way through the gate."""

    proposal: Proposal
    number: int = 0  # on the board; 0: it was not kept
    seen: CheckResult | None = None
    reason: str = ""  # why it is rejected
    rewritten: str = ""  # what of it the evidence shows, where it said more
    broken: SandboxUnavailable | ModelError | LimitReached | None = None
    seconds: float = 0.0
    ruling: Ruling | None = None


def _judge_lengths(proposal: Proposal) -> None:
    """The bounds of a finding's words; those of a part were kept as it was prepared."""
    if isinstance(proposal.evidence, Part):
        return
    if len(proposal.summary) > SUMMARY_CHARS or len(proposal.gist) > GIST_CHARS:
        raise Refused(
            f"A summary has at most {SUMMARY_CHARS:,} characters, a gist at most {GIST_TOKENS} "
            f"tokens and at most {GIST_CHARS:,} characters. Shorten it."
        )
