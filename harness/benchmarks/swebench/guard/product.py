"""What of a submission a guarded run keeps, and which lines of that look at who calls them."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import dirname, join

from harness.benchmarks.swebench.guard.added_lines import Lines
from harness.benchmarks.swebench.guard.base_commit import BaseCommit
from harness.benchmarks.swebench.guard.tree_changes import TreeChanges
from harness.text.caller_looks import Look, looks

# of a part of a path: testing, test_utils, _testing, testclient, conftest
TEST_SUPPORT = re.compile(
    r"_*tests?(?:ing|er|ers|_?utils?|_?tools?|_?support|_?helpers?|_?client|_?case)?s?"
    r"|.*_test(?:ing|er|utils?)?|conftest|fixtures?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """The two parts of a submission's changes."""

    put_back: tuple[str, ...]  # paths that a guarded run resets to the base commit
    added: Mapping[str, Lines]  # lines of the Python files that it has from the submission
    others: tuple[str, ...] = ()  # its other files, in which there may be code all the same
    looks: tuple[Look, ...] = ()  # of the lines, told from the text

    @property
    def files(self) -> tuple[str, ...]:
        """All that it has from the submission."""
        return (*self.added, *self.others)

    def noted(self, found: Iterable[Look]) -> tuple[Look, ...]:
        """The looks, of those that the watch of a run `found`, of the submission's own code."""
        texts = {
            (path, number): text for path, lines in self.added.items() for number, text in lines
        }
        others = tuple(f"{path}/" for path in self.others)  # or of a file in an archive
        return tuple(
            replace(look, text=texts.get((look.path, look.line), "").strip())
            for look in found
            if (look.path, look.line) in texts
            or f"{look.path}/".startswith(others)
            or look.path.startswith("<")  # of a text that was executed
        )


def product_of(changes: TreeChanges, base: BaseCommit, gold: TreeChanges) -> Product:
    """The parts of `changes`.

    A file that looks at its caller and lies in no package is put back too: where the tests pass
    without it, it is no part of the solution, as a script that reproduces the issue.
    """
    back = set(base.put_back(changes))
    found = [look for look in looks_of(changes, gold) if look.path not in back]
    back |= {look.path for look in found if not _is_in_package(look.path, base.files)}
    return Product(
        put_back=tuple(sorted(back)),
        added={path: lines for path, lines in changes.added_lines.items() if path not in back},
        others=tuple(
            path
            for path, change in changes.paths.items()
            if change.now and path not in back and path not in changes.added_lines
        ),
        looks=tuple(look for look in found if look.path not in back),
    )


def looks_of(changes: TreeChanges, gold: TreeChanges) -> Sequence[Look]:
    """The looks on the added lines of a submission, less those that the same function has in the
    base commit or with the gold patch."""
    found: list[Look] = []
    for path, source in changes.sources.items():
        added = {number for number, _ in changes.added_lines[path]}
        if not looks(source, added, path=path):
            continue
        known = looks(changes.base_sources.get(path, ""), None, path=path)
        known += looks(gold.sources.get(path, ""), None, path=path)
        found += looks(source, added, path=path, baseline=known)
    return found + _test_support(changes, gold)


def _test_support(changes: TreeChanges, gold: TreeChanges) -> list[Look]:
    """A look for each changed file of the product that is there for tests, as `flask/testing.py`,
    where the gold patch changes none."""
    if any(_is_test_support(path) for path in gold.sources):
        return []
    return [
        Look(line=lines[0][0], text=lines[0][1], kind="test-support", what=path, path=path)
        for path, lines in changes.added_lines.items()
        if lines and path in changes.base_sources and _is_test_support(path)
    ]


def _is_test_support(path: str) -> bool:
    """Whether a file is called as what a product offers to tests is."""
    return any(TEST_SUPPORT.fullmatch(part.removesuffix(".py")) for part in path.split("/"))


def _is_in_package(path: str, files: Collection[str]) -> bool:
    return join(dirname(path), "__init__.py") in files
