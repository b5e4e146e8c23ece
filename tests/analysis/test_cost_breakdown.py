"""Where the money of a run went: figures that were computed by hand, and sums that always hold."""

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.call_costs import Pricing, apportioned, call_costs
from harness.analysis.call_kinds import kinds_of
from harness.analysis.cost_breakdown import COLUMNS, baseline_of
from harness.analysis.cost_overheads import Overhead, lines_of, overheads
from harness.analysis.prompt_parts import Cause, message_parts
from harness.analysis.run_costs import cost_rows, trial_costs
from harness.board.evidence import Part, Span
from harness.board.protocols import NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import COORDINATING, Tag, ToolName, gist_check_name
from harness.model.prices import Price
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Activity, Reply, ToolCall, Usage

PRICE = Price(
    input=0.01, cached_input=0.001, cache_write=0.0125, output=0.05, context_tokens=0,
    max_output_tokens=0, supports_tools=True, source="test",
)  # fmt: skip
TOOLS = json.dumps([{"name": "bash"}])  # two words
ISSUE = "Repo x\n\n<issue>\nit is broken\n</issue>"  # 2 + 5
SOURCE = (
    "<exit_status>0</exit_status>\n<output>\nvalue = compute(first)\nreturn value_of_it\n</output>"
)
ENTRY = "<shared_context>\nF1 FACT here\n</shared_context>"  # 5


def words(text: str) -> int:
    """The tokenizer of these tests."""
    return len(text.split())


def said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def answer(content: str, *calls: tuple[str, dict[str, Any]]) -> Reply:
    made = [ToolCall(id=f"{n}", name=name, arguments=json.dumps(given))
            for n, (name, given) in enumerate(calls)]  # fmt: skip
    return Reply(content=content, tool_calls=tuple(made))


def as_message(reply: Reply) -> dict[str, Any]:
    calls = [{"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
             for call in reply.tool_calls]  # fmt: skip
    return {"role": "assistant", "content": reply.content or None, "tool_calls": calls}


LOOK = answer("I look", ("bash", {"command": "cat a.py"}))  # 2 and 4 words
LOOK_TOO = answer("", ("bash", {"command": "cat a.py"}))
TELL = answer("", ("publish", {"gist": "a.py is wrong"}))  # 5
END = answer("", ("finish", {"summary": "done"}))  # 3
TELL_AND_END = answer("", ("publish", {"gist": "F1"}), ("finish", {"summary": "done"}))  # 3, 3


class Played:
    """A trial's calls, put into a store one after the other."""

    def __init__(self, store: SqliteStore, trial_id: int) -> None:
        self.store, self.trial_id = store, trial_id
        self._moment = 0
        self._positions: dict[str, int] = {}

    async def call(
        self, conversation: str, agent: str, reply: Reply, usage: Usage, usd: float, again: float
    ) -> None:
        position = self._positions[conversation] = self._positions.get(conversation, -1) + 1
        self._moment += 2
        call = await self.store.begin_call(NewCall(
            trial_id=self.trial_id, conversation=conversation, agent=agent, position=position,
            model="m", prompt_sha256="", repeated=again, reserved_usd=None,
            moment=self._moment - 1, tools=TOOLS,
        ))  # fmt: skip
        await self.store.end_call(call, EndedCall(
            outcome="ok", reply=reply, usage=usage, cost_usd=usd, latency_s=0, attempts=1,
            error="", moment=self._moment,
        ))  # fmt: skip
        await self.store.say(self.trial_id, conversation, [as_message(reply)])

    async def hear(self, conversation: str, *messages: dict[str, Any]) -> None:
        await self.store.say(self.trial_id, conversation, messages)


def tokens(prompt: int, completion: int, **more: int) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, **more)


