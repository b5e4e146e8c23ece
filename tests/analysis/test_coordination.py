"""What coordination costs and brings: figures that were computed by hand."""

import json
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from console import DATASET, FLASK, bundled, delm_here, query
from scripted_model import ScriptedModel
from team_script import FACT, finish, task_of, team, turn_of
from team_script import calls as said

from harness.analysis import findings
from harness.analysis.coordination import (
    COLUMNS,
    MEASURES,
    SYSTEM_COLUMNS,
    WAITS,
    Alone,
    alone,
    measures,
    systems,
)
from harness.analysis.narrative import TrialRecord
from harness.analysis.prompt_parts import Cause
from harness.analysis.timeline import WHAT, Interval

pytestmark = pytest.mark.slow(seconds=3)


def trial(trial_id: int, system: str, instance: str = "i", **more: Any):
    plain = {"trial_id": trial_id, "system": system, "instance_id": instance, "number": 0,
             "attempt": 0, "agents": 1, "wanted": 1, "state": "done"}  # fmt: skip
    return plain | more


def calls(trial_id: int, count: int, agent: str = "agent-1", conversation: str = "", **more: Any):
    """`count` calls of ten tokens each."""
    row = {"trial_id": trial_id, "agent": agent, "conversation": conversation or agent,
           "outcome": "ok", "prompt_tokens": 8, "completion_tokens": 2}  # fmt: skip
    return [row | more] * count


def submission(trial_id: int, outcome: str | None, agent: str = "agent-1", patch: str = ""):
    return {"trial_id": trial_id, "outcome": outcome, "agent": agent, "author": agent,
            "patch": patch}  # fmt: skip


def material(**rows: Any) -> TrialRecord:
    nothing: dict[str, Any] = dict.fromkeys(
        ("tasks", "entries", "links", "events", "proposals", "calls", "submissions", "shown"), ()
    )
    return TrialRecord(**nothing | rows)


def ran(*commands: str):
    return [
        {"role": "assistant", "tool_calls": [
            {"function": {"name": "bash", "arguments": json.dumps({"command": command})}}
        ]}
        for command in commands
    ]  # fmt: skip


def measured(row: Any, rows: TrialRecord, reference: Alone | None = None, **more: Any):
    intervals, spoken = more.get("intervals", []), more.get("spoken", {})
    found = measures(row, rows, intervals, spoken, reference)
    assert set(found) == set(COLUMNS)
    return found


def patch(*lines: int, path: str = "a.py") -> str:
    hunks = "".join(f"@@ -{n},1 +{n},1 @@\n-old\n+new\n" for n in lines)
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{hunks}"


# -- compared with one agent alone -------------------------------------------------------------


def test_single_is_the_mean_of_its_trials_that_are_done():
    trials = [
        trial(1, "single"), trial(2, "single", number=1),
        trial(3, "single", number=2, state="error"),  # its calls are no measure of the work
        trial(4, "single", number=3, state="cancelled"), trial(5, "single", number=3, attempt=1),
        trial(6, "single", "other", state="error"), trial(7, "delm"),
    ]  # fmt: skip
    spent = [
        *calls(1, 4), *calls(2, 8), *calls(2, 1, outcome="failed"), *calls(3, 99), *calls(4, 99),
        *calls(5, 6), *calls(7, 99),
    ]  # fmt: skip
    made = [submission(1, "resolved"), submission(2, "unresolved"), submission(3, "resolved")]
    found = alone(trials, spent, made, baseline="single")
    # of four that were asked for one is resolved: what trial 3 left was not brought to an end
    assert found == {
        "i": Alone(turns=6, tokens=pytest.approx((40 + 90 + 60) / 3), failures=0.75),
        "other": Alone(turns=None, tokens=None, failures=1),
    }
    assert alone([trial(7, "delm")], spent, made, baseline="single") == {}


