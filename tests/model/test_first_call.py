"""The one small call before a run, and what a run does when its model goes away: mostly in this
process."""

import json

import pytest
import yaml
from console import DATASET, FINISH, FLASK, bundled, query, recording, refused, turns
from doctor_lines import NO_DOCKER, lines
from scripted_model import Hang, Raw, ScriptedModel, Status

pytestmark = pytest.mark.slow(seconds=14)

KEY = "sk-scripted-0123456789"
WORDS = ("eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK, "--yes",
         "-w", "1", "--run-id", "x", "-c", "grading.guard=false")  # fmt: skip
NOWHERE = "http://127.0.0.1:9/v1"


def served(address: str) -> dict[str, str]:
    return {"OPENAI_API_BASE": address, "OPENAI_API_KEY": KEY}


def facts(run) -> dict:
    rows = query(run, "SELECT key, value FROM run")
    return {row["key"]: json.loads(row["value"]) for row in rows}


def test_a_run_says_where_its_calls_go_asks_once_and_counts_what_that_costs(delm, place):
    bundled(FLASK)
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    with ScriptedModel(lambda request, n: FINISH, first={"content": "y", "usage": usage}) as server:
        told = delm(*WORDS, **served(server.base_url))
        assert told.code == 0, told.text
        (asked,) = server.first_calls
        assert [tool["type"] for tool in asked["tools"]] == ["function"], "as the run will ask"
        assert asked["max_tokens"] == 16384
        address = server.base_url
        said = f"its calls go to {address} (OPENAI_API_BASE), with the key in OPENAI_API_KEY\n"
        assert said in told.out
        assert "openai/scripted answers, " in told.out
        assert "s, $0.000800\n" in told.out  # at $0.5 and $3 a million
        again = delm(*WORDS, **served(server.base_url))
        assert again.code == 0, again.text
        assert len(server.first_calls) == 1, "a run that is done asks nothing"
    run = place / "results/x"
    (made,) = facts(run)["first_calls"]
    assert made["cost_usd"] == pytest.approx(0.0008)
    assert made["endpoint"].startswith(address)
    (money,) = query(run, "SELECT spent FROM money")
    (calls,) = query(run, "SELECT sum(cost_usd) AS usd FROM call")
    assert money["spent"] == pytest.approx(calls["usd"] + 0.0008)
    assert KEY not in (run / "run.db").read_bytes().decode("latin-1")


def test_a_limit_below_one_call_is_refused_before_anything_is_asked(delm):
    bundled(FLASK)
    with ScriptedModel(lambda request, n: FINISH) as server:
        told = delm(*WORDS, "--cost-limit", "0.02", **served(server.base_url))
        assert not server.first_calls
    refused(told, "the limit of $0.02 a submission", "does not pay for one call (worst case $0.05")
    assert "16384 output tokens × $3/M" in told.text


def test_a_first_answer_that_calls_what_was_not_offered_is_noted(delm):
    bundled(FLASK)
    first = {"tool_calls": [{"name": "browse", "arguments": {}}]}
    with ScriptedModel(lambda request, n: FINISH, first=first) as server:
        told = delm(*WORDS, **served(server.base_url))
    assert told.code == 0, told.text
    assert "note: its answer calls a tool that was not offered ('browse')" in told.out


def test_a_replay_makes_no_first_call(delm, place):
    bundled(FLASK)
    recording(place / "answers.jsonl", [[FINISH]])
    told = delm("eval", "-m", "replay:answers.jsonl", "-d", DATASET, "--run-id", "x")
    assert told.code == 0, told.text
    assert "asking" not in told.out
    assert "first_calls" not in facts(place / "results/x")


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (Status(402, "Insufficient Balance"), ["refuses every call", "Insufficient Balance"]),
        (Status(404, "no page"), ["refuses every call", "asked at http://127.0.0.1"]),
        (
            Raw(b'{"message": "\\"auto\\" tool choice requires --enable-auto-tool-choice"}', 400),
            ["model.tools=text"],
        ),
        (
            Status(400, "maximum context length is 8192 tokens, you requested 16500 tokens"),
            ["16384", "lower model.max_output_tokens"],
        ),
        (Status(503, "warming up"), ["does not answer", "warming up"]),
        (Hang(0.1), ["does not answer"]),
    ],
    ids=["no money", "no such path", "no tools", "a small context", "down", "hangs up"],
)
def test_what_would_fail_every_trial_is_found_out_first_and_leaves_nothing(
    delm, place, first, says
):
    bundled(FLASK)
    with ScriptedModel(lambda request, n: FINISH, first=first) as server:
        told = delm(*WORDS, **served(server.base_url))
        assert server.requests == []
        refused(told, *says, f"calls go to {server.base_url}")
    assert not (place / "results/x").exists()


def test_an_address_where_nobody_is_is_named_with_the_cause_and_at_once(delm, place):
    bundled(FLASK)
    told = delm(*WORDS, **served(NOWHERE))
    refused(told, f"cannot connect to {NOWHERE}/chat/completions", "Connect call failed")
    assert not (place / "results/x").exists()


def test_a_key_with_a_line_end_works_and_one_that_no_header_holds_names_its_variable(delm, place):
    bundled(FLASK)
    with ScriptedModel(lambda request, n: FINISH) as server:
        environment = served(server.base_url) | {"OPENAI_API_KEY": f"{KEY}\n"}
        told = delm(*WORDS, **environment)
        assert told.code == 0, told.text
        assert {h["authorization"] for h in server.headers} == {f"Bearer {KEY}"}
        environment["OPENAI_API_KEY"] = "sk-a\nsk-b"
        refused(delm(*WORDS, **environment), "OPENAI_API_KEY has a line end inside")