async def localize(trial: Played) -> None:
    """Three calls: prompts of 23, 37 and 50 words, which are also the provider's tokens."""
    await trial.hear(
        "localize-1",
        said("system", "you are an agent"),  # 4
        said("user", ISSUE),  # 7
        said("user", "<shared_context>\n</shared_context>\n\nYour task\n\n<task>\nfind it\n</task>"
                     "\n\nten turns"),  # 2, and 2 + 4 + 2
    )  # fmt: skip
    await trial.call("localize-1", "agent-1", LOOK, tokens(23, 12, reasoning_tokens=4), 0.83, 0)
    await trial.hear("localize-1", said("tool", SOURCE))  # 8
    await trial.call("localize-1", "agent-1", TELL, tokens(37, 10, cached_tokens=23), 0.663, 0.7)
    await trial.hear("localize-1", said("tool", f"No: quote it\n\n{ENTRY}"))  # 3, and 5
    usage = tokens(50, 4, cached_tokens=30, cache_write_tokens=10)
    await trial.call("localize-1", "agent-1", END, usage, 0.455, 0.8)


async def patch(trial: Played) -> None:
    """Two calls: prompts of 24 and 36 words, of which the provider makes twice as many tokens."""
    await trial.hear(
        "patch-1",
        said("system", "you are an agent"),
        said("user", ISSUE),
        said("user", f"{ENTRY}\n\nYour task\n\n<task>\nmend it\n</task>"),  # 5, and 2 + 4
    )
    await trial.call("patch-1", "agent-2", LOOK_TOO, tokens(48, 8), 0.88, 0.5)
    await trial.hear("patch-1", said("tool", SOURCE))
    # half a dollar is for an attempt of which nobody knows what it was billed for
    await trial.call("patch-1", "agent-2", TELL_AND_END, tokens(72, 6), 1.02 + 0.5, 0.75)
    await trial.hear("patch-1", said("tool", "yes"))


@pytest.fixture
async def played(tmp_path) -> AsyncIterator[tuple[SqliteStore, SqliteBoard]]:
    """A store with one trial of `delm`, which made two submissions, and one of `single`."""
    path = tmp_path / "run.db"
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        await store.describe(prices={"m": asdict(PRICE)}, replay=True, model="m")
        instance = {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}
        plan = [("single", 1, "one"), ("delm", 2, "shared")]
        await store.plan([instance], [
            {"system": system, "instance_id": "a__a-1", "number": 0, "agents": count,
             "wanted": count, "submits": submits} for system, count, submits in plan
        ])  # fmt: skip
        for _ in plan:
            row = await store.claim_trial()
            assert row is not None
            trial = Played(store, row["trial_id"])
            authors = ["agent-1"]
            if row["system"] == "delm":
                authors = ["patch-1", "patch-2"]
                await team(boards, row["trial_id"])
                await localize(trial)
                await patch(trial)
                await store.note_span(
                    row["trial_id"],
                    agent="agent-2",
                    what=Activity.PEER,
                    started_at="2100-01-01T00:00:00+00:00",
                    seconds=7.5,
                )
            else:
                await trial.hear("agent-1", said("user", ISSUE))  # 7, and 2 of schemas
                await trial.call("agent-1", "agent-1", END, tokens(9, 1), 0.14, 0)
            for author in authors:
                await store.submit(row["trial_id"], author, "", reason="", salvaged=False)
            await store.finish_trial(row["trial_id"], "done", reason="finished", seconds=1)
        yield store, boards


async def team(boards: SqliteBoard, trial_id: int) -> None:
    """The tasks, and one proposal that was refused."""
    board = boards.of(trial_id)
    for kind in ("localize", "patch"):
        await board.queue.put(NewTask(kind=kind, text=".", label=f"{kind}-1"), by="")
    number = await board.context.propose(Proposal(
        kind="FACT", gist="a.py is wrong", summary=".", evidence=Span(path="a.py", quote="x"),
        author="agent-1", task="localize-1",
    ))  # fmt: skip
    await board.context.reject(number, reason="no", seconds=0)


