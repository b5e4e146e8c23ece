"""Places of a trial that a label's evidence quotes, and whether the quotations stand there.

A place is written `KIND:NAME`:

  message:CONVERSATION#N   its N-th message, from 1 on; with the arguments of its tool calls
  call:ID                  the answer to a model call
  entry:LABEL              an entry of the shared context; also `proposal:NUMBER`
  submission:ID            the submitted patch or answer
  test:NAME                how a test of the grading ended, for each submission
  grade:ID                 the verdict on a submission
  trial                    the trial's state and how it ended
  issue, gold, tests       what was asked, the gold patch, the tests' patch (where they are known)
  check:N                  the output of the N-th command of a critique

Pure functions.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.analysis.narrative import TrialRecord
from harness.store.rows import Quotation, SubmissionRow, TrialRow
from harness.types import Message

MESSAGE, CALL, ENTRY, PROPOSAL, SUBMISSION, TEST, GRADE, TRIAL, CHECK = (
    "message", "call", "entry", "proposal", "submission", "test", "grade", "trial", "check",
)  # fmt: skip
ISSUE, GOLD, TESTS = "issue", "gold", "tests"
BY_AGENTS = frozenset({MESSAGE, CALL, ENTRY, PROPOSAL, SUBMISSION})
"""Kinds of places whose words the judged agents wrote or chose."""
LEAST_CHARS = 4  # of a quotation, blanks not counted: of less, nearly every text has some
MOST_CHARS = 2_000
MOST_QUOTATIONS = 12
NAMED = 10  # places that a refusal proposes


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What can be quoted of one attempt at a trial. `texts` are further texts by their place."""

    trial: TrialRow
    record: TrialRecord
    messages: Mapping[str, Sequence[Message]]
    texts: Mapping[str, str] = field(default_factory=dict)


def kind_of(place: str) -> str:
    """The kind of a place: what stands before its colon."""
    return place.partition(":")[0]


def text_at(place: str, material: Material) -> str | None:
    """The text at a place; None if the trial has no such place."""
    if place in material.texts:
        return material.texts[place]
    kind, _, name = place.partition(":")
    if kind == MESSAGE:
        conversation, _, number = name.rpartition("#")
        said = material.messages.get(conversation, ())
        index = int(number) if number.isascii() and number.isdecimal() else 0
        return message_text(said[index - 1]) if 0 < index <= len(said) else None
    return next((text for there, text in _others(material, kind) if there == place), None)


def places(material: Material) -> Iterator[tuple[str, str]]:
    """Every place that is no message and no call, with its text."""
    yield from material.texts.items()
    for kind in _LISTED:
        if kind != CALL:
            yield from _others(material, kind)


def faults(evidence: Sequence[Quotation], material: Material) -> list[str]:
    """What is wrong with the evidence of a label, a sentence each; nothing: it can be kept."""
    if len(evidence) > MOST_QUOTATIONS:
        return [f"There are {len(evidence)} quotations; give at most {MOST_QUOTATIONS}."]
    return [told for each in evidence if (told := _fault(each, material))]


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a message that can be quoted: its content, and of each tool call its name and the
    values of its arguments, as they were sent and as they read."""
    parts = [content_text(message.get("content"))]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call
        arguments = function.get("arguments") or ""
        parts += [str(function.get("name", "")), *_values(arguments)]
    return "\n".join(part for part in parts if part)


def content_text(content: Any) -> str:
    """The content of a message as text: of a list of parts, their texts."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _fault(quoted: Quotation, material: Material) -> str:
    place, quote = quoted["place"], quoted["quote"]
    text = text_at(place, material)
    if text is None:
        return f"There is no place {place!r}. {_forms(material)}"
    if len("".join(quote.split())) < LEAST_CHARS:
        return f"The quotation {quote!r} is too short: give at least {LEAST_CHARS} characters."
    if len(quote) > MOST_CHARS:
        return f"A quotation of {place} has {len(quote)} characters; give at most {MOST_CHARS}."
    if quote not in text:
        return f"{quote[:100]!r} does not stand at {place}. Quotations are verbatim."
    return ""


