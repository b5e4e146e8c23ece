"""Model calls as lines of a conversation, and one call on a page of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.analysis.call_costs import CallCost, sent_messages
from harness.pages.links import Links
from harness.pages.rendering import render
from harness.pages.trial_inside import NotInTrial, TrialInside
from harness.score.cost import Spent, spent
from harness.score.rows import repeated_tokens
from harness.store.rows import CallRow

BAR = 160  # pixels of the longest bar


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLine:
    """A model call in numbers. The bar has the cached, the cache-written and the new tokens of its
    prompt, in pixels; the longest prompt of the conversation has the longest bar."""

    row: CallRow
    cached: float
    written: float
    new: float

    @property
    def new_tokens(self) -> int:
        """Tokens of the prompt that the provider neither read from its cache nor wrote to it."""
        row = self.row
        return max(0, row["prompt_tokens"] - row["cached_tokens"] - row["cache_write_tokens"])

    @property
    def repeated(self) -> int:
        """Tokens of the prompt that an earlier prompt of the trial begins with."""
        return repeated_tokens(self.row)

    @property
    def cost(self) -> Spent:
        """What it cost."""
        return spent([self.row])


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A tool that the conversation's calls offered."""

    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CausePart:
    """What the pieces of a prompt with one cause take, or those of an answer with one name."""

    name: str
    tokens: int
    fresh: int
    cached: int
    written: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One model call. `message` is the number of its answer in the conversation, 0 if it left
    none; `sent` how many messages its prompt had."""

    line: CallLine
    prompt: Sequence[CausePart]
    output: Sequence[CausePart]
    other_usd: float
    message: int
    sent: int
    reply: str
    tools: Sequence[Offered]
    asked: Sequence[str]  # the tools that its answer called


def call_lines(calls: Sequence[CallRow]) -> list[CallLine]:
    """The lines of a conversation's calls."""
    longest = max((call["prompt_tokens"] for call in calls), default=0) or 1
    lines = []
    for row in calls:
        cached, written = row["cached_tokens"], row["cache_write_tokens"]
        new = max(0, row["prompt_tokens"] - cached - written)
        scale = BAR / longest
        lines.append(
            CallLine(
                row=row,
                cached=round(cached * scale, 1),
                written=round(written * scale, 1),
                new=round(new * scale, 1),
            )
        )
    return lines


def call_html(
    data: TrialInside,
    call_id: int,
    links: Links,
    tools: Mapping[str, str],
    costs: Sequence[CallCost] = (),
) -> Markup:
    """One model call as HTML, without the frame of a page; `costs` may have it taken apart.

    `tools`: `Store.tool_lists`.

    Raises `NotInTrial` if there is no such call.
    """
    row = next((call for call in data.calls if call["call_id"] == call_id), None)
    if row is None:
        raise NotInTrial(call_id)
    return render("call", page=_call(row, data, tools, costs), data=data, links=links)


def _call(
    row: CallRow, data: TrialInside, tools: Mapping[str, str], costs: Sequence[CallCost]
) -> Call:
    name = row["conversation"]
    mine = [call for call in data.calls if call["conversation"] == name]
    mine.sort(key=lambda call: call["position"])
    messages = data.messages.get(name, ())
    at = mine.index(row)
    sent = sent_messages(mine, messages)[at]
    cost = next((each for each in costs if each.row["call_id"] == row["call_id"]), None)
    reply: Mapping[str, Any] = row["reply"] or {}
    return Call(
        line=call_lines(mine)[at],
        prompt=_prompt(cost),
        output=_output(cost),
        other_usd=cost.other_usd if cost else 0.0,
        message=sent + 1 if row["outcome"] == "ok" and sent < len(messages) else 0,
        sent=min(sent, len(messages)),
        reply=str(reply.get("content") or ""),
        tools=offered([row], tools),
        asked=[str(call.get("name") or "") for call in reply.get("tool_calls") or ()],
    )


def _prompt(cost: CallCost | None) -> list[CausePart]:
    found: dict[str, CausePart] = {}
    for part in cost.prompt if cost else ():
        before = found.get(part.cause)
        found[part.cause] = CausePart(
            name=str(part.cause),
            tokens=part.tokens + (before.tokens if before else 0),
            fresh=part.fresh + (before.fresh if before else 0),
            cached=part.cached + (before.cached if before else 0),
            written=part.written + (before.written if before else 0),
            usd=part.usd + (before.usd if before else 0.0),
        )
    return list(found.values())


def _output(cost: CallCost | None) -> list[CausePart]:
    return [
        CausePart(
            name=part.name, tokens=part.tokens, fresh=part.tokens, cached=0, written=0, usd=part.usd
        )
        for part in (cost.output if cost else ())
        if part.tokens
    ]


def offered(calls: Sequence[CallRow], tools: Mapping[str, str]) -> list[Offered]:
    """The tools that calls offered, each once. `tools`: `Store.tool_lists`."""
    found: dict[str, Offered] = {}
    for key in dict.fromkeys(call["tools_sha256"] for call in calls):
        for schema in json.loads(tools.get(key or "", "[]")):
            about = schema.get("function", {})
            name = str(about.get("name", ""))
            found[name] = Offered(name=name, description=str(about.get("description", "")))
    return list(found.values())
