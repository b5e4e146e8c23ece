"""`delm cost`: what is printed, its CSV and its JSON; what it says of runs that tell nothing."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from console import refused
from planted import MATRIX, plant
from stores import derived

from harness.analysis.cost_breakdown import COLUMNS
from harness.analysis.cost_overheads import Overhead
from harness.analysis.run_costs import cost_rows
from harness.commands.cost import print_costs
from harness.results.run_folder import RunFolder
from harness.terminal import SafeConsole

pytestmark = pytest.mark.slow(seconds=4)


@pytest.fixture
def run(place) -> Path:
    return anyio.run(lambda: plant(place / "results", "r")).path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_dollars_are_those_of_the_table_and_the_rest_is_in_a_row_of_its_own(delm, run):
    anyio.run(derived, RunFolder(run.parent, "r"))
    told = delm("cost", "r")
    assert told.code == 0, told.text
    assert "written: results/r/cost_breakdown.csv" in told.out
    rows = rows_of(run / "cost_breakdown.csv")
    assert tuple(rows[0]) == COLUMNS
    for scored in rows_of(run / "table.csv"):
        mine = [row for row in rows if row["system"] == scored["system"]]
        (whole,) = (row for row in mine if row["part"] == "system")
        assert whole["cost_per_submission_usd"] == scored["cost_per_submission_usd"]
        assert whole["submissions"] == scored["submissions"]
        unfinished = sum(float(row["cost_usd"]) for row in mine if row["part"] == "unfinished")
        assert unfinished == pytest.approx(float(scored["unfinished_usd"]))
        assert float(whole["cost_usd"]) + unfinished == pytest.approx(float(scored["cost_usd"]))
        explained = (row for row in mine if row["part"] in {"prompt", "output", "other"})
        assert sum(float(row["cost_usd"]) for row in explained) == pytest.approx(
            float(whole["cost_usd"])
        )


def test_the_document_has_the_rows_and_only_of_the_systems_that_are_asked_for(delm, run):
    told = delm("cost", "r", "-s", "delm", "-s", "single", "--json")
    assert told.code == 0, told.text
    made = json.loads(told.out)
    assert {made[key] for key in ("run", "dataset", "model")} == {"r", "d", "m"}
    assert {row["system"] for row in made["parts"]} == {"delm", "single"}
    assert all(tuple(row) == COLUMNS for row in made["parts"])
    assert {row["system"] for row in rows_of(run / "cost_breakdown.csv")} == set(MATRIX)


async def test_the_instances_apart_sum_to_the_run(tmp_path):
    folder = await plant(tmp_path)
    async with folder.open() as store, folder.boards() as boards:
        run = await store.read()
        whole = await cost_rows(run, store, boards, len)
        instances = dict.fromkeys(trial["instance_id"] for trial in run.trials)
        apart = [
            row
            for instance in instances
            for row in await cost_rows(run, store, boards, len, [instance])
        ]
    assert len(instances) > 1
    for row in whole:
        key = [row[name] for name in ("system", "part", "name")]
        mine = [each for each in apart if [each[n] for n in ("system", "part", "name")] == key]
        for column in ("cost_usd", "prompt_tokens", "output_tokens", "calls", "count", "seconds"):
            values = [each[column] for each in mine if each[column] is not None]
            if row[column] is not None:
                assert sum(values) == pytest.approx(row[column]), (key, column)


def test_one_instance_alone_leaves_the_csv_of_all(delm, run):
    (run / "cost_breakdown.csv").write_text("of all")
    told = delm("cost", "r", "-i", "a__a-1", "--json")
    assert "written" not in told.text
    assert json.loads(told.out)["parts"]
    assert (run / "cost_breakdown.csv").read_text() == "of all"
    refused(delm("cost", "r", "-i", "another"), "there is no instance 'another' in the run r")


def large(row: dict[str, Any]) -> dict[str, Any]:
    """The row of a large run."""
    words = {"system": "delm-no-verification", "cost_usd": 1234.5, "cost_per_submission_usd": 12.5,
             "ratio": 12.5, "token_share": 1.0, "cost_share": 1.0}  # fmt: skip
    counts = {key: 123_456_789 for key in row if key.endswith("_tokens")} | {"calls": 123_456}
    return row | {key: value for key, value in (counts | words).items() if row[key] is not None}


@pytest.mark.parametrize("width", [80, 160])
async def test_no_line_is_wider_than_the_terminal(tmp_path, width):
    folder = await plant(tmp_path)
    async with folder.open() as store, folder.boards() as boards:
        run = await store.read()
        rows = [large(row) for row in await cost_rows(run, store, boards, len)]
    overheads = [row | {"name": name, "count": 12_345, "prompt_tokens": 1e8, "output_tokens": 1e7,
                        "cost_usd": 123.4, "cost_share": 1.0}
                 for row in rows for name in Overhead if row["part"] == "overhead"]  # fmt: skip
    text = io.StringIO()
    print_costs(SafeConsole(file=text, width=width), [*rows, *overheads], run)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("delm-no-verification  ") for line in lines)
    assert "123.46M" in text.getvalue()


def test_two_systems_stand_side_by_side_with_what_makes_the_difference(delm, run):
    told = delm("cost", "r", "-s", "single", "-s", "delm")
    lines = told.out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("single and delm: dollars"))
    head, *causes = [line.split() for line in lines[start + 1 : lines.index("", start)]]
    assert head == ["cause", "single", "delm", "difference", "of", "it"]
    *parts, whole = [(float(row[-5]), float(row[-4]), float(row[-3])) for row in causes]
    assert sum(part[2] for part in parts) == pytest.approx(whole[2], abs=5e-4)
    assert whole[2] == pytest.approx(whole[1] - whole[0], abs=2e-4)
    sizes = [abs(part[2]) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert "dollars per submission by cause" not in delm("cost", "r", "-s", "single").out


def test_seconds_of_waiting_are_in_a_column_of_their_own(delm, run):
    assert delm("cost", "r").code == 0
    waiting = [row for row in rows_of(run / "cost_breakdown.csv")
               if row["name"] == Overhead.WAITING]  # fmt: skip
    assert waiting
    assert all(row["count"] == "" and row["seconds"] != "" for row in waiting)


def test_without_a_price_there_is_a_dash_and_no_zero(delm, place):
    anyio.run(lambda: plant(place / "results", "free", price=None))
    told = delm("cost", "free")
    assert told.code == 0, told.text
    assert "0.0000" not in told.out
    rows = rows_of(place / "results" / "free" / "cost_breakdown.csv")
    assert {row["cost_usd"] for row in rows} == {""}


def test_a_system_or_a_run_that_is_not_there_is_one_line(delm, run, place):
    refused(delm("cost", "r", "-s", "delmm"), "there is no system 'delmm' in the run r", "delm-n2")
    refused(delm("cost", "s"), "there is no run results/s")
    anyio.run(lambda: plant(place / "results", "empty", {}))
    refused(delm("cost", "empty"), "the run empty has no trials")
