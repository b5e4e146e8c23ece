"""Where imports by bare name begin in a repository, and which new files so come before others.

Pure functions over paths, which are relative to the repository; its top is "".
"""

import re
import sys
from collections.abc import Collection, Iterable
from posixpath import dirname, join, normpath

from harness.benchmarks.swebench.test_infrastructure import CODE, STARTUP

RUNNERS = STARTUP | {
    "pytest", "_pytest", "py", "pluggy", "iniconfig", "exceptiongroup", "tomli", "xdist", "execnet",
    "nose", "tox", "unittest", "doctest", "runpy",
}  # fmt: skip
NAMES = sys.stdlib_module_names | RUNNERS
USUAL = ("src", "lib", "tests", "test", "testing")
MARKER = "__init__.py"  # of a package
PYTHONPATH = re.compile(r"""\bPYTHONPATH=["']?([^\s"';]*)""")
BEFORE_PROGRAM = re.compile(
    r"""\s*(\w+=('[^']*'|"[^"]*"|\S*)\s+)*(\S*python[\d.]*\s+(-[WX]\s+\S+\s+|-[^cm\s]\S*\s+)*)?"""
)


def import_roots(
    files: Collection[str],
    tests: Iterable[str],
    *,
    on_path: Iterable[str] = (),
    script: str = "",
) -> frozenset[str]:
    """The folders from which a run of `tests`, some of the `files`, imports by bare name.

    The top, where `python -m` and `python -c` begin; what is `on_path` as Python starts (editable
    installations); the folders of the programs that `script` starts, and of its PYTHONPATH; and
    where pytest's default import mode begins: for each test file, and each conftest.py beside or
    above it, the first folder upwards without `__init__.py`. The folders that are often put there
    by name (`USUAL`) count too, unless they are packages.
    """
    roots = {"", *on_path, *_named(script, files)}
    roots |= {name for name in USUAL if join(name, MARKER) not in files}
    for test in tests:
        own, *above = _folders(test)
        holding = [own, *(folder for folder in above if join(folder, "conftest.py") in files)]
        roots |= {_first_no_package(folder, files) for folder in holding}
    return frozenset(roots)


def _named(script: str, files: Collection[str]) -> set[str]:
    """The folders of the Python programs that a shell script starts, and of its PYTHONPATH."""
    found = set()
    for line in script.splitlines():
        for folders in PYTHONPATH.findall(line):
            found |= {_inside(folder) for folder in folders.split(":") if folder}
        start = BEFORE_PROGRAM.match(line)
        words = line[start.end() :].split(maxsplit=1) if start else []
        if words and _inside(words[0]) in files:
            found.add(dirname(_inside(words[0])))
    return found


def _inside(path: str) -> str:
    found = normpath(path.strip("\"'").removeprefix("/testbed").lstrip("/"))
    return "" if found == "." else found


def _first_no_package(folder: str, files: Collection[str]) -> str:
    while folder and join(folder, MARKER) in files:
        folder = dirname(folder)
    return folder


def _folders(path: str) -> list[str]:
    """All folders above a file, the nearest first, the top last."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts) - 1, -1, -1)]


def with_folders(files: Iterable[str]) -> frozenset[str]:
    """These files and all their folders."""
    found = set(files)
    return frozenset(found.union(*(_folders(path)[:-1] for path in found)))


def shadowed(path: str, before: Collection[str], roots: Iterable[str]) -> set[str]:
    """The modules before which a new file would be imported, by where imports begin (`roots`).

    `before`: the files and folders that were there. A module in a package comes before none,
    whatever its name: it is imported by the name of the package.
    """
    if not path.endswith(CODE):
        return set()
    found = set()
    for root in roots:
        inside = path.removeprefix(f"{root}/" if root else "")
        if root and inside == path:
            continue
        first = inside.split("/")[0]
        name = first.split(".")[0]
        if name in NAMES and join(root, first) not in before:
            found.add(name)
    return found


def markers_of(tests: Iterable[str]) -> set[str]:
    """Each `__init__.py` beside or above a test: which are there decides where imports begin."""
    return {join(folder, MARKER) for test in tests for folder in _folders(test)}
