"""Traces: a tree that adds up to the ledger; what collectors read; no endpoint disturbs a run."""

import base64
import json
import sys
import time

import pytest
from console import QUESTIONS, query, refused
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from otlp_collector import (
    Collector,
    attributes,
    away,
    elsewhere,
    floods,
    hangs,
    nonsense,
    ok,
    refuses,
)
from planted import plant

from harness import secrets
from harness.config import Config, resolve
from harness.exports import otel_names as names
from harness.exports.otel import OtlpExporter
from harness.exports.otel_content import Content
from harness.exports.otel_endpoint import complaint, traces_address
from harness.exports.otel_file import trace_line
from harness.exports.otel_live import LiveTraces
from harness.exports.otel_spans import Span, trial_spans

pytestmark = pytest.mark.slow(seconds=20)
EVAL = ("eval", "-m", f"replay:{QUESTIONS}", "-s", "base", "-s", "delm-documents", "-i",
        "offline-1", "--run-id", "run", "-o", "out")  # fmt: skip
NOWHERE = "http://127.0.0.1:9"
WORDS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS")


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                 "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def rows(tmp_path):
    async with (await plant(tmp_path)).open(read_only=True) as store:
        yield await store.read()


def one(number: int = 1, **more) -> Span:
    given = {"name": "n", "kind": "internal", "attributes": {"a": "b"}, "parent": 0}
    return Span(trace=7, number=number, start_ns=1, end_ns=2, **(given | more))


async def test_a_trial_is_a_tree_whose_calls_add_up_to_the_ledger(rows):
    for trial in rows.trials:
        spans = trial_spans(rows, trial)
        if trial["started_at"] is None:
            assert spans == []
            continue
        root, *others = spans
        numbers = {span.number for span in spans}
        assert len(numbers) == len(spans)
        assert root.parent == 0
        assert {span.trace for span in spans} == {root.trace}
        assert all(span.parent in numbers for span in others)
        calls = [row for row in rows.calls if row["trial_id"] == trial["trial_id"]]
        sent = [row for row in calls if row["paid_call"] is None]
        chats = [s for s in spans if s.attributes.get(names.OPERATION) == names.CHAT]
        assert len(chats) == len(calls)
        for name, column in ((names.INPUT_TOKENS, "prompt_tokens"), (names.COST_USD, "cost_usd")):
            total = sum(span.attributes.get(name, 0) for span in chats)
            assert total == pytest.approx(sum(row[column] or 0 for row in sent))
        made = [row for row in rows.submissions if row["trial_id"] == trial["trial_id"]]
        assert [e.attributes[names.GRADE_LABEL] for e in root.events] == [
            row["outcome"] for row in made if row["outcome"] is not None
        ]


async def test_traces_of_trials_differ_and_another_export_has_the_same_ids(rows):
    begun = [trial for trial in rows.trials if trial["started_at"]]
    first = [trial_spans(rows, trial) for trial in begun]
    assert first == [trial_spans(rows, trial) for trial in begun]
    assert len({spans[0].trace for spans in first}) == len(begun) > 3


async def test_what_is_not_known_is_left_out_and_what_failed_says_so(rows):
    trial = next(t for t in rows.trials if t["started_at"])
    own = next(row for row in rows.calls if row["trial_id"] == trial["trial_id"])
    own |= {"cost_usd": None, "prompt_tokens": 0, "completion_tokens": 0, "outcome": "ok"}
    trial |= {"state": "error", "reason": "model: it said: SECRET WORDS"}
    spans = trial_spans(rows, trial)
    assert spans[0].error
    assert spans[0].attributes[names.REASON] == "model"
    chat = next(s for s in spans if s.attributes.get(names.OPERATION) == names.CHAT)
    assert not set(chat.attributes) & {names.COST_USD, names.INPUT_TOKENS}
    own |= {"outcome": "failed", "error": "ModelUnavailable: SECRET WORDS", "reply": None,
            "ended_at": None}  # fmt: skip
    chat = next(s for s in trial_spans(rows, trial) if s.error and s.parent != 0)
    assert chat.attributes[names.ERROR_TYPE] == "ModelUnavailable"
    assert "SECRET WORDS" not in repr(trial_spans(rows, trial))


def test_every_name_of_the_conventions_is_one():
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI")}
    operations = {each.value for each in gen_ai_attributes.GenAiOperationNameValues}
    ours = {
        value
        for name, value in vars(names).items()
        if isinstance(value, str) and value.startswith("gen_ai.")
    }
    assert ours - known == {names.COST_USD, names.GRADE}
    assert {names.WORKFLOW, names.INVOKE_AGENT, names.CHAT, names.EXECUTE_TOOL} <= operations


