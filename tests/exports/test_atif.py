"""Trials as ATIF 1.7: valid to Harbor's own validator, complete, and adding up to the ledger."""

import copy
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from atif_rows import CALLS, FACTS, SPOKEN, TRIAL, answer, call
from atif_schema import Trajectory
from console import FLASK, query
from exported import play
from pydantic import ValidationError

from harness.exports import prompt_leaks
from harness.exports.atif import sessions_of, trial_document, trial_files
from harness.exports.atif_steps import conversation_steps

pytestmark = pytest.mark.slow(seconds=1)


def document(spoken=SPOKEN, calls=CALLS, submissions=(), **trial):
    """As it is read back from its file."""
    made = trial_document(TRIAL | trial, spoken, calls, submissions, FACTS)
    return json.loads(json.dumps(made))


def harbor(folder: Path) -> list[str]:
    """What Harbor says against the files of `folder`; skips, in words, where it is not installed.

    Harbor asks for Python 3.12; its validator is content with 3.11 and pydantic, which are here.
    """
    if find_spec("harbor") is None:
        pytest.skip(f"Harbor is not here: {sys.executable} -m pip install --no-deps "
                    "--ignore-requires-python -r .ci/harbor.txt")  # fmt: skip
    told = []
    for path in sorted(folder.rglob("*.json")):
        done = subprocess.run(
            [sys.executable, "-m", "harbor.utils.trajectory_validator", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            told.append(f"{path}: {done.stdout}{done.stderr}")
    return told


def test_a_team_with_every_kind_of_answer_is_valid_and_nothing_is_lost():
    made = document()
    Trajectory.model_validate(made)
    parts = {part["agent"]["extra"]["conversation"]: part for part in made["subagent_trajectories"]}
    assert list(parts) == ["patch-1", "test-1", "gist-1"]
    steps = parts["patch-1"]["steps"]
    assert [step["source"] for step in steps] == [
        "system", "user", "agent", "agent", "user", "agent", "agent",
    ]  # fmt: skip
    assert [step["message"] for step in steps] == [
        "You are one of two.", "Mend it.", "Look.", "(no answer)", "Call a tool.", "", "",
    ]  # fmt: skip
    first = steps[2]
    assert [each["arguments"] for each in first["tool_calls"]] == [
        {"command": "ls"}, {"not_json": "[1]"},
    ]  # fmt: skip
    assert first["observation"]["results"] == [
        {"source_call_id": "c0_0", "content": "a.py"},
        {"source_call_id": "c0_1", "content": "<error>"},
    ]
    assert steps[5]["extra"]["outcome"] == "failed"
    assert steps[5]["extra"]["error"] == "ModelUnavailable: away"
    assert steps[6]["tool_calls"][0]["arguments"] == {"not_json": "{not json"}
    assert parts["gist-1"]["agent"]["extra"]["agents"] == ["agent-2"]
    assert parts["test-1"]["steps"][0]["message"] == "Try it."


def test_the_metrics_of_the_steps_add_up_to_the_totals_and_these_to_the_ledger():
    made = document()
    parts = made["subagent_trajectories"]
    for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"):
        ledger = sum(row[name] for row in CALLS)
        steps = sum(s.get("metrics", {}).get(name, 0) for part in parts for s in part["steps"])
        totals = [part["final_metrics"][f"total_{name}"] for part in parts]
        assert made["final_metrics"][f"total_{name}"] == pytest.approx(ledger)
        assert steps == pytest.approx(ledger)
        assert sum(totals) == pytest.approx(ledger)
    assert [part["final_metrics"]["total_steps"] for part in parts] == [7, 1, 1]
    assert sum(part["final_metrics"]["extra"]["calls"] for part in parts) == len(CALLS)


def test_an_unknown_cost_is_left_out_and_never_zero():
    made = document(calls=[call(0, says="x", cost_usd=None), call(1)], spoken={})
    Trajectory.model_validate(made)
    assert "cost_usd" not in made["steps"][0]["metrics"]
    assert made["steps"][1]["metrics"]["cost_usd"] == 0.01
    assert "total_cost_usd" not in made["final_metrics"]
    assert made["final_metrics"]["total_prompt_tokens"] == 200


def test_tokens_that_nobody_counted_are_left_out_and_so_are_their_totals():
    uncounted = dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens"), 0)
    rows = [call(0, says="x", cost_usd=None, **uncounted), call(1)]
    made = document(calls=rows, spoken={})
    Trajectory.model_validate(made)
    assert made["steps"][0]["metrics"] == {}
    assert set(made["final_metrics"]) == {"total_steps", "extra"}
    failed = document(calls=[call(0, outcome="failed", cost_usd=0.0, **uncounted)], spoken={})
    assert failed["final_metrics"]["total_prompt_tokens"] == 0  # it is known that nothing came


def test_one_conversation_is_a_flat_document_with_the_facts_of_its_trial():
    made = document(spoken={"agent-1": SPOKEN["patch-1"], "silent": []},
                    calls=[call(0, "agent-1", says="Look.", calls=[("bash", "{}"), ("bash", "")],
                                model="p/m")])  # fmt: skip
    Trajectory.model_validate(made)
    assert "subagent_trajectories" not in made
    assert made["session_id"] == made["trajectory_id"] == "r/delm/a__a-1/0.1"
    assert made["agent"]["name"] == "delm"
    assert made["agent"]["extra"] == {"conversation": "agent-1", "agents": ["agent-1"]}
    assert made["extra"]["instance_id"] == "a__a-1"
    assert [step["message"] for step in made["steps"][:3]] == [
        "You are one of two.", "Mend it.", "Look.",
    ]  # fmt: skip
    assert made["steps"][0]["timestamp"] == TRIAL["started_at"]
    assert made["steps"][2]["model_name"] == "p/m"
    assert made["final_metrics"]["total_steps"] == len(made["steps"])


def test_a_served_answer_asked_no_model_and_is_counted_where_it_was_paid_for():
    bought = [call(0, "agent-1", call_id=7, says="Look."), call(1, "agent-1", call_id=8)]
    again = [
        call(0, "agent-1", call_id=9, paid_call=7, says="Look."),
        call(1, "agent-1", call_id=10, paid_call=3, says="Anew."),
        call(2, "agent-1", call_id=11, says="More."),
    ]
    spoken = {"agent-1": [answer(says="Look.") | {"reasoning_content": "Hm."}]}
    place = {"system": "delm", "instance_id": "a__a-1", "trial": 0, "attempt": 0}
    sources = sessions_of([row | place for row in bought], FACTS)
    made = trial_document(TRIAL, spoken, again, (), FACTS, sources)
    Trajectory.model_validate(made)
    first, second, third = made["steps"]
    assert first["extra"]["served"] == {"call_id": 7, "session_id": "r/delm/a__a-1/0.0"}
    assert second["extra"]["served"] == {"call_id": 3}  # nobody said whose that is
    assert first["extra"]["reasoning_content"] == "Hm."
    for step in (first, second):
        assert step["llm_call_count"] == 0
        assert "metrics" not in step
    assert "served" not in third["extra"]
    totals = made["final_metrics"]
    assert totals["total_cost_usd"] == third["metrics"]["cost_usd"] == 0.01
    assert totals["total_prompt_tokens"] == 100
    assert totals["extra"] == {"calls": 1, "served_calls": 2}
    assert prompt_leaks.answers(made) == 3  # they are answers of a model all the same


def test_a_trial_that_was_served_whole_cost_nothing_and_still_says_something():
    made = document(spoken={}, calls=[call(0, paid_call=5, says="x")])
    Trajectory.model_validate(made)
    assert made["final_metrics"]["total_cost_usd"] == 0
    assert prompt_leaks.answers(made) == 1


def test_ids_that_one_answer_has_twice_are_told_apart_with_their_results():
    messages = [
        answer(("x", "bash", '{"command": "a"}'), ("x", "bash", '{"command": "b"}')),
        *({"role": "tool", "tool_call_id": "x", "content": text} for text in "ab"),
    ]
    (step,) = conversation_steps(messages, [])
    assert [each["tool_call_id"] for each in step["tool_calls"]] == ["x", "x#2"]
    assert step["observation"]["results"] == [
        {"source_call_id": "x", "content": "a"}, {"source_call_id": "x#2", "content": "b"},
    ]  # fmt: skip


def test_a_team_is_a_root_and_a_flat_file_for_each_conversation():
    files = trial_files(TRIAL, SPOKEN | {"../a b": SPOKEN["test-1"]}, CALLS, (), FACTS)
    names = ["0.1.json", *(f"0.1.subagents/{name}.json" for name in
                           ("patch-1", "test-1", "-a-b", "gist-1"))]  # fmt: skip
    assert list(files) == names
    assert min(files) == names[0]  # who reads them by name meets the root first
    root, *parts = files.values()
    assert not any("subagent_trajectories" in document for document in files.values())
    paths = [
        to["trajectory_path"]
        for result in root["steps"][1]["observation"]["results"]
        for to in result["subagent_trajectory_ref"]
    ]
    assert paths == names[1:]
    assert parts[0]["agent"]["name"] == "delm patch-1"
    assert parts[0]["steps"][0]["timestamp"] == CALLS[0]["started_at"]
    whole = document(spoken=SPOKEN | {"../a b": SPOKEN["test-1"]})
    assert [part["steps"] for part in parts] == [
        part["steps"] for part in whole["subagent_trajectories"]
    ]


def test_conversations_whose_names_differ_only_in_what_no_file_can_hold_have_files_of_their_own():
    said = SPOKEN["test-1"]
    files = trial_files(TRIAL, {"a b": said, "a/b": said}, (), (), FACTS)
    assert len(files) == 3


def test_a_trial_that_never_spoke_is_valid_too():
    made = document(spoken={}, calls=[], state="error", started_at=None)
    Trajectory.model_validate(made)
    assert "subagent_trajectories" not in made
    assert made["final_metrics"]["total_cost_usd"] == 0


def test_an_answer_that_left_no_message_stands_before_the_next_that_did():
    rows = [call(0, says="no call"), call(1, calls=[("bash", '{"command": "b"}')])]
    messages = [
        {"role": "user", "content": "Go."},
        {"role": "user", "content": "That was no call."},
        answer(("c1_0", "bash", '{"command": "b"}')),
    ]
    steps = conversation_steps(messages, rows)
    assert [step["message"] for step in steps] == ["Go.", "That was no call.", "no call", ""]
    assert [step["extra"]["position"] for step in steps[2:]] == [0, 1]
    assert [step["step_id"] for step in steps] == [1, 2, 3, 4]


def test_an_answer_without_a_row_in_the_ledger_has_no_metrics_and_takes_nobody_elses():
    steps = conversation_steps([answer(says="from nowhere")], [call(0, says="other")])
    assert [step["message"] for step in steps] == ["from nowhere", "other"]
    assert "metrics" not in steps[0]
    assert steps[1]["metrics"]["prompt_tokens"] == 100


def test_what_an_earlier_conversation_holds_is_copied_context_and_is_not_counted_again():
    said = answer(says="found it")
    tool = {"role": "tool", "tool_call_id": "x", "content": "lost"}
    earlier = [{"role": "user", "content": "look"}, said, tool]
    messages = [message | {"carried": True} for message in earlier] + [said]
    steps = conversation_steps(messages, [call(0, says="found it")])
    assert [step.get("is_copied_context") for step in steps] == [True, True, True, None]
    assert ["metrics" in step for step in steps] == [False, False, False, True]


def test_what_a_tool_said_to_nobody_stands_by_itself():
    steps = conversation_steps([{"role": "tool", "tool_call_id": "x", "content": "lost"}], [])
    assert steps == [{"step_id": 1, "source": "user", "message": "lost"}]


def test_ids_that_come_again_go_to_the_latest_call_of_that_id():
    messages = []
    for text in ("one", "two"):
        messages += [answer(("same", "bash", "{}")),
                     {"role": "tool", "tool_call_id": "same", "content": text}]  # fmt: skip
    steps = conversation_steps(messages, [])
    assert [step["observation"]["results"][0]["content"] for step in steps] == ["one", "two"]


def test_the_path_of_somebodys_dataset_is_not_told():
    assert "/home/somebody" not in json.dumps(document())
    assert document()["extra"]["dataset"] == "rows.jsonl"


BREAK = {
    "an unknown field": lambda d: d.update(colour="red"),
    "another version": lambda d: d.update(schema_version="ATIF-v1.6"),
    "no agent": lambda d: d.pop("agent"),
    "no steps": lambda d: d.update(steps=[]),
    "steps that do not count from 1": lambda d: d["steps"][0].update(step_id=0),
    "metrics of the system": lambda d: d["steps"][0].update(metrics={}),
    "metrics without a model": lambda d: d["steps"][1].update(metrics={}),
    "a moment without a day": lambda d: d["steps"][0].update(timestamp="noon"),
    "a reference to nothing": lambda d: d["subagent_trajectories"].pop(),
    "a name twice": lambda d: d["subagent_trajectories"].append(d["subagent_trajectories"][0]),
    "a result of no call": lambda d: d["subagent_trajectories"][0]["steps"][2].pop("tool_calls"),
}


@pytest.mark.parametrize("what", BREAK)
def test_the_rules_refuse(what):
    broken = copy.deepcopy(document())
    BREAK[what](broken)
    with pytest.raises(ValidationError):
        Trajectory.model_validate(broken)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return play(tmp_path_factory.mktemp("atif"))


def test_a_real_run_is_exported_trial_by_trial_and_valid(delm, run, tmp_path):
    told = delm("export", run.folder, tmp_path / "out", "--format", "atif")
    assert told.code == 0, told.text
    files = sorted((tmp_path / "out").rglob("*"))
    files = [path.relative_to(tmp_path / "out").as_posix() for path in files if path.is_file()]
    assert files == [f"single/{FLASK}/{number}.0.json" for number in range(3)]
    for number in range(3):
        path = tmp_path / "out" / "single" / FLASK / f"{number}.0.json"
        read = Trajectory.model_validate_json(path.read_text())
        assert read.subagent_trajectories is None
        messages = query(run.folder, "SELECT content FROM message JOIN trial USING (trial_id) "
                                     "WHERE number = ?", number)  # fmt: skip
        said = [json.loads(row["content"]) for row in messages]
        heard = [r.content for s in read.steps if s.observation for r in s.observation.results]
        assert heard == [m["content"] for m in said if m["role"] == "tool"]
        assert [s.message for s in read.steps if s.source == "agent"] == [
            m["content"] or "" for m in said if m["role"] == "assistant"
        ]
        assert all(s.timestamp for s in read.steps if s.source == "agent")
        assert (read.extra or {})["submissions"][0]["outcome"] in {"resolved", "unresolved"}


def test_harbor_itself_finds_nothing_wrong(run, delm, tmp_path):
    delm("export", run.folder, tmp_path / "real", "--format", "atif")
    for name, made in {
        "team": document(),
        "silent": document(spoken={}, calls=[], started_at=None),
        "free": document(calls=[call(0, cost_usd=None)]),
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
    assert harbor(tmp_path) == []


STRICTER = {"another version", "a reference to nothing"}  # Harbor lets these pass


@pytest.mark.parametrize("what", [what for what in BREAK if what not in STRICTER])
def test_harbor_refuses_what_our_rules_refuse(what, tmp_path):
    broken = copy.deepcopy(document())
    BREAK[what](broken)
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    (told,) = harbor(tmp_path)
    assert "validation failed" in told
