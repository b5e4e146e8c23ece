"""Each call of a trial taken apart: what its tokens stand for, and what they cost. Pure functions.

Token counts of pieces are those of the trial's own tokenizer, scaled so that the pieces of a prompt
sum to the provider's prompt tokens, and those of an answer to its completion tokens. Pieces are
taken in the order in which providers read a prompt: tool schemas, then the messages. What the
provider served from its cache is the beginning of the prompt, what it wrote to its cache comes
next, and the rest is fresh.

The store has the schemas of every call, so their tokens are counted like any other. An older delm
did not store them: there the schemas of a conversation are what its first prompt has beyond its
messages, which are counted by the ratio by which prompts of the same trial grow.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise

from harness.analysis.prompt_parts import Cause, message_parts
from harness.model.prices import Price, rates_of
from harness.score.rows import repeated_tokens
from harness.store.rows import CallRow
from harness.types import Message

Count = Callable[[str], int]
TALK, THOUGHTS, UNREAD = "talk", "thoughts", "answers of no use"
NO_MESSAGE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPart:
    """A piece of a prompt. `message` is its place in the conversation, or `NO_MESSAGE`."""

    cause: Cause
    message: int
    fresh: int
    cached: int
    written: int  # to the provider's cache
    usd: float

    @property
    def tokens(self) -> int:
        """All its tokens."""
        return self.fresh + self.cached + self.written


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPart:
    """A piece of an answer: a call of the tool `name`, or `TALK`, `THOUGHTS` or `UNREAD`."""

    name: str
    call: int | None  # which of the answer's tool calls
    tokens: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """A call of the ledger taken apart.

    The tokens of `prompt` and `output` sum to those of `row`; their dollars and `other_usd`, which
    no rate explains (prices of attempts that failed), sum to what is known of its cost.
    """

    row: CallRow
    prompt: Sequence[PromptPart]
    output: Sequence[OutputPart]
    other_usd: float
    own_tokens: int  # of the prompt, that the conversation, or the one it goes on with, sent before
    observations: Sequence[int]  # of its tool calls, in order: places of their messages

    @property
    def usd(self) -> float:
        """What is known of its cost."""
        return self.row["cost_usd"] or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """The prices of a run by model. `timed`: they depend on when a call was sent."""

    prices: Mapping[str, Price]
    timed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Talk:
    """A conversation: its calls in order, and how many of its messages each of them sent.

    `carried` of its messages were sent by the conversation that it goes on with.
    """

    calls: Sequence[CallRow]
    messages: Sequence[Message]
    ends: Sequence[int]
    carried: int
    pieces: Sequence[tuple[Cause, int, int]]  # cause, message, tokens as we count

    def sent(self, index: int) -> list[tuple[Cause, int, int]]:
        """The pieces of messages in the prompt of a call."""
        return [piece for piece in self.pieces if piece[1] < self.ends[index]]

    def counted(self, index: int) -> int:
        """Tokens of these messages, as we count."""
        return sum(tokens for *_, tokens in self.sent(index))


def schema_tokens(tool_lists: Mapping[str, str], count: Count) -> dict[str, int]:
    """The tokens of each of the lists of `Store.tool_lists`; of one that is empty, none."""
    lists = {key: json.loads(text) for key, text in tool_lists.items()}
    return {
        key: count(json.dumps(tools, ensure_ascii=False)) if tools else 0
        for key, tools in lists.items()
    }


def call_costs(
    calls: Sequence[CallRow],
    messages: Mapping[str, Sequence[Message]],
    schemas: Mapping[str, int],
    pricing: Pricing,
    count: Count,
) -> list[CallCost]:
    """The calls of one trial, conversation by conversation, each in order.

    `messages` by conversation, `schemas` as `schema_tokens`, `count` tokens of a text.
    """
    talks = [
        _talk(mine, messages.get(name, ()), count) for name, mine in _by_conversation(calls).items()
    ]
    growth = _growth(talks)
    found: list[CallCost] = []
    for talk in talks:
        for index, row in enumerate(talk.calls):
            known = schemas.get(row["tools_sha256"] or "")
            offered = _beyond_messages(talk, growth) if known is None else float(known)
            found.append(_call_cost(talk, index, offered, pricing, count))
    return found


def _by_conversation(calls: Iterable[CallRow]) -> dict[str, list[CallRow]]:
    found: dict[str, list[CallRow]] = {}
    for call in sorted(calls, key=lambda call: call["position"]):
        found.setdefault(call["conversation"], []).append(call)
    return found


def _talk(calls: Sequence[CallRow], messages: Sequence[Message], count: Count) -> _Talk:
    pieces: list[tuple[Cause, int, int]] = []
    ends = sent_messages(calls, messages)
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    opening = min(answers, default=len(messages))
    for index, message in enumerate(messages):
        for cause, text in message_parts(message, opening=index < opening):
            pieces.append((cause, index, count(text) if text else 0))
    carried = max((index for index in answers if index < min(ends, default=0)), default=0)
    return _Talk(calls=calls, messages=messages, ends=ends, carried=carried, pieces=pieces)


def sent_messages(calls: Sequence[CallRow], messages: Sequence[Message]) -> list[int]:
    """How many messages each call sent: all that stand before its answer.

    A conversation may begin with answers of another one. The last answer may be missing, where its
    process ended before it was said.
    """
    said = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    answered = [call for call in calls if call["outcome"] == "ok"]
    missing = bool(answered and said and not _says(messages[said[-1]], answered[-1]))
    answers = [*said, *([len(messages)] if missing or len(said) < len(answered) else [])]
    answers = answers[-len(answered) :] if answered else []
    ends, number = [], 0
    for call in calls:
        ends.append(answers[number] if number < len(answers) else len(messages))
        number += call["outcome"] == "ok"
    return ends


def _says(message: Message, call: CallRow) -> bool:
    """Whether a message is the answer to a call."""
    reply = call["reply"] or {}
    calls = len(message.get("tool_calls") or ())
    if calls != len(reply.get("tool_calls") or ()):
        return False
    return not reply.get("content") or message.get("content") == reply["content"]


def _growth(talks: Iterable[_Talk]) -> float:
    """By how many of the provider's tokens prompts grow for each token of messages, as we count."""
    theirs = ours = 0
    for talk in talks:
        known = [i for i, call in enumerate(talk.calls) if call["prompt_tokens"]]
        if len(known) > 1:
            first, last = known[0], known[-1]
            theirs += talk.calls[last]["prompt_tokens"] - talk.calls[first]["prompt_tokens"]
            ours += talk.counted(last) - talk.counted(first)
    return theirs / ours if theirs > 0 and ours > 0 else 1.0


