import json
import os
import subprocess
import sys

import pytest
import yaml
from hub_rows import ROW, TEST_PATCH
from local_index import publish, zipped

from harness.benchmarks.rows import BUNDLED, load
from harness.benchmarks.selection import neighbours, select
from harness.benchmarks.swebench.dataset_facts import read_factsheet
from harness.benchmarks.swebench.rows import official_image
from harness.errors import UserError


def test_test_names_are_read_from_lists_and_from_json_text(tmp_path):
    item = _load(tmp_path, [ROW])[0]
    assert item.reference.fail_to_pass == ("test_a", "test_b[x y]")
    assert item.reference.pass_to_pass == ("test_c",)
    assert item.instance.image == item.reference.image == "registry/image:tag"
    assert item.environment is None


def test_hints_are_never_read(tmp_path):
    assert "the answer is 42" not in repr(_load(tmp_path, [ROW]))


def test_the_public_half_holds_neither_patch_nor_tests(tmp_path):
    instance = repr(_load(tmp_path, [ROW])[0].instance)
    assert not any(secret in instance for secret in ("gold", "tests", "test_a", "parse_log"))


def test_a_row_without_an_image_gets_the_published_one(tmp_path):
    row = {key: value for key, value in ROW.items() if key != "image"}
    image = _load(tmp_path, [row])[0].instance.image
    assert image == official_image("owner__Repo-1")
    assert image == "swebench/sweb.eval.x86_64.owner_1776_repo-1:latest"


