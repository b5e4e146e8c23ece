"""Money from the served token counts to every CSV: by hand, of failures too, and unknown ones."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    delm_here,
    query,
    refused,
    turns,
)
from scripted_model import Raw, ScriptedModel, Status

pytestmark = pytest.mark.slow(seconds=4)

INPUT, CACHED, WRITE, OUTPUT = 2e-6, 2e-7, 2.5e-6, 1e-5  # USD per token
MODELS = {
    "models": {
        "openai/scripted": {
            "input": 2.0, "cached_input": 0.2, "cache_write": 2.5, "output": 10.0,
            "source": "this test", "api_base_env": "OPENAI_API_BASE",
            "api_key_env": "OPENAI_API_KEY", "max_output_tokens": 65536, "supports_tools": True,
        }
    }
}  # fmt: skip


def usage(fresh: int, cached: int, written: int, answer: int) -> dict[str, Any]:
    prompt = fresh + cached + written
    return {
        "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_creation_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": answer // 2},
    }  # fmt: skip


def nothing(*billed: int) -> Raw:
    """A 200 without an answer, and with a bill."""
    return Raw(json.dumps({"choices": [], "usage": usage(*billed)}).encode())


BOUGHT = 3  # times that an answer without a choice is bought
PLANS = (
    [
        bash("true") | {"usage": usage(1000, 0, 700, 50)},
        nothing(1100, 500, 0, 3),
        Status(500),
        Status(429, usage=usage(90, 9, 0, 1)),
        SOLVE | {"usage": usage(300, 1700, 200, 400)},
        FINISH | {"usage": usage(100, 2200, 0, 21)},
    ],
    [
        bash("echo '# x' >> src/flask/app.py") | {"usage": usage(1000, 0, 0, 60)},
        nothing(10, 20, 30, 40),
    ],
)
# call by call: what was served, by kind, all attempts together
FIRST = [
    1000 * INPUT + 0 * CACHED + 700 * WRITE + 50 * OUTPUT,
    (1100 + 90 + 300) * INPUT + (500 + 9 + 1700) * CACHED + 200 * WRITE + (3 + 1 + 400) * OUTPUT,
    100 * INPUT + 2200 * CACHED + 21 * OUTPUT,
]
SECOND = [
    1000 * INPUT + 60 * OUTPUT,
    BOUGHT * (10 * INPUT + 20 * CACHED + 30 * WRITE + 40 * OUTPUT),
]


@dataclass(frozen=True)
class Evaluated:
    told: Told
    folder: Path

    def csv(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / f"{name}.csv")


def evaluate(script: Any, folder: Path, *words: str | Path, model: str = "scripted") -> Evaluated:
    with ScriptedModel(script) as server:
        told = delm_here(
            *("eval", "-m", f"openai/{model}", "-d", DATASET, "-i", FLASK, "--yes"),
            *("--run-id", "run", "-o", folder, "-c", "model.backoff_s=0.01", *words),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
        )
    return Evaluated(told, folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Evaluated:
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("costs")
    prices = folder / "prices.yaml"
    prices.write_text(yaml.safe_dump(MODELS))
    return evaluate(
        *(turns(PLANS), folder, "-s", "single", "-k", "2", "-w", "1"),
        *("-c", prices, "-c", "model.attempts=4"),
    )


def test_each_call_costs_what_was_served_with_every_billed_attempt(run):
    assert run.told.code == 1, run.told.text  # the second trial's model stayed away
    ledger = run.csv("ledger")
    assert list(ledger["cost_usd"]) == pytest.approx(FIRST + SECOND)
    assert list(ledger["attempts"]) == [1, 4, 1, 1, BOUGHT]
    assert list(ledger["outcome"]) == ["ok"] * 4 + ["failed"]
    assert list(ledger["prompt_tokens"]) == [1700, 1600 + 99 + 2200, 2300, 1000, BOUGHT * 60]
    assert list(ledger["cached_tokens"]) == [0, 500 + 9 + 1700, 2200, 0, BOUGHT * 20]
    assert list(ledger["cache_write_tokens"]) == [700, 200, 0, 0, BOUGHT * 30]
    assert list(ledger["completion_tokens"]) == [50, 404, 21, 60, BOUGHT * 40]
    assert list(ledger["reasoning_tokens"]) == [25, 1 + 200, 10, 30, BOUGHT * 20]


def test_a_trial_costs_its_calls_whether_it_came_to_its_end_or_not(run):
    instances = run.csv("instances")
    assert list(instances["state"]) == ["done", "error"]
    assert list(instances["cost_usd"]) == pytest.approx([sum(FIRST), sum(SECOND)])


def test_the_table_has_all_of_it_by_task_by_submission_and_by_what_was_resolved(run):
    (row,) = run.csv("table").to_dict("records")
    whole = sum(FIRST) + sum(SECOND)
    assert row["cost_usd"] == pytest.approx(whole)
    assert row["cost_per_task_usd"] == pytest.approx(whole / 2)
    assert row["cost_per_submission_usd"] == pytest.approx(whole / 1)
    assert row["cost_per_resolved_usd"] == pytest.approx(whole / 1)
    assert row["fresh_prompt_tokens"] == 1000 + 1490 + 100 + 1000 + BOUGHT * 10
    assert row["cached_tokens"] == 2209 + 2200 + BOUGHT * 20
    assert row["cache_write_tokens"] == 700 + 200 + BOUGHT * 30
    assert row["completion_tokens"] == 50 + 404 + 21 + 60 + BOUGHT * 40
    assert f"{whole / 2:.4f}" in run.told.out


def test_what_a_budget_counts_is_in_the_store_beside_the_cost(run):
    for row in query(run.folder, "SELECT * FROM call"):
        assert row["charged_usd"] == pytest.approx(row["cost_usd"])
        assert row["reserved_usd"] > 0


def by_turn(request: Mapping[str, Any], n: int) -> dict[str, Any]:
    """Solves the issue, and says so."""
    return FINISH if any(m["role"] == "assistant" for m in request["messages"]) else SOLVE


def test_a_model_without_a_price_is_refused_and_nothing_is_sent(tmp_path):
    def never(request: Mapping[str, Any], n: int) -> None:
        raise AssertionError("it was asked")

    told = evaluate(never, tmp_path, "-s", "single", model="nobody-knows-it").told
    refused(told, "no price is known for openai/nobody-knows-it", "--allow-unknown-price")
    assert not (tmp_path / "run").exists()


def test_an_unknown_price_is_blank_in_every_csv_and_a_dash_in_the_table(tmp_path):
    bundled(FLASK)
    done = evaluate(
        *(by_turn, tmp_path, "-s", "single", "-s", "independent", "-n", "2"),
        "--allow-unknown-price",
        model="nobody-knows-it",
    )
    assert done.told.code == 0, done.told.text
    looked_at = set()
    for path in done.folder.glob("*.csv"):
        for name, column in pd.read_csv(path).items():
            if ("usd" in str(name) or "cost" in str(name)) and "budget" not in str(name):
                looked_at.add((path.stem, name))
                assert column.isna().all(), (path.stem, name, list(column))
    assert {file for file, _ in looked_at} >= {"table", "instances", "ledger"}
    assert ("table", "cost_per_submission_usd") in looked_at
    assert set(done.csv("submissions")["outcome"]) == {"resolved"}
    assert done.csv("ledger")["prompt_tokens"].gt(0).all(), "tokens are known all the same"
    rows = [
        line.split() for line in done.told.out.splitlines()
        if line.startswith(("single ", "independent ")) and "%" in line
    ]  # fmt: skip
    dollars = [row[row.index("s") - 3 : row.index("s") - 1] for row in rows]  # before the latency
    assert dollars == [["–", "–"]] * 2, done.told.out
    assert "$0.0000" not in done.told.out
    assert "the cost is unknown" in done.told.out
    again = delm_here("score", done.folder)
    assert again.code == 0
    assert "0.0000" not in again.out


SPENT = {"prompt_tokens": 2000, "completion_tokens": 8000, "total_tokens": 10_000}  # 0.025 USD


def test_the_runs_cap_says_what_is_missing_and_more_money_goes_on(tmp_path):
    bundled(FLASK)

    def script(request: Mapping[str, Any], n: int) -> dict[str, Any]:
        return by_turn(request, n) | {"usage": SPENT}

    words = ("-s", "single", "-k", "3", "-w", "1")
    done = evaluate(script, tmp_path, *words, "--max-cost", "0.12")
    said = " ".join(done.told.out.split())
    assert done.told.code == 1, done.told.text
    assert "stopped starting trials: run_cost: the call can cost" in said
    assert (
        f"missing: 2 of 3 trials, on 1 instance, systems single: single on {FLASK} #2 (run_cost); "
        f"single on {FLASK} #3 (not started)" in said
    )
    assert "1 submission of interrupted trials in submissions.csv: not graded" in said
    assert "to resume with a higher --max-cost" in said
    assert list(done.csv("instances")["state"]) == ["done", "cancelled", "waiting"]
    made = done.csv("submissions")
    assert list(made["ended"]) == ["finished", "run_cost"]
    assert list(made["salvaged"]) == [0, 1]
    assert made["outcome"].isna().tolist() == [False, True]
    assert made["patch_sha256"].nunique() == 1, "what there was is what it would have been"
    (row,) = done.csv("table").to_dict("records")
    assert (row["resolved"], row["submissions"], row["unfinished"]) == (1, 1, 2)
    assert row["cost_usd"] == pytest.approx(3 * (2000 * 0.5e-6 + 8000 * 3e-6))
    again = evaluate(script, tmp_path, "--max-cost", "1")
    assert again.told.code == 0, again.told.text
    assert "missing" not in again.told.out
    assert list(again.csv("instances")["state"]) == ["done", "cancelled", "done", "done"]