async def parts(played: tuple[SqliteStore, SqliteBoard], system: str = "delm"):
    store, boards = played
    rows = await cost_rows(await store.read(), store, boards, words)
    assert all(tuple(row) == COLUMNS for row in rows)
    return {(row["part"], row["name"]): row for row in rows if row["system"] == system}


async def test_the_causes_of_prompt_tokens_are_those_that_a_hand_counts(played):
    found = await parts(played)
    # fresh, cached and cache-written tokens of the five prompts; those of `patch` count twice.
    # In the second call the 23 cached tokens are the opening. In the third 30 are cached: these, 6
    # of the first answer and 1 of the observation; 10 are written: 7 of it, 3 of the second answer.
    expected = {
        Cause.SCHEMAS: (2 + 4 + 4, 2 + 2, 0),
        Cause.SYSTEM: (4 + 8 + 8, 4 + 4, 0),
        Cause.ISSUE: (7 + 14 + 14, 7 + 7, 0),
        Cause.SHARED: (2 + 5 + 10 + 10, 2 + 2, 0),
        Cause.TASK: (8 + 12 + 12, 8 + 8, 0),
        Cause.ANSWERS: (6 + 2 + 8, 6, 3),
        Cause.OBSERVATIONS: (8 + 3 + 16, 1, 7),
    }
    for cause, (fresh, cached, written) in expected.items():
        row = found["prompt", cause]
        assert (row["fresh_tokens"], row["cached_tokens"], row["cache_write_tokens"]) == (
            fresh, cached, written,
        ), cause  # fmt: skip
        usd = 0.01 * fresh + 0.001 * cached + 0.0125 * written
        assert row["cost_usd"] == pytest.approx(usd), cause
        assert row["token_share"] == pytest.approx((fresh + cached + written) / 230), cause
    assert ("prompt", Cause.UNKNOWN) not in found


async def test_answers_are_shared_out_by_tool_and_talk(played):
    found = await parts(played)
    # of the first answer 4 are thoughts; its other 8 are 2 words of talk and 4 of bash
    expected = {"thoughts": (None, 4), "talk": (None, 3), "bash": (2, 5 + 8),
                "publish": (2, 10 + 3), "finish": (2, 4 + 3)}  # fmt: skip
    rows = {name: row for (part, name), row in found.items() if part == "output"}
    assert {name: (row["calls"], row["output_tokens"]) for name, row in rows.items()} == expected
    for name, (_, count) in expected.items():
        assert rows[name]["cost_usd"] == pytest.approx(0.05 * count)


async def test_kinds_sum_to_the_system_and_what_no_rate_explains_is_a_row(played):
    found = await parts(played)
    whole, other = found["system", "all"], found["other", "not attributed"]
    assert whole["cost_usd"] == pytest.approx(0.83 + 0.663 + 0.455 + 0.88 + 1.52)
    assert other["cost_usd"] == pytest.approx(0.5)
    kinds = {"localize": (1, 3, 110, 26, 1.948), "patch": (1, 2, 120, 14, 2.4)}
    for kind, expected in kinds.items():
        row = found["kind", kind]
        columns = ("conversations", "calls", "prompt_tokens", "output_tokens", "cost_usd")
        assert tuple(row[column] for column in columns) == pytest.approx(expected)
    assert (whole["conversations"], whole["calls"], whole["prompt_tokens"]) == (2, 5, 230)
    assert (whole["fresh_tokens"], whole["cached_tokens"], whole["cache_write_tokens"]) == (
        167, 53, 10,
    )  # fmt: skip
    explained = [row for (part, _), row in found.items() if part in {"prompt", "output", "other"}]
    assert sum(row["cost_usd"] for row in explained) == pytest.approx(whole["cost_usd"])
    assert sum(row["cost_share"] for row in explained) == pytest.approx(1)


