"""Which files of a patch are not the solution but what judges it: pure functions over paths."""

import re
import sys
from collections.abc import Collection, Iterable

from harness.benchmarks.evalscript import path_in_patch

STARTUP = frozenset({"sitecustomize", "usercustomize"})  # modules that Python imports by itself
RUNNERS = STARTUP | {
    "pytest", "_pytest", "py", "pluggy", "iniconfig", "exceptiongroup", "tomli", "xdist", "execnet",
    "nose", "tox", "unittest", "doctest", "runpy",
}  # fmt: skip
CONFIGURATION = frozenset({
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini",
    "setup.cfg", "pyproject.toml", ".coveragerc", "runtests.py", "noxfile.py", ".gitattributes",
})  # fmt: skip
SCRIPTS = frozenset({"bin/test", "bin/doctest"})
TEST_FOLDERS = frozenset({"test", "tests", "testing"})
METADATA = (".egg-info", ".dist-info", ".egg-link")  # a plugin can be registered there
CODE = (".py", ".pyc", ".so", ".pyd")
HEADER = re.compile(r"^(?:---|\+\+\+|Index:|rename (?:from|to)|copy (?:from|to)) (.+)$")


def touched(patch: str) -> set[str]:
    """Every file that a tool could take `patch` to touch, and perhaps some that it does not."""
    found: set[str] = set()
    patch = patch.encode(errors="replace").decode()
    for line in re.split(r"\r?\n", patch):
        if line.startswith("diff --git "):
            found |= _of_git_line(line.removeprefix("diff --git "))
        elif match := HEADER.match(line):
            name = match[1].split("\t")[0].strip()
            whole = line.startswith(("rename", "copy"))
            found.add(_path(f"a/{name}" if whole and name[:1] != '"' else name))
            if "/" in name and name[:1] != '"':  # -p1 takes any first folder away
                found.add(name.split("/", 1)[1])
    return {name for name in found if name and name != "dev/null" and not name.startswith("/")}


def _of_git_line(names: str) -> set[str]:
    if '"' in names:
        return {_path(name) for name in re.findall(r'"(?:\\.|[^"\\])*"|\S+', names)}
    ends = [match.end() for match in re.finditer(r" b/", names)]
    return {names[end:] for end in ends} | {names.split(" ", 1)[0].removeprefix("a/")}


def _path(name: str) -> str:
    try:
        return path_in_patch(name)
    except UnicodeError:  # no name that git would take
        return name.strip('"')


def is_startup_hook(path: str) -> bool:
    """Whether Python may run the file before anything that it was asked to run."""
    return path.endswith(".pth") or bool(STARTUP & {part.split(".")[0] for part in path.split("/")})


def shadowed(path: str, before: Collection[str], roots: Iterable[str]) -> set[str]:
    """The modules before which a new file would be imported, by where imports begin (`roots`)."""
    if not path.endswith(CODE):
        return set()
    found = set()
    for root in roots:
        inside = path.removeprefix(f"{root}/" if root else "")
        if root and inside == path:
            continue
        first = inside.split("/")[0]
        name = first.split(".")[0]
        place = f"{root}/{first}" if root else first
        was = any(known == place or known.startswith(f"{place}/") for known in before)
        if not was and name in sys.stdlib_module_names | RUNNERS:
            found.add(name)
    return found


def import_roots(test_files: Iterable[str]) -> set[str]:
    """The folders from which tests may import by name: the top, sources, those of the tests."""
    roots = {"", "src", "lib", "tests", "test", "testing"}
    for path in test_files:
        parts = path.split("/")[:-1]
        roots |= {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return roots


def is_infrastructure(path: str) -> bool:
    """Whether a file configures tests, runs them, or lies with them."""
    *folders, name = path.split("/")
    return (
        name in CONFIGURATION
        or path in SCRIPTS
        or is_startup_hook(path)
        or not TEST_FOLDERS.isdisjoint(folders)
        or any(part.endswith(METADATA) for part in (*folders, name))
    )