def test_overhead_and_efficiency_are_relative_to_single_and_also_told_by_submission():
    row = trial(1, "delm", agents=4, wanted=4)
    rows = material(
        calls=[*calls(1, 29), *calls(1, 1, agent="")],  # the check of a gist is a turn, too
        submissions=[submission(1, "resolved"), submission(1, "unresolved"),
                     submission(1, "resolved"), submission(1, "error")],
    )  # fmt: skip
    found = measured(row, rows, Alone(turns=10, tokens=50, failures=0.25))
    assert (found["turns"], found["tokens"]) == (30, 300)
    assert found["overhead_turns"] == 2  # (30 - 10) / 10
    assert found["overhead_tokens"] == 5
    assert found["submission_overhead_turns"] == -0.25  # 30 / 4 by 10, less one
    assert found["submission_overhead_tokens"] == 0.5
    assert found["resolved_share"] == 0.5
    assert found["efficiency"] == pytest.approx(0.5 / 3)
    assert found["submission_efficiency"] == pytest.approx(0.5 / 0.75)
    assert found["error_amplification"] == 2  # fails at 0.5, single at 0.25


@pytest.mark.parametrize(
    "reference",
    [None, Alone(turns=None, tokens=None, failures=0), Alone(turns=0, tokens=0, failures=0)],
)
def test_where_single_says_nothing_nothing_is_compared(reference):
    rows = material(calls=calls(1, 3), submissions=[submission(1, "unresolved")])
    found = measured(trial(1, "delm", agents=2), rows, reference)
    assert found["resolved_share"] == 0
    compared = ("overhead_turns", "overhead_tokens", "submission_overhead_turns",
                "submission_overhead_tokens", "efficiency", "submission_efficiency",
                "error_amplification")  # fmt: skip
    assert {found[name] for name in compared} == {None}


def test_a_trial_that_was_cut_short_is_not_compared_and_one_without_turns_has_no_efficiency():
    reference = Alone(turns=10, tokens=50, failures=0.5)
    cut = trial(1, "delm", state="cancelled")
    found = measured(cut, material(calls=calls(1, 3)), reference)
    assert (found["turns"], found["overhead_turns"], found["resolved_share"]) == (3, None, None)
    still = measured(trial(1, "delm"), material(), reference)
    assert (still["turns"], still["tokens"], still["overhead_turns"]) == (0, 0, -1)
    assert still["efficiency"] is None
    assert still["error_amplification"] == 2


# -- among the agents --------------------------------------------------------------------------

TEAM = [
    *calls(1, 2, "agent-1", "patch-1"),
    *calls(1, 1, "agent-1", "patch-1+"),
    *calls(1, 2, "agent-2", "patch-2"),
    *calls(1, 1, "agent-3", "patch-3"),
    *calls(1, 1, "", "gist-check"),
]


def test_redundancy_is_the_mean_overlap_of_pairs_of_agents_over_all_their_conversations():
    found = measured(
        trial(1, "delm", agents=3),
        material(
            calls=TEAM,
            submissions=[
                submission(1, None, "agent-1", patch(1, 2)),
                submission(1, None, "agent-1", patch(3)),
                submission(1, None, "agent-2", patch(3, 4)),
                submission(1, None, "agent-3", "no diff"),
            ],
        ),
        spoken={
            "patch-1": ran("cat a.py"),
            "patch-1+": ran("cd /testbed && cat  b.py"),
            "patch-2": ran("cat a.py", "cat b.py", "cat 'c.py"),
            "patch-3": ran("cat b.py"),
            "gist-check": ran("cat z.py"),
            "never-called": ran("cat z.py"),
        },
    )
    # {a, b}, {a, b}, {b}: 1, 1/2, 1/2
    assert found["redundancy_files"] == pytest.approx(2 / 3)
    # the command that cannot be read is a command: {a, b}, {a, b, c}, {b}: 2/3, 1/2, 1/3
    assert found["redundancy_commands"] == pytest.approx(0.5)
    # {1, 2, 3} and {3, 4}; nobody knows what the third patches
    assert found["redundancy_lines"] == 0.25


def test_one_agent_is_redundant_with_nobody_and_agents_that_did_nothing_have_no_overlap():
    one = material(calls=calls(1, 2), submissions=[submission(1, None, patch=patch(1))])
    found = measured(trial(1, "single"), one, spoken={"agent-1": ran("cat a.py")})
    idle = measured(trial(1, "delm", agents=3), material(calls=TEAM), spoken={"patch-1": []})
    none = measured(trial(1, "delm", agents=3), material())
    for row in (found, idle, none):
        assert [row[f"redundancy_{what}"] for what in ("files", "commands", "lines")] == [None] * 3