async def test_activities_sum_to_the_system_and_a_refused_proposal_is_one_of_them(played):
    found = await parts(played)
    whole = found["system", "all"]
    mine = {name: row for (part, name), row in found.items() if part == "activity"}
    for column in ("prompt_tokens", "fresh_tokens", "output_tokens", "cost_usd"):
        assert sum(row[column] for row in mine.values()) == pytest.approx(whole[column]), column
    assert sum(row["count"] for row in mine.values()) == pytest.approx(whole["calls"])
    assert sum(row["cost_share"] for row in mine.values()) == pytest.approx(1)
    # one of the five turns publishes what is refused and nothing else
    assert mine["refused proposals"]["count"] == pytest.approx(1)
    assert set(mine) == {"search and read", "repeated", "coordinate", "refused proposals"}


async def test_the_costs_of_each_instance_sum_to_those_of_the_run(played):
    store, boards = played
    run = await store.read()
    rows = await cost_rows(run, store, boards, words)
    (instance,) = {trial["instance_id"] for trial in run.trials}
    assert await cost_rows(run, store, boards, words, [instance]) == rows
    assert await cost_rows(run, store, boards, words, ["another"]) == []


@pytest.mark.parametrize("stored", [True, False])
async def test_the_calls_of_a_conversation_alone_cost_what_they_cost_in_their_trial(played, stored):
    store, boards = played
    run = await store.read()
    if not stored:  # as by an older delm: schemas are what prompts have beyond their messages
        run = replace(run, calls=[{**call, "tools_sha256": None} for call in run.calls])
    reader = await trial_costs(run, store, boards, words)
    (trial,) = (each for each in run.trials if each["system"] == "delm")
    whole = (await reader.of(trial)).costs
    for name in ("localize-1", "patch-1"):
        alone = await reader.of_conversation(trial, name)
        assert alone == [cost for cost in whole if cost.row["conversation"] == name]
        assert alone
    assert await reader.of_conversation(trial, "nobody") == []


async def test_a_submission_is_compared_with_the_baseline_and_prefixes_are_told_apart(played):
    whole, single = (await parts(played))["system", "all"], await parts(played, "single")
    assert (whole["submissions"], whole["baseline"]) == (2, "single")
    assert whole["cost_per_submission_usd"] == pytest.approx(4.348 / 2)
    assert whole["ratio"] == pytest.approx(4.348 / 2 / 0.14)
    assert single["system", "all"]["ratio"] == 1
    patch = (await parts(played))["kind", "patch"]
    assert patch["ratio"] == pytest.approx(2.4 / 2 / 0.14)
    assert patch["cost_per_submission_usd"] == pytest.approx(1.2)
    # repeated 0, 26, 40, 24 and 54 tokens; of these, 23, 37 and 48 are what its own conversation
    # sent before
    assert whole["prefix_share"] == pytest.approx(144 / 230)
    assert whole["own_prefix_share"] == pytest.approx(108 / 230)
    assert whole["other_prefix_share"] == pytest.approx(36 / 230)


async def test_overheads_are_those_that_a_hand_counts(played):
    found = {name: row for (part, name), row in (await parts(played)).items() if part == "overhead"}
    row = found[Overhead.COORDINATING]  # publish; finish; publish and finish
    assert (row["count"], row["count_share"]) == (3, 0.6)
    assert (row["prompt_tokens"], row["output_tokens"]) == (37 + 50 + 72, 10 + 4 + 6)
    assert row["cost_usd"] == pytest.approx(0.663 + 0.455 + 1.52)
    assert (
        found["turns that only finish"]["count"],
        found["turns that only publish"]["count"],
    ) == (1, 1)
    assert found["turns that only finish"]["cost_usd"] == pytest.approx(0.455)
    refused = found["refused proposals"]
    assert (refused["count"], refused["output_tokens"]) == (1, 10)
    assert refused["cost_usd"] == pytest.approx(0.5)
    # two lines of 22 and 18 characters in an observation of 89, which has 16 tokens of one prompt
    lines = found["lines that another agent had read"]
    assert lines["count"] == 2
    assert lines["prompt_tokens"] == pytest.approx(16 * 40 / 89)
    assert lines["cost_usd"] == pytest.approx(0.16 * 40 / 89)
    assert found["lines read again after a restart"]["count"] == 0
    again = found["commands that another agent had run"]
    assert (again["count"], again["prompt_tokens"], again["output_tokens"]) == (1, 16, 8)
    assert again["cost_usd"] == pytest.approx(0.16 + 0.4)
    waiting = found[Overhead.WAITING]
    assert (waiting["seconds"], waiting["count"], waiting["cost_usd"]) == (7.5, None, None)


