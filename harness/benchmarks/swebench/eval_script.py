"""Write the evaluation script of an instance without one, in the form of swebench 5.x rows."""

import hashlib
import shlex

from harness.errors import UserError
from harness.text.unified_diff import parse

START = ": '>>>>> Start Test Output'"
END = ": '>>>>> End Test Output'"


def eval_script(test_patch: str, test_command: str) -> str:
    """Put the tests of `test_patch` in place, run `test_command`, and take the tests away again.

    Files that the patch changes or deletes are reset to HEAD, files that it adds are removed, both
    before it is applied (a submission may have touched them) and after the tests. It relies on
    /testbed and on a PATH that starts with the virtual environment. Raises `UserError`.
    """
    changed, added = touched_files(test_patch)
    reset = []
    if changed:
        reset.append(f"git checkout HEAD -- {shlex.join(changed)}")
    if added:
        reset.append(f"rm -f -- {shlex.join(added)}")
    body = test_patch if test_patch.endswith("\n") else test_patch + "\n"
    delimiter = heredoc_delimiter(body)
    apply = [f"git apply -v - <<'{delimiter}'", f"{body}{delimiter}"]
    return _script([*reset, *apply], test_command, reset)


def plain_script(test_command: str) -> str:
    """Run `test_command` on the tests that are there."""
    return _script([], test_command, [])


def _script(before: list[str], test_command: str, after: list[str]) -> str:
    lines = [
        "#!/bin/bash",
        "set -uxo pipefail",
        "cd /testbed",
        "git config --global --add safe.directory /testbed",
        *before,
        START,
        test_command,
        END,
        *after,
    ]
    return "\n".join(lines) + "\n"


def touched_files(patch: str) -> tuple[list[str], list[str]]:
    """The files of the base commit that `patch` changes or deletes, and the files that it adds.

    A rename is both. Raises `UserError` for what is no patch.
    """
    try:
        files = parse(patch)
    except ValueError as error:
        raise UserError(f"the test patch cannot be parsed: {error}") from error
    if not files:
        raise UserError("the test patch changes no file")
    changed: set[str] = set()
    added: set[str] = set()
    try:
        for file in files:
            if not file.is_added_file:
                changed.add(path_in_patch(file.source_file))
            if file.is_added_file or file.is_rename:
                added.add(path_in_patch(file.target_file))
    except UnicodeError:
        raise UserError("the test patch has a file name that is no UTF-8 text") from None
    return sorted(changed), sorted(added)


def heredoc_delimiter(body: str) -> str:
    """A heredoc delimiter that is not a line of `body`; the same `body` gives the same one."""
    lines = set(body.splitlines())
    word = "EOF_" + hashlib.sha256(body.encode()).hexdigest()[:12]
    while word in lines:
        word += "_"
    return word


def path_in_patch(name: str) -> str:
    """The path in the repository, out of `a/path` or git's quoted form of it.

    Raises `UnicodeError` where it is no UTF-8 text.
    """
    if name.startswith('"') and name.endswith('"'):
        raw = name[1:-1].encode().decode("unicode_escape")
        name = raw.encode("latin-1").decode("utf-8")
    return name.split("/", 1)[1] if name.startswith(("a/", "b/")) else name
