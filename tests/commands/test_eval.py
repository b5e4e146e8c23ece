"""`delm eval` from end to end: the console script, a model over HTTP, bubblewrap, grading.

One run of four trials is made once, and every test below looks at another side of it.
"""

import json
import math
import secrets
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from console import (
    DATASET,
    FINISH,
    FLASK,
    SOLVE,
    Told,
    bash,
    bundled,
    delm,
    delm_here,
    own_cache,
    query,
    turns,
)
from scripted_model import Cut, Garbage, Hang, ScriptedModel, Status

pytestmark = pytest.mark.slow(seconds=25)

KEY = f"sk-planted-{secrets.token_hex(12)}"
LIMITS = ("--cost-limit", "0.25", "-c", "budget.steps=8")
HOSTILE = "\x1b]0;owned\x07 \x1b[31mred\x1b[0m [red]markup[/red] [/] \u202eback"
PRINT_HOSTILE = (
    r"env; printf '\033]0;owned\007 \033[31mred\033[0m [red]markup[/red] [/] \u202eback'"
)
WRONG = bash("echo '# a comment' >> src/flask/blueprints.py")
DEAR = {"prompt_tokens": 200_000, "completion_tokens": 40_000, "total_tokens": 240_000}
PLANS = (
    # solves it, and says and prints what would harm a terminal
    [bash(PRINT_HOSTILE, content=HOSTILE), SOLVE, FINISH],
    # solves it, in spite of everything
    [
        Status(429, "slow down", retry_after=0.3),
        Status(500, f"you said {KEY}"),
        bash("git status"),
        Hang(30),
        Cut(),
        Garbage(),
        {"tool_calls": [{"name": "frobnicate", "arguments": {}}]},
        {"tool_calls": [{"name": "bash", "arguments": "{not json"}]},
        {"content": ""},
        SOLVE,
        FINISH,
    ],
    # never comes to an end: all 8 steps
    [WRONG, bash("true")],
    # costs 0.22 of 0.25 dollars, which does not leave enough for another call
    [WRONG | {"usage": DEAR}],
)


@dataclass(frozen=True)
class Evaluated:
    """The run that the tests look at."""

    told: Told
    folder: Path
    recording: Path
    requests: list
    headers: list
    cache: Path
    peak_mb: int  # of the largest process, which is the harness


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Evaluated:
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("eval")
    cache = own_cache(folder / "cache")
    with ScriptedModel(turns(PLANS)) as server:
        told = delm(
            *(
                "eval",
                "-m",
                "openai/scripted",
                "-s",
                "single",
                "-d",
                DATASET,
                "-i",
                FLASK,
                "-k",
                "4",
                "-w",
                "1",
            ),
            *("-c", "model.timeout_s=6", "-c", "model.backoff_s=0.01", "-c", "plots=true", *LIMITS),
            *("--run-id", "one", "-o", folder, "--record", folder / "recording.jsonl", "--yes"),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY=KEY,
            DELM_CACHE=str(cache),
            measure=folder / "peak",
        )
    return Evaluated(
        told=told,
        folder=folder / "one",
        recording=folder / "recording.jsonl",
        requests=list(server.requests),
        headers=list(server.headers),
        cache=cache,
        peak_mb=int((folder / "peak").read_text()) // 1024,
    )


def test_a_scripted_model_solves_a_real_issue(run):
    assert run.told.code == 0, run.told.text
    solved = query(run.folder, "SELECT * FROM grade JOIN submission USING (submission_id)")[0]
    assert (solved["outcome"], solved["salvaged"]) == ("resolved", 0)
    assert "+            raise ValueError(\"'name' may not be empty.\")" in solved["patch"]
    report = json.loads(solved["report"])[FLASK]
    assert report["resolved"]
    assert report["tests_status"]["FAIL_TO_PASS"]["success"]


