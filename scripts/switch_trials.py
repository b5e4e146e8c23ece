"""Read the trials of a run of `delm` as `switch_arithmetic` counts them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from switch_arithmetic import Call, Conversation, PlayedTrial, Rates, words

from harness.analysis.call_costs import CallCost, Pricing, call_costs, schema_tokens
from harness.analysis.cost_breakdown import ended_trials
from harness.analysis.prompt_parts import Cause, message_parts
from harness.board.evidence import Patch
from harness.board.records import Boards, EventRow, ProposalRow, ShownRow
from harness.board.vocabulary import (
    CARRIED,
    GIST_CHECK,
    EntryKind,
    EventKind,
    Level,
    LinkKind,
    Settled,
    TaskKind,
    ToolName,
    task_of,
)
from harness.commands.locate import find
from harness.errors import UserError
from harness.model.prices import Price, recorded
from harness.model.token_count import count
from harness.store.protocol import Store
from harness.store.rows import RunRows, TrialRow
from harness.types import Message

SYSTEM, ALONE = "delm", "independent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRun:
    """A run: its trials of `delm`, and the first call of each agent of `independent`."""

    trials: Sequence[PlayedTrial]
    alone: Sequence[Call]
    rates: Rates
    timed: bool  # it is no replay


async def read_trials(run: str, output: Path) -> ReadRun:
    """The trials of `run` that came to an end. `UserError` where there are none of `delm`, or
    where what they cost is not known."""
    folder = await find(run, output)
    async with folder.open(read_only=True) as store, folder.boards() as boards:
        stored = await store.read()
        name = str(stored.facts.get("model"))
        price = recorded((stored.facts.get("prices") or {}).get(name))
        if price is None:
            raise UserError(f"the run {folder.run_id} has no price of {name}")
        rates = Rates(fresh=price.input, cached=price.cached_input, output=price.output)
        trials, alone = [], []
        for trial in ended_trials(stored.trials):
            if trial["system"] not in (SYSTEM, ALONE):
                continue
            said = await store.messages(trial["trial_id"])
            costs = await _costs(trial, stored, store, said, price)
            if trial["system"] == ALONE:
                alone += [_call(each, said) for each in costs if each.row["position"] == 0]
            else:
                trials.append(await _trial(trial, stored, boards, said, costs))
    if not trials:
        raise UserError(f"the run {folder.run_id} has no trial of {SYSTEM} that came to an end")
    return ReadRun(trials=trials, alone=alone, rates=rates, timed=not stored.facts.get("replay"))


async def _costs(
    trial: TrialRow,
    run: RunRows,
    store: Store,
    said: Mapping[str, Sequence[Message]],
    price: Price,
) -> list[CallCost]:
    schemas = schema_tokens(await store.tool_lists(), count)
    pricing = Pricing(prices={str(run.facts["model"]): price}, timed=False)
    calls = [call for call in run.calls if call["trial_id"] == trial["trial_id"]]
    costs = call_costs(calls, said, schemas, pricing, count)
    return [each for each in costs if each.row["paid_call"] is None]


async def _trial(
    trial: TrialRow,
    run: RunRows,
    boards: Boards,
    said: Mapping[str, Sequence[Message]],
    costs: Sequence[CallCost],
) -> PlayedTrial:
    key = trial["trial_id"]
    kinds = {task["label"]: task["kind"] for task in await boards.tasks(key)}
    proposals, links = await boards.proposals(key), await boards.links(key)
    made = [row for row in run.submissions if row["trial_id"] == key]
    talks: dict[str, list[CallCost]] = {}
    for each in costs:
        talks.setdefault(each.row["conversation"], []).append(each)
    checks = [talks.pop(name) for name in list(talks) if task_of(name) == GIST_CHECK]
    equal = sum(link["kind"] == LinkKind.EQUALS for link in links)
    return PlayedTrial(
        agents=trial["agents"],
        submissions=len(made),
        candidates=max(1, sum(not row["copy_of"] for row in made) - equal),
        conversations=[
            _conversation(kinds.get(task_of(name), ""), mine, said, proposals)
            for name, mine in talks.items()
        ],
        gist_checks=[_call(each, said) for mine in checks for each in mine],
        checked_s=_checked_s(proposals),
        equal=equal,
        refused=sum(
            each["kind"] == EntryKind.PATCH and each["settled"] == Settled.REJECTED
            for each in proposals
        ),
        news=_news(await boards.shown(key), proposals, talks),
        **_release(proposals, await boards.events(key)),
    )


def _checked_s(proposals: Sequence[ProposalRow]) -> float:
    """The longest check of each answer, added up; a PATCH is waited for anyway."""
    longest: dict[tuple[str, int], float] = {}
    for each in proposals:
        if each["kind"] != EntryKind.PATCH:
            answer = each["task"], round(each["at"])
            longest[answer] = max(longest.get(answer, 0.0), each["seconds"] or 0.0)
    return sum(longest.values())


def _news(
    shown: Sequence[ShownRow],
    proposals: Sequence[ProposalRow],
    talks: Mapping[str, Sequence[CallCost]],
) -> int:
    """How many findings of others were shown after the first call of a conversation."""
    authors = {each["entry"]: each["author"] for each in proposals}
    first = {name: mine[0].row for name, mine in talks.items()}
    return sum(
        authors.get(row["label"]) != first[row["conversation"]]["agent"]
        and row["at"] > datetime.fromisoformat(first[row["conversation"]]["started_at"]).timestamp()
        for row in shown
        if row["conversation"] in first and row["level"] == Level.GIST
    )


def _conversation(
    kind: str,
    costs: Sequence[CallCost],
    said: Mapping[str, Sequence[Message]],
    proposals: Sequence[ProposalRow],
) -> Conversation:
    name = costs[0].row["conversation"]
    messages = said.get(name, ())
    opening = _shared_context(messages)
    admitted = [each for each in proposals if each["settled"] == Settled.ADMITTED]
    patches = [
        (each["entry"], each["evidence"].diff)
        for each in admitted
        if isinstance(each["evidence"], Patch)
    ]
    return Conversation(
        kind=kind,
        calls=[_call(each, said) for each in costs],
        admitted=frozenset(
            words(each["gist"]) for each in admitted if each["task"] == task_of(name)
        ),
        opens_with_patch=any(f"\n{label} {EntryKind.PATCH} (" in opening for label, _ in patches),
        diff=sum(count(diff) for _, diff in patches if diff.strip() in opening),
        goes_on=any(message.get(CARRIED) for message in messages),
    )


def _shared_context(messages: Sequence[Message]) -> str:
    """The shared context in the opening of a conversation."""
    found = []
    for message in messages:
        if message["role"] == "assistant":
            break
        found += message_parts(message, opening=True)
    return "\n".join(text for cause, text in found if cause == Cause.SHARED)


def _call(cost: CallCost, said: Mapping[str, Sequence[Message]]) -> Call:
    row = cost.row
    given = (row["reply"] or {}).get("tool_calls") or ()
    tools = [(call["name"], _arguments(call["arguments"])) for call in given]
    messages = said.get(row["conversation"], ())
    working = [
        part.tokens
        for part in cost.output
        if part.call is not None
        and (
            part.name not in (ToolName.PUBLISH, ToolName.FINISH)
            or tools[part.call][1].get("kind") == EntryKind.PATCH
        )
    ]
    return Call(
        prompt=row["prompt_tokens"],
        cached=row["cached_tokens"],
        output=row["completion_tokens"],
        usd=cost.usd,
        tools=tools,
        read=sum(part.tokens for part in cost.prompt if part.cause == Cause.OBSERVATIONS),
        brought=sum(count(str(messages[at]["content"])) for at in cost.observations),
        telling=row["completion_tokens"] - sum(working),
    )


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _release(proposals: Sequence[ProposalRow], events: Sequence[EventRow]) -> dict[str, Any]:
    """How the seats were released, as fields of a `PlayedTrial`."""
    ends = [
        event["at"]
        for event in events
        if event["what"] == EventKind.DONE and event["subject"].startswith(TaskKind.LOCALIZE)
    ]
    if not ends:
        return {}
    released = [event["at"] for event in events if event["what"] == EventKind.UNBLOCKED]
    begin = min([*released, *ends])
    facts, patches = (
        [
            each["settled_at"] or 0.0
            for each in proposals
            if each["kind"] == kind and each["settled"] == Settled.ADMITTED
        ]
        for kind in (EntryKind.FACT, EntryKind.PATCH)
    )
    return {
        "held_back_s": begin - min([*facts, begin]),
        "released_s": max(ends) - begin,
        "early": begin < min([*patches, *ends]),
    }
