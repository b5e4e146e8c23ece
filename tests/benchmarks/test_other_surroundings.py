"""A guarded run has other surroundings than the official one, as far as its tests allow."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from harness.benchmarks.swebench.guard.other_surroundings import (
    OPTIONS,
    pytest_options,
    surroundings,
)

FILES = ("src/flask/__init__.py", "tests/test_a.py")
ALL = " ".join(OPTIONS)
# A test that tells what it finds: each line is another one in the guarded run.
LOOKING = """
import logging, os, sys, warnings

NAMES = ("USER", "LOGNAME", "TZ", "PYTHONHASHSEED", "ARGUMENTS")

def test_a():
    told = [
        len(logging.getLogger("a").parent.handlers), type(sys.stdout).__name__,
        sorted(map(str, warnings.filters)), "@py" in str(test_a.__code__.co_varnames),
        sorted(os.environ), os.environ["PWD"], [os.environ.get(name) for name in NAMES],
    ]
    with open("told", "a") as file:
        file.write("".join(f"{each}\\n" for each in told))
    assert told
"""


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("def test_a():\n    pass\n", ""),
        ("def test_a(caplog):\n    pass\n", "-p no:logging"),
        ("[pytest]\nlog_cli = true\n", "-p no:logging"),
        ("[tool:pytest]\nfilterwarnings = error\n", "-p no:warnings"),
        ("pytest.register_assert_rewrite('helpers')\n", "--assert=plain"),
        ("config.pluginmanager.getplugin('capturemanager')\n", "-s"),
    ],
)
def test_an_option_is_not_used_where_tests_or_their_configuration_need_the_opposite(text, without):
    assert set(OPTIONS) - {without} == {
        option for option in OPTIONS if option in pytest_options(FILES, ["import a\n", text])
    }


def test_there_is_none_where_pytest_is_what_is_tested():
    assert pytest_options([*FILES, "src/_pytest/__init__.py"], []) == ""


def test_what_a_test_finds_around_it_differs_and_its_log_does_not(tmp_path):
    (tmp_path / "test_a.py").write_text(LOOKING)
    outputs = []
    for number in range(3):
        more = surroundings(ALL, "ARGUMENTS", Random(number)) if number else []
        lines = [f"cd {tmp_path}", *more, f"{sys.executable} -m pytest -rA"]
        done = subprocess.run(
            ["bash", "-uc", "\n".join(lines).replace("/testbed", str(tmp_path))],
            capture_output=True, text=True, check=True, env={"PATH": "/usr/bin", "HOSTNAME": "a"},
        )  # fmt: skip
        outputs.append([line for line in done.stdout.splitlines() if line.startswith("PASSED")])
        for link in more[2:3]:
            Path(link.split("&&")[0].split()[-1]).unlink()
    assert outputs == [["PASSED test_a.py::test_a"]] * 3
    told = (tmp_path / "told").read_text().splitlines()
    official, guarded, other = (told[start : start + 7] for start in (0, 7, 14))
    assert all(mine != plain for mine, plain in zip(guarded, official, strict=True))
    assert [guarded[number] == other[number] for number in range(7)] == [True] * 4 + [False] * 3


def test_there_are_no_others_where_the_gold_patch_needs_those_of_the_official_run():
    assert surroundings(None, "ARGUMENTS", Random(1)) == []
