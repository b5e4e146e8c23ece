"""The lines of a diff by kind, for `templates/diff.html.j2`."""

from collections.abc import Mapping
from difflib import unified_diff
from typing import Literal

from harness.pages.rendering import SHOWN, text

LineKind = Literal["add", "del", "hunk", "file", ""]
HEADERS = (
    "diff ", "index ", "--- ", "+++ ", "new file", "deleted file", "rename ", "similarity ",
    "old mode", "new mode", "Binary files", "GIT binary patch", "copy ",
)  # fmt: skip


def diff_lines(diff: str, most: int = SHOWN) -> list[tuple[LineKind, str]]:
    """Each line of a diff with its kind; of a longer one than `most` characters the middle is left
    out."""
    found: list[tuple[LineKind, str]] = []
    inside = False  # of a hunk, where a removed line may look like a header
    for line in text(diff, most).rstrip("\n").split("\n"):
        if line.startswith("@@"):
            inside = True
            found.append(("hunk", line))
        elif line.startswith("diff ") or (not inside and line.startswith(HEADERS)):
            inside = False
            found.append(("file", line))
        else:
            found.append((_KINDS.get(line[:1], ""), line))
    return found


def replaced_lines(old: str, new: str, most: int = SHOWN) -> list[tuple[LineKind, str]]:
    """The lines of a text that was replaced by another, as those of a diff without headers."""
    if len(old) + len(new) > most:  # comparing takes quadratic time
        removed = [f"-{line}" for line in text(old, most // 2).split("\n")]
        added = [f"+{line}" for line in text(new, most // 2).split("\n")]
        return [("del", line) for line in removed] + [("add", line) for line in added]
    before = old.removesuffix("\n").split("\n") if old else []
    after = new.removesuffix("\n").split("\n") if new else []
    whole = len(before) + len(after)  # lines around a change: one hunk, whose head says nothing
    lines = list(unified_diff(before, after, lineterm="", n=whole))[3:]
    return [(_KINDS.get(line[:1], ""), text(line, most)) for line in lines]


_KINDS: Mapping[str, LineKind] = {"+": "add", "-": "del"}