# -- calls by themselves -----------------------------------------------------------------------


def row(position: int, reply: Reply | None = LOOK, **more: Any) -> dict[str, Any]:
    plain = {
        "call_id": position, "trial_id": 1, "conversation": "patch-1", "agent": "agent-1",
        "position": position, "model": "m", "outcome": "ok" if reply else "failed",
        "cost_usd": 1.0, "prompt_tokens": 100, "cached_tokens": 0, "cache_write_tokens": 0,
        "completion_tokens": 10, "reasoning_tokens": 0, "repeated": 0.0, "tools_sha256": "t",
        "paid_call": None, "started_at": "2026-01-01T00:00:00+00:00", "ended": position,
        "reply": reply and {"content": reply.content,
                            "tool_calls": [asdict(call) for call in reply.tool_calls]},
    }  # fmt: skip
    return plain | more


def taken_apart(calls: list[dict[str, Any]], *messages: dict[str, Any], price: Price = PRICE):
    pricing = Pricing(prices={"m": price}, timed=False)
    return call_costs(calls, {"patch-1": messages}, {"t": 2}, pricing, words)


def by_cause(cost) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in cost.prompt:
        found[part.cause] = found.get(part.cause, 0) + part.tokens
    return found


def test_schemas_that_are_not_stored_are_what_the_prompt_has_beside_its_messages():
    opening, seen = said("user", "one two three four five"), said("tool", "six seven")
    calls = [row(0, END, prompt_tokens=20), row(1, END, prompt_tokens=30)]
    for call in calls:
        call["tools_sha256"] = None
    # the second prompt has 3 words of the answer and 2 more: 10 tokens, so a word is 2 tokens; the
    # first has 10 tokens of words, and 10 of something else
    first, second = taken_apart(calls, opening, as_message(END), seen, as_message(END))
    assert by_cause(first) == {Cause.SCHEMAS: 10, Cause.TASK: 10}
    assert by_cause(second) == {
        Cause.SCHEMAS: 10, Cause.TASK: 10, Cause.ANSWERS: 6, Cause.OBSERVATIONS: 4,
    }  # fmt: skip


def test_a_prompt_whose_messages_nobody_kept_is_not_told_apart():
    (cost,) = taken_apart([row(0, prompt_tokens=70)])
    assert by_cause(cost) == {Cause.UNKNOWN: 70}
    assert sum(part.tokens for part in cost.output) == 10


def test_a_failed_call_sent_what_the_next_one_sends_and_a_missing_answer_came_last():
    opening, seen = said("system", "a b c"), said("tool", "d e")
    calls = [row(0, None, prompt_tokens=0, completion_tokens=0), row(1), row(2, END)]
    failed, first, second = taken_apart(calls, opening, as_message(LOOK), seen)
    assert sum(by_cause(failed).values()) == 0
    assert (failed.usd, failed.other_usd) == (1.0, 1.0)
    assert set(by_cause(first)) == {Cause.SCHEMAS, Cause.SYSTEM}
    assert by_cause(second)[Cause.OBSERVATIONS] == 15  # 2 of 13 words, of 100 tokens


def test_a_conversation_may_begin_with_the_answers_of_another():
    opening = [said("system", "a b"), as_message(LOOK), said("tool", "c"), said("user", "d e")]
    calls = [row(0, TELL, repeated=0.9), row(1, END, repeated=0.9)]
    first, second = taken_apart(
        calls, *opening, as_message(TELL), said("tool", "f"), as_message(END)
    )
    assert len({part.message for part in first.prompt if part.message >= 0}) == 4
    assert len({part.message for part in second.prompt if part.message >= 0}) == 6
    assert by_cause(first)[Cause.OBSERVATIONS] + by_cause(first)[Cause.ANSWERS] > 0
    # of 13 words in 100 tokens it sent schemas and system text before: 4; then all but two messages
    assert first.own_tokens == 31
    assert second.own_tokens == sum(p.tokens for p in second.prompt if p.message < 4)


