"""What `delm export` writes is what the tools that it is for read, and it means the same there."""

import json
import sys
from pathlib import Path

import pytest
from console import FLASK, query, refused
from exported import play

from agents.mini_swe_agent import load_package
from harness.benchmarks.swebench.log_reader import read_log

pytestmark = pytest.mark.slow(seconds=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return play(tmp_path_factory.mktemp("exports"))


def predicted(path: Path) -> list[dict]:
    """A file of predictions, read by the official harness."""
    from swebench.harness.utils import get_predictions_from_file

    return get_predictions_from_file(str(path), "none", "test")


def test_swebench_reads_our_predictions_one_row_an_instance_one_model_a_file(delm, run, tmp_path):
    told = delm("export", run.folder, tmp_path / "preds.jsonl")
    assert told.code == 0, told.text
    rows = predicted(tmp_path / "preds.jsonl")
    assert [row["instance_id"] for row in rows] == [FLASK]
    assert rows[0]["model_name_or_path"] == "single.openai/scripted"
    assert rows == predicted(run.folder / "preds" / "single.jsonl")
    files = sorted((run.folder / "preds").glob("*.jsonl"))
    assert len(files) == 3
    assert len({predicted(path)[0]["model_name_or_path"] for path in files}) == 3


def test_swebench_gives_each_exported_prediction_the_verdict_that_the_run_has(run):
    from swebench.harness.grading import get_eval_report
    from swebench.harness.utils import make_test_spec

    row = json.loads(run.rows.read_text())
    told = []
    for number, suffix in enumerate(("", ".2", ".3")):
        (prediction,) = predicted(run.folder / "preds" / f"single{suffix}.jsonl")
        name = prediction["model_name_or_path"].replace("/", "__")
        log = run.folder / "logs" / "run_evaluation" / "one" / name / FLASK / "test_output.txt"
        if not prediction["model_patch"]:
            assert not log.exists()
            told.append((number, "unresolved"))
            continue
        report = get_eval_report(make_test_spec(row), prediction, str(log), True)
        told.append((number, "resolved" if report[FLASK]["resolved"] else "unresolved"))
    rows = query(
        run.folder,
        "SELECT number, outcome FROM trial JOIN submission USING (trial_id) "
        "JOIN grade USING (submission_id) ORDER BY number",
    )
    assert told == [(row["number"], row["outcome"]) for row in rows]
    assert [verdict for _, verdict in told] == ["resolved", "unresolved", "unresolved"]


async def test_our_reading_of_a_log_is_that_of_swebench_and_not_the_report_beside_it(run):
    name = "single.openai__scripted"
    folder = run.folder / "logs" / "run_evaluation" / "one" / name / FLASK
    (prediction,) = predicted(run.folder / "preds" / "single.jsonl")
    said = {"patch": prediction["model_patch"], "model_name": prediction["model_name_or_path"]}
    log = (folder / "test_output.txt").read_bytes()
    reading = await read_log(run.item.reference, log, **said)
    assert reading.report == json.loads((folder / "report.json").read_text())
    broken = log.replace(b"test_empty_name_not_allowed PASSED", b"test_x PASSED").replace(
        b"PASSED tests/test_blueprints.py::test_empty_name_not_allowed", b""
    )
    assert broken != log
    assert not (await read_log(run.item.reference, broken, **said)).report[FLASK]["resolved"]


@pytest.mark.parametrize("exported", [False, True])
async def test_the_inspector_of_mini_swe_agent_shows_every_message_of_ours(run, tmp_path, exported):
    pytest.importorskip("textual", reason="the inspector of mini-swe-agent needs textual")
    load_package()  # first, as it keeps the package away from the user's settings
    from minisweagent.models.utils.content_string import get_content_string
    from minisweagent.run.utilities.inspector import TrajectoryInspector

    folder = run.folder / "trajectories"
    if exported:
        from console import delm

        folder = tmp_path / "out"
        told = delm("export", run.folder, folder, "--format", "trajectories")
        assert told.code == 0, told.text
    files = sorted(folder.rglob("*.traj.json"))  # as its command finds them
    assert len(files) == 3
    app = TrajectoryInspector(files)
    async with app.run_test() as pilot:
        assert app.n_trajectories == 3
        assert app.n_steps == 1 + 3  # what was said before, and each answer with what came of it
        pages = []
        for _ in range(app.n_steps):
            pages.append("\n".join(get_content_string(m) for m in app.steps[app.i_step]))
            await pilot.press("right")
        assert run.item.instance.problem_statement[:60] in pages[0]
        assert "ls" in pages[1]
        assert "CHANGES.rst" in pages[1]
        assert "git diff" in pages[2]
        await pilot.press("L")
        assert app.current_trajectory_name == files[1].name
        assert app.n_steps == 1 + 2


def test_a_trajectory_says_what_its_conversation_submitted_and_cost(run):
    path = run.folder / "trajectories" / "single" / FLASK / "0.0.agent-1.traj.json"
    content = json.loads(path.read_text())
    (prediction,) = predicted(run.folder / "preds" / "single.jsonl")
    assert content["info"]["submission"] == prediction["model_patch"] != ""
    assert content["info"]["exit_status"] == "finished"
    assert content["info"]["model_stats"]["api_calls"] == 3
    calls = query(run.folder, "SELECT cost_usd FROM call JOIN trial USING (trial_id) "
                              "WHERE number = 0")  # fmt: skip
    cost = sum(row["cost_usd"] for row in calls)
    assert content["info"]["model_stats"]["instance_cost"] == pytest.approx(cost)
    assert cost > 0


@pytest.mark.parametrize("kind", ["trajectories", "atif", "experiments"])
def test_a_file_is_refused_where_a_folder_is_written(delm, run, place, kind):
    (place / "file").write_text("mine")
    refused(delm("export", run.folder, "file", "--format", kind), "file", "folder")
    refused(delm("export", run.folder, "file/in", "--format", kind), "file", "folder")
    assert (place / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", ["predictions", "recording"])
def test_a_folder_is_refused_where_a_file_is_written(delm, run, place, kind):
    (place / "there").mkdir()
    refused(delm("export", run.folder, "there", "--format", kind), "there", "file")


def test_unknown_formats_and_systems_are_refused_with_those_that_there_are(delm, run, place):
    refused(delm("export", run.folder, "x", "--format", "csv"), "'csv'", "atif", "experiments")
    for kind in ("predictions", "recording", "trajectories", "atif", "experiments"):
        told = delm("export", run.folder, "x", "--format", kind, "-s", "delm")
        refused(told, "'delm'", "single")
    assert list(place.iterdir()) == []


def test_an_export_changes_nothing_in_the_run(delm, run, tmp_path):
    before = {path: path.read_bytes() for path in run.folder.rglob("*")
              if path.is_file() and path.suffix not in {".db", ".db-wal", ".db-shm"}}  # fmt: skip
    for kind in ("predictions", "recording", "trajectories", "atif", "experiments"):
        told = delm("export", run.folder, tmp_path / kind, "--format", kind)
        assert told.code == 0, told.text
    assert before == {path: path.read_bytes() for path in before}


def test_exports_are_imported_without_the_heavy_packages():
    import subprocess

    code = (
        "import sys; import harness.exports.atif, harness.exports.submission_check, "
        "harness.exports.experiments, harness.commands.export; "
        "sys.exit(any(name in sys.modules for name in ('litellm', 'datasets', 'swebench')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
