"""The events and submissions of a trial as lines of text, from the rows of its board. Pure
functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.board.evidence import Evidence, Part, Quotations
from harness.board.records import (
    EntryRow,
    EventRow,
    LinkRow,
    ProposalRow,
    ShownRow,
    TaskRow,
)
from harness.board.vocabulary import (
    EventKind,
    Level,
    LinkKind,
    ResultKey,
    TaskKind,
    task_of,
)
from harness.score.cost import in_words, spent
from harness.store.rows import CallRow, SubmissionRow
from harness.text.counted import counted

WORDS = 240  # characters of what somebody said


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """The rows of one trial."""

    tasks: Sequence[TaskRow]
    entries: Sequence[EntryRow]
    links: Sequence[LinkRow]
    events: Sequence[EventRow]
    proposals: Sequence[ProposalRow]
    calls: Sequence[CallRow]
    submissions: Sequence[SubmissionRow]
    shown: Sequence[ShownRow] = ()
    started: float | None = None  # seconds since the epoch; None: not known

    @property
    def zero(self) -> float:
        """The moment from which every time of the trial is counted, in seconds since the epoch:
        its start; where that is not known, the first event of its board."""
        if self.started is not None:
            return self.started
        return self.events[0]["at"] if self.events else 0.0


def cited_entries(material: TrialRecord, author: str) -> list[EntryRow]:
    """The entries of others that `author` cited while working on a submission, in order."""
    mine = {author} | {t["label"] for t in material.tasks if t["subject"] == author}
    cited = {link["target"] for link in material.links if link["source"] in mine}
    own = {e["label"] for e in material.entries if e["task"] in mine}
    from_own = {
        link["target"]
        for link in material.links
        if link["source"] in own and link["kind"] == LinkKind.CITES
    }
    return [e for e in material.entries if e["label"] in (cited | from_own) - own]


def event_lines(material: TrialRecord) -> list[str]:
    """The events of a trial, one line each, with the seconds since the trial began."""
    if not material.events:
        return []
    began = material.zero
    lines = [
        (event["at"], words) for event in material.events if (words := event_words(event, material))
    ]
    lines += _unfolded(material)
    lines.sort(key=lambda line: line[0])
    return [f"{at - began:7.1f} s  {words}" for at, words in lines]


def event_words(event: EventRow, material: TrialRecord) -> str:
    """What an event says has happened, in words; empty for one that needs no mention."""
    return _TELL.get(event["what"], _nothing)(event, material)


def _unfolded(material: TrialRecord) -> list[tuple[float, str]]:
    """The parts of a document that were unfolded: when, by which conversation, to which level."""
    parts = {e["label"] for e in material.entries if isinstance(e["evidence"], Part)}
    found: dict[tuple[float, str, str], list[str]] = {}
    for row in material.shown:
        if row["label"] in parts and row["level"] != Level.GIST:
            key = (row["at"], row["conversation"], row["level"])
            found.setdefault(key, []).append(row["label"])
    return [
        (at, f"{conversation} unfolds {', '.join(labels)}: {_DEPTHS[level]}")
        for (at, conversation, level), labels in found.items()
    ]


def submission_lines(material: TrialRecord) -> list[str]:
    """The submissions, one line each: author, outcome, and the entries that it cites."""
    lines = []
    for row in material.submissions:
        others = cited_entries(material, row["author"])
        whose = [f"{e['label']} ({e['author']}, {e['task']})" for e in others]
        facts = [*_facts(row), *_equal(material, row)]
        by = f" by {row['agent']}" if row["agent"] != row["author"] else ""
        rests = f"; cites {', '.join(whose)}" if whose else ""
        lines.append(f"{row['author']}{by}: {', '.join(facts)}{rests}")
        lines += [f"    {reason}" for reason in row["selection_reasons"] or ()]
    return lines


def equal_patch(material: TrialRecord, row: SubmissionRow) -> str:
    """The label of the PATCH of another seat that makes the change of a submission; or none."""
    mine = [t["result"] for t in material.tasks if row["author"] in (t["label"], t["subject"])]
    last = next((result for result in reversed(mine) if result.get(ResultKey.PATCH)), None)
    return str(last.get(ResultKey.EQUAL) or "") if last else ""


def _equal(material: TrialRecord, row: SubmissionRow) -> list[str]:
    equal = equal_patch(material, row)
    return [f"the same change as {equal}"] if equal and not row["copy_of"] else []


def _facts(row: SubmissionRow) -> list[str]:
    """The answer to a question, the outcome, and how the submission came about."""
    facts = []
    answer = (row["report"] or {}).get("answer")
    if answer is not None:
        facts.append(answer or "no answer")
    facts.append(row["outcome"] or "not graded")
    if row["selected"]:
        facts.append("selected")
    if row["salvaged"]:
        facts.append("salvaged")
    if row["copy_of"]:
        facts.append(f"a copy of {row['copy_of']}")
    elif row["built_on"]:
        facts.append(f"built on {row['built_on']}")
    return facts


def _nothing(event: EventRow, material: TrialRecord) -> str:
    return ""


def _claimed(event: EventRow, material: TrialRecord) -> str:
    again = event["detail"].get("fence", 1) > 1
    task: Mapping[str, Any] = next(
        (t for t in material.tasks if t["label"] == event["subject"]), {}
    )
    about = f" (of {task['subject']})" if task.get("subject") else ""
    return f"{event['actor']} claims {event['subject']}{' again' if again else ''}{about}"


def _lost(event: EventRow, material: TrialRecord) -> str:
    return f"{event['actor']} loses {event['subject']}: its lease expired"


def _released(event: EventRow, material: TrialRecord) -> str:
    reason = _short(event["detail"].get("reason"))
    return f"{event['actor']} releases {event['subject']}: {reason}"


def _put(event: EventRow, material: TrialRecord) -> str:
    if not event["actor"] or event["detail"].get("kind") in {TaskKind.TEST, TaskKind.DECIDE}:
        return ""  # these tasks are reported when they are claimed
    return f"{event['actor']} adds {event['subject']}"


def _done(event: EventRow, material: TrialRecord) -> str:
    label = event["subject"]
    task: Mapping[str, Any] = next((t for t in material.tasks if t["label"] == label), {})
    mine = [c for c in material.calls if task_of(c["conversation"]) == label]
    cost = in_words(spent(mine))
    said = _short((task.get("result") or {}).get(ResultKey.SUMMARY))
    how = "finishes" if event["what"] == EventKind.DONE else "gives up"
    price = f" ({counted(len(mine), 'call')}, {cost})" if mine else ""
    return f"{event['actor']} {how} {label}{price}" + (f": {said}" if said else "")


def _cancelled(event: EventRow, material: TrialRecord) -> str:
    return f"{event['subject']} is cancelled: {_short(event['detail'].get('reason'))}"


def _admitted(event: EventRow, material: TrialRecord) -> str:
    entry = next((e for e in material.entries if e["label"] == event["subject"]), None)
    if entry is None:
        return ""
    evidence, gist = entry["evidence"], _short(entry["gist"])
    if isinstance(evidence, Part):
        return (
            f"{entry['label']} is characters {evidence.start}–{evidence.end}, by "
            f"{event['actor']}: {counted(evidence.claims, 'claim')}, {evidence.refused} "
            f"claims or gists refused: {gist}"
        )
    return (
        f"{event['actor']} publishes {entry['label']} {entry['kind']} on {entry['task']} "
        f"({_check(event['detail'])}): {gist}{_quotations(evidence)}"
    )


def _check(detail: Mapping[str, Any]) -> str:
    """How the evidence of an admitted entry was checked."""
    if detail.get("unverified"):
        return "not checked"
    if detail.get("remembered"):
        return "check remembered, not executed again"
    return f"checked in {detail.get('seconds', 0.0):.1f} s"


def _quotations(evidence: Evidence) -> str:
    """The quotations that support a finding."""
    found = evidence.quotations if isinstance(evidence, Quotations) else ()
    return "".join(f"; {each.label}: “{_short(each.quote)}”" for each in found)


def _marked(event: EventRow, material: TrialRecord) -> str:
    by, reason = event["detail"].get("by"), _short(event["detail"].get("reason"))
    return f"{event['subject']} is {event['what']} by {by}: {reason}"


def _merged(event: EventRow, material: TrialRecord) -> str:
    return f"{event['actor']} finds {event['subject']} again"


def _rejected(event: EventRow, material: TrialRecord) -> str:
    number = event["detail"].get("proposal", event["subject"])
    said = (p for p in material.proposals if str(p["number"]) == str(number))
    found: Mapping[str, Any] = next(said, {})
    kind, task = found.get("kind", "proposal"), found.get("task", "")
    return (
        f"{event['actor']}'s {kind} on {task} is refused: “{_short(found.get('gist'))}”: "
        f"{_short(event['detail'].get('reason'))}"
    )


def _linked(event: EventRow, material: TrialRecord) -> str:
    detail = event["detail"]
    if detail.get("kind") == LinkKind.CITES:
        return ""
    return f"{detail.get('source')} {detail.get('kind')} {event['subject']}"


def _unblocked(event: EventRow, material: TrialRecord) -> str:
    return (
        f"{event['subject']} may begin: what it needs of {event['detail'].get('needed')} is found"
    )


def _closed(event: EventRow, material: TrialRecord) -> str:
    return f"the trial ends: {_short(event['detail'].get('reason'))}"


def _short(text: Any) -> str:
    words = " ".join(str(text or "").split())
    return words if len(words) <= WORDS else f"{words[:WORDS]} …"


_DEPTHS: Mapping[str, str] = {Level.SUMMARY: "the claims", Level.RAW: "the text"}
_TELL: Mapping[str, Callable[[EventRow, TrialRecord], str]] = {
    EventKind.CLAIMED: _claimed, EventKind.LOST: _lost, EventKind.RELEASED: _released,
    EventKind.PUT: _put, EventKind.DONE: _done, EventKind.FAILED: _done,
    EventKind.CANCELLED: _cancelled, EventKind.ADMITTED: _admitted, EventKind.MERGED: _merged,
    EventKind.REJECTED: _rejected, EventKind.LINKED: _linked, EventKind.CLOSED: _closed,
    EventKind.UNBLOCKED: _unblocked, EventKind.PINNED: _marked, EventKind.VETOED: _marked,
}  # fmt: skip
