"""Named overheads of a trial: what was spent on coordinating, and on doing things twice.

Pure functions. The overheads overlap: a turn that only publishes is a turn without
work, too. What was
read and which command was run are estimates, as in `harness.analysis.overlap`. A line counts as
read where a command that prints files, or a view, names a file and shows a line of at least
`LINE_CHARS` characters, or where an entry or a page is unfolded; line numbers before it do not
count.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.call_costs import CallCost
from harness.analysis.overlap import files_opened, normal
from harness.analysis.prompt_parts import Cause, message_parts
from harness.board.evidence import Part
from harness.board.records import ProposalRow
from harness.board.vocabulary import COORDINATING, Settled, ToolName, Word
from harness.types import Message

LINE_CHARS = 12
ENTRIES = ""  # stands for a file where what was read is no file
_PRINTS = re.compile(
    r"(?:^|[;&|\n(])\s*(?:cat|sed|head|tail|nl|less|grep|rg|awk|git\s+(?:show|grep))\b"
)
_NUMBERED = re.compile(r"^(?:[\w./-]+[:-])?\s*\d+\s*[:\t-]?(?=\s|$)|^(?:[\w./-]+:)?\d+[:-]")
_MARK = re.compile(r"<(\w+)>.*</\1>")  # what a tool says of the output, such as its exit status


class Overhead(Word):
    """What is counted, with its unit. A restart is a new conversation of the same agent."""

    COORDINATING = "turns without work (finish, publish, …)"
    FINISHING = "turns that only finish"
    PUBLISHING = "turns that only publish"
    REFUSED = "refused proposals"
    READ_ANEW = "lines read again after a restart"
    READ_BY_OTHER = "lines that another agent had read"
    RUN_BY_OTHER = "commands that another agent had run"
    WAITING = "waiting for others"


@dataclass(slots=True, kw_only=True)
class OverheadSum:
    """How often, and what was spent on it. Tokens of an observation count in every prompt.

    Waiting has seconds and nothing else, and nothing else has seconds.
    """

    count: float = 0.0
    seconds: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    usd: float = 0.0


Sums = dict[Overhead, OverheadSum]
Place = tuple[str, int]  # a conversation, and a message in it
ToolUse = tuple[int, int]  # a call's id, and which of its answer's tool calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheads:
    """The overheads of a trial, and which tool calls they are.

    `again`: the share of what a tool call brought that was read or run before.
    """

    sums: Sums  # one for each `Overhead`
    refused: frozenset[ToolUse]  # that published what was refused
    again: Mapping[ToolUse, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """One tool call that was carried out, and the message that it brought."""

    cost: CallCost
    number: int
    name: str
    arguments: Mapping[str, object]
    place: Place
    text: str


def overheads(
    costs: Sequence[CallCost],
    messages: Mapping[str, Sequence[Message]],
    proposals: Sequence[ProposalRow],
    workers: Mapping[str, str],
    waiting_s: float,
) -> Overheads:
    """The overheads of one trial.

    `costs` are all its calls; those that were answered from an earlier attempt cost nothing here.
    `workers` says who works in each conversation.
    """
    sums: Sums = {name: OverheadSum() for name in Overhead}
    coordinating = coordinating_tools(proposals)
    for cost in filter(_was_sent, costs):
        _add_turn(sums, cost, coordinating)
    refused = _add_refused(sums, costs, proposals)
    acts = list(_acts(costs, messages))
    shares: dict[Overhead, dict[Place, float]] = {
        name: {} for name in (Overhead.READ_ANEW, Overhead.READ_BY_OTHER, Overhead.RUN_BY_OTHER)
    }
    _find_read_again(sums, shares, acts, workers)
    _find_run_again(sums, shares, acts, workers)
    for name, places in shares.items():
        _add_places(sums[name], places, costs)
    sums[Overhead.WAITING].seconds = waiting_s
    return Overheads(sums=sums, refused=refused, again=_again(acts, list(shares.values())))


def _again(acts: Sequence[_Act], shares: Sequence[Mapping[Place, float]]) -> dict[ToolUse, float]:
    """The largest share of each tool call that is repeated."""
    found = {
        (act.cost.row["call_id"], act.number): max(each.get(act.place, 0.0) for each in shares)
        for act in acts
    }
    return {use: share for use, share in found.items() if share}


# -- turns -------------------------------------------------------------------------------------


def _was_sent(cost: CallCost) -> bool:
    return cost.row["paid_call"] is None


def tool_calls(cost: CallCost) -> Sequence[Mapping[str, str]]:
    """The tool calls of an answer."""
    reply = cost.row["reply"] or {}
    return reply.get("tool_calls") or ()


def coordinating_tools(proposals: Sequence[ProposalRow]) -> frozenset[str]:
    """Tools of a trial with which no work is done: `COORDINATING`; where the board holds a
    document, unfolding is how it is read."""
    document = any(isinstance(each["evidence"], Part) for each in proposals)
    return COORDINATING - {ToolName.UNFOLD} if document else COORDINATING


def _add_turn(sums: Sums, cost: CallCost, coordinating: frozenset[str]) -> None:
    names = {call["name"] for call in tool_calls(cost)}
    if not names or not names <= coordinating:
        return
    kinds = [Overhead.COORDINATING]
    kinds += [Overhead.FINISHING] if names == {ToolName.FINISH} else []
    kinds += [Overhead.PUBLISHING] if names == {ToolName.PUBLISH} else []
    for kind in kinds:
        sums[kind].count += 1
        sums[kind].prompt_tokens += cost.row["prompt_tokens"]
        sums[kind].output_tokens += cost.row["completion_tokens"]
        sums[kind].usd += cost.usd


def _add_refused(
    sums: Sums, costs: Sequence[CallCost], proposals: Sequence[ProposalRow]
) -> frozenset[ToolUse]:
    """Count the refusals, and the output tokens of the calls that published what was refused.

    Returns these calls."""
    refused = [each for each in proposals if each["settled"] == Settled.REJECTED]
    total = sums[Overhead.REFUSED]
    total.count += len(refused)
    left = Counter((each["author"], _words(each["gist"])) for each in refused)
    found: set[ToolUse] = set()
    for cost in costs:
        for part in cost.output:
            if part.name != ToolName.PUBLISH or part.call is None:
                continue
            given = arguments_of(tool_calls(cost)[part.call])
            said = ((cost.row["agent"], _words(str(value))) for value in given.values())
            key = next((each for each in said if left[each]), None)
            if key is not None:
                left[key] -= 1
                found.add((cost.row["call_id"], part.call))
                if _was_sent(cost):
                    total.output_tokens += part.tokens
                    total.usd += part.usd
    return frozenset(found)


# -- doing things twice ------------------------------------------------------------------------


def _acts(costs: Sequence[CallCost], messages: Mapping[str, Sequence[Message]]) -> Iterator[_Act]:
    """The tool calls of a trial with what they brought, in the order of their answers."""
    answered = [cost for cost in costs if cost.row["ended"] is not None]
    for cost in sorted(answered, key=lambda cost: cost.row["ended"] or 0):
        conversation = cost.row["conversation"]
        for number, (call, at) in enumerate(zip(tool_calls(cost), cost.observations, strict=False)):
            yield _Act(
                cost=cost,
                number=number,
                name=call["name"],
                arguments=arguments_of(call),
                place=(conversation, at),
                text=message_parts(messages[conversation][at], opening=False)[0][1],
            )


def _find_read_again(
    sums: Sums,
    shares: Mapping[Overhead, dict[Place, float]],
    acts: Sequence[_Act],
    workers: Mapping[str, str],
) -> None:
    """Count lines that were read before, and note their share of the observation."""
    readers: dict[tuple[str, str], dict[str, set[str]]] = {}  # of a line: worker, conversations
    for act in acts:
        conversation = act.place[0]
        worker = workers.get(conversation)
        files = _files_read(act)
        if worker is None or not files:
            continue
        again: Counter[Overhead] = Counter()
        for line in lines_of(act.text):
            before = [readers.setdefault((file, line), {}) for file in files]
            where = set().union(*(each.get(worker, set()) for each in before))
            if where - {conversation}:
                kind = Overhead.READ_ANEW
            elif not where and any(before):
                kind = Overhead.READ_BY_OTHER
            else:
                kind = None
            if kind is not None and _was_sent(act.cost):
                sums[kind].count += 1
                again[kind] += len(line)
            for each in before:
                each.setdefault(worker, set()).add(conversation)
        for kind, chars in again.items():
            shares[kind][act.place] = min(1.0, chars / len(act.text))


def _find_run_again(
    sums: Sums,
    shares: Mapping[Overhead, dict[Place, float]],
    acts: Sequence[_Act],
    workers: Mapping[str, str],
) -> None:
    """Count commands that another agent ran before, with what they cost as output."""
    ran: dict[str, set[str]] = {}
    for act in acts:
        worker = workers.get(act.place[0])
        command = normal(str(act.arguments.get("command", "")))
        if worker is None or act.name != ToolName.BASH or not command:
            continue
        by = ran.setdefault(command, set())
        if by - {worker} and _was_sent(act.cost):
            total = sums[Overhead.RUN_BY_OTHER]
            total.count += 1
            for part in act.cost.output:
                if part.call == act.number:
                    total.output_tokens += part.tokens
                    total.usd += part.usd
            shares[Overhead.RUN_BY_OTHER][act.place] = 1.0
        by.add(worker)


def _add_places(
    total: OverheadSum, places: Mapping[Place, float], costs: Sequence[CallCost]
) -> None:
    """Add shares of observations, in each prompt that holds them."""
    for cost in filter(_was_sent, costs):
        for part in cost.prompt:
            share = places.get((cost.row["conversation"], part.message), 0.0)
            if share and part.cause == Cause.OBSERVATIONS:
                total.prompt_tokens += share * part.tokens
                total.usd += share * part.usd


def _files_read(act: _Act) -> set[str]:
    """The files that a call prints, as far as its words say; `ENTRIES` for what it unfolds."""
    if act.name in (ToolName.UNFOLD, ToolName.LOOK_UP):
        return {ENTRIES}
    printed = act.name == ToolName.VIEW or (
        act.name == ToolName.BASH and _PRINTS.search(str(act.arguments.get("command", "")))
    )
    if not printed:
        return set()
    call = {"function": {"name": act.name, "arguments": dict(act.arguments)}}
    return files_opened([{"role": "assistant", "tool_calls": [call]}])


def lines_of(text: str) -> Iterator[str]:
    """The lines of an observation that are long enough to be told apart, without their numbers."""
    for line in text.splitlines():
        plain = _NUMBERED.sub("", line, count=1).strip()
        if len(plain) >= LINE_CHARS and not _MARK.fullmatch(plain):
            yield plain


def _words(text: str) -> str:
    return " ".join(text.split())


def arguments_of(call: Mapping[str, str]) -> Mapping[str, object]:
    """The arguments of a tool call of a reply; empty where they are no object."""
    try:
        found = json.loads(call["arguments"])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
