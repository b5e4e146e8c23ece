"""`scripts/switch_costs.py`: figures that were computed by hand, and a run that is read."""

import json
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from harness.board.evidence import Patch, Span
from harness.board.protocols import NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import gist_check_name
from harness.model.prices import Price
from harness.model.token_count import count
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Reply, ToolCall, Usage

SCRIPTS = Path(__file__).parents[2] / "scripts"
FACT = ("publish", {"kind": "FACT", "gist": "a.py is wrong"})
PATCH = ("publish", {"kind": "PATCH", "gist": "a.py is right", "finish": "true"})
DIFF = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
PRICE = Price(
    input=10, cached_input=1, cache_write=10, output=100, context_tokens=0, max_output_tokens=0,
    supports_tools=True, source="test",
)  # fmt: skip
BASH, EDIT, UNFOLD = ("bash", {}), ("edit", {}), ("unfold", {"label": "P2"})
SAME = ("finish", {"summary": "it is right", "same": "P2"})


@pytest.fixture
def costs(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import switch_costs

    return switch_costs


@pytest.fixture
def arithmetic(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import switch_arithmetic

    return switch_arithmetic


@pytest.fixture
def rates(arithmetic):
    return arithmetic.Rates(fresh=10, cached=1, output=100)


@pytest.fixture
def trial(arithmetic, rates):
    """A scout with a FACT in its second and a PATCH in its third answer, and a seat that takes
    the PATCH over."""

    def call(prompt, cached, output, *tools, **more):
        usd = rates.usd(fresh=prompt - cached, cached=cached, output=output)
        return arithmetic.Call(
            prompt=prompt, cached=cached, output=output, usd=usd, tools=tools, **more
        )

    scout = arithmetic.Conversation(
        kind="localize",
        calls=[
            call(100, 0, 5, BASH, brought=60, telling=1),  # 1,500
            call(165, 100, 20, FACT, EDIT, read=60, brought=10, telling=8),  # 2,750
            call(195, 165, 7, PATCH, read=70, brought=3),  # 1,165
        ],
        admitted=frozenset({"a.py is wrong", "a.py is right"}),
    )
    seat = arithmetic.Conversation(
        kind="patch",
        calls=[call(150, 80, 4, BASH), call(174, 150, 6, SAME)],  # 1,180 and 990
        opens_with_patch=True,
        diff=30,
    )
    return arithmetic.PlayedTrial(
        agents=2,
        submissions=2,
        candidates=1,
        conversations=[scout, seat],
        gist_checks=[call(50, 0, 2)],  # 700
    )


def of(trial, number, **changes):
    """The trial with one of its conversations changed."""
    talks = list(trial.conversations)
    talks[number] = replace(talks[number], **changes)
    return replace(trial, conversations=talks)


def with_answer(trial, number, at, *tools):
    """The trial with the tools of one answer changed."""
    calls = list(trial.conversations[number].calls)
    calls[at] = replace(calls[at], tools=tools)
    return of(trial, number, calls=calls)


def test_a_task_that_an_admitted_patch_ended_has_one_more_call(arithmetic, trial, rates):
    # 7 + 3 tokens fresh, 195 cached, 40 of output
    assert arithmetic.patch_goes_on(trial, rates) == 100 + 195 + 4_000
    refused = of(trial, 0, admitted=frozenset({"a.py is wrong"}))
    told = with_answer(trial, 0, 2, PATCH, ("finish", {"summary": "done"}))
    assert arithmetic.patch_goes_on(refused, rates) == arithmetic.patch_goes_on(told, rates) == 0


def test_without_the_gist_check_its_calls_are_not_sent(arithmetic, trial):
    assert arithmetic.without_gist_check(trial) == -700


def test_a_diff_that_is_not_shown_is_unfolded_in_a_turn_more(arithmetic, trial, rates):
    # 40 tokens of output, which are fresh once and cached once; an opening of 120 without the diff
    assert arithmetic.without_diffs(trial, rates) == 4_000 + 400 + 40 + 120
    unfolds = with_answer(trial, 1, 0, BASH, UNFOLD)
    own = with_answer(trial, 1, 1, PATCH)
    none = of(trial, 1, diff=0)
    assert not any(arithmetic.without_diffs(each, rates) for each in (unfolds, own, none))


def test_without_a_head_start_a_seat_looks_once_more(arithmetic, trial, rates):
    assert arithmetic.without_head_start(trial, rates, 500) == 500
    assert arithmetic.without_head_start(trial, rates, None) == 1_180 - 30 * 10
    assert arithmetic.without_head_start(of(trial, 1, opens_with_patch=False), rates, 500) == 0


def test_without_carrying_the_scouts_seat_reads_again(arithmetic, trial, rates):
    # looks again: 40 fresh, 80 cached, 5 of output; then what it had read: 65 fresh, 120 cached;
    # the last call sends 185 tokens in the place of 165
    assert arithmetic.without_carrying(trial, rates) == (400 + 80 + 500) + (650 + 120) + 20
    told_only = with_answer(trial, 0, 1, FACT)
    # the third call is the one that reads again, with what stood in the place of its 165
    assert arithmetic.without_carrying(told_only, rates) == (400 + 80 + 500) + (650 + 120) - 165
    assert arithmetic.without_carrying(of(trial, 0, admitted=frozenset()), rates) == 0


def test_every_other_agent_localizes_up_to_the_first_fact(arithmetic, trial, rates):
    # 12 of the 20 tokens of the answer with the FACT are changes
    assert arithmetic.with_more_scouts(trial, rates) == 1_500 + 2_750 - 1_200
    assert arithmetic.with_more_scouts(replace(trial, agents=4), rates) == 3 * 3_050


def test_without_a_scout_each_seat_costs_what_the_scout_did(arithmetic, trial):
    assert arithmetic.without_scout(trial) == 5_415 - 2_170


def test_the_table_has_a_row_for_each_switch_and_says_what_is_not_known(costs, trial, rates):
    systems = {path.stem for path in costs.SYSTEMS.glob("delm-*.yaml")}
    rows = list(costs.rows([trial], [], rates))
    named = {row.switch for row in rows}
    assert systems - named == {
        "delm-n2", "delm-floor", "delm-pipeline", "delm-ship",  # more than one switch
        *(name for name in systems if name.startswith("delm-documents")),
    }  # fmt: skip
    assert {row.switch for row in rows if row.usd is None} == {
        "delm-no-sharing", "delm-no-verification", "delm-threads",
    }  # fmt: skip
    lines = {
        line.split("|")[1].strip(" `"): line for line in costs.table(rows, [trial], timed=True)
    }
    assert "| agents do not see each other's findings | ? |" in lines["delm-no-sharing"]
    # a trial of 8,285 dollars with two submissions
    assert "| -350.0000 | -8.4 % |" in lines["delm-no-gist-check"]
    assert "| ≤ +2147.5000 | +51.8 % |" in lines["delm-patch-goes-on"]


def test_what_had_an_occasion_on_the_board_is_not_known(costs, trial, rates):
    busy = replace(trial, candidates=2, refused=1, equal=1, news=3, early=True)
    unknown = {row.switch for row in costs.rows([busy], [], rates) if row.usd is None}
    assert unknown >= {
        "delm-no-cross-checks", "delm-no-binding", "delm-no-merging", "delm-dispatch",
        "delm-no-early-release",
    }  # fmt: skip


# -- reading -------------------------------------------------------------------------------------


async def write_call(store, trial_id, conversation, position, usage, *tools):
    """A call of the ledger, and its answer in the conversation."""
    made = tuple(
        ToolCall(id=f"{n}", name=name, arguments=json.dumps(given))
        for n, (name, given) in enumerate(tools)
    )
    call = await store.begin_call(NewCall(
        trial_id=trial_id, conversation=conversation, agent="agent", position=position, model="m",
        prompt_sha256="", repeated=0, reserved_usd=None, moment=position + 1, tools="[]",
    ))  # fmt: skip
    fresh = usage.prompt_tokens - usage.cached_tokens
    await store.end_call(call, EndedCall(
        outcome="ok", reply=Reply(content="", tool_calls=made), usage=usage,
        cost_usd=fresh * 10 + usage.cached_tokens + usage.completion_tokens * 100, latency_s=0,
        attempts=1, error="", moment=position + 2,
    ))  # fmt: skip
    calls = [{"id": t.id, "function": {"name": t.name, "arguments": t.arguments}} for t in made]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    seen = [{"role": "tool", "tool_call_id": t.id, "content": "it is seen"} for t in made]
    await store.say(trial_id, conversation, [message, *seen])


async def write_board(boards, trial_id):
    """The tasks of two seats, and a FACT and a PATCH of the scout."""
    board = boards.of(trial_id)
    for label in ("localize-1", "patch-1", "patch-2"):
        kind = label.partition("-")[0]
        await board.queue.put(NewTask(kind=kind, text=".", label=label), by="")
    for kind, gist, evidence in (
        ("FACT", "a.py is  wrong", Span(path="a.py", quote="x = 1")),
        ("PATCH", "a.py is right", Patch(diff=DIFF, command="python a.py")),
    ):
        number = await board.context.propose(Proposal(
            kind=kind, gist=gist, summary=".", evidence=evidence, author="agent-1",
            task="localize-1",
        ))  # fmt: skip
        await board.context.admit(number, key=gist, raw="", seconds=3)


@pytest.fixture
async def folder(tmp_path):
    path = tmp_path / "r" / "run.db"
    path.parent.mkdir()
    with closing(SqliteStore(path)) as store, closing(SqliteBoard(path)) as boards:
        await store.describe(prices={"m": asdict(PRICE)}, replay=True, model="m")
        instance = {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}
        trial = {"system": "delm", "instance_id": "a__a-1", "number": 0, "agents": 2, "wanted": 2,
                 "submits": "shared"}  # fmt: skip
        await store.plan([instance], [trial])
        row = await store.claim_trial()
        key = row["trial_id"]
        await write_board(boards, key)
        await store.say(key, "localize-1", [{"role": "user", "content": "<task>\nfind\n</task>"}])
        used = Usage(prompt_tokens=100, completion_tokens=5)
        await write_call(store, key, "localize-1", 0, used, BASH)
        used = Usage(prompt_tokens=165, cached_tokens=100, completion_tokens=20)
        await write_call(store, key, "localize-1", 1, used, FACT, EDIT, PATCH)
        used = Usage(prompt_tokens=50, completion_tokens=2)
        await write_call(store, key, gist_check_name("localize-1", 1), 0, used)
        shown = f"<shared_context>\nP2 PATCH (localize-1): a.py is right\n{DIFF}</shared_context>"
        await store.say(key, "patch-2", [{"role": "user", "content": f"{shown}\n\nmend it"}])
        used = Usage(prompt_tokens=150, cached_tokens=80, completion_tokens=4)
        await write_call(store, key, "patch-2", 0, used, SAME)
        await store.submit(key, "patch-1", DIFF, reason="", salvaged=False)
        await store.submit(key, "patch-2", DIFF, reason="", salvaged=False, copy_of="P2")
        await store.finish_trial(key, "done", reason="finished", seconds=1)
    return tmp_path


async def test_a_run_is_read_as_its_calls_and_its_board_say(arithmetic, folder):
    from switch_trials import read_trials

    read = await read_trials("r", folder)
    [trial] = read.trials
    scout, seat = trial.conversations
    assert (trial.agents, trial.submissions, trial.candidates) == (2, 2, 1)
    assert (read.rates.fresh, read.timed, trial.checked_s) == (10, False, 3)
    assert trial.usd == 1_500 + 2_750 + 700 + 1_180
    assert [call.usd for call in trial.gist_checks] == [700]
    assert (scout.kind, scout.finding(), scout.ends_by_patch()) == ("localize", 1, True)
    assert scout.calls[0].brought == count("it is seen")
    assert scout.calls[1].brought == 3 * count("it is seen")
    assert 0 < scout.calls[1].read < 65
    assert 0 < scout.calls[1].telling < 20
    assert seat.opens_with_patch
    assert seat.takes_over()
    assert seat.diff == count(DIFF)
