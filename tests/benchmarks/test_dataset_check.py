"""Data of one's own: the sample that is shipped, `delm dataset check`, local rows and software."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from console import delm, refused
from hub_rows import ROW
from sandboxes import why_not

from harness.benchmarks.rows import BUNDLED, load
from harness.cache import cache_dir
from harness.environments import packing
from harness.errors import UserError

pytestmark = pytest.mark.slow(seconds=11)

ID = "example__durations-1"


@pytest.fixture(scope="module")
def works() -> None:
    """The sample was rebuilt in bubblewrap."""
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    told = delm("dataset", "check", "sample")
    if "cannot download" in told.text:
        pytest.skip(f"no package index can be reached: {told.text}")
    assert told.code == 0, told.text
    assert f"{ID}: gold resolves it, empty does not" in told.out
    assert "warning" not in told.out
    assert told.out.splitlines()[-1] == "1 of 1 instance graded as they should be"


@pytest.fixture
def mine(tmp_path) -> Path:
    """A copy of the sample, as its own words tell a user to begin."""
    shutil.copytree(BUNDLED / "sample", tmp_path / "sample")
    shutil.copy(BUNDLED / "sample.yaml", tmp_path / "mine.yaml")
    return tmp_path / "mine.yaml"


def change(mine: Path, **fields: object) -> None:
    """Change the copy's row."""
    rows = mine.parent / "sample" / "rows.jsonl"
    rows.write_text(json.dumps(json.loads(rows.read_text()) | fields) + "\n")


def row_of(mine: Path) -> dict:
    return json.loads((mine.parent / "sample" / "rows.jsonl").read_text())


def test_the_sample_is_whole_and_a_copy_of_it_elsewhere_is_the_same(mine):
    shipped, copied = (load(str(path), cache=cache_dir()).items[0] for path in ("sample", mine))
    assert copied == shipped
    assert shipped.instance.version == "1.0"  # of the row, since the facts have none
    told = delm("dataset", "check", mine, "--rows-only")
    assert (told.code, told.out) == (0, "1 row: 1 whole, 0 with faults\n")


def test_the_sample_runs_without_docker(works, mine):
    told = delm("dataset", "check", "mine.yaml", "--sandbox", "bubblewrap", cwd=mine.parent)
    assert told.code == 0, told.text


def test_a_gold_patch_that_solves_half_is_told_with_its_logs(works, mine):
    half = row_of(mine)["patch"].replace("(\\d+[hms])+", "(\\d+[hms])+.*")
    change(mine, patch=half)
    told = delm("dataset", "check", mine)
    assert told.code == 1, told.text
    assert f"{ID}: gold does not resolve it (1 of 2 failing tests still fail" in told.out
    logs = Path(told.out.split("logs: ")[1].splitlines()[0])
    assert (logs / "gold" / ID / "test_output.txt").is_file()
    shutil.rmtree(logs)


def test_a_test_that_is_misspelt_is_told_with_those_that_there_are(works, mine):
    (right, *more) = row_of(mine)["FAIL_TO_PASS"]
    change(mine, FAIL_TO_PASS=[right + "x", *more])
    told = delm("dataset", "check", mine)
    assert told.code == 1, told.text
    assert f"not in the tests' output: {right}x; it has: {right}, " in told.out
    shutil.rmtree(told.out.split("logs: ")[1].splitlines()[0])


def test_files_that_the_tests_leave_are_a_warning(works, mine):
    content = yaml.safe_load(mine.read_text())
    run = content["instances"][ID]["test_command"]
    content["instances"][ID]["test_command"] = f"printf 'a\\0b' > left.dat; {run}"
    mine.write_text(yaml.safe_dump(content))
    told = delm("dataset", "check", mine)
    assert told.code == 0, told.text
    said = f"{ID}: warning: running its tests leaves 1 file that would be part of every patch"
    assert f"{said} (left.dat); " in told.out


def test_an_environment_that_cannot_be_had_keeps_no_other_row_from_being_checked(works, mine):
    rows = mine.parent / "sample" / "rows.jsonl"
    row = row_of(mine)
    other = row | {"instance_id": "example__durations-2"}
    rows.write_text("".join(json.dumps(each) + "\n" for each in (other, row)))
    content = yaml.safe_load(mine.read_text())
    environment = content["environments"]["durations-1.0"]
    lacking = [*environment["requirements"], "no-such-package-of-delm==1.0"]
    content["environments"]["lacking"] = environment | {"requirements": lacking}
    content["instances"]["example__durations-2"] = content["instances"][ID] | {
        "environment": "lacking"
    }
    mine.write_text(yaml.safe_dump(content))
    told = delm("dataset", "check", mine)
    assert told.code == 0, told.text
    assert "not run: 1 instance (example__durations-2): " in told.out
    assert f"{ID}: gold resolves it, empty does not" in told.out


def test_tests_that_pass_without_a_patch_are_told(works, mine):
    change(mine, FAIL_TO_PASS=row_of(mine)["PASS_TO_PASS"][:1])
    told = delm("dataset", "check", mine, "-i", ID)
    assert told.code == 1, told.text
    assert "empty is resolved: its tests pass without a patch" in told.out
    assert "gold does not" not in told.out


