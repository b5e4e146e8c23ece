"""Docent, Phoenix and inspect_scout themselves read the trajectories that are exported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from atif_rows import CALLS, FACTS, SPOKEN, TRIAL, answer, call
from console import DELM, query
from shared_run import QUESTIONED, REPLAYED, SCRIPTED, shared_run

from harness.exports.atif import trial_files

pytestmark = pytest.mark.slow(seconds=25)

PYTHON = os.environ.get("DELM_IMPORTERS") or sys.executable
NEEDS = {
    "docent": "docent.sdk.integrations.harbor",
    "phoenix": "phoenix.client.helpers.atif",
    "scout": "inspect_scout.sources, harbor.models.trajectories",
}
SENT = """SELECT system || '/' || number || '.' || attempt AS trial, count(*) AS calls,
    sum(prompt_tokens) AS tokens, sum(cost_usd) AS usd
    FROM call JOIN trial USING (trial_id) WHERE paid_call IS NULL GROUP BY trial_id"""
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


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The documents of real runs of every kind of system, and by trial what the ledger has."""
    folder, ledger = tmp_path_factory.mktemp("every") / "atif", {}
    for name in (REPLAYED, QUESTIONED, SCRIPTED):
        run = shared_run(tmp_path_factory, name)
        words = [DELM, "export", run, folder / name, "--format", "atif"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for row in query(run, SENT):
            ledger[row["trial"]] = (row["calls"], row["tokens"], row["usd"])
    return folder, ledger


def trials_in(folder: Path) -> dict[str, list[Path]]:
    """The files of each trial, the root first."""
    roots = sorted(folder.glob("*/*/*/*.json"))
    return {
        f"{root.parent.parent.name}/{root.stem}": [
            root,
            *sorted(root.with_name(f"{root.stem}.subagents").glob("*.json")),
        ]
        for root in roots
    }


def test_every_system_is_exported_each_with_its_trial_and_its_calls(exported):
    folder, ledger = exported
    found = trials_in(folder)
    assert set(found) == set(ledger)
    assert {trial.partition("/")[0] for trial in found} == {
        "single", "delm", "base", "delm-documents", "mini-swe-agent", "centralized-parallel",
        "centralized", "independent",
    }  # fmt: skip
    assert len(found["delm/0.0"]) > 1
    assert len(found["delm-documents/0.0"]) > 1
    for trial, paths in found.items():
        root = json.loads(paths[0].read_text())
        assert root["final_metrics"]["total_cost_usd"] == pytest.approx(ledger[trial][2])


def test_docent_reads_every_conversation_of_every_system(imported, exported):
    paths = [path for each in trials_in(exported[0]).values() for path in each]
    for path, read in zip(paths, imported("docent", *paths), strict=True):
        document = json.loads(path.read_text())
        if "subagent_trajectory_ref" in json.dumps(document["steps"]):
            assert "subagent_trajectory_ref is not supported" in read["refused"]
        else:
            assert len(read["roles"]) >= len(document["steps"]), path


def test_phoenix_gets_one_trace_of_every_trial_with_the_dollars_of_the_ledger(imported, exported):
    folder, ledger = exported
    trials = trials_in(folder)
    spans = imported("phoenix", *(path for paths in trials.values() for path in paths))
    traces: dict[str, list[dict]] = {}
    for span in spans:
        traces.setdefault(span["context"]["trace_id"], []).append(span)
    assert len(traces) == len(trials)
    found = []
    for mine in traces.values():
        models = [span["attributes"] for span in mine if span["span_kind"] == "LLM"]
        tokens = sum(each.get("llm.token_count.prompt", 0) for each in models)
        usd = sum(each.get("llm.cost.total", 0) for each in models)
        found.append((len(models), tokens, usd))
    calls, tokens, usd = zip(*sorted(ledger.values()), strict=True)
    found_calls, found_tokens, found_usd = zip(*sorted(found), strict=True)
    assert (calls, tokens) == (found_calls, found_tokens)
    assert found_usd == pytest.approx(usd)


def test_inspect_scout_reads_every_trial_as_one_transcript(imported, exported):
    folder, _ = exported
    transcripts = [one for name in (REPLAYED, QUESTIONED, SCRIPTED)
                   for one in imported("scout", folder / name)]  # fmt: skip
    systems = [trial.partition("/")[0] for trial in trials_in(folder)]
    assert sorted(one["agent"] for one in transcripts) == sorted(systems)
    assert all(one["models"] for one in transcripts)
