"""The committed filters are what the table says."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.sandbox.seccomp import syscalls

ROOT = Path(__file__).parents[2]


def test_the_filters_are_made_from_the_table():
    pytest.importorskip("pyseccomp", reason="libseccomp is not installed", exc_type=ImportError)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_seccomp.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_no_call_is_in_two_places():
    ruled = {rule.name for rule in syscalls.RULES}
    names = [*syscalls.ALLOWED, *syscalls.REFUSED, *syscalls.ABSENT, *ruled]
    assert len(names) == len(set(names))