def test_sub_agents_that_come_one_after_another_are_redundant_with_each_other():
    led = [*calls(1, 3, "main"), *calls(1, 2, "sub-1", "sub-1.1"), *calls(1, 2, "sub-1", "sub-1.2"),
           *calls(1, 2, "sub-1", "sub-1.3")]  # fmt: skip
    spoken = {
        "main": [],
        "sub-1.1": ran("cat a.py", "cat b.py"),
        "sub-1.2": ran("cat a.py", "cat b.py"),  # it reads again what the first one had read
        "sub-1.3": ran("cat c.py"),
    }
    found = measured(trial(1, "centralized"), material(calls=led), spoken=spoken)
    assert found["redundancy_files"] == pytest.approx((1 + 0 + 0) / 3)
    assert found["redundancy_commands"] == pytest.approx((1 + 0 + 0) / 3)
    one = measured(trial(1, "centralized"), material(calls=led[:5]), spoken=spoken)
    assert (one["redundancy_files"], one["redundancy_commands"]) == (None, None)


def test_binary_patches_overlap_by_file():
    binary = (
        "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n"
    )
    made = [
        submission(1, None, "agent-1", binary + patch(1)),
        submission(1, None, "agent-2", binary),
    ]
    found = measured(trial(1, "delm", agents=2), material(calls=TEAM, submissions=made))
    assert found["redundancy_lines"] == 0.5


def entry(label: str, author: str, task: str):
    return {"label": label, "author": author, "task": task}


def shown(conversation: str, label: str, at: float, level: str = "gist"):
    return {"conversation": conversation, "label": label, "level": level, "at": at}


def link(source: str, target: str, at: float, kind: str = "refutes"):
    return {"source": source, "target": target, "kind": kind, "at": at}


def board(**more: Any) -> TrialRecord:
    """Five entries of which four are refuted."""
    return material(**{
        "tasks": [{"label": "patch-1"}],
        "calls": TEAM,
        "entries": [entry("F1", "agent-1", "patch-1"), entry("F2", "agent-1", "patch-1"),
                    entry("F3", "agent-2", "patch-2"), entry("F4", "agent-2", "patch-2"),
                    entry("X5", "agent-3", "patch-3")],
        "links": [link("X5", "F1", 20), link("X5", "F1", 10), link("X5", "F2", 10),
                  link("X5", "F3", 10), link("X5", "F4", 10, "contradicts"),
                  link("patch-9", "F4", 10)],  # a task refutes nothing
        "shown": [
            shown("patch-2", "F1", 9), shown("patch-3", "F1", 9, "raw"),
            shown("patch-2", "F2", 11),  # too late to be misled
            shown("patch-2", "F3", 1), shown("gist-check", "F3", 1), shown("never-called", "F3", 1),
            shown("patch-1", "F4", 1),
        ],
    } | more)  # fmt: skip


def test_a_false_statement_counts_once_if_another_agent_read_it_before_it_was_refuted():
    found = measured(trial(1, "delm", agents=3), board())
    assert (found["entries"], found["refuted"], found["false_read"]) == (5, 3, 1)
    assert found["message_density"] == pytest.approx(5 / 7)


def test_an_agent_alone_has_no_messages_and_without_a_board_nobody_knows():
    single = measured(trial(1, "delm", agents=1), board())
    assert (single["entries"], single["refuted"]) == (5, 3)
    assert (single["message_density"], single["false_read"]) == (None, None)
    other = measured(trial(1, "centralized", agents=3), material(calls=TEAM))
    for name in ("entries", "message_density", "refuted", "false_read"):
        assert other[name] is None
    silent = measured(trial(1, "delm", agents=3), board(calls=[]))
    assert (silent["entries"], silent["message_density"], silent["false_read"]) == (5, None, 0)


def interval(agent: str, what: str, start_s: float, seconds: float) -> Interval:
    return Interval(agent=agent, what=what, start_s=start_s, seconds=seconds)


