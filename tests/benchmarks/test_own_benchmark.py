"""A benchmark of a user's own, as docs/guide.md has it: nothing in this repository knows it."""

import csv
import itertools
import json
from pathlib import Path

import pytest
import yaml
from console import query, refused
from guide_blocks import block
from scripted_model import ScriptedModel

from harness.benchmarks.registry import find
from harness.benchmarks.rows import load
from harness.errors import UserError

pytestmark = pytest.mark.slow(seconds=3)

NAMES = (f"katas_{number}" for number in itertools.count())  # Python imports each but once
ROWS = [
    {"instance_id": "twice", "problem": "Twice x.", "gold": "2 * x", "points": [[1, 2], [5, 10]]},
    {"instance_id": "square", "problem": "x times x.", "gold": "x * x", "points": [[2, 4], [3, 9]]},
    {"instance_id": "less", "problem": "One less.", "gold": "x - 1", "points": [[1, 0]]},
]
ANSWERS = {"Twice x.": "x + x", "x times x.": "x + x", "One less.": "open('x')"}
KEYS = {"OPENAI_API_KEY": "none"}


@pytest.fixture
def katas(place: Path, monkeypatch):
    """The import name of the guide's module, in a folder of its own with its three files."""
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("DELM_CACHE", str(place / "cache"))
    name = next(NAMES)
    (place / f"{name}.py").write_text(block("python", "katas.py"))
    for file in ("katas.yaml", "ask.yaml"):
        (place / file).write_text(block("yaml", file).replace("katas:", f"{name}:"))
    (place / "katas.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return name


def evaluated(delm, *more: str):
    with ScriptedModel(
        lambda request, n: {"content": ANSWERS[request["messages"][0]["content"]]}
    ) as server:
        return delm(
            "eval", "-m", "openai/scripted", "-d", "katas.yaml", "-s", "ask.yaml", "--yes",
            "--run-id", "run", *more, **KEYS, OPENAI_API_BASE=server.base_url,
        )  # fmt: skip


def test_it_is_run_graded_in_its_own_way_and_shown(delm, katas, place):
    told = evaluated(delm)
    assert told.code == 0, told.text
    assert "sandbox: none" in told.out
    assert "1 of 3" in told.out
    assert "published" not in told.out  # nobody's numbers on SWE-bench stand beside it
    assert "configs/table.yaml" not in told.out
    run = place / "results" / "run"
    graded = query(
        run,
        "SELECT instance_id, outcome, grade.reason AS reason FROM grade JOIN submission USING "
        "(submission_id) JOIN trial USING (trial_id) ORDER BY instance_id",
    )
    assert [tuple(row.values()) for row in graded] == [
        ("less", "unresolved", "wrong at [1]"),
        ("square", "unresolved", "wrong at [3]"),
        ("twice", "resolved", ""),
    ]
    again = delm("score", "run")
    assert "1 of 3" in again.out
    with (run / "table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["system"], row["resolved"], row["infra_errors"]) == ("ask", "1", "0")
    assert "submission of agent-1 (finished): resolved" in delm("show", "run", "twice").out
    assert "submission of agent-1 (finished): unresolved" in delm("show", "run", "square").out


def test_a_run_does_not_go_on_when_what_grades_it_was_edited(delm, katas, place):
    grading = place / f"{katas}_grading.py"  # the system stays where it is
    grading.write_text((place / f"{katas}.py").read_text())
    layer = place / "katas.yaml"
    layer.write_text(layer.read_text().replace(f"{katas}:", f"{katas}_grading:"))
    assert evaluated(delm).code == 0
    assert evaluated(delm).code == 0, "nothing has changed"
    grading.write_text(grading.read_text() + "# another grader\n")
    refused(
        evaluated(delm),
        f"was begun with other code (the file {grading.name} has changed (part of the benchmark))",
        "restore the files, begin a new run",
        "--accept-changes",
    )
    assert evaluated(delm, "--accept-changes").code == 0


def test_its_predictions_are_graded_and_so_are_gold_and_empty(delm, katas, place):
    evaluated(delm)
    words = ("-d", "katas.yaml")
    told = delm("grade", "results/run/preds/ask.jsonl", *words)
    assert "resolved 1 of 3" in told.out
    assert "resolved 3 of 3" in delm("grade", "--gold", *words).out
    assert "resolved 0 of 3" in delm("grade", "--empty", *words).out
    checked = delm("dataset", "check", "katas.yaml")
    assert checked.code == 0, checked.text
    assert "3 of 3 instances graded as they should be" in checked.out


def test_a_gold_submission_that_is_wrong_is_found(delm, katas, place):
    (place / "katas.jsonl").write_text(json.dumps(ROWS[0] | {"gold": "3 * x"}) + "\n")
    checked = delm("dataset", "check", "katas.yaml")
    assert checked.code == 1
    assert "twice: gold does not resolve it (wrong at [1, 5])" in checked.out


def test_what_it_may_cost_is_unknown_before_its_first_run(delm, katas):
    told = evaluated(delm, "--dry-run")
    assert told.code == 0, told.text
    assert "expected cost of ask: unknown until it has run once here" in told.out
    assert "disk: run folder: about" in told.out


def test_systems_of_one_benchmark_do_not_take_another(delm, katas):
    model = ("eval", "-m", "openai/scripted", "--yes")
    told = delm(*model, "-d", "katas.yaml", "-s", "single", **KEYS, OPENAI_API_BASE="http://x")
    refused(told, "single does not take instances of katas", "benchmark: katas")
    told = delm(
        *model, "-d", "longbench-offline", "-s", "ask.yaml", **KEYS, OPENAI_API_BASE="http://x"
    )
    refused(told, "ask does not take instances of longbench-v2", "base")


def test_what_only_swe_bench_has_is_refused(delm, katas, place):
    evaluated(delm)
    say = "works only with datasets of swe-bench; these instances are of katas"
    refused(delm("grade", "--calibrate", "-d", "katas.yaml"), f"--calibrate {say}")
    told = delm("export", "run", "out", "--format", "experiments")
    refused(told, f"a submission to the leaderboard {say}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gold": None}, r"katas.jsonl: line 2 \(square\) has no field gold"),
        ({"instance_id": "../x"}, r"line 2 \(../x\) has a bad instance_id"),
        ({"instance_id": "twice"}, "is there twice"),
    ],
)
def test_a_row_that_it_cannot_read_is_named_with_its_fault(katas, place, change, says):
    bad = {key: value for key, value in (ROWS[1] | change).items() if value is not None}
    path = place / "katas.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(UserError, match=says):
        load(str(path), cache=place, benchmark=f"{katas}:Katas")


