"""The published numbers: that the file is whole, agrees with itself, and is put beside the right
systems."""

import csv
from collections import Counter, defaultdict

import pytest

from harness.errors import UserError
from harness.score.published import (
    COLUMNS,
    FILE,
    SWE_BENCH,
    counterpart,
    leaderboard,
    published,
    same_model,
    sources,
)
from harness.system_files import system_config, system_names

V1, V2 = "arXiv 2606.10662v1", "arXiv 2606.10662v2"
DOMAINS = ("financial", "government", "multi_news", "legal", "academic")
COUNTS = {
    (V1, "Table 1"): 2 * 5 * 4,  # models, methods, metrics
    (V1, "Table 2"): 4 * 4 * 6,
    (V1, "Figure 1 right"): 4 * 3,
    (V1, "Table 3"): 3 * 2 * 2,
    (V1, "ablation: components"): 3,
    (V1, "ablation: gist length"): 3,
    (V1, "ablation: gist summariser"): 3,
    (V2, "Terminal-Bench 4.0"): 10 * 5,
    (V2, "DeepSWE v1.1"): 10 * 5,
    (V2, "SWE-bench Verified"): 5 * 5,
    (V2, "ProgramBench"): 3 * 2,
    (V2, "shared context"): 4 * 4,
    (V2, "choice of tasks"): 20,
    (V2, "text"): 9,
    (V2, "text: one task"): 11,
    ("SWE-bench leaderboard", "bash only"): 1,
}


def by_row():
    """Numbers of one printed row, by metric."""
    rows = defaultdict(dict)
    for row in published():
        key = (row.source, row.table, row.benchmark, row.model, row.method, row.agents)
        rows[key][row.metric] = row
    return rows


def test_every_table_has_all_its_numbers_and_none_twice():
    assert Counter((row.source, row.table) for row in published()) == COUNTS
    keys = [
        (row.source, row.table, row.benchmark, row.model, row.method, row.agents, row.metric)
        for row in published()
    ]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_every_number_says_whose_it_is_and_in_what_it_is_measured():
    with FILE.open(newline="") as lines:
        assert tuple(next(csv.reader(lines))) == COLUMNS
    for row in published():
        assert row.source
        assert row.date or row.source == "SWE-bench leaderboard", row
        assert row.unit or row.metric in {"trajectories", "files_imported"}, row
        assert row.value >= 0
        if row.unit == "%":
            assert row.value <= 100
        if row.metric.endswith("_usd"):
            assert row.unit == "USD"


def test_a_printed_mean_of_domains_is_the_mean_of_the_printed_domains():
    rows = [row for key, row in by_row().items() if key[1] == "Table 2"]
    assert len(rows) == 16
    for row in rows:
        mean = sum(row[f"accuracy_{domain}"].value for domain in DOMAINS) / 5
        assert row["avg_at_1"].value == pytest.approx(mean, abs=0.1), row["avg_at_1"]


def test_the_same_number_in_two_places_is_the_same_number():
    bars = {k[4]: row["avg_at_1"].value for k, row in by_row().items() if k[1] == "Figure 1 right"}
    table = {
        key[4]: row["avg_at_1"].value
        for key, row in by_row().items()
        if key[1] == "Table 2" and key[3] == "GPT-5.4"
    }
    assert bars == table
    whole = [row.value for row in published() if row.method == "DeLM, in full"]
    assert whole == [table["DeLM"]]


def test_a_cost_of_a_submission_is_that_of_the_task_by_its_agents():
    rows = [row for row in by_row().values() if {"cost_per_task_usd", "speedup"} <= set(row)]
    assert len(rows) == 25
    for row in rows:
        task, one = row["cost_per_task_usd"], row["cost_per_submission_usd"]
        agents = (task.agents or 1) if task.method == "DeLM" else 1
        assert one.value == pytest.approx(task.value / agents, abs=0.0051), one
        assert one.sd is None or one.sd == pytest.approx(task.sd / agents, abs=0.0051), one


def test_a_cost_per_task_of_the_first_version_is_one_per_submission_of_the_second():
    rows = by_row()
    first = rows[V1, "Table 1", SWE_BENCH, "Gemini 3 Flash", "DeLM", None]
    assert "cost_per_task_usd" not in first
    assert "printed as cost per task" in first["cost_per_submission_usd"].note
    for agents in (2, 4):
        second = rows[V2, SWE_BENCH, SWE_BENCH, "Gemini 3 Flash", "DeLM", agents]
        assert (
            second["cost_per_submission_usd"].value
            == first["cost_per_submission_usd"].value
            == 0.12
        )
        assert second["cost_per_task_usd"].value == pytest.approx(0.12 * agents, abs=0.02)


def test_a_speedup_is_against_the_single_agent_of_the_same_table():
    single = {"GPT-6-Astra": "Codex", "Claude Opus 5.5": "Claude Code"}
    rows = by_row()
    for key, row in rows.items():
        if "speedup" not in row or key[1].startswith("text"):
            continue
        metric = next(name for name in row if name.startswith("latency"))
        alone = rows[*key[:4], single.get(key[3], "Claude Code"), 1][metric].value
        rounded = 0.0065  # both latencies are rounded, too
        assert row["speedup"].value == pytest.approx(alone / row[metric].value, abs=rounded), key