def test_lines_are_read_again_after_a_restart_and_what_is_served_again_costs_nothing():
    opening, seen = said("system", "a b"), said("tool", SOURCE)
    calls, messages = [], {}
    for at, (name, agent, served) in enumerate(
        (("patch-1", "agent-1", None), ("test-1", "agent-1", None), ("test-2", "agent-2", 7))
    ):
        messages[name] = [opening, as_message(LOOK), seen, as_message(END)]
        about = {"conversation": name, "agent": agent, "paid_call": served}
        calls += [row(10 * at, LOOK, **about), row(10 * at + 1, END, **about)]
    pricing = Pricing(prices={"m": PRICE}, timed=False)
    costs = call_costs(calls, messages, {"t": 0}, pricing, words)
    workers = {call["conversation"]: call["agent"] for call in calls}
    found = overheads(costs, messages, [], workers, 0.0).sums
    assert found[Overhead.READ_ANEW].count == 2
    assert found[Overhead.READ_ANEW].prompt_tokens == pytest.approx(50 * 40 / 89)
    assert found[Overhead.READ_BY_OTHER].count == 0
    assert found[Overhead.RUN_BY_OTHER].count == 0
    assert found[Overhead.FINISHING].count == 2


def test_what_the_same_conversation_shows_twice_is_not_counted():
    seen = said("tool", SOURCE)
    messages = [said("system", "a"), *[as_message(LOOK), seen] * 3, as_message(END)]
    calls = [*(row(at, LOOK) for at in range(3)), row(3, END)]
    costs = taken_apart(calls, *messages)
    found = overheads(costs, {"patch-1": messages}, [], {"patch-1": "agent-1"}, 0.0).sums
    again = (Overhead.READ_ANEW, Overhead.READ_BY_OTHER, Overhead.RUN_BY_OTHER)
    assert [found[name].count for name in again] == [0, 0, 0]


def test_unfolding_is_coordination_on_a_board_of_findings_and_reading_on_one_of_a_document():
    shown = answer("", ("unfold", {"label": "F1", "level": "raw"}))
    opening, text = said("system", "a"), said("tool", "<entry>\nF1\n\nRevenue was 252.\n</entry>")
    calls, messages = [], {}
    for at, agent in enumerate(("agent-1", "agent-2")):
        messages[agent] = [opening, as_message(shown), text, as_message(END)]
        about = {"conversation": agent, "agent": agent}
        calls += [row(10 * at, shown, **about), row(10 * at + 1, END, **about)]
    pricing = Pricing(prices={"m": PRICE}, timed=False)
    costs = call_costs(calls, messages, {"t": 0}, pricing, words)
    workers = {"agent-1": "agent-1", "agent-2": "agent-2"}
    part = {"evidence": Part(start=0, end=9, claims=1, refused=0), "settled": "admitted"}
    span = {"evidence": Span(path="a.py", quote="x"), "settled": "admitted"}
    for proposal, turns in ((span, 4), (part, 2)):
        found = overheads(costs, messages, [proposal], workers, 0.0).sums
        assert found[Overhead.COORDINATING].count == turns
        assert found[Overhead.READ_BY_OTHER].count == 1


