"""The bundled set of injected faults: its file, and one real instance from end to end."""

import json
from collections import Counter

import pytest
from console import FINISH, bash, bundled, delm_here, query, turns
from scripted_model import ScriptedModel

from harness.benchmarks.rows import BUNDLED, load
from harness.benchmarks.swebench.injected.sheet import read_sheet
from harness.cache import cache_dir
from harness.errors import UserError

pytestmark = pytest.mark.slow(seconds=15)

SET = "injected-offline"
ONE = "pallets__flask-injected-1"
HALF = "pallets__flask-injected-3"
MEND = bash(
    "python -m pytest -q tests/test_blueprints.py && "
    "sed -i 's/names = (None, [*]request.blueprints)/names = (None, *request.blueprints[::-1])/' "
    "src/flask/app.py && git diff --stat"
)


def test_the_file_has_all_levels_and_no_line_of_a_release():
    sheet = read_sheet(BUNDLED / f"{SET}.yaml")
    assert len(sheet.injected) >= 12
    assert len({facts.repo for facts in sheet.injected.values()}) >= 5
    assert min(Counter(facts.level for facts in sheet.injected.values()).values()) >= 3
    for name, facts in sheet.injected.items():
        assert 1 <= len(facts.fail_to_pass) <= 20, name
        assert not any(fault.path in facts.issue for fault in facts.faults), name


def test_every_instance_is_whole():
    try:
        items = load(SET, cache=cache_dir()).items
    except UserError as error:
        pytest.skip(f"the release archives cannot be had: {error}")
    for item in items:
        assert item.environment.patch
        assert item.reference.patch
        assert item.reference.test_patch


def test_one_is_run_graded_and_named_as_any_other(tmp_path):
    bundled()  # or it is skipped
    with ScriptedModel(turns([[MEND, FINISH]])) as server:
        told = delm_here(
            "eval", "-m", "openai/scripted", "-s", "single", "-d", SET, "-i", ONE, "-k", "1",
            "--sandbox", "bubblewrap", "--yes", "--run-id", "one", "-o", tmp_path,
            OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none",
        )  # fmt: skip
    assert told.code == 0, told.text
    (trial,) = query(tmp_path / "one", "SELECT state, audit, image FROM trial")
    assert (trial["state"], trial["audit"]) == ("done", "ok")
    (grade,) = query(tmp_path / "one", "SELECT outcome, flags FROM grade")
    assert (grade["outcome"], json.loads(grade["flags"])) == ("resolved", [])
    assert f"{SET}: 1 instance" in told.text
    asked = str(server.requests[0])
    assert "run from the inside out" in asked
    assert "test_nested_callback_order" not in str(server.requests)


def test_the_gold_patch_resolves_two_places_and_either_place_alone_does_not(tmp_path):
    items = {item.instance.instance_id: item for item in load(SET, cache=cache_dir()).items}
    bundled()
    common = ("-d", SET, "-i", HALF, "--sandbox", "bubblewrap", "-o", tmp_path)
    told = delm_here("grade", "--gold", *common)
    assert told.out.splitlines()[-1] == "resolved 1 of 1", told.text
    head, *hunks = items[HALF].reference.patch.split("@@ -")
    assert len(hunks) == 2
    for number, hunk in enumerate(hunks):
        patch = f"{head}@@ -{hunk}"
        row = {"instance_id": HALF, "model_name_or_path": f"half-{number}", "model_patch": patch}
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(row) + "\n")
        told = delm_here("grade", tmp_path / f"{number}.jsonl", *common)
        assert told.out.splitlines()[-1] == "resolved 0 of 1", told.text
