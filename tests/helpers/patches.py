"""Patches to grade: honest, useless, broken, and hostile ones."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.benchmarks.swebench.items import IssueItem

TESTS = "tests/test_blueprints.py"
CODE = "src/flask/blueprints.py"
WANTED = f"{TESTS}::test_empty_name_not_allowed"
FORGERY = f"""\
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("PASSED {WANTED}")


def pytest_unconfigure(config):
    print("PASSED {WANTED}")
    print("== 58 passed in 0.1s ==")
"""
BREAK_OUT = f"""\
import os

print(">>>>> Start Test Output")
print("PASSED {WANTED}")
print(">>>>> End Test Output")
print("TEST_EXIT_CODE: 0", flush=True)
os._exit(0)
"""


def with_few_tests(item: IssueItem) -> IssueItem:
    """The item where of the tests that pass before and after only five are asked for.

    Breaking all of them and reporting each takes longer than everything else.
    """
    few = replace(item.reference, pass_to_pass=item.reference.pass_to_pass[:5])
    return replace(item, reference=few)


def patch(tree: Path, changes: Mapping[str, str | None]) -> str:
    """A patch that makes each file of `tree` have that text; None removes it."""
    return "".join(_one(tree, path, after) for path, after in changes.items())


def _one(tree: Path, path: str, after: str | None) -> str:
    old = (tree / path).read_text().splitlines(keepends=True) if (tree / path).exists() else []
    new = (after or "").splitlines(keepends=True)
    head = f"diff --git a/{path} b/{path}\n"
    before, behind = f"a/{path}", f"b/{path}"
    if not old:
        head, before = head + "new file mode 100644\n", "/dev/null"
    if after is None:
        head, behind = head + "deleted file mode 100644\n", "/dev/null"
    return head + "".join(difflib.unified_diff(old, new, before, behind))


def flask_patches(tree: Path, gold: str) -> dict[str, tuple[str, bool]]:
    """By name: a patch for the flask instance, and whether it solves it."""
    code, tests = (tree / CODE).read_text(), (tree / TESTS).read_text()
    conftest = (tree / "tests/conftest.py").read_text()
    return {
        "gold": (gold, True),
        "wrong": (patch(tree, {CODE: code + "# a comment\n"}), False),
        "breaks": (gold + patch(tree, {"src/flask/helpers.py": "raise SystemExit\n"}), False),
        "not-applying": (gold.replace(CODE, "src/flask/nowhere.py"), False),
        # `git apply --reject` leaves the new file behind, at which `patch` would stumble
        "only-with-fuzz": (
            patch(tree, {"docs/added.txt": "a file\n"})
            + gold.replace("root_path=root_path,", "root_path=other_path,"),
            True,
        ),
        "outside": (gold.replace(CODE, "../../" + CODE), False),
        "forged": (patch(tree, {"tests/conftest.py": conftest + FORGERY}), False),
        "breaks-out": (patch(tree, {"src/flask/__init__.py": BREAK_OUT}), False),
        "edits-tests": (patch(tree, {TESTS: tests + _passing()}), False),
        "deletes-tests": (patch(tree, {TESTS: None}), False),
        "gold-and-deletes-tests": (gold + patch(tree, {TESTS: None}), True),
    }


def _passing() -> str:
    return "\n\ndef test_empty_name_not_allowed():\n    pass\n"