def _forms(material: Material) -> str:
    names = [f"{MESSAGE}:{name}#1 to #{len(said)}" for name, said in material.messages.items()]
    names += [place for place, _ in places(material) if kind_of(place) != TEST]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"There are: {', '.join(names[:NAMED])}{more}; {CALL}:ID and {TEST}:NAME."


def _others(material: Material, kind: str) -> Iterator[tuple[str, str]]:
    """The places of a kind that is no message, each with its text."""
    return _LISTED[kind](material) if kind in _LISTED else iter(())


def _calls(material: Material) -> Iterator[tuple[str, str]]:
    for call in material.record.calls:
        texts = [message_text(call["reply"] or {}), call["error"]]
        yield f"{CALL}:{call['call_id']}", "\n".join(text for text in texts if text)


def _entries(material: Material) -> Iterator[tuple[str, str]]:
    for entry in material.record.entries:
        words = (entry["gist"], entry["summary"], entry["raw"])
        yield f"{ENTRY}:{entry['label']}", "\n".join(words)


def _proposals(material: Material) -> Iterator[tuple[str, str]]:
    for proposal in material.record.proposals:
        words = (proposal["gist"], proposal["summary"], proposal["reason"])
        yield f"{PROPOSAL}:{proposal['number']}", "\n".join(words)


def _submissions(material: Material) -> Iterator[tuple[str, str]]:
    for made in material.record.submissions:
        yield f"{SUBMISSION}:{made['submission_id']}", made["patch"]


def _grades(material: Material) -> Iterator[tuple[str, str]]:
    for made in material.record.submissions:
        if made["outcome"] is not None:
            yield f"{GRADE}:{made['submission_id']}", _verdict(made)


def _trial(material: Material) -> Iterator[tuple[str, str]]:
    trial = material.trial
    told = (trial["state"], trial["reason"], trial["detail"], trial["audit"])
    names = ("state", "reason", "detail", "audit")
    yield TRIAL, "\n".join(f"{name}: {text}" for name, text in zip(names, told, strict=True))


def _verdict(made: SubmissionRow) -> str:
    lines = [
        f"outcome: {made['outcome']}",
        f"reason: {made['grade_reason'] or ''}",
        f"official: {made['official'] or ''}",
        f"flags: {', '.join(made['flags'] or ())}",
        f"unchecked: {', '.join(made['unchecked'] or ())}",
    ]
    return "\n".join(lines)


def _tests(material: Material) -> Iterator[tuple[str, str]]:
    """Each test with a line for each submission that it was run on."""
    lines: dict[str, list[str]] = {}
    for made in material.record.submissions:
        for name, ended in test_results(made):
            line = f"submission:{made['submission_id']} {ended}"
            lines.setdefault(f"{TEST}:{name}", []).append(line)
    for place, told in lines.items():
        yield place, "\n".join(told)


def test_results(made: SubmissionRow) -> Iterator[tuple[str, str]]:
    """The tests of a submission's grading, each with its group and `passed` or `failed`."""
    for report in (made["report"] or {}).values():
        groups = report.get("tests_status") if isinstance(report, Mapping) else None
        for group, ended in (groups or {}).items():
            for name in ended.get("failure", ()):
                yield name, f"{group}: failed"
            for name in ended.get("success", ()):
                yield name, f"{group}: passed"


def _values(arguments: str) -> list[str]:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return [arguments]
    if not isinstance(given, dict):
        return [arguments]
    texts = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in given.values()]
    return [arguments, *texts]


_LISTED: Mapping[str, Callable[[Material], Iterator[tuple[str, str]]]] = {
    TRIAL: _trial,
    GRADE: _grades,
    TEST: _tests,
    SUBMISSION: _submissions,
    ENTRY: _entries,
    PROPOSAL: _proposals,
    CALL: _calls,
}
