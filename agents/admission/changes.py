"""The files that a patch changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

TEST_PATH = re.compile(
    r"(?:^|/)(?:tests?|testing)/|(?:^|/)(?:test_[^/]*|[^/]*_tests?|tests?|conftest)\.py$"
)

ChangedTexts = Mapping[str, tuple[str | None, str]]
"""By path of a changed file, its text before, None where it is new, and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file that a patch changes. `status` is git's letter: A, M, D or T."""

    path: str
    status: str
    mode: str  # of the file with the patch


def is_test(path: str) -> bool:
    """Whether `path` is a test file or lies in a test folder."""
    return TEST_PATH.search(path) is not None
