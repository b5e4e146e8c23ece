"""The proposals of a trial that did not become entries: why, and what their authors did next."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.analysis.publications import Place, next_answer, publications
from harness.board.records import ProposalRow
from harness.board.vocabulary import Settled
from harness.pages.entry import (
    IN_A_LIST,
    Execution,
    execution_of,
)
from harness.pages.evidence import Evidenced
from harness.pages.links import Links
from harness.pages.rendering import SHOWN, render
from harness.pages.tool_calls import words_of
from harness.pages.trial_inside import NotInTrial, TrialInside

NEXT = 3  # tool calls of the author's next answer that are told
LATER = 5  # proposals of the same work that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The author's first answer after it was told: its message, and what it did there."""

    message: int
    words: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalPage(Evidenced):
    """A proposal with its ruling."""

    row: ProposalRow
    place: Place | None
    execution: Execution
    next: Next | None
    later: Sequence[ProposalRow]  # by the same author on the same task, of the same kind
    seconds: float  # when it was made, since the trial began


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The proposals that were refused, or that nobody has ruled on."""

    proposals: Sequence[ProposalPage]
    all: int


def section(data: TrialInside) -> Refused | None:
    """What was refused in a trial, or never ruled on; None if nothing was."""
    taken = (Settled.ADMITTED, Settled.MERGED)
    left = [row for row in data.record.proposals if row["settled"] not in taken]
    if not left:
        return None
    places = publications(data.record, data.messages)
    pages = [_page(row, places.get(row["number"]), data, IN_A_LIST) for row in left]
    return Refused(proposals=pages, all=len(data.record.proposals))


def proposal_html(data: TrialInside, number: int, links: Links) -> Markup:
    """One proposal as HTML, without the frame of a page. Raises `NotInTrial` if there is none."""
    for row in data.record.proposals:
        if row["number"] == number:
            place = publications(data.record, data.messages).get(number)
            page = _page(row, place, data, SHOWN)
            return render("proposal", page=page, data=data, links=links)
    raise NotInTrial(number)


def _page(row: ProposalRow, place: Place | None, data: TrialInside, most: int) -> ProposalPage:
    proposals = data.record.proposals
    later = [
        each
        for each in proposals
        if each["at"] > (row["settled_at"] or row["at"])
        and (each["author"], each["task"], each["kind"])
        == (row["author"], row["task"], row["kind"])
    ]
    return ProposalPage(
        row=row,
        place=place,
        execution=execution_of(row, data.record, data.first_checks),
        next=_next(row, place, data) if row["settled"] == Settled.REJECTED else None,
        later=later[:LATER],
        seconds=max(0.0, row["at"] - data.record.zero),
        most=most,
    )


def _next(row: ProposalRow, place: Place | None, data: TrialInside) -> Next | None:
    messages = data.messages.get(place.conversation, ()) if place else ()
    number = next_answer(row, place, messages) if place else 0
    if not number:
        return None
    answer = messages[number - 1]
    words = [words_of(call) for call in answer.get("tool_calls") or ()]
    return Next(message=number, words=words[:NEXT])
