"""Write a patch of one file, in git's form, from its text before and after."""

import difflib
import re
from collections.abc import Iterator, Mapping

CONTEXT = 3
LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")  # as git counts lines: no other separator ends one


def lines_of(text: str) -> list[str]:
    """The lines of `text` as git counts them, each with its end."""
    return LINE.findall(text)


def patch_of(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The patch that makes the files of `before` those of `after`, which has the same paths.

    Files that do not change are not in it; it is empty where none does. Paths are plain: no
    blanks, quotes or control characters.
    """
    return "".join(_of_file(path, before[path], after[path]) for path in sorted(before))


def _of_file(path: str, before: str, after: str) -> str:
    if before == after:
        return ""
    hunks = difflib.unified_diff(
        lines_of(before), lines_of(after), f"a/{path}", f"b/{path}", n=CONTEXT
    )
    return f"diff --git a/{path} b/{path}\n" + "".join(_with_ends(hunks))


def _with_ends(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
