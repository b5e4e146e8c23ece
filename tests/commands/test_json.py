"""`--json`: one document on standard output that a program can read, and nothing beside it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from console import DATASET, DELM, FLASK, bundled, refused, variables
from planted import MATRIX, plant

from harness.score import COLUMNS as TABLE_COLUMNS
from harness.score import COMPARISON_COLUMNS

pytestmark = pytest.mark.slow(seconds=4)


@pytest.fixture
def run(place) -> Path:
    return anyio.run(lambda: plant(place / "results", "r")).path


def document(told) -> dict:
    """What was printed: one JSON document, with nothing before or after it, and no NaN."""

    def never(word: str) -> None:
        raise AssertionError(word)

    return json.loads(told.out, parse_constant=never)


def rows_of(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def same(made: dict, row: dict) -> None:
    """A row of a document is the row of a CSV: numbers as numbers, empty as null."""
    for column, text in row.items():
        value = made[column]
        if value is None:
            assert text == "", column
        elif isinstance(value, str):
            assert value == text
        else:
            assert value == float(text), column


def test_scores_are_the_rows_of_the_table_and_all_runs_are_in_one_document(delm, run):
    told = delm("score", "r", run, "--json")
    assert told.code == 0, told.text
    made = document(told)
    assert [each["run"] for each in made["runs"]] == ["r", "r"]
    (first, _) = made["runs"]
    assert {key: first[key] for key in ("path", "dataset", "model", "replay")} == {
        "path": "results/r", "dataset": "d", "model": "m", "replay": False,
    }  # fmt: skip
    assert [each["system"] for each in first["systems"]] == list(MATRIX)
    for row, expected in zip(first["systems"], rows_of(run / "table.csv"), strict=True):
        assert tuple(row) == tuple(TABLE_COLUMNS)
        same(row, expected)
    assert f"written: {first['path']}" in told.err


def test_a_run_without_prices_has_null_and_no_zero(delm, place):
    anyio.run(lambda: plant(place / "results", "free", price=None))
    (scored,) = document(delm("score", "free", "--json"))["runs"]
    assert {row["cost_usd"] for row in scored["systems"]} == {None}
    assert {row["cost_per_instance_a_usd"] for row in
            document(delm("compare", "free", "--json"))["comparisons"]} == {None}  # fmt: skip


def test_comparisons_are_the_rows_of_the_csv_with_every_instance(delm, run):
    delm("score", "r")
    told = delm("compare", "r", "--json")
    assert told.code == 0, told.text
    assert told.err == ""
    made = document(told)
    assert len(made["comparisons"]) == 6
    for row, expected in zip(made["comparisons"], rows_of(run / "comparisons.csv"), strict=True):
        assert tuple(row) == (*COMPARISON_COLUMNS, "left_out")
        same(row, expected)
    assert [each["instance_id"] for each in made["instances"]] == ["a__a-1", "a__a-2", "b__b-3"]
    cell = made["instances"][0]["systems"]["single"]
    assert (cell["resolved"], cell["wanted"], cell["ships"]) == (1, 4, True)
    assert made["warnings"] == []


def test_two_runs_are_compared_with_what_makes_them_unlike(delm, run, place):
    other = {"single": MATRIX["single"]}
    anyio.run(lambda: plant(place / "results", "q", other, model="n", replay=True))
    made = document(delm("compare", "r", "q", "--json"))
    assert [each["replay"] for each in made["runs"]] == [False, True]
    assert any("different models: m and n" in line for line in made["warnings"])
    (row,) = made["comparisons"]
    assert (row["system_a"], row["system_b"]) == ("single of r", "single of q")


@pytest.mark.parametrize(
    "words",
    [("score", "nowhere"), ("compare", "nowhere"), ("grade",), ("grade", "none.jsonl"),
     ("doctor", "--reap")],
)  # fmt: skip
def test_bad_input_is_one_line_on_standard_error_and_no_document(delm, place, words):
    told = delm(*words, "--json")
    refused(told)
    assert told.out == ""


@pytest.mark.parametrize(("name", "code"), [(DATASET, 0), ("none.jsonl", 1)])
def test_doctor_lists_its_findings_and_ends_as_it_does_without(delm, place, name, code):
    bundled()
    nowhere = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    told = delm("doctor", "-d", name, "--json", **nowhere)
    assert told.code == code == delm("doctor", "-d", name, **nowhere).code, told.text
    found = {each["about"]: each for each in document(told)["findings"]}
    assert set(found["docker"]) == {"about", "state", "text"}
    assert found["docker"]["state"] == "note"
    assert found[f"dataset {name}"]["state"] == ("bad" if code else "good")


def test_grades_are_those_of_the_folder_and_progress_goes_to_standard_error(delm, place):
    bundled(FLASK)
    rows = [{"instance_id": FLASK, "model_name_or_path": "me", "model_patch": ""}]
    (place / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = delm("grade", "p.jsonl", "--run-id", "g", "--json")
    assert told.code == 0, told.text
    made = document(told)
    assert made["grades"] == json.loads((place / "results/g/grades.json").read_text())
    assert made["grades"][FLASK]["outcome"] == "unresolved"
    assert {key: made[key] for key in ("run", "asked", "graded", "resolved", "stopped")} == {
        "run": "g", "asked": 1, "graded": 1, "resolved": 0, "stopped": False,
    }  # fmt: skip
    assert "resolved 0 of 1" in told.err


def test_what_a_terminal_would_obey_is_escaped(delm, place):
    matrix = {"single": MATRIX["single"]}
    anyio.run(lambda: plant(place / "results", "r", matrix, dataset="\x1b[31mred\u202e"))
    told = delm("score", "r", "--json")
    assert told.out.isascii()
    assert "\x1b" not in told.out
    assert document(told)["runs"][0]["dataset"] == "\x1b[31mred\u202e"


def test_the_version_is_that_of_the_package(delm):
    from importlib.metadata import version

    told = delm("--version")
    assert (told.code, told.out, told.err) == (0, f"delm {version('delm-harness')}\n", "")


def test_a_shell_is_told_how_commands_and_flags_go_on():
    for typed, expected in (("delm sc", "score"), ("delm compare --js", "--json")):
        words = typed.split()
        done = subprocess.run(
            [DELM],
            env=variables(_DELM_COMPLETE="complete_bash", COMP_WORDS=typed,
                          COMP_CWORD=str(len(words) - 1)),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout.split() == [expected], done.stderr
    assert Path(DELM).parent == Path(sys.executable).parent
