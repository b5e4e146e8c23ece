"""Ask a model whether a gist says more than its evidence: one conversation a check, no tools."""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from agents.loop import answer_message
from agents.prompts import render
from harness.board.evidence import GIST_CHARS, GIST_TOKENS
from harness.errors import ConversationRefused
from harness.protocols import Model
from harness.types import Message

Checker = Callable[[str, str], Awaitable[str]]
"""Asked with a gist and its evidence as text: why the one says more than the other, or nothing."""

AGAIN = "Begin your answer with APPROVED, or with WRONG: and the reason. Nothing else."
UNREADABLE = (
    "The gist could not be checked: the checking model's answer was unreadable. Say only what "
    "the evidence shows, and send it again."
)
REFUSED = (
    "The gist could not be checked: the checking model's provider refuses this text. Give shorter "
    "evidence, or say it in other words, and send it again."
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
) -> Checker:
    """A checker for `agents.admission.Gate`. `model` makes the one of a conversation of a name,
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


def read_verdict(answer: str) -> str | None:
    """The reason against the gist, empty if there is none; None if the answer is unreadable."""
    text = answer.strip()
    if text.startswith("APPROVED"):
        return ""
    if text.startswith("WRONG"):
        reason = " ".join(text.removeprefix("WRONG").lstrip(": \n").split())[:600]
        return f"The gist says more than its evidence: {reason or 'no reason was given.'}"
    return None
