"""Recordings: what was recorded is replayed, and what is wrong with a file is one line."""

import json
from dataclasses import replace

import anyio
import pytest
from model_bench import BASH, PRICE, SETTINGS, MemoryLedger, bench, unlimited

from harness.errors import ContextOverflow, LimitReached, ModelRefused, ModelUnavailable, UserError
from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_accounting import Speaker
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient
from harness.model.conversation import start_conversation
from harness.model.litellm_backend import LitellmBackend
from harness.model.prompt_hash import prompt_hash
from harness.model.replay import (
    Header,
    RecordedCall,
    ReplayBackend,
    backend_for,
    load_recording,
    write_recording,
)
from harness.model.run_clock import RunClock
from harness.model.trial_calls import TrialCalls
from harness.types import Reply, ToolCall, Usage

HEADER = Header(model="openai/scripted", dataset="demo", created="2026-01-02T03:04:05Z", note="n")
PROMPT = [{"role": "user", "content": "Run the tests."}]


def key(position: int = 0, **changes) -> CallKey:
    whole = {"system": "delm", "instance_id": "a__b-1", "trial": 0, "conversation": "agent-1"}
    return CallKey(**whole | changes, position=position)


def recorded(call_key: CallKey, content: str = "x", error: str = "") -> RecordedCall:
    return RecordedCall(
        key=call_key,
        prompt_sha256=prompt_hash(PROMPT, []),
        reply=Reply(
            content=content,
            tool_calls=(ToolCall(id="c1", name="bash", arguments='{"command": "ls'),),
            usage=Usage(prompt_tokens=100, cached_tokens=60, completion_tokens=5),
            finish_reason="tool_calls",
        ),
        latency_s=1.5,
        error=error,
    )


async def ask(backend, call_key: CallKey, messages=PROMPT) -> Reply:
    return await backend.attempt(call_key, messages, [], max_output_tokens=10, timeout_s=1)


@pytest.mark.anyio
async def test_what_was_written_is_replayed_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    strange = 'é\u2028"\ud7ff\n'  # a line separator that is no end of a line in JSON Lines
    calls = [recorded(key(0), strange), recorded(key(1)), recorded(key(0, system="single"))]
    write_recording(path, HEADER, calls)
    recording = load_recording(path)
    assert recording.header == HEADER
    assert list(recording.calls.values()) == calls
    assert recording.keys() == [("delm", "a__b-1"), ("single", "a__b-1")]
    warnings: list[str] = []
    backend = ReplayBackend(recording, warnings.append)
    assert await ask(backend, key(0)) == calls[0].reply
    assert await ask(backend, key(1)) == calls[1].reply
    assert warnings == []
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.anyio
@pytest.mark.parametrize("text_protocol", [False, True])
async def test_a_live_conversation_is_replayed_call_by_call_at_the_same_cost(
    tmp_path, monkeypatch, text_protocol
):
    monkeypatch.setenv("SCRIPTED_API_KEY", "sk-0123456789")
    said = [{"content": "```bash\npytest\n```\nok"}, {"content": "Done."}]
    usage = {"prompt_tokens": 90, "completion_tokens": 9, "total_tokens": 99}

    async def talk(model, seconds: str) -> list[Reply]:
        first = await model.complete(PROMPT, [BASH])
        observed = {"role": "user", "content": f"5 passed in {seconds}s"}
        answered = {"role": "assistant", "content": first.content}
        return [first, await model.complete([*PROMPT, answered, observed], [BASH])]

    async with bench([a | {"usage": usage} for a in said], text_protocol=text_protocol) as live:
        replies = await talk(live.talk(), "0.52")
    assert bool(replies[0].tool_calls) == text_protocol
    write_recording(
        tmp_path / "run.jsonl",
        HEADER,
        [
            RecordedCall(
                key=key(row["position"], system="single"),
                prompt_sha256=row["prompt_sha256"],
                reply=row["reply"],
                latency_s=row["latency_s"],
            )
            for row in live.ledger.rows
        ],
    )
    ledger = MemoryLedger()
    client = ModelClient(
        ReplayBackend(load_recording(tmp_path / "run.jsonl"), pytest.fail),
        "openai/scripted",
        price=PRICE,
        ledger=ledger,
        limit=CallLimit(1),
        **SETTINGS,
        text_protocol=text_protocol,
    )
    again = replace(live, client=client, budget=TrialBudget(unlimited())).talk()
    assert await talk(again, "3.1") == replies
    for row, recorded_row in zip(ledger.rows, live.ledger.rows, strict=True):
        for column in ("prompt_sha256", "cost_usd", "usage", "outcome", "position"):
            assert row[column] == recorded_row[column]