def test_the_run_folder_has_every_file(run):
    there = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    model = "single.openai__scripted"
    logs = f"logs/run_evaluation/one/{model}/{FLASK}"
    wanted = {"run.yaml", "run.db", "table.csv", "instances.csv", "submissions.csv", "ledger.csv"}
    wanted |= {"preds/single.jsonl", *(f"preds/single.{n}.jsonl" for n in (2, 3, 4))}
    wanted |= {
        f"{logs}/{name}"
        for name in ("patch.diff", "eval.sh", "test_output.txt", "report.json", "run_instance.log")
    }
    wanted |= {f"trajectories/single/{FLASK}/{n}.0.agent-1.traj.json" for n in range(4)}
    assert wanted <= there
    hidden = {name for name in there if Path(name).name.startswith(".")}
    assert hidden == {".lock", ".ranges"}


def test_run_yaml_is_the_resolved_configuration(run):
    config = yaml.safe_load((run.folder / "run.yaml").read_text())
    assert config["model"]["name"] == "openai/scripted"
    assert config["model"]["timeout_s"] == 6
    assert config["budget"]["steps"] == 8
    assert config["budget"]["cost_usd"] == 0.25
    assert config["dataset"]["name"] == DATASET
    assert config["trials"] == 4


def test_table_csv_has_the_columns_and_the_numbers(run):
    table = pd.read_csv(run.folder / "table.csv")
    demanded = [
        *("system", "agents", "instances", "trials", "submissions", "avg_at_1", "pass_at_2"),
        *("pass_at_4", "selected_at_1", "cost_per_task_usd", "cost_per_submission_usd"),
        "infra_errors",
    ]
    assert [column for column in table.columns if column in demanded] == demanded
    (row,) = table.to_dict("records")
    spent = query(run.folder, "SELECT sum(cost_usd) AS usd FROM call")[0]["usd"]
    assert (row["system"], row["agents"], row["instances"]) == ("single", 1, 1)
    assert (row["trials"], row["submissions"], row["resolved"]) == (4, 4, 2)
    assert row["avg_at_1"] == 0.5
    assert row["pass_at_2"] == pytest.approx(5 / 6)  # of 6 pairs, one holds no solution
    assert row["pass_at_4"] == 1
    assert row["selected_at_1"] == 0.5
    assert row["cost_per_task_usd"] == pytest.approx(spent / 4)
    assert row["cost_per_submission_usd"] == pytest.approx(spent / 4)
    assert (row["infra_errors"], row["unfinished"]) == (0, 0)


def ten_digits(number: float) -> float:
    """As CSVs have it."""
    return float(f"{number:.10g}")


def test_the_csvs_equal_the_database(run):
    ledger = pd.read_csv(run.folder / "ledger.csv", keep_default_na=False)
    calls = query(run.folder, "SELECT * FROM call ORDER BY call_id")
    for column in ("position", "outcome", "prompt_tokens", "completion_tokens", "attempts",
                   "prompt_sha256", "conversation"):  # fmt: skip
        assert ledger[column].tolist() == [call[column] for call in calls], column
    assert ledger["cost_usd"].tolist() == [ten_digits(call["cost_usd"]) for call in calls]
    submissions = pd.read_csv(run.folder / "submissions.csv")
    made = query(run.folder, "SELECT * FROM submission JOIN grade USING (submission_id)")
    for column in ("patch_sha256", "outcome", "salvaged", "author"):
        assert submissions[column].tolist() == [row[column] for row in made], column
    instances = pd.read_csv(run.folder / "instances.csv")
    trials = query(run.folder, "SELECT * FROM trial ORDER BY number")
    for column in ("state", "reason", "sandbox", "image", "audit", "attempt"):
        assert instances[column].tolist() == [row[column] for row in trials], column
    assert instances["seconds"].tolist() == [ten_digits(row["seconds"]) for row in trials]
    assert instances["resolved"].tolist() == [1, 1, 0, 0]
    assert instances["steps"].tolist() == [3, 6, 8, 1]
    assert set(instances["audit"]) == {"ok"}
    assert set(instances["sandbox"]) == {"bubblewrap"}


