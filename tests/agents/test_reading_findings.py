"""`scripts/bench_findings.py`: few true findings are refused, and what it measures can fail."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow(seconds=8)

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_findings.py"


def measured(*words):
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines()


def test_true_findings_get_in_and_false_ones_do_not():
    code, lines = measured()
    assert lines[-1] == "refused 0 of 46 true findings (0.0%), admitted 0 of 24 false ones"
    assert code == 0


def test_without_the_question_and_the_sentences_beside_true_findings_are_refused():
    code, lines = measured("--quick", "--bare")
    assert code == 1
    assert "refused: Oster & Sons made no appeal. " in "\n".join(lines)
    assert "admitted 0 of 24" in lines[-1]