def _beyond_messages(talk: _Talk, growth: float) -> float:
    """Tokens of schemas that are not stored, as we would count them."""
    first = next((i for i, call in enumerate(talk.calls) if call["prompt_tokens"]), None)
    if first is None or not talk.messages:
        return 0.0
    return max(0.0, talk.calls[first]["prompt_tokens"] / growth - talk.counted(first))


def _call_cost(talk: _Talk, index: int, offered: float, pricing: Pricing, count: Count) -> CallCost:
    row = talk.calls[index]
    price = pricing.prices.get(row["model"]) if row["cost_usd"] is not None else None
    at = datetime.fromisoformat(row["started_at"]) if pricing.timed else None
    rates = rates_of(price, row["prompt_tokens"], at) if price else None
    before = talk.ends[index - 1] if index else talk.carried
    prompt = []
    own, start = 0, 0
    for cause, message, tokens in _scaled(talk, index, offered):
        cached, written = _overlaps(row, start, start + tokens)
        fresh = tokens - cached - written
        usd = 0.0
        if rates:
            usd = fresh * rates.input + cached * rates.cached_input + written * rates.cache_write
        part = PromptPart(
            cause=cause, message=message, fresh=fresh, cached=cached, written=written, usd=usd
        )
        prompt.append(part)
        start += tokens
        own += tokens if before and message < before else 0
    output = [
        OutputPart(name=name, call=call, tokens=tokens, usd=tokens * rates.output if rates else 0.0)
        for name, call, tokens in _output(row, count)
    ]
    known = sum(part.usd for part in prompt) + sum(part.usd for part in output)
    return CallCost(
        row=row,
        prompt=prompt,
        output=output,
        other_usd=(row["cost_usd"] or 0.0) - known,
        own_tokens=min(own, repeated_tokens(row)),
        observations=_observations(talk, index),
    )


def _scaled(talk: _Talk, index: int, offered: float) -> list[tuple[Cause, int, int]]:
    """The pieces of a call's prompt with the provider's tokens, which they sum to exactly."""
    total = talk.calls[index]["prompt_tokens"]
    sent = talk.sent(index)
    if not sent:
        return [(Cause.UNKNOWN, NO_MESSAGE, total)]
    weights = [offered, *(float(tokens) for *_, tokens in sent)]
    places = [(Cause.SCHEMAS, NO_MESSAGE), *((cause, message) for cause, message, _ in sent)]
    return [
        (cause, message, tokens)
        for (cause, message), tokens in zip(places, apportioned(total, weights), strict=True)
    ]


def apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in whole parts that sum to it, each within 1 of its share by weight."""
    sums = list(accumulate(weights, initial=0.0))
    if not sums[-1]:
        return [total, *[0] * (len(weights) - 1)]
    return [high - low for low, high in pairwise(round(total * each / sums[-1]) for each in sums)]


def _overlaps(row: CallRow, start: int, end: int) -> tuple[int, int]:
    """Cached and cache-written tokens among those from `start` to `end` of the prompt."""
    first, second = row["cached_tokens"], row["cached_tokens"] + row["cache_write_tokens"]
    cached = max(0, min(end, first) - start)
    return cached, max(0, min(end, second) - max(start, first))


def _output(row: CallRow, count: Count) -> list[tuple[str, int | None, int]]:
    """The pieces of an answer: name, number of the tool call, the provider's tokens."""
    thoughts = min(row["reasoning_tokens"], row["completion_tokens"])
    said = row["completion_tokens"] - thoughts
    found: list[tuple[str, int | None, int]] = [(THOUGHTS, None, thoughts)] if thoughts else []
    reply = row["reply"]
    if reply is None:
        return [*found, (UNREAD, None, said)] if said else found
    names: list[tuple[str, int | None]] = [(TALK, None)]
    texts = [reply.get("content") or ""]
    for number, call in enumerate(reply.get("tool_calls") or ()):
        names.append((call["name"], number))
        texts.append(f"{call['name']} {call['arguments']}")
    weights = [float(count(text)) if text else 0.0 for text in texts]
    tokens = apportioned(said, weights)
    return found + [(*name, each) for name, each in zip(names, tokens, strict=True)]


def _observations(talk: _Talk, index: int) -> list[int]:
    """The places of the messages that answer the tool calls of an answer, in order."""
    at = talk.ends[index] + 1
    found: list[int] = []
    while at < len(talk.messages) and talk.messages[at]["role"] == "tool":
        found.append(at)
        at += 1
    return found