def test_time_is_told_by_cause_and_as_a_share_of_the_agents_time():
    found = measured(
        trial(1, "delm", agents=2),
        material(),
        intervals=[
            interval("agent-1", "model", 0, 4),
            interval("agent-1", "command", 4, 2),
            interval("agent-1", "admission", 5, 3),  # overlaps the command by one second
            interval("agent-1", "peer", 9, 1),  # ends at 10
            interval("agent-2", "barrier", 2, 3),
            interval("agent-2", "main", 5, 5),
            interval("agent-2", "main", 6, 1),  # inside
        ],
    )
    assert found["agent_s"] == 18  # 10 and 8
    seconds = {"model": 4, "command": 1, "admission": 3, "peer": 1, "barrier": 3, "main": 5}
    for what, spent in seconds.items():
        assert found[f"{what}_s"] == spent
        assert found[f"{what}_share"] == pytest.approx(spent / 18)
    assert found["waiting_share"] == pytest.approx(0.5)


def test_every_column_is_explained():
    text = (Path(__file__).parents[2] / "results" / "README.md").read_text()
    _, _, text = text.partition("## coordination.csv")
    for column in {*COLUMNS, *SYSTEM_COLUMNS, *findings.COLUMNS}:
        assert f"`{column}`" in text or column.removesuffix("_share") in WHAT


def test_without_intervals_nobody_knows_and_without_time_there_is_no_share():
    found = measured(trial(1, "delm"), material())
    assert (found["agent_s"], found["model_s"], found["model_share"]) == (None, None, None)
    found = measured(trial(1, "delm"), material(), intervals=[interval("a", "model", 1, 0)])
    assert (found["agent_s"], found["model_s"], found["peer_s"]) == (0, 0, 0)
    assert (found["model_share"], found["waiting_share"]) == (None, None)


# -- systems -----------------------------------------------------------------------------------


def test_a_system_is_the_mean_over_instances_of_the_mean_over_its_trials():
    trials = [
        trial(1, "single", "i"), trial(2, "single", "j"),
        trial(3, "delm", "i", agents=2, wanted=2),
        trial(4, "delm", "i", agents=2, wanted=2, number=1),
        trial(5, "delm", "j", agents=2, wanted=2),
        trial(6, "delm", "k", agents=2, wanted=2),  # single was not asked about k
        trial(7, "delm", "j", agents=2, wanted=2, number=1, state="error"),
    ]  # fmt: skip
    spent = [*calls(1, 10), *calls(2, 20), *calls(3, 20), *calls(4, 40), *calls(5, 20),
             *calls(6, 8), *calls(7, 1000)]  # fmt: skip
    made = [submission(1, "unresolved"), submission(2, "resolved"),
            submission(3, "resolved"), submission(3, "unresolved"), submission(4, "unresolved"),
            submission(5, "resolved"), submission(5, "resolved"), submission(6, "resolved"),
            submission(7, "resolved")]  # fmt: skip
    references = alone(trials, spent, made, baseline="single")
    rows = [
        measured(
            row,
            material(
                calls=[c for c in spent if c["trial_id"] == row["trial_id"]],
                submissions=[s for s in made if s["trial_id"] == row["trial_id"]],
            ),
            references.get(row["instance_id"]),
        )
        for row in trials
    ]
    single, team = systems(trials, made, rows, references)
    assert set(team) == set(SYSTEM_COLUMNS)
    assert (team["system"], team["agents"], team["trials"], team["compared"]) == ("delm", 2, 4, 3)
    assert team["turns"] == pytest.approx((30 + 20 + 8) / 3)
    assert team["overhead_turns"] == pytest.approx(((1 + 3) / 2 + 0) / 2)
    assert team["resolved_share"] == pytest.approx((0.25 + 1 + 0.5) / 3)
    # i and j, where single was asked: shares 1/4 and 1, turns 30 and 20, of single 10 and 20
    assert team["efficiency"] == pytest.approx((0.25 + 1) / 2 / ((30 + 20) / (10 + 20)))
    assert team["submission_efficiency"] == pytest.approx(2 * team["efficiency"])
    # i: 3 of 4 fail; j: 2 of 4, the trial that failed for infrastructure included; single: 1 and 0
    assert team["error_amplification"] == pytest.approx((0.75 + 0.5) / 2 / 0.5)
    assert (single["overhead_turns"], single["error_amplification"]) == (0, 1)
    assert single["redundancy_files"] is None