def test_the_printed_means_are_those_of_what_they_are_said_to_be_means_of():
    rows = by_row()
    for name in ("Terminal-Bench 4.0", "DeepSWE v1.1"):
        tasks = [
            row.value
            for row in published()
            if row.table == "choice of tasks" and row.benchmark.startswith(name)
        ]
        assert len(tasks) == 10
        benchmark = f"{name}, 10 tasks"
        codex = rows[V2, name, benchmark, "GPT-6-Astra", "Codex", 1]
        assert codex["latency_min"].value == pytest.approx(sum(tasks) / 10, abs=0.0051)
        gains, speedups = [], []
        for model, method in (("GPT-6-Astra", "Codex"), ("Claude Opus 5.5", "Claude Code")):
            alone = rows[V2, name, benchmark, model, method, 1]
            two = rows[V2, name, benchmark, model, "DeLM", 2]
            gains.append(two["avg_at_1"].value - alone["avg_at_1"].value)
            speedups.append(two["speedup"].value)
        said = rows[V2, "text", benchmark, "mean of both models", "DeLM", 2]
        assert said["gain_points"].value == pytest.approx(sum(gains) / 2, abs=0.051)
        assert said["speedup"].value == pytest.approx(sum(speedups) / 2, abs=0.0051)


def test_of_two_versions_the_newer_one_counts_and_the_older_one_fills_what_it_lacks():
    two = counterpart("delm-n2", 2, "gemini/gemini-3-flash-preview")
    four = counterpart("delm", 4, "gemini/gemini-3-flash-preview")
    assert two is not None
    assert four is not None
    assert [two.value(m) for m in ("avg_at_1", "pass_at_2", "pass_at_4")] == [63.72, 72.9, None]
    assert [four.value(m) for m in ("avg_at_1", "pass_at_2", "pass_at_4")] == [66.08, None, 77.4]
    assert (two.value("cost_per_task_usd"), four.value("cost_per_task_usd")) == (0.24, 0.47)
    assert (two.value("latency_s"), two.sd("latency_s")) == (71.86, 2.88)
    assert four.label == "DeLM n=4, Gemini 3 Flash"
    assert two.budget.startswith("480 s")
    assert sources([two]) == [V2, V1]
    mini = counterpart("mini-swe-agent", 1, "gemini/gemini-3-flash-preview")
    assert mini is not None
    assert [mini.value(m) for m in ("avg_at_1", "pass_at_2", "pass_at_4")] == [54.73, 65.6, 75.1]
    assert mini.label == "mini-SWE-agent, Gemini 3 Flash"
    assert mini.budget == ""


def test_the_same_model_is_taken_where_it_was_published_else_gemini():
    opus = counterpart("centralized-parallel", 4, "anthropic/claude-opus-4-6-20260205")
    assert opus is not None
    assert (opus.model, opus.value("avg_at_1")) == ("Claude Opus 4.6", 75.2)
    other = counterpart("centralized-parallel", 4, "openai/gpt-5.4")
    assert other is not None
    assert (other.model, other.value("avg_at_1")) == ("Gemini 3 Flash", 56.4)
    team = counterpart("delm", 4, "anthropic/claude-opus-4-6")
    assert team is not None
    assert (team.value("avg_at_1"), team.value("pass_at_4")) == (78.0, 82.5)
    assert team.value("pass_at_2") is None


@pytest.mark.parametrize(
    ("system", "agents"),
    [("single", 1), ("independent", 4), ("delm-no-sharing", 4), ("delm", 3), ("delm", 1)],
)
def test_what_nobody_published_has_no_row(system, agents):
    assert counterpart(system, agents, "gemini/gemini-3-flash-preview") is None


def test_nothing_is_put_beside_another_benchmark():
    benchmark = "LongBench-v2 Multi-Doc QA, 2027"
    assert counterpart("delm", 2, "gemini/gemini-3-flash-preview", benchmark=benchmark) is None


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("gemini/gemini-3-flash-preview", True),
        ("openrouter/google/gemini-3-flash", True),
        ("vertex_ai/gemini-3-flash-20260101", True),
        ("gemini/gemini-3-flash-lite", False),
        ("gemini/gemini-2-3-flash", False),
        ("gemini/gemini-3.5-flash", False),
        ("openai/scripted", False),
    ],
)
def test_a_model_is_the_published_one_only_if_nothing_but_its_date_differs(name, same):
    assert same_model("Gemini 3 Flash", name) is same


def test_every_method_beside_a_system_is_in_the_file():
    said = [system_config(name).published for name in system_names()]
    beside = {(each.benchmark, each.method) for each in said if each}
    assert len(beside) == 7
    assert beside <= {(row.benchmark, row.method) for row in published()}


def test_an_ablation_does_not_take_over_the_published_row_of_what_it_extends():
    shown = {name for name in system_names() if system_config(name).published}
    assert shown & set(system_names()) == {
        "mini-swe-agent", "centralized", "centralized-parallel", "delm", "delm-n2", "delm-threads",
        "base", "readagent", "delm-documents",
    }  # fmt: skip
    assert [name for name in system_names() if system_config(name).baseline] == ["single"]


def test_the_leaderboard_has_another_budget():
    found = leaderboard()
    assert (found.value, found.budget, found.model) == (75.8, "250 steps; $3", "Gemini 3 Flash")
    assert "larger budget" in found.note


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t.replace("54.7,", "many,", 1), lambda t: t.replace("sd,", "", 1),
     lambda t: t + "x,y\n"],
)  # fmt: skip
def test_a_file_that_is_not_whole_is_refused_by_its_row(tmp_path, spoil):
    path = tmp_path / "p.csv"
    path.write_text(spoil(FILE.read_text()))
    with pytest.raises(UserError, match="row"):
        published(path)
    with pytest.raises(UserError, match="cannot be read"):
        published(tmp_path / "none.csv")
