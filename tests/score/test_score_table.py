"""Every figure of table.csv, breakdown.csv and comparisons.csv beside one worked out by hand."""

import csv
import re
from collections.abc import Mapping
from statistics import stdev

import anyio
import pytest
from planted import INSTANCES, MATRIX, plant, plant_board
from score_rows import Rows
from stores import derived, rows_of

from harness import score
from harness.board.vocabulary import MAIN
from harness.results import run_folder
from harness.score.estimators import METHOD

FRESH, CACHED, WRITTEN, COMPLETION = 300 * 2e-6, 600 * 0.5e-6, 100 * 2.5e-6, 50 * 10e-6
ANSWER = FRESH + CACHED + WRITTEN + COMPLETION  # dollars of a call that was answered
FAILURE = 400 * 2e-6  # of one that failed for good, and was billed
INTERVALS = ("_low", "_high")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The CSVs of the planted run, each as rows of text."""
    folder = anyio.run(plant, tmp_path_factory.mktemp("results"))
    board = {"a__a-1": 4.0, "a__a-2": 8.0, "b__b-3": None}
    for trial in rows_of(folder.path / "run.db").trials:
        if trial["system"] == "delm":
            anyio.run(_board, folder, trial["trial_id"], board[trial["instance_id"]])
    rows = anyio.run(derived, folder).table
    return rows, {path.name: _read(path) for path in folder.path.glob("*.csv")}


async def _board(folder, trial_id, verified_s):
    await plant_board(folder, trial_id, verified_s=verified_s)


def _read(path):
    with path.open() as lines:
        return list(csv.DictReader(lines))


def same(cells: Mapping[str, str], expected: Mapping[str, object]) -> None:
    """Every cell is what it should be; None is an empty one."""
    for name, value in expected.items():
        if value is None:
            assert cells[name] == "", name
        elif isinstance(value, str):
            assert cells[name] == value, name
        else:
            assert float(cells[name]) == pytest.approx(value), name


BUDGET = {
    "budget_per_submission_usd": 3, "budget_per_submission_steps": 550,
    "budget_per_submission_tokens": None, "budget_per_instance_usd": 12,
    "budget_per_instance_steps": 2200, "budget_per_instance_tokens": None,
    "budget_wall_clock_s": 3600, "main_agents": 0, "intervals": METHOD,
}  # fmt: skip
EXPECTED = {
    "single": BUDGET | {
        # of the four trials on a__a-2 the last one was cut, and waits: it is in no score
        "agents": 1, "submissions_kind": "one", "instances": 3, "trials": 12, "wanted": 12,
        "trials_run": 11, "wanted_run": 11,
        "submissions": 4 + 2 + 4, "resolved": 1 + 2 + 0, "resolved_instances": 2, "copies": 0,
        "avg_at_1": (1 / 4 + 2 / 3 + 0) / 3,
        "avg_at_1_by_repo": ((1 / 4 + 2 / 3) / 2 + 0) / 2,
        "avg_at_1_by_repo_sd": stdev([1 / 2, 1 / 4, 0]),
        "pass_at_2": (3 / 6 + 3 / 3 + 0) / 3, "pass_at_2_kind": "independent",
        "pass_at_4": None, "pass_at_4_kind": None,  # three submissions are not four
        "selected_at_1": (1 / 4 + 2 / 3 + 0) / 3,
        "cost_usd": 10 * ANSWER + 3 * FAILURE,
        "cost_per_instance_usd": 4 * (4 * ANSWER / 4 + (2 * ANSWER + 3 * FAILURE) / 3 + ANSWER) / 3,
        "cost_per_task_usd": (10 * ANSWER + 3 * FAILURE) / 11,  # one was never started again
        "cost_per_submission_usd": (10 * ANSWER + 3 * FAILURE) / 10,
        "cost_per_resolved_usd": (10 * ANSWER + 3 * FAILURE) / 2,
        "fresh_prompt_tokens": 10 * 300 + 3 * 400, "cached_tokens": 6000,
        "cache_write_tokens": 1000, "completion_tokens": 500, "reasoning_tokens": 200,
        "prefix_share": 0.25, "steps_per_task": 13 / 11,
        "seconds_per_task": (10 * 40 + 3 * 7) / 11,  # of every attempt
        "latency_first_verified_s": None, "verified_trials": None,
        "latency_mean_s": 10 + 7 / 10, "latency_last_s": 10 + 7 / 10,  # 7 s of an earlier attempt
        "trial_retries": 2, "call_retries": 3 * 2, "cut_answers": 0,
        "infra_errors": 1, "system_errors": 0, "unfinished": 1,
    },
    "independent": BUDGET | {
        "agents": 2, "submissions_kind": "independent", "instances": 3, "trials": 6, "wanted": 12,
        "submissions": 12, "resolved": 4, "resolved_instances": 3, "avg_at_1": 4 / 12,
        "avg_at_1_by_repo": ((1 / 4 + 2 / 4) / 2 + 1 / 4) / 2,
        "avg_at_1_by_repo_sd": stdev([(1 / 2 + 1) / 4, (0 + 1 / 2) / 2]),
        "pass_at_2": (3 / 6 + 5 / 6 + 3 / 6) / 3, "pass_at_2_kind": "independent",
        "pass_at_4": 1, "pass_at_4_kind": "independent",
        "selected_at_1": None, "selected_at_1_low": None, "selected_at_1_high": None,
        "cost_usd": 6 * ANSWER, "cost_per_task_usd": ANSWER, "cost_per_instance_usd": 2 * ANSWER,
        "cost_per_task_usd_low": None, "cost_per_task_usd_high": None,  # no two differ
        "cost_per_submission_usd": ANSWER / 2, "cost_per_resolved_usd": 2 * ANSWER,
        "fresh_prompt_tokens": 1800, "cached_tokens": 3600, "cache_write_tokens": 600,
        "completion_tokens": 300, "reasoning_tokens": 120, "prefix_share": 0.25,
        "steps_per_task": 1, "seconds_per_task": 40, "latency_first_verified_s": None,
        "verified_trials": None, "latency_mean_s": 15, "latency_last_s": 20,
        "trial_retries": 0, "call_retries": 0, "cut_answers": 0,
        "infra_errors": 0, "system_errors": 0, "unfinished": 0,
    },
    "delm": BUDGET | {
        "agents": 4, "submissions_kind": "shared", "instances": 3, "trials": 3, "wanted": 12,
        "submissions": 12, "resolved": 3, "resolved_instances": 2,
        "avg_at_1": (2 / 4 + 0 + 1 / 4) / 3,
        "avg_at_1_by_repo": ((2 / 4 + 0) / 2 + 1 / 4) / 2, "avg_at_1_by_repo_sd": None,
        "pass_at_2": None, "pass_at_2_low": None, "pass_at_2_high": None, "pass_at_2_kind": None,
        "pass_at_4": 2 / 3, "pass_at_4_kind": "shared", "selected_at_1": 1 / 3,
        "cost_usd": 3 * ANSWER, "cost_per_task_usd": ANSWER, "cost_per_instance_usd": ANSWER,
        "cost_per_submission_usd": ANSWER / 4, "cost_per_resolved_usd": 3 * ANSWER / 2,
        "latency_first_verified_s": (4 + 8) / 2, "verified_trials": 2,
        # patch-1 when it was repaired, patch-2 when it was handed in, the others at the end
        "latency_mean_s": (7 + 6 + 30 + 40) / 4, "latency_last_s": 40,
        "trial_retries": 0, "call_retries": 0, "cut_answers": 0,
        "infra_errors": 0, "system_errors": 0, "unfinished": 0,
    },
    "delm-n2": BUDGET | {
        "agents": 2, "submissions_kind": "shared", "instances": 3, "trials": 6, "wanted": 12,
        "submissions": 10, "resolved": 3, "resolved_instances": 2,
        "avg_at_1": (1 / 4 + 2 / 4 + 0) / 3,
        "avg_at_1_by_repo": ((1 / 4 + 2 / 4) / 2 + 0) / 2,
        "avg_at_1_by_repo_sd": stdev([(1 / 2 + 1) / 4, 0]),
        "pass_at_2": (1 / 2 + 1 / 2 + 0) / 3, "pass_at_2_kind": "shared",
        "pass_at_4": None, "pass_at_4_kind": None,
        "selected_at_1": (1 / 2 + 1 / 2 + 0) / 3,
        "cost_usd": 5 * ANSWER + 2 * FAILURE,
        "cost_per_instance_usd": (5 * ANSWER + 2 * FAILURE) / 3,
        "cost_per_task_usd": (5 * ANSWER + 2 * FAILURE) / 6,
        "cost_per_submission_usd": (5 * ANSWER + 2 * FAILURE) / 10,
        "cost_per_resolved_usd": (5 * ANSWER + 2 * FAILURE) / 2,
        "fresh_prompt_tokens": 5 * 300 + 2 * 400, "steps_per_task": 7 / 6,
        "seconds_per_task": (5 * 40 + 2 * 7) / 6, "verified_trials": None,
        "latency_mean_s": 15, "latency_last_s": 20,
        "trial_retries": 1, "call_retries": 2 * 2, "cut_answers": 0,
        "infra_errors": 1, "system_errors": 0, "unfinished": 0,
    },
}  # fmt: skip
for figures in EXPECTED.values():  # nothing is flagged or cut off, and nobody calibrated
    figures |= {
        "official_resolved": figures["resolved"], "avg_at_1_official": figures["avg_at_1"],
        "cost_unsure_usd": 0, "unfinished_usd": 0, "unfinished_unsure_usd": 0, "served_usd": 0,
        "served_calls": 0, "flagged": 0, "equal_submissions": 4, "instances_run": 3,
        "trials_run": figures.get("trials_run", figures["trials"]),
        "wanted_run": figures.get("wanted_run", figures["wanted"]),
        "flake_adjusted_resolved": None, "avg_at_1_flake_adjusted": None,
    }  # fmt: skip


@pytest.mark.parametrize("system", EXPECTED)
def test_every_figure_of_the_table_is_the_one_worked_out_by_hand(run, system):
    (cells,) = [row for row in run[1]["table.csv"] if row["system"] == system]
    same(cells, EXPECTED[system])


def test_no_column_of_the_table_is_left_unchecked(run):
    checked = set().union(*EXPECTED.values()) | {"system"}
    assert list(run[1]["table.csv"][0]) == list(score.COLUMNS)
    assert [row["system"] for row in run[1]["table.csv"]] == list(MATRIX)
    assert {name for name in score.COLUMNS if not name.endswith(INTERVALS)} <= checked


def test_intervals_hold_their_scores_and_stand_where_the_score_stands(run):
    for row in run[0]:
        for name in ("avg_at_1", "pass_at_2", "pass_at_4", "selected_at_1"):
            low, value, high = row[f"{name}_low"], row[name], row[f"{name}_high"]
            if value is None:
                assert (low, high) == (None, None)
            else:
                assert 0 <= low <= value <= high <= 1
                assert low < high, "three instances cannot be certain"
    single = run[0][0]
    assert single["cost_per_task_usd_low"] < single["cost_per_task_usd"]
    assert single["cost_per_task_usd_high"] > single["cost_per_task_usd"]


def test_the_breakdown_has_each_repository_and_each_difficulty(run):
    rows = [row for row in run[1]["breakdown.csv"] if row["system"] == "single"]
    assert [(row["by"], row["value"]) for row in rows] == [
        ("repo", "a/a"), ("repo", "b/b"), ("difficulty", "<15 min fix"),
        ("difficulty", "1-4 hours"),
    ]  # fmt: skip
    same(rows[0], {"instances": 2, "wanted": 8, "resolved": 3, "resolved_instances": 2,
                   "wanted_run": 7, "avg_at_1": (1 / 4 + 2 / 3) / 2,
                   "pass_at_2": (3 / 6 + 1) / 2, "pass_at_4": None,
                   "selected_at_1": (1 / 4 + 2 / 3) / 2, "infra_errors": 1,
                   "system_errors": 0, "unfinished": 1,
                   "cost_per_task_usd": (6 * ANSWER + 3 * FAILURE) / 7})  # fmt: skip
    same(rows[1], {"instances": 1, "avg_at_1": 0, "pass_at_2": 0, "avg_at_1_low": 0,
                   "avg_at_1_high": 0.975, "unfinished": 0})  # fmt: skip
    same(rows[2], {"instances": 2, "avg_at_1": 1 / 8, "resolved": 1})
    same(rows[3], {"instances": 1, "avg_at_1": 2 / 3, "resolved": 2})
    shared = [row for row in run[1]["breakdown.csv"] if row["system"] == "delm"]
    same(shared[0], {"pass_at_2": None, "pass_at_4": 1 / 2, "selected_at_1": 1 / 2})


def test_the_parts_of_a_breakdown_add_up_to_the_table(run):
    for system in MATRIX:
        whole = next(row for row in run[1]["table.csv"] if row["system"] == system)
        for by in ("repo", "difficulty"):
            parts = [r for r in run[1]["breakdown.csv"] if (r["system"], r["by"]) == (system, by)]
            for name in ("instances", "wanted", "resolved", "infra_errors", "unfinished"):
                assert sum(int(part[name]) for part in parts) == int(whole[name])


def test_every_pair_is_compared_on_what_the_first_trial_of_each_ships(run):
    rows = {(row["system_a"], row["system_b"]): row for row in run[1]["comparisons.csv"]}
    assert len(rows) == 4 * 3 // 2
    assert list(next(iter(rows.values()))) == list(score.COMPARISON_COLUMNS)
    # single ships R R U; independent R R U (the first agent's); delm R U U; delm-n2 R R U
    same(rows["single", "independent"], {
        "instances": 3, "not_run": 0, "same_budget": 1, "avg_at_1_a": 11 / 36, "avg_at_1_b": 1 / 3,
        "avg_at_1_difference": -1 / 36, "both": 2, "only_a": 0, "only_b": 0, "neither": 1,
        "mcnemar_p": 1, "equal_submissions": 4,
        "cost_per_instance_a_usd": EXPECTED["single"]["cost_per_instance_usd"],
        "cost_per_instance_b_usd": 2 * ANSWER,
        "cost_per_instance_difference_usd":
            EXPECTED["single"]["cost_per_instance_usd"] - 2 * ANSWER,
    })  # fmt: skip
    same(rows["single", "delm"], {"both": 1, "only_a": 1, "only_b": 0, "neither": 1,
                                  "mcnemar_p": 1, "avg_at_1_difference": 2 / 36})  # fmt: skip
    same(rows["delm", "delm-n2"], {"only_a": 0, "only_b": 1, "same_budget": 1})


def test_a_model_without_a_price_leaves_every_cost_blank_and_no_score(tmp_path):
    folder = anyio.run(lambda: plant(tmp_path, price=None))
    anyio.run(derived, folder)
    for name in ("table", "breakdown", "comparisons", "instances", "ledger"):
        for row in _read(folder.path / f"{name}.csv"):
            costly = [c for c in row if ("usd" in c or "cost" in c) and c != "reserved_usd"]
            assert costly
            assert [row[c] for c in costly if row[c] and row.get("steps") != "0"] == [], name
    same(_read(folder.path / "table.csv")[0], {"avg_at_1": 11 / 36, "budget_per_instance_usd": None,
                                               "budget_per_instance_steps": 2200})  # fmt: skip


def test_what_is_derived_twice_is_the_same(run, tmp_path):
    folder = anyio.run(plant, tmp_path)
    anyio.run(derived, folder)
    first = {path.name: path.read_bytes() for path in folder.path.glob("*.csv")}
    anyio.run(derived, folder)
    assert {path.name: path.read_bytes() for path in folder.path.glob("*.csv")} == first
    assert len(INSTANCES) == 3


def test_no_csv_holds_the_noise_of_binary_fractions(run):
    for name, rows in run[1].items():
        for row in rows:
            for column, cell in row.items():
                if re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", cell):
                    digits = cell.partition("e")[0].replace(".", "").strip("-0")
                    assert len(digits) <= 10, (name, column, cell)


def test_what_rounding_left_of_nothing_is_nothing_and_a_small_p_stays():
    row = {"x": 0.1 + 0.2, "rest": -1.3877787807814457e-17, "mcnemar_p": 3e-18, "count": 123456789}
    text = run_folder.csv_text([row], list(row))
    assert text.splitlines()[1] == "0.3,0.0,3e-18,123456789"


def test_a_main_agent_is_found_by_its_name():
    rows = Rows().add(system="led", agent=MAIN).add(system="alone").table()
    assert [row["main_agents"] for row in rows] == [1, 0]