def test_what_was_never_run_is_no_failure_of_a_system_and_none_of_single():
    trials = [
        trial(1, "single", "i"), trial(2, "single", "i", number=1, state="waiting"),
        trial(3, "single", "j", state="cancelled"), trial(4, "single", "k", state="error"),
        trial(5, "delm", "i"), trial(6, "delm", "j"), trial(7, "delm", "k", state="waiting"),
        trial(8, "delm", "i", number=1, state="error"),
        trial(9, "delm", "i", number=1, attempt=1, state="waiting"),  # it goes on counting
    ]  # fmt: skip
    made = [submission(1, "unresolved"), submission(5, "resolved"), submission(6, "unresolved")]
    references = alone(trials, [], made, baseline="single")
    assert {name: each.failures for name, each in references.items()} == {"i": 1, "j": None, "k": 1}
    rows = [measured(row, material(), references.get(row["instance_id"])) for row in trials]
    _, team = systems(trials, made, rows, references)
    assert team["error_amplification"] == 0.5  # on i alone both ran: half of delm's fail


def test_a_run_without_single_or_without_any_trial_done_is_blank_where_it_has_to_be():
    trials = [trial(1, "delm", agents=2, state="waiting"), trial(2, "independent", agents=2)]
    rows = [measured(row, material()) for row in trials]
    waiting, other = systems(trials, [], rows, {})
    assert {waiting[name] for name in MEASURES} == {None}
    assert (waiting["trials"], other["trials"], other["compared"]) == (0, 1, 0)
    assert (other["resolved_share"], other["error_amplification"]) == (0, None)
    assert systems([], [], [], {}) == []


