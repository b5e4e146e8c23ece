"""Rows that are not of `swebench` 5.x: completed where they can be, else refused by their name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_rows import ROW

from harness.benchmarks.rows import check_rows, load
from harness.benchmarks.swebench.row_forms import FIELDS_OF_5
from harness.errors import UserError

pytestmark = pytest.mark.slow(seconds=5)

CLASSIC = {key: value for key, value in ROW.items() if key not in (*FIELDS_OF_5, "image")}
LOWER = {"fail_to_pass": "['test_a']", "pass_to_pass": "[]"}
STRANGERS = {
    "SWE-bench Pro": LOWER | {
        "dockerhub_tag": "a.b-c", "before_repo_set_cmd": "git reset --hard", "interface": "none",
        "selected_test_files_to_run": "['t.py']", "requirements": "- it works",
    },
    "SWE-bench-Live": {
        "docker_image": "x/y:1", "rebuild_cmds": ["make"], "test_cmds": ["pytest -rA"],
        "print_cmds": ["cat log"], "log_parser": "pytest",
    },
    "SWE-rebench": {"install_config": '{"python": "3.9"}', "docker_image": "swerebench/x"},
    "SWE-rebench V2": {
        "install_config": {"test_cmd": "go test"}, "image_name": "swerebenchv2/x", "language": "go",
        "interface": "none",
    },
    "Multi-SWE-bench": {
        "org": "o", "number": 3, "fix_patch": "gold", "f2p_tests": {"a": {}}, "n2p_tests": {},
    },
    "R2E-Gym": {"parsed_commit_content": "{}", "expected_output_json": "{}"},
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGERS)
def test_rows_of_another_benchmark_are_refused_by_its_name(tmp_path, name):
    with pytest.raises(UserError, match=rf"row 1 .* is a row of {name},") as caught:
        _load(tmp_path, [CLASSIC | STRANGERS[name]])
    assert "\n" not in str(caught.value)


def test_a_row_whose_patch_is_the_bug_is_refused_by_the_name_of_its_benchmark(tmp_path):
    row = {key: value for key, value in CLASSIC.items() if key not in ("test_patch", "base_commit")}
    with pytest.raises(UserError, match="is a row of SWE-smith"):
        _load(tmp_path, [row | {"image_name": "x/swesmith.y"}])


@pytest.mark.parametrize("name", STRANGERS)
def test_a_row_that_was_made_into_one_of_swebench_5_is_taken(tmp_path, name):
    assert _load(tmp_path, [ROW | STRANGERS[name] | {"log_parser": ROW["log_parser"]}])


def test_columns_without_a_value_make_no_row_of_another_benchmark(tmp_path):
    empty = dict.fromkeys(STRANGERS["SWE-bench Pro"])
    with pytest.raises(UserError, match="has no field eval_script"):
        _load(tmp_path, [CLASSIC | empty | {"log_parser": "parse_log_pytest"}])


ASSET = {"path": "a.png", "url": "https://example.com/a.png"}


@pytest.mark.parametrize("assets", [json.dumps({"test_patch": [ASSET]}), {"patch": [ASSET]}, "{"])
def test_rows_with_images_are_refused_as_multimodal(tmp_path, assets):
    with pytest.raises(UserError, match="is a row of SWE-bench Multimodal with image_assets"):
        _load(tmp_path, [ROW | {"image_assets": assets}])


@pytest.mark.parametrize("assets", [None, "", "{}", '{"patch": [], "test_patch": []}', {}])
def test_rows_that_name_no_image_are_taken(tmp_path, assets):
    assert _load(tmp_path, [ROW | {"image_assets": assets}])


@pytest.mark.parametrize("tests", ["[]", [], ()])
def test_a_row_without_tests_that_have_to_change_is_refused(tmp_path, tests):
    with pytest.raises(UserError, match=r"bad field FAIL_TO_PASS: is empty: .*any patch would"):
        _load(tmp_path, [ROW | {"FAIL_TO_PASS": tests}])
    assert _load(tmp_path, [ROW | {"PASS_TO_PASS": []}])


def test_a_row_of_ones_own_says_how_its_tests_are_run_in_one_command(tmp_path):
    own = {key: value for key, value in CLASSIC.items() if key != "version"}
    own |= {"image": "own/image:1", "test_command": "make check", "log_parser": "parse_log_pytest"}
    own["test_patch"] = "--- /dev/null\n+++ b/test_it.py\n@@ -0,0 +1 @@\n+assert True\n"
    (item,) = _load(tmp_path, [own])
    script = item.reference.eval_script
    assert "\nmake check\n" in script
    assert "+assert True" in script
    assert item.reference.eval_type == "pass_and_fail"


def test_a_row_of_ones_own_without_a_test_patch_is_refused_in_words(tmp_path):
    own = CLASSIC | {"test_command": "make check", "log_parser": "parse_log_pytest"}
    with pytest.raises(UserError, match="has a bad field test_patch: the test patch changes no"):
        _load(tmp_path, [own])


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ("test_command", r"has no field test_command \(or a complete eval_script\)$"),
        ("log_parser", "has no field log_parser$"),
        ("image", "has no field image: the Docker image with"),
    ],
)
def test_a_row_of_ones_own_is_told_in_its_own_words_what_it_lacks(tmp_path, lacks, says):
    own = {key: value for key, value in CLASSIC.items() if key != "version"}
    own |= {"image": "own/image:1", "test_command": "make check", "log_parser": "parse_log_pytest"}
    own["test_patch"] = "--- /dev/null\n+++ b/test_it.py\n@@ -0,0 +1 @@\n+assert True\n"
    with pytest.raises(UserError, match=says):
        _load(
            tmp_path,
            [
                own | {lacks: ""}
                if lacks == "test_command"
                else {key: value for key, value in own.items() if key != lacks}
            ],
        )


def test_a_classic_row_is_completed_from_the_data_set_of_swebench_5(tmp_path):
    other = ROW | {"instance_id": "owner__Repo-2"}
    _stand_in(tmp_path, "SWE-bench_Verified", [other])
    _stand_in(tmp_path, "SWE-bench", [ROW | {"FAIL_TO_PASS": ["test_z"]}])
    (tmp_path / "classic.jsonl").write_text(
        json.dumps(CLASSIC) + "\n" + json.dumps(CLASSIC | {"instance_id": "owner__Repo-2"})
    )
    told = _load_elsewhere(tmp_path, "classic.jsonl")
    assert told == [
        [key, "#!/bin/bash\ntrue\n", "parse_log_pytest", "pass_and_fail", ["test_a", "test_b[x y]"],
         "registry/image:tag"]
        for key in ("owner__Repo-1", "owner__Repo-2")
    ]  # fmt: skip


def test_a_classic_row_that_differs_from_the_one_it_is_completed_from_is_refused(tmp_path):
    _stand_in(tmp_path, "SWE-bench_Verified", [ROW])
    for field in ("base_commit", "test_patch"):
        (tmp_path / "classic.json").write_text(json.dumps([CLASSIC | {field: "another"}]))
        told = _load_elsewhere(tmp_path, "classic.json")
        assert f"its {field} is not that of its row of swebench 5.x" in told


def test_a_classic_row_says_in_one_line_why_it_cannot_be_completed(tmp_path):
    (tmp_path / "classic.json").write_text(json.dumps([CLASSIC]))
    told = _load_elsewhere(tmp_path, "classic.json")
    assert "(owner__Repo-1) is of the classic form, without eval_script, log_parser" in told
    assert "cannot load SWE-bench/SWE-bench_Verified" in told
    assert told.endswith("take rows of swebench 5.x")
    assert "\n" not in told


def test_every_fault_of_every_row_is_found(tmp_path):
    whole = {key: value for key, value in ROW.items() if key not in ("patch", "log_parser")}
    rows = [ROW, whole | {"instance_id": "b__b-2", "eval_type": "x"}, ROW, {"instance_id": "../c"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, rows = check_rows(str(tmp_path / "rows.jsonl"), cache=tmp_path)
    found = list(rows)
    assert [bool(row.item) and not row.faults for row in found] == [True, False, False, False]
    assert [fault.partition(";")[0].partition(":")[0] for fault in found[1].faults] == [
        "has no field patch", "has no field log_parser", "has a bad field eval_type",
    ]  # fmt: skip
    assert found[1].where.endswith("rows.jsonl: line 2 (b__b-2)")
    assert "twice" in found[2].faults[0]
    assert len(found[3].faults) > 8


def test_rows_are_read_with_a_mark_in_capitals_and_never_twice(tmp_path):
    text = json.dumps(ROW)
    (tmp_path / "a.JSONL").write_bytes(text.encode("utf-8-sig"))
    (tmp_path / "b.Json").write_bytes(f"[{text}]".encode("utf-16"))
    assert (
        len({len(load(str(path), cache=tmp_path).items) for path in tmp_path.glob("*.[jJ]*")}) == 1
    )
    twice = json.dumps({"owner__Repo-1": ROW})[:-1] + f', "owner__Repo-1": {text}}}'
    (tmp_path / "c.json").write_text(twice)
    with pytest.raises(UserError, match=r"the key 'owner__Repo-1' is there twice"):
        load(str(tmp_path / "c.json"), cache=tmp_path)
    (tmp_path / "d.jsonl").write_bytes(text.encode() + b"\n\xff\xfe\n")
    with pytest.raises(UserError, match=rf"byte {len(text) + 1} is 0xff"):
        load(str(tmp_path / "d.jsonl"), cache=tmp_path)


def _load(tmp_path, rows):
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return load(str(tmp_path / "rows.json"), cache=tmp_path).items


def _stand_in(folder: Path, name: str, rows):
    """A copy of a data set of the hub on this machine, as its client takes one."""
    import pyarrow
    import pyarrow.parquet

    place = folder / "SWE-bench" / name
    place.mkdir(parents=True)
    rows = [row | {"FAIL_TO_PASS": ["test_z"], "PASS_TO_PASS": ["test_y"]} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), place / "test.parquet")


def _load_elsewhere(folder: Path, name: str):
    """What `load` gives of a file, or its refusal, in a process that works in `folder`.

    The hub's client reads its variables when it is imported.
    """
    program = (
        "import json, pathlib, harness.errors, harness.benchmarks.rows as rows\n"
        f"try: items = rows.load({name!r}, cache=pathlib.Path('.')).items\n"
        "except harness.errors.UserError as error: print(json.dumps(str(error)))\n"
        "else: print(json.dumps([[i.instance.instance_id, r.eval_script, r.log_parser, r.eval_type,"
        " r.fail_to_pass, r.image] for i in items for r in [i.reference]]))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HF_HUB_OFFLINE": "1",
           "HF_HOME": str(folder / "hub")}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=env,
        cwd=folder,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