def test_a_list_an_object_lines_and_parquet_load_the_same(tmp_path):
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "a.json").write_text(json.dumps([ROW]))
    (tmp_path / "b.json").write_text(json.dumps({ROW["instance_id"]: ROW}))
    (tmp_path / "c.jsonl").write_text(f"\n{json.dumps(ROW)}\n\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW]), tmp_path / "d.parquet")
    loaded = [load(str(path), cache=tmp_path).items for path in sorted(tmp_path.iterdir())]
    assert len(loaded) == 4
    assert all(items == loaded[0] for items in loaded)


def test_a_line_separator_inside_json_text_does_not_split_the_line(tmp_path):
    row = {**ROW, "problem_statement": "one\u2028two\x85three"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    items = load(str(tmp_path / "rows.jsonl"), cache=tmp_path).items
    assert items[0].instance.problem_statement == "one\u2028two\x85three"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", None, "no such file"),
        ("rows.jsonl", "", "is empty"),
        ("rows.jsonl", "\n\n", "has no rows"),
        ("rows.jsonl", json.dumps(ROW) + "\n" + json.dumps(ROW)[:100], "line 2 is not valid JSON"),
        ("rows.jsonl", "[1]\n", "line 1 is not an object"),
        ("rows.jsonl", 2 * (json.dumps(ROW) + "\n"), r"line 2 \(owner__Repo-1\) is there twice"),
        ("rows.json", "[", "is not valid JSON"),
        ("rows.json", "3", "neither a list"),
        ("rows.json", '{"a": 3}', "row a is not an object"),
        ("rows.parquet", "not parquet", "is not a parquet file"),
        ("rows.csv", "a,b", "must end in"),
        ("rows.yaml", "rows: [", r"rows.yaml: not valid YAML at line 1"),
        ("rows.yaml", "a: 1\nb: 2\na: 3\n", "line 3: a is there twice"),
        ("rows.yaml", "", "is empty"),
        ("rows.yaml", "rows: {}\n", "missing key rows.package"),
        ("rows.yaml", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_a_dataset_says_why_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        load(str(tmp_path / name), cache=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": " "}, "bad field patch: is empty; it is the fix"),
        ({"patch": None}, r"row 1 \(owner__Repo-1\) has a bad field patch"),
        ({"FAIL_TO_PASS": "[truncated"}, "bad field FAIL_TO_PASS: must be a list of .*, such as"),
        ({"instance_id": "../../etc/passwd"}, "bad field instance_id"),
        ({"eval_type": "whatever"}, "bad field eval_type"),
        ({"eval_script": ""}, "bad field eval_script.*swebench 5.x"),
        ({"log_parser": "parse_log_pytset"}, r"no parser 'parse_log_pytset'; did you mean 'parse_"),
        ({"log_parser": 3}, "bad field log_parser"),
        ({"eval_type": "pass"}, "bad field eval_type"),
        ({"patch": "half \ud83d"}, "bad field patch: is no valid text, from character 6 on"),
        ({"PASS_TO_PASS": '["t", "\\udc00"]'}, "bad field PASS_TO_PASS: is no valid text"),
        ({"FAIL_TO_PASS": "[" * 99_999}, "bad field FAIL_TO_PASS: must be a list"),
        ({"image_assets": "[" * 99_999}, "SWE-bench Multimodal"),
        ({"base_commit": "abc\0"}, "bad field base_commit: has a NUL character"),
        ({"instance_id": "x" * 201}, "bad field instance_id: .*at most 200"),
    ],
)
def test_a_bad_field_is_named_with_its_row(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        _load(tmp_path, [{**ROW, **change}])


@pytest.mark.parametrize("field", ["eval_script", "log_parser", "eval_type"])
def test_rows_of_swebench_4_are_refused_by_the_field_they_lack(tmp_path, field):
    row = {key: value for key, value in ROW.items() if key != field}
    with pytest.raises(UserError, match=rf"has no field {field}; rows of swebench 5.x are needed"):
        _load(tmp_path, [row])


def test_an_unknown_bare_name_lists_the_bundled_ones(tmp_path):
    with pytest.raises(UserError, match="verified-offline"):
        load("verified-ofline", cache=tmp_path)


def test_a_hub_that_cannot_be_reached_points_to_what_works_without_it(tmp_path):
    # a process of its own: the hub's client reads these variables when it is imported
    program = (
        "import pathlib, harness.errors, harness.benchmarks.rows as rows\n"
        "try: rows.load('owner/name', cache=pathlib.Path('.'))\n"
        "except harness.errors.UserError as error: print(error)\n"
    )
    done = _python(program, tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "cannot load owner/name" in done.stdout, done.stderr
    assert "-d verified-offline" in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_bundled_dataset_file_is_valid_and_pins_everything():
    sheet = read_factsheet(BUNDLED / "verified-offline.yaml")
    assert len(sheet.instances) == 15
    assert {facts.environment for facts in sheet.instances.values()} == set(sheet.environments)


def test_a_dataset_file_joins_its_facts_with_the_rows_of_the_wheel(tmp_path, monkeypatch):
    path = _factsheet(tmp_path, monkeypatch)
    item = load(str(path), cache=tmp_path / "cache").items[0]
    assert item.environment is not None
    assert item.instance.environment == item.environment.name == "Thing-1.0"
    assert item.instance.image.startswith("delm-offline/thing-1.0:")
    assert item.instance.image == item.reference.image
    assert item.reference.pass_to_pass == ("test_c",)
    assert "python -m pytest tests" in item.reference.eval_script
    assert item.reference.eval_type == "pass_and_fail"


def test_the_rows_of_a_wheel_are_cached_and_a_damaged_cache_is_made_again(tmp_path, monkeypatch):
    path = _factsheet(tmp_path, monkeypatch)
    first = load(str(path), cache=tmp_path / "cache").items
    (cached,) = (tmp_path / "cache" / "rows").iterdir()
    cached.write_text('{"cut')
    assert load(str(path), cache=tmp_path / "cache").items == first
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    assert load(str(path), cache=tmp_path / "cache").items == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"typo": 1}, "unknown key instances.owner__Repo-1.typo"),
        ({"environment": "other"}, "an environment that is not in this file: 'other'"),
        ({"drop_pass_to_pass": ["test_zz"]}, "not in PASS_TO_PASS: test_zz"),
        ({"log_parser": ""}, "instances.owner__Repo-1.log_parser"),
        ({"log_parser": "parse_log_x"}, "has no parser 'parse_log_x'"),
    ],
)
def test_a_wrong_fact_is_named(tmp_path, monkeypatch, change, message):
    path = _factsheet(tmp_path, monkeypatch, **change)
    with pytest.raises(UserError, match=message):
        load(str(path), cache=tmp_path / "cache")


def test_a_requirement_that_is_not_pinned_is_refused(tmp_path, monkeypatch):
    path = _factsheet(tmp_path, monkeypatch)
    path.write_text(path.read_text().replace("pip==23.2.1", "--index-url=https://x"))
    with pytest.raises(UserError, match=r"environments\.Thing-1\.0\.requirements\.0"):
        load(str(path), cache=tmp_path / "cache")