def test_rows_are_read_by_the_benchmark_that_is_named_whatever_they_look_like(katas, place):
    path = place / "katas.jsonl"
    path.write_text(json.dumps(ROWS[0] | {"choice_A": "as a question has"}) + "\n")
    found = load(str(path), cache=place, benchmark=f"{katas}:Katas")
    assert found.benchmark.name == "katas"
    assert found.items[0].instance.problem_statement == "Twice x."


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("katas", "there is no benchmark 'katas'; take longbench-v2 or swe-bench, or the import"),
        ("no_such_module:Katas", "cannot be imported: No module named 'no_such_module'"),
        ("{}:Kata", "has no attribute 'Kata'"),
        ("{}:OPERATORS", "benchmark .*: 'dict' object is not callable"),
    ],
)
def test_a_benchmark_that_is_not_there_is_refused_in_one_line(katas, name, says):
    with pytest.raises(UserError, match=says):
        find(name.format(katas))


def test_a_benchmark_that_lacks_a_method_is_refused_with_its_name(katas, place):
    text = (place / f"{katas}.py").read_text().replace("def gold", "def silver")
    (place / f"{katas}_less.py").write_text(text)
    with pytest.raises(UserError, match=r"abstract.*gold"):
        find(f"{katas}_less:Katas")


def test_a_mistake_in_its_module_is_told_in_one_line(katas, place):
    (place / f"{katas}_broken.py").write_text("WORDS = {}['none']\n")
    with pytest.raises(UserError, match="cannot be imported: KeyError: 'none'"):
        find(f"{katas}_broken:Katas")


def test_the_guides_row_is_one_of_its_benchmark(katas, place):
    text = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith('{"instance_id": "twice"'))
    (place / "katas.jsonl").write_text(line + "\n")
    assert yaml.safe_load((place / "katas.yaml").read_text())["dataset"]["name"] == "katas.jsonl"
    (item,) = load(str(place / "katas.jsonl"), cache=place, benchmark=f"{katas}:Katas").items
    assert item.reference.points == [[1, 2], [5, 10]]