def test_a_run_without_single_is_compared_with_agents_apart_or_with_one_agent():
    one, apart, team = (
        {"system": name, "submits": submits, "agents": agents}
        for name, submits, agents in (
            ("base", "one", 1),
            ("i", "independent", 2),
            ("d", "shared", 2),
        )
    )
    assert baseline_of([team, one, apart], "base") == "base"
    assert baseline_of([team, one, apart], "single") == "i"
    assert baseline_of([team, one], "single") == "base"
    assert baseline_of([team], "single") == ""


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("    12  return value_of_it", ["return value_of_it"]),
        ("src/a.py:12:    return value_of_it", ["return value_of_it"]),
        ("12:return value_of_it", ["return value_of_it"]),
        ("    return value_of_it", ["return value_of_it"]),
        ("<exit_status>0</exit_status>", []),
        ("x = 1", []),
    ],
)
def test_a_line_is_known_again_whatever_number_is_before_it(line, plain):
    assert list(lines_of(line)) == plain


def test_work_is_of_the_kind_of_its_task_and_else_has_its_conversations_name():
    def call(number: int, conversation: str, agent: str, second: int) -> dict[str, Any]:
        at = f"2026-01-01T00:00:{second:02}.000+00:00"
        return row(number, conversation=conversation, agent=agent, started_at=at)

    zero = datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp()
    kinds = ("localize", "patch", "why", "decide", "test")
    tasks = [{"label": f"{kind}-1", "kind": kind} for kind in kinds]
    claims = ((1, "agent-1", "localize-1"), (5, "agent-1", "patch-1"), (2, "agent-2", "why-1"),
              (1, "agent-2", "decide-1"), (6, "agent-1", "test-1"))  # fmt: skip
    events = [
        {"what": "claimed", "actor": actor, "subject": label, "at": zero + second}
        for second, actor, label in claims
    ]
    calls = [
        call(1, "localize-1", "agent-1", 1),
        call(2, "localize-1", "agent-1", 4),
        call(3, "localize-1", "agent-1", 5),  # it goes on with its patch where it is
        call(9, "localize-1", "agent-1", 6),  # the test that it claims has one of its own
        call(10, "test-1", "agent-1", 7),
        call(4, "why-1.2+", "agent-2", 3),
        call(5, "main", "main", 1),
        call(6, "sub-1.1", "sub-1", 1),
        call(7, "agent-12", "agent-12", 1),
        call(8, "gist-check-0123456789ab-1", "", 1),
        call(11, gist_check_name("patch-1", 2), "agent-1", 1),
    ]
    assert list(kinds_of(calls, tasks, events).values()) == [
        "localize", "localize", "patch", "patch", "test", "why", "main", "sub", "agent",
        "gist check", "gist check",
    ]  # fmt: skip


def test_what_a_command_prints_is_never_taken_for_the_shared_context():
    printed = f"<output>\n{ENTRY}\n</output>"
    assert [cause for cause, _ in message_parts(said("tool", printed), opening=False)] == [
        Cause.OBSERVATIONS
    ]
    parts = message_parts(said("tool", f"{printed}\n\n{ENTRY}\n"), opening=False)
    assert parts == [(Cause.OBSERVATIONS, f"{printed}\n\n"), (Cause.SHARED, f"{ENTRY}\n")]
    both = f"{printed}\n\n<verdicts>\nF1 is admitted\n</verdicts>\n{ENTRY}"
    first, news = message_parts(said("tool", both), opening=False)
    assert (first, news[0]) == ((Cause.OBSERVATIONS, f"{printed}\n\n"), Cause.SHARED)
    issue = f"<issue-2>\n<issue>\n{ENTRY}\n</issue-2>\nSolve it."
    assert [cause for cause, _ in message_parts(said("user", issue), opening=True)] == [
        Cause.ISSUE, Cause.ISSUE,
    ]  # fmt: skip


def test_a_tag_of_a_prompt_says_what_it_holds_or_belongs_to_what_is_around_it():
    folder = Path(__file__).parents[2] / "agents" / "prompts"
    texts = [path.read_text() for path in folder.glob("*.j2")]
    used = {tag for text in texts for tag in re.findall(r'enclosed\("([a-z_]+)"', text)}
    around = {
        "claims",
        "command",
        "context",
        "diff",
        "evidence",
        "failure",
        "finding",
        "gist",
        "heading",
        "report",
    }
    assert used - around <= set(Tag)  # a new tag of a prompt: which cause are its tokens of?