def test_a_run_whose_money_runs_out_stops_says_how_to_go_on_and_goes_on_elsewhere(delm, place):
    bundled(FLASK)
    poor = turns([[FINISH], [Status(402, "Insufficient Balance")]])
    words = (*WORDS, "-k", "9")
    with ScriptedModel(lambda request, n: poor(request, n)) as server:
        told = delm(*words, **served(server.base_url))
        assert len(server.requests) == 2, "nothing is sent to who takes nothing"
    assert told.code == 1, told.text
    assert "stopped starting trials: openai/scripted: 402: Insufficient Balance" in told.out
    assert "to resume when the model answers again (you may set another address or key)" in told.out
    assert "delm eval --run-id x" in told.out
    states = query(place / "results/x", "SELECT state, reason FROM trial")
    assert [row["state"] for row in states] == ["done", "cancelled", *["waiting"] * 7]
    assert states[1]["reason"] == "model: openai/scripted: 402: Insufficient Balance"
    with ScriptedModel(lambda request, n: FINISH) as server:
        elsewhere = {"api_base": server.base_url, "api_base_env": "", "api_key_env": "OTHER_KEY"}
        entry = {"models": {"openai/scripted": elsewhere}}
        (place / "other.yaml").write_text(yaml.safe_dump(entry))
        told = delm("eval", "--run-id", "x", "--yes", "-c", "other.yaml",
                    OTHER_KEY="sk-other-0123456789")  # fmt: skip
        assert told.code == 0, told.text
        assert server.headers[0]["authorization"] == "Bearer sk-other-0123456789"
    states = query(place / "results/x", "SELECT state FROM trial")
    assert [row["state"] for row in states].count("done") == 9
    first, second = facts(place / "results/x")["first_calls"]
    assert first["endpoint"] != second["endpoint"]


def test_a_run_whose_model_goes_away_stops_after_its_first_trials_without_an_answer(delm, place):
    bundled(FLASK)
    with ScriptedModel(lambda request, n: Status(503, "gone for good")) as server:
        told = delm(*WORDS, "-k", "20", "-c", "model.attempts=2", "-c", "model.backoff_s=0.01",
                    **served(server.base_url))  # fmt: skip
        assert len(server.requests) == 2 * 3
    assert told.code == 1, told.text
    assert "stopped starting trials: no answer in 3 trials in a row; last: " in told.out
    assert "gone for good" in told.out
    states = query(place / "results/x", "SELECT state FROM trial")
    assert [row["state"] for row in states] == [*["error"] * 3, *["waiting"] * 17]


def test_doctor_says_where_calls_go_and_asks_the_model_really(delm, place):
    words = ("doctor", "-m", "openai/scripted", "-d", DATASET)
    with ScriptedModel(lambda request, n: FINISH) as server:
        told = delm(*words, **NO_DOCKER, **served(server.base_url))
        found = lines(told.out)
        assert len(server.first_calls) == 1
        told = delm(*words, "--no-call", **NO_DOCKER, **served(server.base_url))
        assert len(server.first_calls) == 1
        address = server.base_url
    state, text = found["model openai/scripted"]
    assert (state, text) == (
        "good", f"calls go to {address} (OPENAI_API_BASE), with the key in OPENAI_API_KEY",
    )  # fmt: skip
    assert found["first call"][0] == "good"
    assert lines(told.out)["first call"][0] == "note"
    assert "--no-call" in lines(told.out)["first call"][1]


def test_doctor_reads_a_model_of_a_file_of_ones_own(delm, place):
    with ScriptedModel(lambda request, n: FINISH) as server:
        entry = {"input": 1, "output": 4, "api_base": server.base_url, "api_key_env": "MY_KEY"}
        (place / "own.yaml").write_text(yaml.safe_dump({"models": {"openai/coder-1": entry}}))
        told = delm("doctor", "-m", "openai/coder-1", "-d", DATASET, "-c", "own.yaml",
                    **NO_DOCKER, **served(NOWHERE), MY_KEY="sk-of-mine-0123456789")  # fmt: skip
        assert len(server.first_calls) == 1
    assert lines(told.out)["first call"][0] == "good"


def test_doctor_tells_a_wrong_key_from_a_good_one(delm, place):
    wrong = Status(401, f"Incorrect API key provided: {KEY}", error={"code": "invalid_api_key"})
    with ScriptedModel(lambda request, n: FINISH, first=wrong) as server:
        told = delm("doctor", "-m", "openai/scripted", "-d", DATASET,
                    **NO_DOCKER, **served(server.base_url))  # fmt: skip
    assert told.code == 1
    state, text = lines(told.out)["first call"]
    assert state == "bad"
    assert "401: Incorrect API key provided: [key]" in text
    assert KEY not in told.text


def test_an_unknown_price_proposes_other_names_that_have_one(delm, place):
    entry = {"models": {"gemini/gemini-9-flash": {"api_base": "http://here/v1"}}}
    (place / "own.yaml").write_text(yaml.safe_dump(entry))
    told = delm("eval", "-m", "gemini/gemini-9-flash", "-d", DATASET, "-c", "own.yaml", "--dry-run",
                **served(NOWHERE))  # fmt: skip
    refused(told, "no price is known for gemini/gemini-9-flash (did you mean gemini/gemini-")
    assert "did you mean gemini/gemini-9-flash" not in told.err