def test_what_is_missing_is_said_row_by_row(mine, tmp_path):
    row = row_of(mine)
    rows = [row, {"instance_id": "a__a-2"}, row, {"install_config": "x"} | row]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    told = delm("dataset", "check", "rows.jsonl", cwd=tmp_path, HF_HUB_OFFLINE="1")
    assert told.code == 1, told.text
    lines = told.out.splitlines()
    assert "rows.jsonl: line 1 (example__durations-1) is of the classic form" in lines[0]
    of_second = [line for line in lines if line.startswith("rows.jsonl: line 2 (a__a-2) has no ")]
    assert [line.split()[7].rstrip(";") for line in of_second] == [
        "repo", "base_commit", "problem_statement", "version", "patch", "test_patch",
        "FAIL_TO_PASS", "PASS_TO_PASS", "eval_script", "log_parser", "eval_type",
    ]  # fmt: skip
    assert lines[-2].startswith("rows.jsonl: line 4 (example__durations-1) is a row of SWE-rebench")
    assert lines[-1] == "4 rows: 0 whole, 4 with faults"


def test_what_cannot_be_run_here_is_said_and_is_no_fault(mine, tmp_path):
    rows = [{**ROW, "image": "example.invalid/none:1"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    told = delm("dataset", "check", tmp_path / "rows.json", "--sandbox", "bubblewrap")
    assert told.code == 0 or "bubblewrap is not installed" in told.text, told.text
    assert "not run: 1 instance: " in told.out
    assert "graded" not in told.out


def test_one_bad_instance_hides_no_other(mine):
    content = yaml.safe_load(mine.read_text())
    content["instances"]["example__durations-2"] = {
        "environment": "durations-1.0", "log_parser": "parse_log_pytest", "test_command": "true",
    }  # fmt: skip
    mine.write_text(yaml.safe_dump(content))
    told = delm("dataset", "check", mine, "--rows-only")
    assert told.code == 1
    assert "instance example__durations-2 has no row" in told.out
    assert told.out.splitlines()[-1] == "2 rows: 1 whole, 1 with faults"


def test_what_is_no_dataset_is_refused(mine, tmp_path):
    refused(delm("dataset", "check", "none.jsonl", cwd=tmp_path), "none.jsonl: no such file")
    refused(delm("dataset", "check", mine, "-i", "other"), "no instance other")
    mine.write_text(mine.read_text() + "rows: sample/rows.jsonl\n")
    refused(delm("dataset", "check", mine), "rows is there twice; the first is in line")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sample/rows.jsonl\n", "sample/none.jsonl\n", "none.jsonl: no such file"),
        ("sample/rows.jsonl\n", "sample/durations\n", "durations is no file of rows"),
        ("path: sample/durations", "path: nowhere", "source: cannot read .*nowhere"),
        ("path: sample/durations", "path: sample/rows.jsonl", "neither a folder nor a .tar"),
        ("path: sample/durations", "path: /dev/null", "neither a folder nor a .tar"),
        ("path: sample/durations", "path: ~no-such-user/x", "no home folder of that user"),
        ("path: sample/durations", r'path: "a\0b"', "it has a NUL character"),
        ("sample/rows.jsonl\n", r'"a\0b.jsonl"' + "\n", "it has a NUL character"),
        ('python: "3.11"', "python: 3.11", "python: Input should be .* write it in quotes"),
        ("durations-1.0", "d" * 201, "at most 200"),
        (
            "    source: {",
            "    sdist: {name: a, filename: a, sha256: b, ",
            "environments.durations",
        ),
        ("    source:", "    #", "give one of sdist .* and source"),
    ],
)
def test_a_wrong_path_or_place_of_software_is_named(mine, old, new, says):
    text = mine.read_text()
    assert old in text
    mine.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=says) as caught:
        load(str(mine), cache=cache_dir())
    assert "\n" not in str(caught.value)


def test_the_same_software_is_the_same_wherever_and_whenever_it_lies(mine, tmp_path):
    cache, first, second = (
        tmp_path / "cache",
        tmp_path / "sample/durations",
        tmp_path / "other name",
    )
    (first / "go.sh").write_text("#!/bin/sh\n")
    (first / "go.sh").chmod(0o755)
    (first / "link").symlink_to("go.sh")
    shutil.copytree(first, second, symlinks=True)
    os.utime(second / "setup.py", (1, 1))
    (second / "setup.py").chmod(0o600)
    for name in ("__pycache__/x.pyc", ".git/HEAD", "durations.egg-info/PKG-INFO", ".venv/bin/x"):
        (second / name).parent.mkdir(parents=True)
        (second / name).write_text("x")
    packed = packing.pack(first, "a.tar.gz", cache)
    assert packing.pack(second, "a.tar.gz", cache) == packed
    (second / "go.sh").chmod(0o644)
    assert packing.pack(second, "a.tar.gz", cache) != packed
    archive = cache / "files" / packed / "a.tar.gz"
    listed = subprocess.run(["tar", "-tf", archive], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == [
        "source/", "source/durations.py", "source/go.sh", "source/link", "source/setup.py",
        "source/tests/test_durations.py",
    ]  # fmt: skip
    assert packing.pack(archive, "b.tar.gz", cache) == packed  # an archive is taken as it is


@pytest.mark.parametrize(
    ("path", "number", "says"),
    [(r'"a/\303"', "1", "file name that is no UTF-8"), ("a/x", "1" * 5000, "cannot be parsed")],
)
def test_a_test_patch_that_cannot_be_read_is_a_fault_of_its_row(mine, path, number, says):
    rows = mine.parent / "sample/rows.jsonl"
    row = json.loads(rows.read_text())
    patch = f"--- {path}\n+++ {path}\n@@ -{number} +1 @@\n-a\n+b\n"
    rows.write_text(json.dumps(row | {"test_patch": patch}))
    with pytest.raises(UserError, match=says):
        load(str(mine), cache=cache_dir())
