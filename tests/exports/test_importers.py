"""Docent, Phoenix and inspect_scout themselves read the trajectories that are exported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from atif_rows import CALLS, FACTS, SPOKEN, TRIAL, answer, call

from harness.exports.atif import trial_files

PYTHON = os.environ.get("DELM_IMPORTERS") or sys.executable
NEEDS = {
    "docent": "docent.sdk.integrations.harbor",
    "phoenix": "phoenix.client.helpers.atif",
    "scout": "inspect_scout.sources, harbor.models.trajectories",
}
ALONE = {
    "agent-1": [
        {"role": "system", "content": "You are alone."},
        {"role": "user", "content": "Mend it."},
        answer(("c0_0", "bash", '{"command": "ls"}'), says="Look."),
        {"role": "tool", "tool_call_id": "c0_0", "content": "a.py"},
        answer(says="Mended."),
    ]
}
ASKED = [
    call(0, "agent-1", says="Look.", calls=[("bash", '{"command": "ls"}')], model="p/m"),
    call(1, "agent-1", says="Mended.", model="p/m"),
]
SERVED = [ASKED[0] | {"paid_call": 99}, ASKED[1]]
TEAM = [row | {"model": "p/m"} for row in CALLS]


def written(folder: Path, spoken=ALONE, calls=ASKED) -> list[Path]:
    """The files of a trial in the order of their names, the root first."""
    files = trial_files(TRIAL, spoken, calls, (), FACTS)
    for name, document in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(document))
    return [folder / name for name in sorted(files)]


@pytest.fixture(scope="module")
def imported():
    """A function that has an importer read files; skips, in words, where it is not installed."""
    there: dict[str, str] = {}

    def read(tool: str, *paths: Path) -> list[dict]:
        if tool not in there:
            tried = subprocess.run([PYTHON, "-c", f"import {NEEDS[tool]}"],
                                   capture_output=True, text=True, check=False)  # fmt: skip
            there[tool] = tried.stderr.strip().rpartition("\n")[2] if tried.returncode else ""
        if there[tool]:
            pytest.skip(f"{tool} is not in {PYTHON} (DELM_IMPORTERS names another; .ci/run makes "
                        f"one): {there[tool]}")  # fmt: skip
        script = Path(__file__).parents[1] / "helpers/import_trajectories.py"
        done = subprocess.run([PYTHON, script, tool, *paths],
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return read


def test_docent_reads_a_trial_of_one_conversation_and_each_conversation_of_a_team(
    imported, tmp_path
):
    (alone,) = imported("docent", *written(tmp_path / "alone"))
    assert alone["name"] == "delm"
    assert alone["roles"] == ["system", "user", "assistant", "tool", "assistant"]
    assert alone["texts"] == ["You are alone.", "Mend it.", "Look.", "a.py", "Mended."]
    root, *parts = imported("docent", *written(tmp_path / "team", SPOKEN, TEAM))
    assert "subagent_trajectory_ref is not supported" in root["refused"]  # its own limit
    assert {part["name"] for part in parts} == {"delm patch-1", "delm test-1", "delm gist-1"}


def test_docent_reads_an_answer_that_has_an_id_twice(imported, tmp_path):
    spoken = {"agent-1": [answer(("x", "bash", "{}"), ("x", "bash", "{}"))]}
    (made,) = imported("docent", *written(tmp_path, spoken, []))
    assert made["roles"] == ["assistant"]


def test_phoenix_gets_a_trial_as_one_trace_with_its_tokens_and_dollars(imported, tmp_path):
    spans = imported("phoenix", *written(tmp_path, SPOKEN, TEAM))
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    (root,) = [span for span in spans if not span.get("parent_id")]
    assert root["name"] == "delm"
    models = [span for span in spans if span["span_kind"] == "LLM"]
    assert {span["name"] for span in models} == {"p/m"}
    cost = sum(span["attributes"]["llm.cost.total"] for span in models)
    assert cost == pytest.approx(sum(row["cost_usd"] for row in TEAM))
    details = {span["attributes"]["llm.token_count.prompt_details.cache_write"] for span in models}
    assert details == {5}


def test_phoenix_counts_a_served_answer_once_where_it_was_paid_for(imported, tmp_path):
    spans = imported("phoenix", *written(tmp_path, ALONE, SERVED))
    models = [span for span in spans if span["span_kind"] == "LLM"]
    assert [span["attributes"]["llm.cost.total"] for span in models] == [0.01]
    assert [span["name"] for span in spans if span["span_kind"] == "TOOL"] == ["bash"]


def test_inspect_scout_reads_a_folder_and_puts_a_team_into_one_transcript(imported, tmp_path):
    written(tmp_path / "a")
    written(tmp_path / "b", SPOKEN, TEAM)
    for path in (tmp_path / "a").rglob("*.json"):
        path.write_text(path.read_text().replace("r/delm/a__a-1", "r/single/a__a-1"))
    team, alone = imported("scout", tmp_path)
    assert (alone["id"], alone["agent"]) == ("r/single/a__a-1/0.1", "delm")
    assert alone["messages"] == ["system", "user", "assistant", "tool", "assistant"]
    assert alone["models"] == ["p/m", "p/m"]
    assert alone["tokens"] == 2 * 110
    assert team["spans"] == ["delm patch-1", "delm test-1", "delm gist-1"]
    assert team["models"] == ["p/m"] * len(TEAM)


def test_inspect_scout_counts_no_tokens_of_a_served_answer(imported, tmp_path):
    written(tmp_path, ALONE, SERVED)
    (made,) = imported("scout", tmp_path)
    assert made["models"] == ["p/m"]
    assert made["tokens"] == 110
    assert made["messages"] == ["system", "user", "assistant", "tool", "assistant"]