@pytest.mark.anyio
async def test_another_prompt_is_told_once_and_answered_all_the_same(tmp_path):
    path = tmp_path / "run.jsonl"
    write_recording(path, HEADER, [recorded(key(n)) for n in range(3)])
    warnings: list[str] = []
    backend = ReplayBackend(load_recording(path), warnings.append)
    await ask(backend, key(0))
    for n in (1, 2):
        await ask(backend, key(n), [{"role": "user", "content": "Something else."}])
    assert len(warnings) == 1
    assert "call 2 of agent-1 (delm on a__b-1, trial #1)" in warnings[0]
    assert "\n" not in warnings[0]
    assert backend.mismatches == 2


@pytest.mark.anyio
async def test_a_call_that_was_never_recorded_is_refused_by_name(tmp_path):
    path = tmp_path / "run.jsonl"
    write_recording(path, HEADER, [recorded(key(0))])
    backend = ReplayBackend(load_recording(path), pytest.fail)
    for other in (key(1), key(0, trial=1), key(0, conversation="agent-2"), key(0, system="single")):
        with pytest.raises(ModelRefused, match="the recording holds no call"):
            await ask(backend, other)


@pytest.mark.anyio
async def test_a_call_that_failed_in_the_recording_fails_the_same_way(tmp_path):
    path = tmp_path / "run.jsonl"
    errors = {
        0: ("ContextOverflow: too long", ContextOverflow),
        1: ("ModelRefused: no", ModelRefused),
        2: ("SomethingElse: bad: day", ModelUnavailable),
    }
    write_recording(path, HEADER, [recorded(key(n), error=e) for n, (e, _) in errors.items()])
    backend = ReplayBackend(load_recording(path), pytest.fail)
    for n, (text, kind) in errors.items():
        with pytest.raises(kind, match=text.partition(": ")[2]):
            await ask(backend, key(n))


def replaying(path, calls) -> tuple[ModelClient, MemoryLedger]:
    """A client that answers from a recording of `calls`, and its ledger."""
    write_recording(path, HEADER, calls)
    ledger = MemoryLedger()
    client = ModelClient(
        ReplayBackend(load_recording(path), pytest.fail),
        "openai/scripted",
        price=PRICE,
        ledger=ledger,
        limit=CallLimit(1),
        **SETTINGS,
    )
    return client, ledger


def speaker(client: ModelClient, agent: str, budget: TrialBudget):
    return start_conversation(
        client, 7, system="delm", instance_id="a__b-1", trial=0, conversation=agent, agent=agent,
        budget=budget, trial_calls=TrialCalls(),
    )  # fmt: skip


FIRST = replace(recorded(key(conversation="a")), began=1, ended=2)
SECOND = replace(recorded(key(conversation="b")), began=3, ended=4)


@pytest.mark.anyio
async def test_waiting_for_a_recorded_turn_is_no_time_of_the_model_and_takes_no_slot(tmp_path):
    client, ledger = replaying(tmp_path / "run.jsonl", [FIRST, SECOND])
    budget = TrialBudget(unlimited())
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speaker(client, "b", budget).complete, PROMPT, [])
            await anyio.sleep(0.2)
            tasks.start_soon(speaker(client, "a", budget).complete, PROMPT, [])
    (span,) = ledger.spans
    assert all(row["latency_s"] < span["seconds"] / 2 for row in ledger.rows)
    assert (span["trial_id"], span["agent"], span["what"]) == (7, "b", "turn")
    assert 0.15 < span["seconds"] < 2


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_in_its_recorded_turn_has_a_cost_and_its_wait_is_kept(
    tmp_path,
):
    client, ledger = replaying(tmp_path / "run.jsonl", [FIRST, SECOND])
    budget = TrialBudget(unlimited())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speaker(client, "b", budget).complete, PROMPT, [])
        while not ledger.rows:
            await anyio.sleep(0.005)
        await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    (row,) = ledger.rows
    assert row["outcome"] == "cancelled"
    assert row["cost_usd"] == row["charged_usd"] > 0
    assert [span["what"] for span in ledger.spans] == ["turn"]


@pytest.mark.anyio
async def test_a_call_that_was_never_made_waits_for_no_turn(tmp_path):
    client, ledger = replaying(tmp_path / "run.jsonl", [FIRST, SECOND])
    clock = iter([0.0, 0.0, 0.0])
    budget = TrialBudget(unlimited(wall_clock_s=60), clock=RunClock(lambda: next(clock, 61.0)))
    request = client.request(key(conversation="b"), PROMPT, [])
    who, calls = Speaker(7, "b"), TrialCalls()
    tally = await client.begin(request, who, budget, calls)
    with anyio.fail_after(5), pytest.raises(LimitReached):
        await client.call(request, tally, who, budget, calls)
    assert (ledger.rows[0]["attempts"], ledger.spans) == (0, [])


