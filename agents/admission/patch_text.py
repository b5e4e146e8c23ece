"""Take patches apart and put them together, as git writes them. Pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from agents.admission.changes import is_test

_FILE = re.compile(r"^(?=diff --git )", re.MULTILINE)
_PATH = re.compile(r"^(?:diff --git a/(.+) b/\1|\+\+\+ b/([^\n\t]+))$", re.MULTILINE)
_NEW = re.compile(r"^new file mode ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePatch:
    """What a patch says of one file. `path` is empty where git quotes or renames it."""

    path: str
    is_new: bool
    text: str


def files_of(diff: str) -> Iterator[FilePatch]:
    """The files of a patch, in its order."""
    for text in _FILE.split(diff):
        if text:
            header, _, _ = text.partition("\n@@ ")
            found = _PATH.search(header)
            path = found[1] or found[2] if found else ""
            yield FilePatch(path=path, is_new=_NEW.search(header) is not None, text=text)


@lru_cache(maxsize=4096)
def new_tests(diff: str) -> str:
    """The test files that a patch adds, as a patch of their own."""
    return "".join(file.text for file in files_of(diff) if file.is_new and is_test(file.path))


def combined(diff: str, changes: str) -> str:
    """One patch of both; a file that is in both is as in `changes`."""
    if not diff or not changes:
        return diff or changes
    taken = {file.path for file in files_of(changes)}
    kept = [file.text for file in files_of(diff) if not file.path or file.path not in taken]
    return "".join(kept) + changes