def test_every_fault_is_survived_in_one_trial_and_counted(run):
    calls = query(run.folder, "SELECT * FROM call JOIN trial USING (trial_id) WHERE number = 1")
    assert [call["outcome"] for call in calls] == ["ok"] * 6
    # 429 and 500, then an answer; a hang, a cut and no JSON, then an answer; one each after that
    assert [call["attempts"] for call in calls] == [3, 4, 1, 1, 1, 1]
    assert calls[0]["latency_s"] < 6 < calls[1]["latency_s"]  # the hang lasted to the time limit
    assert [call["error"] for call in calls] == [""] * 6
    (trial,) = query(run.folder, "SELECT * FROM trial WHERE number = 1")
    assert (trial["state"], trial["reason"]) == ("done", "finished")
    assert _outcome(run, 1) == {"reason": "finished", "salvaged": 0, "outcome": "resolved"}


def test_the_model_is_told_what_was_wrong_with_its_calls(run):
    messages = _messages(run, 1)
    told = [message["content"] for message in messages if message["role"] in {"tool", "user"}]
    assert any("There is no tool 'frobnicate'" in text for text in told)
    assert any("are not valid JSON" in text for text in told)
    assert any("held no tool call" in text for text in told)
    sent_back = [call for message in messages for call in message.get("tool_calls", ())]
    for call in sent_back:
        json.loads(call["function"]["arguments"])  # a provider refuses a conversation without it


def test_at_the_step_limit_the_work_so_far_is_salvaged_and_graded(run):
    assert _outcome(run, 2) == {"reason": "steps", "salvaged": 1, "outcome": "unresolved"}
    assert _patch(run, 2).count("+# a comment") == 1
    assert "tests still fail" in _reason(run, 2)  # graded for real, not for being empty


def test_at_the_cost_limit_the_work_so_far_is_salvaged_and_graded(run):
    assert _outcome(run, 3) == {"reason": "cost", "salvaged": 1, "outcome": "unresolved"}
    assert "tests still fail" in _reason(run, 3)
    (spent,) = query(run.folder, "SELECT sum(cost_usd) AS usd FROM call JOIN trial USING (trial_id)"
                     " WHERE number = 3")  # fmt: skip
    assert spent["usd"] == pytest.approx(0.22)


def test_no_trial_costs_more_than_its_limit(run):
    costs = query(run.folder, "SELECT sum(cost_usd) AS usd FROM call GROUP BY trial_id")
    assert len(costs) == 4
    assert all(0 < row["usd"] <= 0.25 for row in costs)


def test_the_ledger_has_a_row_for_every_answer_and_the_servers_token_counts(run):
    (sums,) = query(run.folder, "SELECT count(*) AS n, sum(attempts) AS sent, "
                    "sum(completion_tokens) AS written FROM call")  # fmt: skip
    assert sums["n"] == 3 + 6 + 8 + 1
    assert sums["sent"] == len(run.requests)
    assert sums["written"] > 40_000


def test_predictions_and_trajectories_hold_the_same_patch_as_the_database(run):
    for number, suffix in enumerate(("", ".2", ".3", ".4")):
        (line,) = (run.folder / "preds" / f"single{suffix}.jsonl").read_text().splitlines()
        prediction = json.loads(line)
        assert prediction["model_patch"] == _patch(run, number)
        assert prediction["instance_id"] == FLASK
        assert prediction["model_name_or_path"] == f"single.openai/scripted{suffix}"
        path = run.folder / "trajectories/single" / FLASK / f"{number}.0.agent-1.traj.json"
        trajectory = json.loads(path.read_text())
        assert trajectory["trajectory_format"] == "mini-swe-agent-1.1"
        assert trajectory["info"]["submission"] == _patch(run, number)
        assert trajectory["messages"] == _messages(run, number)
        calls = query(run.folder, "SELECT cost_usd FROM call JOIN trial USING (trial_id) "
                      "WHERE number = ?", number)  # fmt: skip
        stats = trajectory["info"]["model_stats"]
        assert stats["api_calls"] == len(calls)
        assert math.isclose(stats["instance_cost"], sum(call["cost_usd"] for call in calls))


def test_a_second_submission_of_the_same_patch_is_graded_from_memory(run):
    rows = query(run.folder, "SELECT cached FROM grade ORDER BY submission_id")
    assert [row["cached"] for row in rows] == [0, 1, 0, 1]