def test_a_tool_coordinates_or_works():
    working = {ToolName.BASH, ToolName.VIEW, ToolName.EDIT, ToolName.LOOK_UP, ToolName.REPORT,
               ToolName.GIST, ToolName.ANSWER, ToolName.CHECK, ToolName.APPLY}  # fmt: skip
    assert working | COORDINATING == set(ToolName)  # a new tool: is it in `COORDINATING`?
    assert not working & COORDINATING


@given(st.integers(0, 10**6), st.lists(st.floats(0, 1e6), min_size=1))
def test_what_is_shared_out_sums_to_the_whole_and_nothing_is_negative(total, weights):
    found = apportioned(total, weights)
    assert sum(found) == total
    assert len(found) == len(weights)
    assert min(found) >= 0


TEXTS = st.sampled_from(["", "a b", SOURCE, ENTRY, f"{SOURCE}\n\n{ENTRY}", ISSUE, "x " * 50])
REPLIES = st.sampled_from(
    [LOOK, LOOK_TOO, TELL, END, TELL_AND_END, answer("only talk"), answer("")]
)


@given(
    st.lists(
        st.tuples(REPLIES, TEXTS, st.integers(0, 5000), st.floats(0, 1), st.floats(0, 1),
                  st.integers(0, 500), st.floats(0, 1), st.floats(0, 9)),
        min_size=1, max_size=6,
    ),
    st.booleans(),
)  # fmt: skip
def test_the_parts_of_a_call_sum_to_what_the_ledger_says(turns, stored):
    calls, messages = [], [said("system", "a b c"), said("user", ISSUE)]
    for at, (reply, text, prompt, cached, written, completion, thoughts, usd) in enumerate(turns):
        cached_tokens = int(prompt * cached)
        calls.append(row(
            at, reply, prompt_tokens=prompt, cached_tokens=cached_tokens,
            cache_write_tokens=int((prompt - cached_tokens) * written),
            completion_tokens=completion, reasoning_tokens=int(completion * thoughts),
            cost_usd=usd, tools_sha256="t" if stored else None, repeated=cached,
        ))  # fmt: skip
        messages += [as_message(reply), said("tool" if reply.tool_calls else "user", text)]
    for call, cost in zip(calls, taken_apart(calls, *messages), strict=True):
        assert sum(part.tokens for part in cost.prompt) == call["prompt_tokens"]
        assert sum(part.cached for part in cost.prompt) == call["cached_tokens"]
        assert sum(part.written for part in cost.prompt) == call["cache_write_tokens"]
        assert all(min(part.fresh, part.cached, part.written) >= 0 for part in cost.prompt)
        assert sum(part.tokens for part in cost.output) == call["completion_tokens"]
        known = sum(part.usd for part in [*cost.prompt, *cost.output]) + cost.other_usd
        assert known == pytest.approx(call["cost_usd"])
        assert 0 <= cost.own_tokens <= call["prompt_tokens"]


async def test_without_a_price_there_are_tokens_and_no_dollars(played, tmp_path):
    await played[0].describe(prices={})
    found = await parts(played)
    assert found["other", "not attributed"]["cost_usd"] == pytest.approx(4.348)  # it was billed
    with closing(sqlite3.connect(tmp_path / "run.db")) as database, database:
        database.execute("UPDATE call SET cost_usd = NULL")
    found = await parts(played)
    assert {row["cost_usd"] for row in found.values()} == {None}
    assert found["prompt", Cause.ISSUE]["fresh_tokens"] == 35


def test_every_column_is_explained():
    text = (Path(__file__).parents[2] / "results" / "README.md").read_text()
    section = text.partition("## cost_breakdown.csv")[2].partition("\n## ")[0]
    for column in COLUMNS:
        assert f"`{column}`" in section
    for cause in Cause:
        assert str(cause) in section