def write(path, *lines) -> None:
    path.write_text(
        "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    )


HEAD = HEADER.model_dump()
LINE = {
    "system": "s", "instance_id": "i", "trial": 0, "conversation": "c", "position": 0,
    "prompt_sha256": "0", "content": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "the recording is empty"),
        (["\n\n"], "the recording is empty"),
        (["not json\n"], "line 1 is no recording header"),
        ([HEAD | {"format": "other-2"}], "line 1 is no recording header: format"),
        ([{"model": "x"}], "line 1 is no recording header: dataset"),
        ([HEAD, LINE, '{"system": "s", "inst'], "line 3 is no recorded call"),
        ([HEAD, LINE | {"surprise": 1}], "line 2 is no recorded call: surprise"),
        ([HEAD, LINE | {"position": "first"}], "line 2 is no recorded call: position"),
        ([HEAD, LINE, LINE], "line 3 records a call that an earlier line records"),
    ],
)
def test_a_broken_recording_is_one_line_that_says_where(tmp_path, lines, complaint):
    path = tmp_path / "broken.jsonl"
    write(path, *lines)
    with pytest.raises(UserError, match=complaint) as caught:
        load_recording(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, complaint in (
        (tmp_path / "missing", "No such file"),
        (tmp_path, "directory"),
        (binary, "UTF-8"),
    ):
        with pytest.raises(UserError, match=complaint):
            load_recording(path)


def test_a_write_that_fails_leaves_the_old_recording(tmp_path):
    path = tmp_path / "run.jsonl"
    write_recording(path, HEADER, [recorded(key(0))])
    before = path.read_bytes()

    def calls():
        yield recorded(key(1))
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_recording(path, HEADER, calls())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_replay_is_priced_as_the_model_that_was_recorded(tmp_path):
    path = tmp_path / "run.jsonl"
    write_recording(path, HEADER, [])
    backend, priced_as = backend_for(f"replay:{path}")
    assert isinstance(backend, ReplayBackend)
    assert priced_as == "openai/scripted"
    backend, priced_as = backend_for("openai/gpt-5-mini")
    assert isinstance(backend, LitellmBackend)
    assert priced_as == "openai/gpt-5-mini"
    anyio.run(backend.aclose)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("=== 5 passed in 0.52s ===", "=== 5 passed in 12.3s ==="),
        ("Ran 3 tests in 0.001 seconds", "Ran 3 tests in 4 seconds"),
        ("took 3 ms\n", "took 15 ms\n"),
        ("<Foo object at 0x7f1a1ff9d840>", "<Foo object at 0x7f1a24256c40>"),
        ("at 2026-11-21T10:26:05.123Z", "at 2025-01-02T03:04:05.9Z"),
        ("on 2026-11-21 10:26", "on 2025-01-02 03:04"),
        ("Date: Sat, 21 Nov 2026 10:26:05 GMT", "Date: Mon, 02 Feb 2025 01:02:03 GMT"),
        ("-rw-r--r-- 1 root root 5 Nov 21 10:20 a", "-rw-r--r-- 1 root root 5 Jan  2 03:04 a"),
        ("cd /tmp/tmpab12_xyz/x", "cd /tmp/tmpq9w8e7rt/x"),
        ("cd /tmp/tmp.Ab3dE6gH1j", "cd /tmp/tmp.ZZ3dE6gH1k"),
        ("/tmp/pytest-of-root/pytest-3/a0", "/tmp/pytest-of-me/pytest-12/a0"),
    ],
)
@pytest.mark.parametrize("padding", ["", "\n" + "long " * 100])
def test_what_changes_from_run_to_run_does_not_change_the_hash(one, other, padding):
    def hashed(text: str) -> str:
        part = {"type": "text", "text": text + padding}
        return prompt_hash([{"role": "tool", "content": [part]}], [])

    assert hashed(one) == hashed(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 passed in 0.52s", "4 passed in 0.52s"),
        ("line 12: x = 3", "line 13: x = 3"),
        ("a", "a "),
        ("0x10", "0x11"),
        ("version 1.2.3", "version 1.2.4"),
    ],
)
def test_what_says_something_else_has_another_hash(one, other):
    assert prompt_hash([{"content": one}], []) != prompt_hash([{"content": other}], [])
    one, other = (text + " long" * 100 for text in (one, other))
    assert prompt_hash([{"content": one}], []) != prompt_hash([{"content": other}], [])


def test_tools_roles_and_order_are_part_of_the_hash_and_key_order_is_not():
    a, b = {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
    hashes = {
        prompt_hash([a, b], []),
        prompt_hash([b, a], []),
        prompt_hash([a, b], [{"name": "bash"}]),
        prompt_hash([a | {"role": "system"}, b], []),
    }
    assert len(hashes) == 4
    assert prompt_hash([{"content": "a", "role": "user"}, b], []) == prompt_hash((a, b), ())
    prompt_hash([{"content": "lone \ud800 surrogate"}], [])
