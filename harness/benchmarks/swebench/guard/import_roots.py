"""Where imports by bare name begin in a repository, and which modules a path belongs to.

Pure functions over paths, which are relative to the repository; its top is "".
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from posixpath import dirname, join, normpath

from harness.benchmarks.swebench.guard.test_infrastructure import CODE

STARTUP = frozenset({"sitecustomize", "usercustomize"})  # modules that Python imports by itself
RUNNERS = frozenset({
    "pytest", "_pytest", "py", "pluggy", "iniconfig", "exceptiongroup", "tomli", "xdist", "execnet",
    "nose", "tox", "unittest", "doctest", "runpy",
})  # fmt: skip
USUAL = frozenset({"src", "lib", "tests", "test", "testing"})  # often put on the path while it runs
MARKER = "__init__.py"  # of a package
PYTHONPATH = re.compile(r"""\bPYTHONPATH=["']?([^\s"';]*)""")
BEFORE_PROGRAM = re.compile(
    r"""\s*(\w+=('[^']*'|"[^"]*"|\S*)\s+)*(\S*python[\d.]*\s+(-[WX]\s+\S+\s+|-[^cm\s]\S*\s+)*)?"""
)


def import_roots(files: Collection[str], tests: Iterable[str], script: str = "") -> frozenset[str]:
    """The folders that come first where a run of `tests`, some of the `files`, imports.

    The top, where `python -m` and `python -c` begin; the folders of the programs that `script`
    starts, and of its PYTHONPATH; and where pytest's default import mode begins: for each test
    file, and each conftest.py beside or above it, the first folder upwards without `__init__.py`.
    """
    roots = {"", *(dirname(program) for program in programs(script, files)), *_exported(script)}
    for test in tests:
        own, *above = _folders(test)
        holding = [own, *(folder for folder in above if join(folder, "conftest.py") in files)]
        roots |= {_first_no_package(folder, files) for folder in holding}
    return frozenset(roots)


def usual_roots(files: Collection[str]) -> frozenset[str]:
    """The folders that are often put on the path by name, unless they are packages."""
    return frozenset(name for name in USUAL if join(name, MARKER) not in files)


def programs(script: str, files: Collection[str]) -> set[str]:
    """Those of the `files` that a shell script starts, by their paths or with Python."""
    found = set()
    for line in script.splitlines():
        start = BEFORE_PROGRAM.match(line)
        words = line[start.end() :].split(maxsplit=1) if start else []
        if words and _inside(words[0]) in files:
            found.add(_inside(words[0]))
    return found


def _exported(script: str) -> set[str]:
    """The folders of the PYTHONPATH that a shell script sets."""
    found = PYTHONPATH.findall(script)
    return {_inside(folder) for folders in found for folder in folders.split(":") if folder}


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


@dataclass(frozen=True, slots=True)
class Module:
    """What a path is a part of, seen from a folder in which imports begin."""

    root: str
    name: str
    whole: bool  # the path makes the module; else it only lies in a folder of that name

    @property
    def place(self) -> str:
        """Its path without an ending."""
        return join(self.root, self.name)

    def is_in(self, files: Collection[str]) -> bool:
        """Whether these files have a module of that name there."""
        return f"{self.place}.py" in files or join(self.place, MARKER) in files


def stems_of(path: str) -> set[str]:
    """Where modules may be that a path is a part of: itself and its folders, without endings."""
    parts = path.split("/")
    ends = range(1, len(parts) + 1)
    return {"/".join([*parts[: end - 1], parts[end - 1].split(".")[0]]) for end in ends}


def modules_of(path: str, roots: Iterable[str], *, link: bool = False) -> list[Module]:
    """The top-level modules to which a file belongs; those of a `link` by its bare name too."""
    found = []
    for root in roots:
        inside = path.removeprefix(f"{root}/" if root else "")
        if (root and inside == path) or not (link or path.endswith(CODE)):
            continue
        first, *more = inside.split("/")
        whole = not more or (len(more) == 1 and more[0].split(".")[0] == "__init__")
        name = first if more else first.split(".")[0]
        if name.isidentifier():
            found.append(Module(root, name, whole))
    return found


def markers_of(tests: Iterable[str]) -> set[str]:
    """Each `__init__.py` beside or above a test: which are there decides where imports begin."""
    return {join(folder, MARKER) for test in tests for folder in _folders(test)}