def test_instances_of_one_image_follow_each_other_in_the_order_of_the_first(tmp_path):
    images = ["x", "y", "x", "z", "y", "x"]
    rows = [ROW | {"instance_id": f"a-{n}", "image": image} for n, image in enumerate(images)]
    assert _ids(neighbours(_load(tmp_path, rows))) == ["a-0", "a-2", "a-5", "a-1", "a-4", "a-3"]


def test_selection_shuffles_by_seed_then_filters_then_slices(tmp_path):
    names = [f"a__b-{n}" for n in range(8)] + ["c__d-1"]
    items = _load(tmp_path, [{**ROW, "instance_id": name} for name in names])
    shuffled = _ids(select(items, shuffle=True, seed=7))
    assert shuffled == _ids(select(items[::-1], shuffle=True, seed=7))
    assert shuffled != _ids(select(items, shuffle=True, seed=8))
    assert sorted(shuffled) == sorted(names)
    assert _ids(select(items, filter_regex="c__")) == ["c__d-1"]
    assert _ids(select(items, slice_spec="1:3")) == names[1:3]
    assert _ids(select(items, slice_spec="-2:")) == names[-2:]
    assert _ids(select(items, ids=["c__d-1", "a__b-0", "c__d-1"])) == ["c__d-1", "a__b-0"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"ids": ["owner__Repo-2"]}, "the nearest is owner__Repo-1"),
        ({"filter_regex": "Repo"}, "no instance_id begins"),
        ({"filter_regex": "("}, "no regular expression"),
        ({"slice_spec": "5"}, "write start:stop"),
        ({"slice_spec": "a:b"}, "write start:stop"),
        ({"slice_spec": "-:"}, "write start:stop"),
        ({"slice_spec": "::0"}, "its step is 0"),
        ({"slice_spec": "5:9"}, "selects nothing"),
    ],
)
def test_a_selection_that_cannot_be_is_explained(tmp_path, choice, message):
    with pytest.raises(UserError, match=message):
        select(_load(tmp_path, [ROW]), **choice)


def _load(tmp_path, rows):
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return load(str(tmp_path / "rows.json"), cache=tmp_path).items


def _ids(items):
    return [item.instance.instance_id for item in items]


def _python(program, folder, **env):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(BUNDLED.parents[1]), **env},
        cwd=folder,
        check=False,
    )


def _factsheet(tmp_path, monkeypatch, **change):
    row = {
        "instance_id": ROW["instance_id"],
        "repo": ROW["repo"],
        "base_commit": ROW["base_commit"],
        "problem_statement": ROW["problem_statement"],
        "golden_patch": "gold",
        "test_patch": TEST_PATCH,
        "fail_to_pass": '["test_a"]',
        "pass_to_pass": '["test_c", "test_d"]',
    }
    wheel = zipped({"rows.json": json.dumps([row])})
    sha256 = publish(tmp_path / "index", "rows", "rows-1-py3-none-any.whl", wheel)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    sheet = {
        "rows": {
            "package": "rows",
            "version": "1",
            "filename": "rows-1-py3-none-any.whl",
            "sha256": sha256,
            "member": "rows.json",
        },
        "environments": {
            "Thing-1.0": {
                "python": "3.11",
                "sdist": {
                    "name": "thing",
                    "version": "1.0",
                    "filename": "thing-1.0.tar.gz",
                    "sha256": "0" * 64,
                },
                "requirements": ["pip==23.2.1", "setuptools==65.7.0", "wheel==0.38.4"],
            }
        },
        "instances": {
            ROW["instance_id"]: {
                "environment": "Thing-1.0",
                "version": "1.0",
                "log_parser": "parse_log_pytest",
                "test_command": "python -m pytest tests",
                "drop_pass_to_pass": ["test_d"],
                **change,
            }
        },
    }
    path = tmp_path / "sheet.yaml"
    path.write_text(yaml.safe_dump(sheet))
    return path


@pytest.mark.parametrize(
    ("value", "kind"),
    [(2**62, "duration[s]"), (2**62, "timestamp[us]"), (b"\xff", "string")],
)
def test_a_parquet_file_with_what_python_does_not_have_is_refused_in_one_line(
    tmp_path, value, kind
):
    import pyarrow
    import pyarrow.parquet

    odd = pyarrow.array([value])
    odd = odd.view(pyarrow.string()) if kind == "string" else odd.cast(kind)
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"created_at": odd}), path)
    with pytest.raises(UserError, match=r"rows.parquet is not a parquet file of rows \("):
        load(str(path), cache=tmp_path)
