"""A tiny release of our own, and dataset files that put faults into it."""

import hashlib
from pathlib import Path

import yaml

from harness.benchmarks.row_files import BUNDLED

CODE = """\
def mean(values):
    return sum(values) / len(values)


def spread(values):
    low = min(values)
    high = max(values)
    return high - low


def label(values):
    return f"{spread(values)}"
"""
TESTS = '''\
import os

import pytest

from tally import label, mean, spread


def test_mean():
    assert mean([1, 3]) == 2


# the usual cases
@pytest.mark.parametrize("values, expected", [([2, 2], 0), ([1, 4], 3)])
def test_spread(values, expected):
    assert spread(values) == expected


class TestLabel:
    """What is shown."""

    def test_number(self):
        assert label([1, 4]) == "3"


@pytest.mark.parametrize("number", range(20))
def test_now_and_then(number):
    if "UNSTABLE" in os.environ:
        assert os.urandom(1)[0] < 128
'''
SETUP = "from setuptools import setup\n\nsetup(name='tally', version='1.0', py_modules=['tally'])\n"
SWAPPED = {"lines": [8, 8], "new": "    return low - high\n"}
UNNOTICED = {"lines": [2, 2], "new": "    return sum(values) / max(len(values), 1)\n"}
FILE = "tests/test_tally.py"


def old_sha256(first: int, last: int) -> str:
    """The hash of lines of the module."""
    lines = CODE.splitlines(keepends=True)[first - 1 : last]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def entry(*faults: dict, **more: object) -> dict:
    """An instance of a dataset file."""
    whole = [
        {"path": "tally.py", "old_sha256": old_sha256(*fault["lines"])} | fault for fault in faults
    ]
    return {
        "environment": "tally-1.0",
        "repo": "example/tally",
        "level": 3 if len(faults) > 1 else 1,
        "issue": "spread([1, 4]) is -3\n",
        "faults": whole,
        "test_files": [FILE],
        "log_parser": "parse_log_pytest",
        "test_command": "python -m pytest -rA {test_files}",
    } | more


def write(folder: Path, entries: dict[str, dict]) -> Path:
    """The release, and a dataset file with these instances; the file."""
    for name, text in {"tally.py": CODE, "setup.py": SETUP, FILE: TESTS}.items():
        path = folder / "tally" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sample = yaml.safe_load((BUNDLED / "sample.yaml").read_text())["environments"]["durations-1.0"]
    environment = {
        "python": sample["python"],
        "source": {"path": "tally", "version": "1.0"},
        "requirements": sample["requirements"],
    }
    content = {"environments": {"tally-1.0": environment}, "injected": entries}
    (folder / "mine.yaml").write_text("# ours\n" + yaml.safe_dump(content, sort_keys=False))
    return folder / "mine.yaml"
