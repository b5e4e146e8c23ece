"""Ask a model whether findings say more than their evidence: one conversation a check, no tools."""

import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agents.concurrency import together
from agents.loop import answer_message
from agents.prompts import render, shortened
from harness.board.evidence import GIST_CHARS, GIST_TOKENS
from harness.board.protocols import Proposal
from harness.board.vocabulary import ENTRY_LABEL, gist_check_name
from harness.errors import ConversationRefused
from harness.protocols import Model
from harness.types import Message

EVIDENCE_CHARS = 12_000  # of one finding, as the model reads it
SAID_CHARS = 3_000  # of one finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A finding whose evidence holds, and that evidence as text."""

    proposal: Proposal
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison came to: the finding is fine, or holds in other words, or is refused."""

    reason: str = ""  # against it
    gist: str = ""  # what of it the evidence shows, to be admitted in place of gist and summary


Checker = Callable[[Sequence[Held]], Awaitable[Sequence[Compared]]]
"""Asked with the findings of one answer."""
GistCheck = Callable[[str, str], Awaitable[str]]
"""Asked with one gist and its evidence: why it says more than that, or nothing."""

EACH_AGAIN = (
    "Answer with one line for each finding: its number, and APPROVED, or REWRITE: and other words, "
    "or WRONG: and the reason."
)
REWRITTEN_CHARS = 600  # of a finding in other words
_NUMBERED = re.compile(r"\W*(?:Finding\W+)?(?P<number>\d{1,3})\W+")
AGAIN = "Begin your answer with APPROVED, or with WRONG: and the reason. Nothing else."
UNREADABLE = (
    "The finding could not be checked: the checking model's answer was unreadable. Say only what "
    "the evidence shows, and send it again."
)
REFUSED = (
    "The finding could not be checked: the checking model's provider refuses this text. Give "
    "shorter evidence, or say it in other words, and send it again."
)


def gist_fault(gist: str, count_tokens: Callable[[str], int], *, name: str = "gist") -> str:
    """The fault in the length of a gist, called `name` by its author, or an empty string."""
    if not gist:
        return f"The {name} is empty."
    tokens = count_tokens(gist[: 10 * GIST_CHARS])  # an answer can have megabytes
    if tokens > GIST_TOKENS:
        return f"The {name} has {tokens} tokens, at most {GIST_TOKENS} are taken."
    return ""


def gist_checker(
    model: Callable[[str], Model],
    *,
    name: str = "gist-check",
    template: str = "gist_check",
    values: Mapping[str, object] | None = None,
) -> GistCheck:
    """A check of one gist in one call. `model` makes the one of a conversation of a name,
    which is that of the gist, so that it is the same in a replay. `template` is the prompt's, and
    `values` are what it needs besides `gist` and `evidence`.

    Raises what the model raises: `LimitReached` and `ModelError`.
    """
    asked_before: Counter[str] = Counter()

    async def check(gist: str, evidence: str) -> str:
        digest = hashlib.sha256(f"{gist}\0{evidence}".encode(errors="replace")).hexdigest()[:12]
        asked_before[digest] += 1
        asked = model(f"{name}-{digest}-{asked_before[digest]}")
        prompt = render(template, gist=gist, evidence=evidence, **(values or {}))
        messages: list[Message] = [{"role": "user", "content": prompt}]
        for _ in range(2):
            try:
                reply = await asked.complete(messages, [])
            except ConversationRefused:
                return REFUSED
            verdict = read_verdict(reply.content)
            if verdict is not None:
                return verdict
            # a call was not offered, and providers want an answer to each: it is left out
            said = answer_message(replace(reply, tool_calls=()))
            messages += [said, {"role": "user", "content": AGAIN}]
        return UNREADABLE

    return check


def one_by_one(check: GistCheck) -> Checker:
    """A checker for `agents.admission.Gate` that asks for each gist by itself, all at once."""

    async def checked(held: Sequence[Held]) -> Sequence[Compared]:
        found = [Compared()] * len(held)

        async def one(number: int) -> None:
            reason = await check(held[number].proposal.gist, held[number].evidence)
            found[number] = Compared(reason=reason)

        await together(partial(one, number) for number in range(len(held)))
        return found

    return checked


def answer_checker(verifier: Callable[[str, str], Model]) -> Checker:
    """A checker for `agents.admission.Gate` that asks once for all findings of an answer.

    `verifier` makes the model of a conversation of a name, for an agent. The name is that of the
    task and the number of its answer, so that it is the same in a replay.
    Raises what the model raises: `LimitReached` and `ModelError`.
    """
    asked_before: Counter[str] = Counter()

    async def check(held: Sequence[Held]) -> Sequence[Compared]:
        first = held[0].proposal
        asked_before[first.task] += 1
        name = gist_check_name(first.task, asked_before[first.task])
        try:
            return await _compare(verifier(name, first.author), held)
        except ConversationRefused:
            if len(held) == 1:
                return [Compared(reason=REFUSED)]
            return [compared for each in held for compared in await check([each])]

    return check


async def _compare(model: Model, held: Sequence[Held]) -> Sequence[Compared]:
    findings = [(_said(each.proposal), shortened(each.evidence, EVIDENCE_CHARS)) for each in held]
    messages: list[Message] = [
        {"role": "user", "content": render("gist_check", findings=findings)},
    ]
    known: dict[int, Compared] = {}
    for _ in range(2):
        reply = await model.complete(messages, [])
        known = read_verdicts(reply.content, len(held)) | known
        if len(known) == len(held):
            break
        said = answer_message(replace(reply, tool_calls=()))
        messages += [said, {"role": "user", "content": EACH_AGAIN}]
    unknown = Compared(reason=UNREADABLE)
    return [
        _kept_to_its_labels(each.proposal, known.get(number, unknown))
        for number, each in enumerate(held, start=1)
    ]


def _kept_to_its_labels(proposal: Proposal, compared: Compared) -> Compared:
    """Other words for a finding name no entry that its author did not name."""
    named = set(ENTRY_LABEL.findall(f"{proposal.gist} {proposal.summary}"))
    if set(ENTRY_LABEL.findall(compared.gist)) <= named:
        return compared
    return Compared(reason=UNREADABLE)


def _said(proposal: Proposal) -> str:
    said = proposal.gist.strip()
    if summary := proposal.summary.strip():
        said += f"\n\nSummary: {summary}"
    return shortened(said, SAID_CHARS)


def read_verdicts(answer: str, count: int) -> dict[int, Compared]:
    """By number, from 1, what a comparison came to.

    A line is `2 APPROVED`, `2 REWRITE: other words` or `2 WRONG: why`. What is answered for in two
    ways is left out, as is what is not answered for. The number may be missing where there is one
    finding.
    """
    found: dict[int, set[Compared]] = {}
    for line in answer.splitlines():
        numbered = _NUMBERED.match(line)
        number = int(numbered["number"]) if numbered else 1
        text = line[numbered.end() :] if numbered else line
        compared = _rewritten(text) or _compared(read_verdict(text))
        if compared is not None and 1 <= number <= count and (numbered or count == 1):
            found.setdefault(number, set()).add(compared)
    return {number: verdicts.pop() for number, verdicts in found.items() if len(verdicts) == 1}


def _rewritten(text: str) -> Compared | None:
    """The other words of `REWRITE: …`; None where they are none, or too many."""
    if not text.strip().startswith("REWRITE"):
        return None
    gist = " ".join(text.strip().removeprefix("REWRITE").lstrip(":-–— *\n").split())
    return Compared(gist=gist) if 0 < len(gist) <= REWRITTEN_CHARS else None


def _compared(reason: str | None) -> Compared | None:
    return None if reason is None else Compared(reason=reason)


def read_verdict(answer: str) -> str | None:
    """The reason against the gist, empty if there is none; None if the answer is unreadable."""
    text = answer.strip()
    if text.startswith("APPROVED"):
        return ""
    if text.startswith("WRONG"):
        reason = " ".join(text.removeprefix("WRONG").lstrip(":-–— *\n").split())[:600]
        return f"The gist says more than its evidence: {reason or 'no reason was given.'}"
    return None