# -- a real run --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """One trial of an agent alone, and one of two agents on a board."""
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("coordination")
    together = team()
    both_patch = threading.Barrier(2)  # so that none of them makes both submissions

    def script(request: dict, n: int) -> Any:
        answered = any(message["role"] == "assistant" for message in request["messages"])
        if "publish" in {tool["function"]["name"] for tool in request["tools"]}:
            if task_of(request).startswith("patch-") and not turn_of(request):
                both_patch.wait(timeout=60)
            return together(request, n)
        if answered:
            return finish("Nothing to be done.")
        return said(("bash", {"command": "cat src/flask/blueprints.py | head -1"}))

    with ScriptedModel(script) as server:
        told = delm_here(
            *("eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "--yes"),
            *("-s", "single", "-s", "delm-pipeline", "-n", "2", "--run-id", "r", "-o", folder),
            *("-k", "1"),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="sk-not-a-key",
        )
    assert told.code == 0, told.text
    return folder / "r"


def test_a_run_tells_what_its_team_cost_beside_one_agent_alone(run):
    rows = pd.read_csv(run / "coordination.csv").set_index("system")
    assert list(pd.read_csv(run / "coordination.csv", nrows=0)) == list(COLUMNS)
    ledger = pd.read_csv(run / "ledger.csv").groupby("system")
    turns, prompts, answers = (
        ledger.size(), ledger["prompt_tokens"].sum(), ledger["completion_tokens"].sum()
    )  # fmt: skip
    assert (rows.loc["single", "turns"], rows.loc["single", "overhead_turns"]) == (2, 0)
    assert rows.loc["delm-pipeline", "turns"] == turns["delm-pipeline"]
    assert rows.loc["delm-pipeline", "overhead_turns"] == pytest.approx(
        (turns["delm-pipeline"] - 2) / 2
    )
    tokens = prompts + answers
    assert rows.loc["delm-pipeline", "overhead_tokens"] == pytest.approx(
        tokens["delm-pipeline"] / tokens["single"] - 1
    )
    assert rows.loc["delm-pipeline", "efficiency"] == pytest.approx(
        2 / turns["delm-pipeline"]
    )  # both resolve
    assert (
        rows.loc["delm-pipeline", "error_amplification"],
        rows.loc["single", "resolved_share"],
    ) == (0, 0)


def test_a_run_tells_what_its_agents_had_in_common_and_how_they_spent_their_time(run):
    rows = pd.read_csv(run / "coordination.csv").set_index("system")
    mine, single = rows.loc["delm-pipeline"], rows.loc["single"]
    assert mine["redundancy_files"] == 1  # both looked at the one file, and mended it
    assert mine["redundancy_commands"] == 1  # git diff --stat
    assert mine["redundancy_lines"] == 1
    assert single[["redundancy_files", "message_density", "entries"]].isna().all()
    assert mine["message_density"] == pytest.approx(mine["entries"] / mine["turns"])
    assert (mine["refuted"], mine["false_read"]) == (0, 0)
    for row in (mine, single):
        spent = [row[f"{what}_s"] for what in ("model", "command", "admission", *WAITS)]
        assert 0 < sum(spent) <= row["agent_s"] * 1.001
        assert row["model_s"] > 0
        assert row["command_s"] > 0
    assert mine["admission_s"] > 0
    assert single["admission_s"] == 0
    assert mine["agent_s"] > 0
    systems_csv = pd.read_csv(run / "coordination_systems.csv").set_index("system")
    assert systems_csv.loc["delm-pipeline", "redundancy_files"] == 1
    assert systems_csv.loc["delm-pipeline", "overhead_turns"] == mine["overhead_turns"]


def test_a_run_tells_what_came_of_each_finding(run):
    rows = pd.read_csv(run / "findings.csv")
    assert set(rows["system"]) == {"delm-pipeline"}
    facts = rows[rows["gist"] == FACT["tool_calls"][0]["arguments"]["gist"]]
    assert sorted(facts["settled"]) == ["admitted", "merged"]
    (first,) = facts[facts["settled"] == "admitted"].to_dict("records")
    (second,) = facts[facts["settled"] == "merged"].to_dict("records")
    assert (first["label"], second["label"], first["found"]) == ("F1", "F1", 2)
    assert {"patch-1", "patch-2"} <= set(first["cited_by"].split())
    assert first["carried_by"] == "patch-1 patch-2"
    assert first["readers"] == 2
    assert pd.isna(second["readers"])
    patches = rows[rows["kind"] == "PATCH"]
    assert list(patches["settled"]) == ["admitted", "admitted"]
    assert (rows["check_seconds"] >= 0).all()


def test_a_run_tells_where_its_money_went(run):
    assert delm_here("cost", run).code == 0
    rows = pd.read_csv(run / "cost_breakdown.csv")
    ledger = pd.read_csv(run / "ledger.csv")
    for system in ("single", "delm-pipeline"):
        parts = rows[rows["system"] == system].groupby("part")[["cost_usd", "prompt_tokens"]].sum()
        calls = ledger[ledger["system"] == system]
        assert parts.loc["kind", "cost_usd"] == pytest.approx(calls["cost_usd"].sum())
        assert parts.loc[["prompt", "output"], "cost_usd"].sum() == pytest.approx(
            calls["cost_usd"].sum()
        )
        assert parts.loc["prompt", "prompt_tokens"] == calls["prompt_tokens"].sum()
    mine = rows[rows["system"] == "delm-pipeline"].set_index("name")
    told = mine["prompt_tokens"]
    asked = [name for name in Cause if name not in (Cause.DOCUMENT, Cause.UNKNOWN)]
    assert (told[asked] > 0).all()
    assert not {Cause.DOCUMENT, Cause.UNKNOWN} & set(told.index)
    assert {"localize", "patch"} <= set(mine[mine["part"] == "kind"].index)
    assert mine.loc["lines that another agent had read", "count"] <= 16  # of one view
    assert mine.loc["commands that another agent had run", "count"] == 2  # sed, git diff


def test_the_schemas_that_a_model_was_sent_are_in_the_store_once(run):
    sent = query(run, "SELECT DISTINCT tools_sha256 FROM call JOIN trial USING (trial_id) "
                      "WHERE system = 'delm-pipeline'")  # fmt: skip
    kept = {row["sha256"]: json.loads(row["schemas"])
            for row in query(run, "SELECT * FROM tool_list")}  # fmt: skip
    offered = {tool["function"]["name"] for row in sent for tool in kept[row["tools_sha256"]]}
    assert {"bash", "publish", "finish"} <= offered


def test_the_files_can_be_made_again_and_are_the_same(run):
    names = ("coordination.csv", "coordination_systems.csv", "findings.csv")
    before = {name: (run / name).read_bytes() for name in names}
    assert delm_here("score", run).code == 0
    assert {name: (run / name).read_bytes() for name in names} == before
