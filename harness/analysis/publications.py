"""In which message each proposal was published, and what its author did once it was ruled on.

The board does not record the message, so it is found by its words: the tool call of the author's
conversation that proposes the same gist, each call for one proposal. Pure functions.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.analysis.findings import agents_by_conversation
from harness.analysis.narrative import TrialRecord
from harness.board.records import ProposalRow
from harness.board.vocabulary import CARRIED, GIST_CHECK, Settled, ToolName, task_of
from harness.store.rows import CallRow
from harness.types import Message

Said = Mapping[str, Sequence[Message]]
MOMENT = 0.002  # seconds: the ledger's times are exact to one thousandth
REASON = 60  # characters of a refusal by which the message that tells of it is found


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tool call: the number of its message in the conversation, from 1 on, and its own in that
    message, from 0 on."""

    conversation: str
    message: int
    call: int


def arguments_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a tool call; none where they are no JSON object."""
    try:
        given = json.loads(call["function"]["arguments"] or "{}")
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def publications(record: TrialRecord, said: Said) -> dict[int, Place]:
    """Where each proposal was published, by its number. The board's own have no place."""
    speakers = agents_by_conversation(record.calls)
    offered: dict[tuple[str, str], list[Place]] = {}
    for name, messages in said.items():
        for gist, place in _published(name, messages):
            offered.setdefault((speakers.get(name, ""), gist), []).append(place)
    found: dict[int, Place] = {}
    for proposal in record.proposals:
        places = offered.get((proposal["author"], _plain(proposal["gist"])), [])
        at_work = [each for each in places if task_of(each.conversation) == proposal["task"]]
        if places:
            place = (at_work or places)[0]
            places.remove(place)
            found[proposal["number"]] = place
    return found


def next_answer(proposal: ProposalRow, place: Place, messages: Sequence[Message]) -> int:
    """The number of the author's first answer after it was told why a proposal is refused.

    0: it gave none, or was never told.
    """
    start = place.message
    reason = proposal["reason"][:REASON]
    for index in range(place.message, len(messages)):
        content = messages[index].get("content")
        if reason and isinstance(content, str) and reason in content:
            start = index + 1
            break
    for index in range(start, len(messages)):
        if messages[index].get("role") == "assistant":
            return index + 1
    return 0


def check_call(proposal: ProposalRow, calls: Sequence[CallRow]) -> CallRow | None:
    """The model call that compared a proposal with its evidence; None if there is none.

    It was made while the proposal was ruled on. One call may compare all findings of an answer; it
    has not compared a refused one if its answer does not have the reason. Calls for one finding do
    not say whose it is: where several were made at that time, none is named.
    """
    since, until = proposal["at"], proposal["settled_at"]
    if until is None:
        return None
    name = f"{GIST_CHECK}.{proposal['task']}."
    of_the_answer = [
        call
        for call in calls
        if call["conversation"].startswith(name) and call["agent"] == proposal["author"]
    ]
    nobodys = [call for call in calls if not call["agent"]]
    for some in (of_the_answer, nobodys):
        found = [call for call in some if since - MOMENT <= _began(call) <= until + MOMENT]
        if found and (some is of_the_answer or len(found) == 1):
            return found[0] if _compared(proposal, found[0]) else None
    return None


def _began(call: CallRow) -> float:
    return datetime.fromisoformat(call["started_at"]).timestamp()


def _compared(proposal: ProposalRow, call: CallRow) -> bool:
    answer = _plain(str((call["reply"] or {}).get("content") or ""))
    refused = proposal["settled"] == Settled.REJECTED
    return not refused or _plain(proposal["reason"])[:REASON] in answer


def _published(name: str, messages: Sequence[Message]) -> Iterator[tuple[str, Place]]:
    for index, message in enumerate(messages, start=1):
        if message.get(CARRIED) or message.get("role") != "assistant":
            continue
        for number, call in enumerate(message.get("tool_calls") or ()):
            if call["function"]["name"] != ToolName.PUBLISH:
                continue
            given = arguments_of(call)
            gist = given.get("gist") or given.get("finding")
            if isinstance(gist, str):
                place = Place(conversation=name, message=index, call=number)
                yield _plain(gist), place


def _plain(gist: str) -> str:
    return " ".join(gist.split())
