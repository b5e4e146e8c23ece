"""Unstable tests are found, kept in a file, and forgiven in the flake-adjusted score only."""

import json
from dataclasses import replace

import pytest
from console import FLASK, bundled, own_cache, refused
from console import delm_here as delm

from harness.benchmarks.swebench.calibrate import (
    FILE,
    Calibration,
    Calibrator,
    read_unstable,
    write_calibration,
)
from harness.benchmarks.swebench.eval_script import START
from harness.cache import cache_dir
from harness.commands.calibrate import table_lines
from harness.config import GradingConfig, SandboxConfig
from harness.errors import UserError
from harness.sandbox.providers import choose
from harness.types import Item

pytestmark = pytest.mark.slow(seconds=8)

FLAKY = "tests/test_blueprints.py::test_now_and_then"
PLANTED = """cat >> tests/test_blueprints.py <<'END'


def test_now_and_then():
    import os

    assert os.urandom(1)[0] < 128
END
"""


def with_a_flaky_test(item: Item) -> Item:
    reference = item.reference
    return replace(
        item,
        reference=replace(
            reference,
            eval_script=reference.eval_script.replace(START, PLANTED + START),
            pass_to_pass=(*reference.pass_to_pass, FLAKY),
        ),
    )


@pytest.fixture(scope="module")
def flask() -> Item:
    return bundled(FLASK)[0]


async def test_a_planted_flaky_test_is_found_and_no_other(flask):
    item = with_a_flaky_test(flask)
    sandboxes = choose(
        SandboxConfig(kind="bubblewrap"), cache_dir(), [item], labels={}, grading_network=False
    )
    await sandboxes.prepare([item], print)
    found: list[Calibration] = []
    await Calibrator(sandboxes, GradingConfig(), runs=6).calibrate(
        [item], workers=2, done=found.append
    )
    (one,) = found
    assert one.unstable == (FLAKY,)  # missed once in a thousand times: 6 + 6 runs all alike
    assert one.empty_resolved == 0
    assert FLAKY in table_lines(found)[1]


def one(name: str = "a__a-1", *unstable: str) -> Calibration:
    return Calibration(
        instance_id=name, runs=3, gold_resolved=3, empty_resolved=0, seconds=1.25,
        unstable=unstable, image="key",
    )  # fmt: skip


def test_the_table_names_every_unstable_test_on_a_line():
    lines = table_lines([one("a__a-1", "t1", "t2"), one("b__b-2")])
    assert [line.split()[-1] for line in lines[1:4]] == ["t1", "t2", "none"]
    assert lines[1].split()[:7] == ["a__a-1", "3", "of", "3", "0", "of", "3"]
    assert lines[-1] == ("2 unstable tests in 1 of 2 instances; 0 whose gold patch never resolves")


def test_a_later_calibration_replaces_its_instances_and_keeps_the_others(tmp_path):
    path = tmp_path / FILE
    write_calibration(path, [one("a__a-1", "t1"), one("b__b-2", "t2")])
    write_calibration(path, [one("a__a-1")])
    assert read_unstable(path) == {"a__a-1": [], "b__b-2": ["t2"]}


def test_without_a_file_nothing_is_known(tmp_path):
    assert read_unstable(tmp_path / FILE) is None


@pytest.mark.parametrize("text", ["", "[]", '{"a__a-1": 3}', '{"a__a-1": {}}'])
def test_a_damaged_file_is_refused_with_its_path(tmp_path, text):
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_unstable(path)
    assert str(path) in str(caught.value)


def test_the_command_prints_its_table_and_keeps_the_file(tmp_path):
    bundled(FLASK)
    cache = own_cache(tmp_path / "cache")
    told = delm(
        "grade", "--calibrate", "--runs", "2", "-i", FLASK, "-w", "2",
        cwd=tmp_path, DELM_CACHE=str(cache),
    )  # fmt: skip
    assert told.code == 0, told.text
    assert f"{FLASK}{' ' * 10}" in told.out
    assert "0 unstable tests in 0 of 1 instances" in told.out
    kept = json.loads((tmp_path / "results" / FILE).read_text())[FLASK]
    assert (kept["gold_resolved"], kept["empty_resolved"], kept["unstable"]) == (2, 0, [])
    assert not (cache / "grades").exists()


def test_it_takes_no_predictions(place):
    refused(delm("grade", "--calibrate", "--gold", cwd=place), "takes no predictions")
