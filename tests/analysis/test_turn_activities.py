"""What a turn is counted as: the words of commands, and that shares sum to the call."""

import time

import pytest

from harness.analysis.turn_activities import TurnActivity, activity_of_command

SEARCH, EDIT, TEST = TurnActivity.SEARCH, TurnActivity.EDIT, TurnActivity.TEST


@pytest.mark.parametrize(
    ("command", "activity"),
    [
        ("grep -rn 'def f' src; sed -n 1,60p src/a.py", SEARCH),
        ("cd /testbed && cat src/a.py | head -20", SEARCH),
        ("git log --oneline | head -3; python --version; grep -rn x .", SEARCH),
        ("sed -i 's/a/b/' src/a.py", EDIT),
        ("git apply /tmp/fix.diff", EDIT),
        ("git stash pop; git diff", EDIT),
        ("timeout 50 python -m pytest -q tests 2>&1 | tail -5", TEST),
        ("cat > /tmp/t.py <<'E'\nimport a\nE\npython /tmp/t.py", TEST),
        ("env -u no_proxy PYTHONPATH=. python /tmp/t.py", TEST),
        ("python - <<'E'\nfrom a import b\nE", TEST),
        ("./manage.py test app; cat log", TEST),
        ("sed -i s/a/b/ a.py && pytest -q", TEST),
        ("", SEARCH),
        ("frobnicate --all", SEARCH),
    ],
)
def test_a_command_is_told_from_its_words(command, activity):
    assert activity_of_command(command) is activity


@pytest.mark.parametrize(
    "command",
    [";-" * 2_500_000, "env " * 1_000_000, "time -a=b -a=b " * 300_000, "a=" * 2_000_000,
     "\n- " * 1_500_000, "(/" * 2_000_000, "perl -" * 1_000_000],
)  # fmt: skip
def test_no_command_takes_long(command):
    began = time.perf_counter()
    activity_of_command(command)
    assert time.perf_counter() - began < 0.5