def test_the_key_is_sent_to_the_provider_and_stands_nowhere_else(run):
    assert {headers["authorization"] for headers in run.headers} == {f"Bearer {KEY}"}
    files = [path for path in run.folder.rglob("*") if path.is_file()] + [run.recording]
    assert len(files) > 20
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in run.told.text


def test_no_variable_of_the_host_is_in_the_sandbox(run):
    (printed,) = [m["content"] for m in _messages(run, 0) if m["role"] == "tool"][:1]
    names = {line.partition("=")[0] for line in printed.splitlines() if "=" in line}
    assert "PATH" in names  # env was run
    assert not {name for name in names if "OPENAI" in name or "DELM" in name}
    assert KEY not in printed


def test_neither_the_gold_patch_nor_the_tests_are_shown_to_the_model(run):
    (item,) = bundled(FLASK)
    said = json.dumps(run.requests)
    assert item.instance.problem_statement[:60] in "".join(
        message["content"] or "" for message in run.requests[0]["messages"]
    )
    for test in item.reference.fail_to_pass:
        assert test.rpartition("::")[2] not in said


def test_what_is_printed_says_what_happened_and_holds_no_control_characters(run):
    assert f"single {FLASK} #1: done (finished), 3 steps" in run.told.out
    assert f"single {FLASK} #4: done (cost), 1 step, $0.2200" in run.told.out
    assert "at most $0.25 and 8 steps each; at most $1.00 in all" in run.told.out
    assert "2 of 4" in run.told.out
    assert "sandbox: bubblewrap" in run.told.out
    assert f"single {FLASK} #2: waiting: attempt 2 of 8 (the provider asks to slow down)" in (
        run.told.out
    )
    assert str(run.folder) in run.told.out
    assert run.told.err == ""
    assert all(c.isprintable() or c == "\n" for c in run.told.out)


def test_the_harness_stays_under_450_mb(run):
    """Of these litellm takes 140, pandas 90, swebench 40 and matplotlib 30."""
    assert 100 < run.peak_mb < 450


def test_no_sandbox_is_left_behind(run):
    assert list((run.cache / "sandboxes").iterdir()) == []


def test_derived_files_are_the_same_to_the_byte_when_made_again(run):
    derived = [*run.folder.glob("*.csv"), *run.folder.glob("preds/*"),
               *run.folder.glob("trajectories/**/*.json")]  # fmt: skip
    before = {path: path.read_bytes() for path in derived}
    assert len(before) == 11 + 4 + 4
    for path in derived:
        path.unlink()
    told = delm_here("score", "one", "-o", run.folder.parent)
    assert told.code == 0, told.text
    assert {path: path.read_bytes() for path in derived} == before
    # the table, and below it what it is worth, are those of the run itself
    table = told.out[: told.out.index("written: ")]
    assert table in run.told.out
    assert "2 of 4" in table
    assert "budget per submission: 8 steps, $0.25, 3600 s a trial\n" in table
    assert "Prices: as gemini/gemini-3-flash-preview" in table


def test_show_tells_the_story_and_disarms_hostile_text(run):
    told = delm_here("show", run.folder, FLASK)
    assert told.code == 0, told.text
    assert all(c.isprintable() or c in "\n\t" for c in told.out)
    assert "[red]markup[/red] [/]" in told.out  # shown as it is, not obeyed
    assert "may not be empty" in told.out
    assert "killed" not in told.out
    brief = delm_here("show", "one", "-o", run.folder.parent)
    trials = [line for line in brief.out.splitlines() if line.startswith("single ")]
    assert [line.partition(":")[0] for line in trials] == [
        f"single {FLASK} #{n}" for n in (1, 2, 3, 4)
    ]


def test_exports_are_predictions_or_the_recording(run, tmp_path):
    told = delm_here("export", run.folder, tmp_path / "preds.jsonl")
    assert told.code == 0, told.text
    assert (tmp_path / "preds.jsonl").read_bytes() == (
        run.folder / "preds/single.jsonl"
    ).read_bytes()
    told = delm_here("export", run.folder, tmp_path / "r.jsonl", "--format", "recording")
    assert told.code == 0, told.text
    # the header has the time of writing; every call is the same
    again = (tmp_path / "r.jsonl").read_text().splitlines()
    assert again[1:] == run.recording.read_text().splitlines()[1:]
    assert len(again) == 1 + 18


