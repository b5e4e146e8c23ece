"""Patches to grade: honest, useless, broken, and hostile ones."""

import base64
import difflib
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Script:
    """A file that can be executed."""

    text: str


Change = str | bytes | Link | Script | None


def patch(tree: Path, changes: Mapping[str, Change]) -> str:
    """A patch that makes each file of `tree` have that content; None removes it.

    Bytes, links and scripts are only for new files.
    """
    return "".join(_one(tree, path, after) for path, after in changes.items())


def _one(tree: Path, path: str, after: Change) -> str:
    there = (tree / path).exists()
    assert not there or after is None or isinstance(after, str), path
    head = f"diff --git a/{path} b/{path}\n"
    before, behind = f"a/{path}", f"b/{path}"
    mode = {Link: "120000", Script: "100755"}.get(type(after), "100644")
    if not there:
        head, before = head + f"new file mode {mode}\n", "/dev/null"
    if isinstance(after, bytes):
        return head + _binary(after)
    if after is None:
        head, behind = head + "deleted file mode 100644\n", "/dev/null"
    if isinstance(after, Link):
        lines = f"+{after.target}\n\\ No newline at end of file\n"
        return f"{head}--- {before}\n+++ {behind}\n@@ -0,0 +1 @@\n{lines}"
    text = after.text if isinstance(after, Script) else after or ""
    old = (tree / path).read_text().splitlines(keepends=True) if there else []
    new = text.splitlines(keepends=True)
    return head + "".join(difflib.unified_diff(old, new, before, behind))


def _binary(content: bytes) -> str:
    digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    packed = zlib.compress(content)
    lines = [f"index {'0' * 40}..{digest}", "GIT binary patch", f"literal {len(content)}"]
    for at in range(0, len(packed), 52):
        piece = packed[at : at + 52]
        size = (
            chr(ord("A") + len(piece) - 1) if len(piece) <= 26 else chr(ord("a") + len(piece) - 27)
        )
        lines.append(size + base64.b85encode(piece + b"\0" * (-len(piece) % 4)).decode())
    return "\n".join([*lines, "", "literal 0", "HcmV?d00001", "", ""])


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