async def test_the_file_says_what_the_sdk_sends(rows):
    trial = next(row for row in rows.trials if row["started_at"])
    spans = trial_spans(rows, trial)
    with Collector() as collector:
        exporter = OtlpExporter(f"{collector.address}/v1/traces", "0.1")
        assert exporter.send(spans)
        (path, headers, _), received = collector.requests[0], collector.spans()
    assert path == "/v1/traces"
    assert headers["content-type"] == "application/x-protobuf"
    document = json.loads(trace_line(spans, "0.1"))
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in ("traceId", "spanId", "parentSpanId"):  # OTLP's JSON has them in hex
            if key in span:
                span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    (read,) = json_format.ParseDict(document, ExportTraceServiceRequest()).resource_spans
    written = list(read.scope_spans[0].spans)
    for each in (*written, *received):
        each.flags = 1  # the SDK adds that it knows whether the parent is remote
    assert written == received


@pytest.mark.parametrize("answer", [refuses, away, elsewhere, hangs, floods, nonsense, None])
def test_an_endpoint_that_refuses_lies_or_hangs_delays_nothing(answer, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=abcd-efgh-1234-5678-key")

    async def read(trial_id: int):
        return [one()]

    with Collector(answer or ok) as collector:
        where = collector.address if answer else NOWHERE
        live = LiveTraces(OtlpExporter(f"{where}/v1/traces", "0.1"), read)
        began = time.monotonic()
        for number in range(1000):
            live.ended(number)
        assert time.monotonic() - began < 0.5
        unsent = live.close(wait_s=0.5)
        assert time.monotonic() - began < 2
        assert {path for path, _, _ in collector.requests} <= {"/v1/traces"}  # no redirect
        if answer is floods:
            assert collector.flooded < 20e6 * len(collector.requests)
            assert unsent < 1000  # it said 200, and what comes behind that is nobody's matter
        else:
            assert unsent == 1000
    assert "abcd-efgh" not in secrets.redact("abcd-efgh-1234-5678-key")


def test_one_trial_that_is_refused_keeps_no_other_from_arriving():
    async def read(trial_id: int):
        return [one(trial_id, name=f"n{trial_id}")]

    def picky(handler, collector):
        (refuses if b"n2" in collector.requests[-1][2] else ok)(handler, collector)

    with Collector(picky) as collector:
        live = LiveTraces(OtlpExporter(f"{collector.address}/v1/traces", "0.1"), read)
        for number in (1, 2, 3, 4):
            live.ended(number)
        assert live.close(wait_s=5) == 1
        assert {span.name for span in collector.spans()} == {"n1", "n2", "n3", "n4"}


def test_much_is_sent_in_parts_and_no_secret_is(monkeypatch):
    secrets.learn("hunter2-hunter2-hunter2-XY99")
    many = [
        one(
            n,
            attributes={
                "a": "x" * 9000,
                "s": "hunter2-hunter2-hunter2-XY99",
                "l": ["hunter2-hunter2-hunter2-XY99"],
            },
        )
        for n in range(1, 601)
    ]
    with Collector() as collector:
        assert OtlpExporter(f"{collector.address}/v1/traces", "0.1").send(many)
        assert len(collector.spans()) == 600
        assert max(len(body) for *_, body in collector.requests) < 2e6
        assert "hunter2" not in collector.texts()
    assert "hunter2" not in trace_line(many, "0.1")


def test_a_run_sends_each_trial_when_it_ends_without_what_was_said(delm, place):
    with Collector() as collector:
        told = delm(*EVAL, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address,
                    OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abcdefgh12345678",
                    OTEL_RESOURCE_ATTRIBUTES="team=us", OTEL_SERVICE_NAME="mine")  # fmt: skip
        assert told.code == 0, told.text
        assert "traces" not in told.text
        spans = collector.spans()
        sent = {attributes(span)[names.WORKFLOW_NAME] for span in spans if not span.parent_span_id}
        assert sent == {"base", "delm-documents"}
        calls = query(place / "out/run", "SELECT count(*) AS n FROM call")[0]["n"]
        chats = [s for s in spans if attributes(s).get(names.OPERATION) == names.CHAT]
        assert len({span.span_id for span in chats}) == calls
        resource = {each.key: each.value.string_value
                    for each in collector.resources()[0].resource.attributes}  # fmt: skip
        assert (resource["service.name"], resource["team"]) == ("mine", "us")
        assert collector.requests[0][1]["authorization"] == "Bearer abcdefgh12345678"
        content = {names.INPUT, names.OUTPUT, names.SYSTEM_TEXT, names.TOOL_ARGUMENTS,
                   names.TOOL_RESULT, names.TOOLS}  # fmt: skip
        assert not content & {key for span in spans for key in attributes(span)}
        asked = "SELECT json_extract(reply, '$.content') AS said FROM call"
        said = [row["said"] for row in query(place / "out/run", asked) if row["said"]]
        assert said
        assert not [
            text for text in said if text.encode() in b"".join(b for *_, b in collector.requests)
        ]
    stored = (place / "out/run/run.db").read_bytes() + (place / "out/run/run.yaml").read_bytes()
    assert b"abcdefgh12345678" not in stored

    sent = place / "sent.jsonl"
    assert delm("export", "run", sent, "--format", "otlp", "-o", "out").code == 0
    again = json.loads(sent.read_text().splitlines()[0])
    number = again["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
    assert bytes.fromhex(number) in {span.trace_id for span in spans}
    with Collector() as collector:
        at = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        told = delm("export", "run", "--format", "otlp", "--content", "-s", "base", "-o", "out",
                    **at)  # fmt: skip
        assert "sent the traces of 1 trial to" in told.out, told.text
        given = [attributes(span) for span in collector.spans()]
        assert {each.get(names.WORKFLOW_NAME) for each in given} == {"base", None}
        assert any(names.OUTPUT in each for each in given)
        asked = next(each[names.INPUT] for each in given if names.INPUT in each)
        assert json.loads(asked)[0]["parts"][0]["type"] == "text"
        collector.answer = refuses
        refused(delm("export", "run", "--format", "otlp", "-o", "out", **at), "has not taken")
    refused(delm("export", "run", "--format", "otlp", "-o", "out"), "no endpoint is configured")
    refused(delm("export", "run", "--format", "atif", "-o", "out"), "needs a folder")


def test_a_run_without_the_package_or_with_an_endpoint_that_hangs_ends_as_any_other(
    delm, place, monkeypatch
):
    configured = ("-c", f"otel.endpoint={NOWHERE}")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "harness.exports.otel", None)
        told = delm(*EVAL, *configured)
        assert told.code == 0, told.text
        (note,) = [line for line in told.text.splitlines() if "traces" in line]
        assert "not installed: pip install 'delm-harness[otel]'" in note
        refused(delm("export", "run", "--format", "otlp", "-o", "out"), "not installed")
        assert delm("export", "run", "f", "--format", "otlp", "-o", "out").code == 0
    with Collector(hangs) as collector:
        began = time.monotonic()
        told = delm(*EVAL[:-4], "--run-id", "other", "-o", "out",
                    OTEL_EXPORTER_OTLP_ENDPOINT=collector.address)  # fmt: skip
        assert told.code == 0, told.text
        assert "the traces of 2 trials have not arrived at" in told.text.replace("\n", " ")
        assert time.monotonic() - began < 30
    words = "SELECT system, outcome FROM trial JOIN submission USING (trial_id) JOIN grade USING "
    words += "(submission_id) ORDER BY 1"
    assert query(place / "out/run", words) == query(place / "out/other", words)


def test_where_traces_go_is_said_by_the_configuration_or_by_the_usual_variables():
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1/"}
    assert traces_address("", {}) == ""
    assert traces_address("", base) == "http://a:1/v1/traces"
    assert traces_address("http://b", base) == "http://b/v1/traces"
    assert traces_address("http://b/v1/traces", base) == "http://b/v1/traces"
    whole = base | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}
    assert traces_address("", whole) == "http://c/x"
    for off in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert traces_address("http://b", base | off) == ""
    assert complaint("http://a:1/v1/traces", {}) == ""
    assert "grpc" in complaint("http://a", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    for wrong in ("localhost:4318", "ftp://a", "http://", "http://a:99999999/", "http://[::1"):
        assert "must begin with http" in complaint(wrong, {})


def test_where_traces_go_makes_no_other_run():
    def made(*layers: dict) -> Config:
        return resolve([{"model": {"name": "openai/gpt-5"}}, *layers])

    other = made({"otel": {"endpoint": "http://a", "content": True}},
                 {"model": {"callbacks": ["langfuse"]}})  # fmt: skip
    assert other.identity() == made().identity()


def test_long_texts_lose_their_middle_and_odd_messages_no_trace():
    messages = {"c": [
        {"role": "system", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "y" * 5_000_000}]},
        {"role": "assistant", "content": "x" * 5_000_000},
        {"role": "tool", "content": "z"},
    ]}  # fmt: skip
    from atif_rows import TRIAL, call

    row = call(0, "c", says="x" * 5_000_000, calls=[], model="p/m") | {
        "trial_id": 1, "paid_call": None, "tools_sha256": None,
    }  # fmt: skip
    trial = TRIAL | {"finished_at": None}
    facts = type("Rows", (), {"facts": {"id": "r"}, "calls": [row], "spans": [],
                              "submissions": []})  # fmt: skip
    spans = trial_spans(facts, trial, Content(messages=messages, tools={}))
    chat = spans[-1].attributes
    assert len(chat[names.OUTPUT]) < 30_000
    assert "characters left out" in chat[names.OUTPUT]
    assert len(chat[names.INPUT]) < 30_000
