"""Whole runs with each provider: every system, real sandboxes and grading, the provider's own bill.

Each provider is met by two systems, and each system by several providers; with
DELM_EVERY_SYSTEM=1 in the environment, each provider by all six.
"""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from console import DATASET, FLASK, UNGUARDED, Told, bundled, own_cache, query
from provider_answers import billed, entry
from provider_server import PROVIDERS, Imitation
from scripted_model import ScriptedModel
from table_script import TableScript

pytestmark = pytest.mark.slow(seconds=47)

SYSTEMS = (
    "single", "mini-swe-agent", "independent", "centralized", "centralized-parallel", "delm-n2",
)  # fmt: skip
RUIN = "rm -rf /testbed/src"
MEETS = {
    name: SYSTEMS
    if os.environ.get("DELM_EVERY_SYSTEM")
    else (SYSTEMS[place % 6], SYSTEMS[(place + 1 + place // 6) % 6])
    for place, name in enumerate(PROVIDERS)
}


@dataclass(frozen=True)
class Made:
    """A run, and what the provider says of it."""

    told: Told
    folder: Path
    imitation: Imitation

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))


class CutOnce:
    """The script of the table, whose first answer is cut at the output limit, call and all."""

    def __init__(self) -> None:
        self._script = TableScript({})
        self.cut = 0

    def __call__(self, request, n):
        answer = self._script(request | {"messages": self._whole(request["messages"])}, n)
        if self.cut or "bash" not in json.dumps(answer["tool_calls"]):
            return answer
        self.cut += 1
        ruin = {"name": "bash", "arguments": {"command": RUIN}}
        return {"content": "", "tool_calls": [ruin], "finish_reason": "length"}

    def _whole(self, messages):
        """Without the answer that was cut: the script counts answers."""
        return [m for m in messages if RUIN not in json.dumps(m.get("tool_calls"))]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """One for all runs: their patches are the same, and a verdict is remembered."""
    bundled(FLASK)
    return own_cache(tmp_path_factory.mktemp("providers") / "cache")


def run(delm, name: str, folder: Path, cache: Path, script) -> Made:
    imitation = Imitation(name, script)
    with ScriptedModel(imitation) as server:
        own = folder / "own.yaml"
        own.write_text(yaml.safe_dump({"models": {PROVIDERS[name].model: entry(server, name)}}))
        told = delm(
            *("eval", "-m", PROVIDERS[name].model, "-d", DATASET, "-i", FLASK, "-c", own),
            *(word for system in MEETS[name] for word in ("-s", system)),
            *("-w", "2", "-c", "model.backoff_s=0.01"),
            *("--run-id", "p", "-o", folder, "--yes", *UNGUARDED),
            SCRIPTED_API_KEY="sk-test-0123456789abcdefghij",
            DELM_CACHE=str(cache),
        )
    return Made(told, folder / "p", imitation)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_run_with_a_provider_ends_right(name, delm, tmp_path, cache):
    made = run(delm, name, tmp_path, cache, TableScript({}))
    assert made.told.code == 0, made.told.text
    assert made.imitation.refused == []
    table = {row["system"]: row for row in made.rows("table.csv")}
    assert set(table) == set(MEETS[name])
    for row in table.values():
        assert (row["submissions"], row["resolved"]) == (row["wanted"], row["wanted"])
        assert (row["infra_errors"], row["unfinished"], row["trial_retries"]) == ("0", "0", "0")
        assert row["cost_unsure_usd"] == "0.0"
    total = sum(float(row["cost_usd"]) for row in table.values())
    assert total == pytest.approx(billed(made.imitation)), "to the cent, and far below it"
    answered = query(made.folder, "SELECT count(*) AS n FROM call WHERE outcome = 'ok'")
    assert answered == [{"n": made.imitation.bill.answers}], "nothing is bought twice"


@pytest.mark.parametrize("name", ["openai", "vllm", "anthropic", "gemini"])
def test_what_was_cut_is_not_done_and_is_counted(name, delm, tmp_path, cache):
    script = CutOnce()
    made = run(delm, name, tmp_path, cache, script)
    assert made.told.code == 0, made.told.text
    assert script.cut == 1
    table = made.rows("table.csv")
    assert [row["resolved"] for row in table] == [row["wanted"] for row in table]
    assert sum(int(row["cut_answers"]) for row in table) == 1
