"""Addresses that nobody's link has, and runs that nobody's delm wrote: a sentence, never a failure.

One damaged run hides no other one.
"""

import shutil
import sqlite3
from contextlib import closing

import anyio
import pytest
from page_server import page_server
from planted import System, plant

MANY = "9" * 19  # more than a column of SQLite holds
TOO_MANY = "9" * 5000  # more than Python makes a number of


@pytest.mark.parametrize("number", [MANY, TOO_MANY, "9" * 16])
@pytest.mark.parametrize(
    "path", ["trials/{}", "trials/9/calls/{}", "trials/9/proposals/{}", "trials/{}/entries/F1"]
)
def test_a_number_that_no_row_can_have_is_no_page(server, path, number):
    assert server.get(f"/runs/first/{path.format(number)}").status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", MANY, TOO_MANY, "x"])
def test_a_number_that_no_page_can_have_is_the_first_page(server, number):
    assert "trial_id" in server.page(f"/runs/first/rows/trials?page={number}")


def test_too_many_conditions_are_refused_in_words(server):
    answer = server.get("/runs/first/rows/trials?" + "&".join(["system=x"] * 2000))
    assert answer.status_code == 400
    assert "conditions" in answer.text


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    output = tmp_path_factory.mktemp("planted")
    anyio.run(plant, output, "good", {"single": System(1, "one", {"a__a-1": ["R"]})})
    return output


def bad_values(path):
    _write(path, "UPDATE run SET value = '{' WHERE key = 'config'")


def of_another_shape(path):
    _write(path, "UPDATE run SET value = '[1]' WHERE key IN ('config', 'prices', 'dataset')")


def bad_schema(path):
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE", b"CREATE T\xb1BLE"))


def cut(path):
    path.write_bytes(path.read_bytes()[:9_000])


def _write(path, statement):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


@pytest.mark.parametrize("damage", [bad_values, of_another_shape, bad_schema, cut])
def test_a_damaged_run_says_so_and_the_others_are_listed(planted, tmp_path, damage):
    output = tmp_path / "results"
    shutil.copytree(planted, output)
    shutil.copytree(output / "good", output / "bad")
    damage(output / "bad" / "run.db")
    with page_server(output) as client:
        listed = client.page("/")
        assert 'href="/runs/good"' in listed
        assert "bad" in listed
        if damage is not of_another_shape:
            answer = client.get("/runs/bad")
            assert answer.status_code == 503
            assert "cannot be read" in answer.text
