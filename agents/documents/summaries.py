"""A piece of a document, prepared for readers: claims whose places were checked, and a gist.

As in the published system, a model reports claims with the places that show them, is asked again
about stretches without a claim, and writes a gist, which a cheap call compares with the claims.
Prompts depend on the piece alone, so that all trials and systems of a run share the answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from agents.admission.gist_check import GistCheck, gist_fault
from agents.concurrency import together
from agents.documents.chunking import Headings, Piece, split
from agents.documents.quotes import (
    LONGEST,
    NotThere,
    beside,
    ends,
    ends_again,
    gaps,
    locate,
    strange_numbers,
)
from agents.documents.tool_names import no_call
from agents.documents.typography import Place
from agents.loop import converse
from agents.prompts import render
from agents.tools import Arguments, BadCall, Finished, ListOf, Tool, Toolbox
from harness.board.evidence import GIST_TOKENS
from harness.board.vocabulary import ToolName
from harness.protocols import Trial
from harness.text.counted import counted
from harness.types import Activity

AT_ONCE = 8  # parts that `prepare_all` has in hand
TURNS = 8  # of one piece
GAP_ROUNDS = 2  # times that the stretches without a claim are asked for
CLAIMS = 40  # of one piece
CLAIM_CHARS = 600
UNKNOWN = "Nothing that could be verified is known of this part; unfold it."


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentClaim:
    """A statement about a stretch of the document, `start` to `end` in its characters."""

    text: str
    start: int
    end: int


@dataclass(slots=True)
class Note:
    """A piece of a document with its topic, claims and gist."""

    number: int  # from 1, in the document's order
    piece: Piece
    topic: str = ""
    claims: list[DocumentClaim] = field(default_factory=list)
    gist: str = ""  # empty: none held
    refused: int = 0  # claims and gists

    @property
    def summary(self) -> str:
        """The topic and the claims with their places, one per line."""
        lines = [f"- {claim.text} [{claim.start}–{claim.end}]" for claim in self.claims]
        return "\n".join([self.topic, *lines]).strip()


async def prepare(
    trial: Trial,
    text: str,
    note: Note,
    *,
    agent: str,
    verify: bool = True,
    hierarchy: bool = True,
    nearby: int = 1,
    checker: GistCheck | None = None,
) -> None:
    """Fill in `note`, of a piece of `text`, in a conversation named `read-<number>`.

    `verify` off: nothing is checked or asked for again. `hierarchy` off: only a gist is made.
    `nearby`: how many sentences on either side of a claim's place may have its numbers.
    Raises what the model raises.
    """
    job = _Job(trial, text, note, verify, hierarchy, nearby, checker)
    box = Toolbox(*([job.report()] if hierarchy else []), job.make_gist())
    opening = [
        {
            "role": "user",
            "content": render(
                "read_piece",
                text=job.raw,
                title=note.piece.title,
                tools=box.listed,
                hierarchy=hierarchy,
                most=max(3, min(12, -(-len(job.raw) // 2_500))),
                tokens=GIST_TOKENS,
                longest=LONGEST,
            ),
        }
    ]
    ending = await converse(
        trial,
        f"read-{note.number}",
        opening,
        box,
        news=job.turn_ended,
        agent=agent,
        turns=TURNS,
        no_call=no_call(box),
        shared=True,
    )
    note.gist = ending.summary


class _Job:
    """The preparation of one piece."""

    def __init__(
        self,
        trial: Trial,
        text: str,
        note: Note,
        verify: bool,
        hierarchy: bool,
        nearby: int,
        checker: GistCheck | None,
    ) -> None:
        self.raw = text[note.piece.start : note.piece.end]
        self._trial = trial
        self._note = note
        self._verify = verify
        self._hierarchy = hierarchy
        self._nearby = nearby
        self._checker = checker
        self._headings = Headings(self.raw)
        self._rounds = 0
        self._unread = False  # a report of this answer was told of something that it has not seen

    def report(self) -> Tool:
        """The tool that takes claims. It tells which are refused and which stretches have none."""

        async def act(arguments: Arguments) -> str:
            self._note.topic = self._note.topic or " ".join(arguments["topic"].split())[:400]
            before = len(self._note.claims)
            told = [words for each in arguments["claims"] if (words := self._take(each))]
            if self._verify and self._rounds < GAP_ROUNDS:
                self._rounds += 1
                told += self._left()
            self._unread = self._unread or bool(told)
            taken = f"{counted(len(self._note.claims) - before, 'claim')} taken."
            last = "Report what is missing or mended, or hand in the gist."
            return "\n".join([taken, *told, last])

        return Tool(
            name=ToolName.REPORT,
            description="Say what the text says, claim by claim; more may be reported later.",
            parameters={
                "topic": "What the text is about, in one or two sentences; later it may be empty."
            },
            lists={
                "claims": ListOf(
                    meaning="What it says, in its order; the whole text is to be covered.",
                    fields={
                        "claim": "One statement, complete in itself.",
                        "head": "The first 5 to 8 words of the place where it stands, verbatim; "
                        "more where these stand in other places too.",
                        "tail": "The last 5 to 8 words of that place, verbatim; more where these "
                        "stand in it before.",
                    },
                )
            },
            act=act,
            activity=None,
        )

    def _take(self, given: Mapping[str, str]) -> str:
        """Keep a claim that holds. Returns what the model is told of it, or ""."""
        claim = " ".join(given["claim"].split())
        if len(self._note.claims) >= CLAIMS:
            return f"Not taken, {CLAIMS} claims are the most: {claim[:60]!r}."
        try:
            if not claim or len(claim) > CLAIM_CHARS:
                raise NotThere(f"A claim has 1 to {CLAIM_CHARS} characters.")
            place = self._place(claim, given["head"], given["tail"])
        except NotThere as fault:
            self._note.refused += 1
            return f"Refused: {claim[:60]!r}: {fault}"
        base = self._note.piece.start
        self._note.claims.append(
            DocumentClaim(text=claim, start=base + place.start, end=base + place.end)
        )
        if self._verify and ends_again(self.raw, place, given["tail"]):
            return f"Of {claim[:60]!r}: its tail stands again further on; the first one was taken."
        return ""

    def _place(self, claim: str, head: str, tail: str) -> Place:
        if not self._verify:
            return Place(0, len(self.raw))
        place = locate(self.raw, head, tail)
        around = beside(self.raw, place, self._nearby)
        date = self._headings.dated(place.start)
        words = self.raw[around.start : around.end]
        strange = strange_numbers(claim, self._with_title(f"{date}\n{words}"))
        if strange:
            raise NotThere(f"That place does not have the number {strange[0]}.")
        return place

    def _with_title(self, words: str) -> str:
        return f"{self._note.piece.title}\n{words}"

    def _left(self) -> list[str]:
        base = self._note.piece.start
        places = [Place(claim.start - base, claim.end - base) for claim in self._note.claims]
        return [
            f"No claim speaks of this stretch yet: {ends(self.raw, gap)}"
            for gap in gaps(self.raw, places)
        ]

    def make_gist(self) -> Tool:
        """The tool that takes the gist and ends the conversation."""

        async def act(arguments: Arguments) -> str:
            if self._unread:
                raise BadCall("Not taken: read first what your report was told.")
            gist = " ".join(arguments["text"].split())
            reason = await self._against(gist)
            if reason:
                self._note.refused += 1
                raise BadCall(reason)
            raise Finished(gist)

        return Tool(
            name=ToolName.GIST,
            description="Hand in the gist, when the claims are reported. It ends the work.",
            parameters={"text": f"What the text says, in at most {GIST_TOKENS} tokens."},
            act=act,
            activity=Activity.ADMISSION,
        )

    async def turn_ended(self) -> str:
        """Note that the model sees now what its calls were told. No news of it."""
        self._unread = False
        return ""

    async def _against(self, gist: str) -> str:
        """Why a gist is refused; empty if it is taken."""
        if fault := gist_fault(gist, self._trial.count_tokens):
            return fault
        if not self._verify:
            return ""
        if self._hierarchy and not self._note.claims:
            return "No claim was taken yet: report some first."
        strange = strange_numbers(gist, self._with_title(self.raw))
        if strange:
            return f"The text does not have the number {strange[0]}."
        evidence = self._note.summary if self._hierarchy else self.raw
        return await self._checker(gist, evidence) if self._checker else ""


async def prepare_all(trial: Trial, text: str, *, agent: str) -> list[Note]:
    """Prepare all pieces of a document, `AT_ONCE` at a time. Only gists are made, unchecked."""
    notes = [Note(number=n, piece=piece) for n, piece in enumerate(split(text), 1)]
    slots = anyio.Semaphore(AT_ONCE)

    async def one(note: Note) -> None:
        async with slots:
            await prepare(trial, text, note, agent=agent, verify=False, hierarchy=False)

    await together(partial(one, note) for note in notes)
    return notes


def context_of(notes: Sequence[Note]) -> list[str]:
    """One line per piece, for prompts of systems without a board: `P3 (title): gist`."""
    return [
        f"P{note.number}{f' ({note.piece.title})' if note.piece.title else ''}: "
        f"{note.gist or UNKNOWN}"
        for note in notes
    ]