def test_the_recording_holds_no_prompt(run):
    (item,) = bundled(FLASK)
    text = run.recording.read_text()
    line = max(item.instance.problem_statement.splitlines(), key=len)
    assert line not in text
    assert {json.loads(row).get("model") for row in text.splitlines()[:1]} == {"openai/scripted"}


def test_a_replay_gives_the_same_submissions_and_verdicts(run, tmp_path):
    told = delm_here(
        *("eval", "-m", f"replay:{run.recording}", "-d", DATASET, "-k", "4", *LIMITS),
        *("-c", "plots=true", "--run-id", "again", "-o", tmp_path),
        DELM_CACHE=str(run.cache),
    )
    assert told.code == 0, told.text
    assert "differs from the recorded one" not in told.out
    assert "This is a replay of recorded answers: no benchmark result." in told.out
    again = delm_here("score", "again", "-o", tmp_path)
    assert again.out[: again.out.index("written: ")] in told.out
    columns = "number, submission.reason, patch_sha256, salvaged, outcome, cost"
    statement = (
        f"SELECT {columns} FROM submission JOIN grade USING (submission_id) JOIN trial "
        "USING (trial_id) JOIN (SELECT trial_id, round(sum(cost_usd), 9) AS cost FROM call "
        "GROUP BY trial_id) USING (trial_id) ORDER BY number"
    )
    assert query(tmp_path / "again", statement) == query(run.folder, statement)


def test_a_replay_of_other_prompts_says_so_once(run, tmp_path):
    lines = run.recording.read_text().splitlines()
    changed = [line.replace('"prompt_sha256":"', '"prompt_sha256":"x') for line in lines]
    (tmp_path / "changed.jsonl").write_text("\n".join(changed) + "\n")
    told = delm_here(
        *("eval", "-m", f"replay:{tmp_path / 'changed.jsonl'}", "-d", DATASET, *LIMITS),
        *("--run-id", "again", "-o", tmp_path, "-k", "1"),
        DELM_CACHE=str(run.cache),
    )
    assert told.code == 0, told.text
    assert told.out.count(" differs from the recorded one") == 1
    assert (
        f"note: the prompt of call 1 of agent-1 (single on {FLASK}, trial #1) differs" in told.out
    )
    assert "harmless: " in told.out


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(tmp_path):
    bundled(FLASK)
    told = delm_here(
        *("eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK, "--dry-run"),
        *("-o", tmp_path / "out", "--record", tmp_path / "r.jsonl"),
        OPENAI_API_BASE="http://127.0.0.1:9/v1",
        OPENAI_API_KEY="none",
        cwd=tmp_path,
    )
    assert told.code == 0, told.text
    assert "1 instance × (1 × single) = 1 trial" in told.out
    assert list(tmp_path.iterdir()) == []


def _outcome(run: Evaluated, number: int) -> dict:
    (row,) = query(
        run.folder,
        "SELECT submission.reason, salvaged, outcome FROM submission JOIN grade "
        "USING (submission_id) JOIN trial USING (trial_id) WHERE number = ?",
        number,
    )
    return row


def _patch(run: Evaluated, number: int) -> str:
    statement = "SELECT patch FROM submission JOIN trial USING (trial_id) WHERE number = ?"
    return query(run.folder, statement, number)[0]["patch"]


def _reason(run: Evaluated, number: int) -> str:
    statement = (
        "SELECT grade.reason FROM grade JOIN submission USING (submission_id) "
        "JOIN trial USING (trial_id) WHERE number = ?"
    )
    return query(run.folder, statement, number)[0]["reason"]


def _messages(run: Evaluated, number: int) -> list[dict]:
    statement = (
        "SELECT content FROM message JOIN trial USING (trial_id) WHERE number = ? "
        "ORDER BY message_id"
    )
    return [json.loads(row["content"]) for row in query(run.folder, statement, number)]
