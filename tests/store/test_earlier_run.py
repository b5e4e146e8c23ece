"""A run folder that delm made before stores had migrations gives the same figures as then.

`run_before.tar.xz` holds `results/run` as the replay of the bundled recording left it on one
instance (store version 8, without logs and plots), and in `told` what `show`, `compare` and
`export` said of it then.
"""

import csv
import json
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).parent / "run_before.tar.xz"
INSTANCE = "django__django-16595"
SYSTEMS = ("single", "centralized", "delm")


def as_it_was(place: Path) -> None:
    """The store of version 8."""


def as_version_6(place: Path) -> None:
    """The store as the version before wrote it: no trial failed, one agent was excluded."""
    with closing(sqlite3.connect(place / "results" / "run" / "run.db")) as database:
        database.executescript(
            """ALTER TABLE grade DROP COLUMN unchecked;
            UPDATE board_task SET excluded = json_extract(excluded, '$[0]')
                WHERE json_array_length(excluded) = 1;
            PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, '''failed'', ', '') WHERE name = 'trial';
            PRAGMA writable_schema = RESET;
            PRAGMA user_version = 6;"""
        )


@pytest.fixture(params=[as_it_was, as_version_6])
def before(request, place) -> Path:
    """The folder in which commands find the run; `before` in it has what there was."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    shutil.copytree(place / "results" / "run", place / "before")
    request.param(place)
    return place


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as lines:
        yield from csv.DictReader(lines)


MOMENT = re.compile(r"^ +(\d+\.\d) s  ", re.MULTILINE)
"""The time of a line: counted from the board's first event then, from the trial's start now."""


def moments(text: str) -> list[float]:
    return [float(found) for found in MOMENT.findall(text)]


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text)


def test_every_figure_of_every_csv_and_every_prediction_is_the_same(delm, before):
    told = delm("score", "run")
    assert told.code == 0, told.text
    for then in (before / "before").glob("*.csv"):
        now = list(rows(before / "results" / "run" / then.name))
        for old, new in zip(rows(then), now, strict=True):
            assert {column: new[column] for column in old} == old, then.name
    for then in (before / "before" / "preds").iterdir():
        assert (before / "results" / "run" / "preds" / then.name).read_text() == then.read_text()


def test_what_is_told_of_trials_has_the_same_numbers(delm, before):
    for system in SYSTEMS:
        told = delm("show", "run", INSTANCE, "-s", system)
        assert told.code == 0, told.text
        then = (before / "told" / f"show-{system}.txt").read_text()
        assert numbers(MOMENT.sub("", told.out)) == numbers(MOMENT.sub("", then)), system
        shifts = [now - old for now, old in zip(moments(told.out), moments(then), strict=True)]
        assert all(abs(shift - shifts[0]) < 0.11 for shift in shifts), system
    lines = delm("compare", "run").out.splitlines()
    compared = numbers("\n".join(line for line in lines if not line.startswith("cost verdict")))
    assert compared == numbers((before / "told" / "compare.txt").read_text())


def test_where_its_money_went_is_told_with_estimated_tool_schemas(delm, before):
    told = delm("cost", "run")
    assert told.code == 0, told.text
    assert "Tool schemas are estimated, because an older delm made this run" in told.out
    parts = list(rows(before / "results" / "run" / "cost_breakdown.csv"))
    calls = list(rows(before / "before" / "ledger.csv"))
    for system in SYSTEMS:
        mine = [row for row in parts if row["system"] == system]
        sums = {part: sum(float(row["cost_usd"]) for row in mine if row["part"] == part)
                for part in ("system", "kind", "prompt", "output", "other")}  # fmt: skip
        ledger = sum(float(call["cost_usd"]) for call in calls if call["system"] == system)
        assert sums["system"] == pytest.approx(ledger)
        assert sums["kind"] == pytest.approx(ledger)
        assert sums["prompt"] + sums["output"] == pytest.approx(ledger)  # nothing is left over
        (schemas,) = (row for row in mine if row["name"] == "tool schemas")
        share = float(schemas["token_share"])
        assert (0.02 < share < 0.06) if system == "single" else (0.1 < share < 0.3)


def test_every_export_is_the_same(delm, before):
    for kind in ("trajectories", "atif"):
        assert delm("export", "run", before / kind, "--format", kind).code == 0
        then = {path.relative_to(before / "told" / kind): path.read_bytes()
                for path in (before / "told" / kind).rglob("*") if path.is_file()}  # fmt: skip
        assert then
        for name, content in then.items():
            assert (before / kind / name).read_bytes() == content, name
    for kind in ("predictions", "recording"):
        assert delm("export", "run", before / f"{kind}.jsonl", "--format", kind).code == 0
        now = (before / f"{kind}.jsonl").read_text().splitlines()
        then = (before / "told" / f"{kind}.jsonl").read_text().splitlines()
        first = [json.loads(lines[0]) | {"created": ""} for lines in (now, then)]
        assert first[0] == first[1], "only the moment of the export differs"
        assert now[1:] == then[1:]
