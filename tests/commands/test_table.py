"""The whole table: every system of configs/table.yaml, three real issues, one scripted model."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
from console import DATASET, Told, bundled, own_cache
from console import delm_here as delm
from scripted_model import ScriptedModel
from table_script import ISSUES, TableScript

from harness.commands.configure import TABLE
from harness.config import read_yaml

pytestmark = pytest.mark.slow(seconds=90)

# Of the conversations of each kind that begin on an issue, those that fail. One trial runs at a
# time, so `alone` counts single #1, the four agents of independent, single #2, #3, #4.
WRONG = {
    ("alone", "caplog"): {0, 1, 2, 5},  # single 2 of 4 wrong, independent 2 of 4
    ("mini", "caplog"): {0, 1, 2, 3},
    ("mini", "proxies"): {3},
    ("main", "caplog"): {0},
    ("main", "proxies"): {0, 1, 2, 3},
    ("rounds", "Blueprints"): {1, 2},
    ("team", "proxies"): {0, 3},  # one of the first two agents, one of the next four
}
RESOLVED = {  # by system and the word of an issue: how many of four
    "single": {"Blueprints": 4, "proxies": 4, "caplog": 2},
    "independent": {"Blueprints": 4, "proxies": 4, "caplog": 2},
    "mini-swe-agent": {"Blueprints": 4, "proxies": 3, "caplog": 0},
    "centralized": {"Blueprints": 4, "proxies": 0, "caplog": 3},
    "centralized-parallel": {"Blueprints": 2, "proxies": 4, "caplog": 4},
    "delm-n2": {"Blueprints": 4, "proxies": 3, "caplog": 4},
    "delm": {"Blueprints": 4, "proxies": 3, "caplog": 4},
}


@dataclass(frozen=True)
class Made:
    """The run that the tests look at."""

    told: Told
    folder: Path

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    for instance in ISSUES:
        bundled(instance)
    folder = tmp_path_factory.mktemp("table")
    with ScriptedModel(TableScript(WRONG)) as server:
        told = delm(
            *("eval", "-m", "openai/scripted", "-d", DATASET, "--run-id", "t", "-o", folder),
            *(word for instance in ISSUES for word in ("-i", instance)),
            *("-w", "1", "--yes", "-c", "grading.guard=false"),  # other tests show what it does
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="sk-not-a-key",
            DELM_CACHE=str(own_cache(folder / "cache")),
        )
    return Made(told=told, folder=folder / "t")


def test_every_system_of_the_table_is_run_with_as_many_submissions(made):
    assert made.told.code == 0, made.told.text
    systems = read_yaml(TABLE)["systems"]
    rows = {row["system"]: row for row in made.rows("table.csv")}
    assert list(rows) == systems == [name for name in systems if name in RESOLVED]
    assert {row["wanted"] for row in rows.values()} == {"12"}
    assert {row["submissions"] for row in rows.values()} == {"12"}
    assert {row["infra_errors"] for row in rows.values()} == {"0"}
    assert len({row["budget_per_instance_usd"] for row in rows.values()}) == 1


@pytest.mark.parametrize("system", RESOLVED)
def test_what_the_script_planned_is_what_is_scored(made, system):
    words = {instance: issue.word for instance, issue in ISSUES.items()}
    counts = dict.fromkeys(RESOLVED[system], 0)
    for row in made.rows("submissions.csv"):
        if row["system"] == system:
            counts[words[row["instance_id"]]] += row["outcome"] == "resolved"
    assert counts == RESOLVED[system]
    (row,) = [row for row in made.rows("table.csv") if row["system"] == system]
    shares = [count / 4 for count in RESOLVED[system].values()]
    assert float(row["avg_at_1"]) == pytest.approx(sum(shares) / 3)
    assert float(row["cost_usd"]) > 0


def test_pass_at_k_is_of_independent_submissions_or_of_a_team_of_that_size(made):
    rows = {row["system"]: row for row in made.rows("table.csv")}
    assert float(rows["mini-swe-agent"]["pass_at_4"]) == pytest.approx(2 / 3)
    # 1 - C(2, 2) / C(4, 2) for the issue that two of four solve
    assert float(rows["single"]["pass_at_2"]) == pytest.approx((1 + 1 + 5 / 6) / 3)
    assert rows["single"]["pass_at_2_kind"] == "independent"
    assert (rows["delm"]["pass_at_2"], rows["delm"]["pass_at_4"]) == ("", "1.0")
    assert (rows["delm-n2"]["pass_at_2"], rows["delm-n2"]["pass_at_4"]) == ("1.0", "")
    assert rows["delm"]["pass_at_4_kind"] == "shared"


def test_the_printed_table_has_a_row_for_every_system_and_the_published_ones(made):
    for system in RESOLVED:
        assert f"\n{system} " in made.told.out
    for published in ("AOrchestra", "AOrchestra-Parallel", "mini-SWE-agent", "DeLM"):
        assert published in made.told.out
