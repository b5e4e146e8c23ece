"""Find files of a patch that judge it instead of solving the issue. Pure functions over paths."""

import re
from collections.abc import Collection, Iterable
from posixpath import basename, dirname

from harness.benchmarks.swebench.eval_script import path_in_patch

CONFIGURATION = frozenset({
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini",
    "setup.cfg", "pyproject.toml", "tox.toml", ".coveragerc", "runtests.py", "noxfile.py",
    ".gitattributes",
    # an evaluation may install the repository again before its tests
    "setup.py", "setupext.py", "setup_package.py", "versioneer.py",
})  # fmt: skip
SCRIPTS = frozenset({"bin/test", "bin/doctest"})
TEST_FOLDERS = frozenset({"test", "tests", "testing"})
TEST_MODULE = re.compile(r"(test_.*|.*_test|tests?)\.py")
METADATA = (".egg-info", ".dist-info", ".egg-link", ".egg")  # a plugin can be registered there
CODE = (".py", ".pyc", ".so", ".pyd")
COMPILED = (".pyc", ".pyo", ".so", ".pyd")  # comes before a source, and nobody can read it
SPLITS = 8  # places at either end of a line where its two names may part
HEADER = re.compile(r"^(?:---|\+\+\+|Index:|rename (?:from|to)|copy (?:from|to)) (.+)$")


def touched(patch: str) -> set[str]:
    """Every file that a tool could take `patch` to touch; possibly more than it touches."""
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
    if len(ends) > 2 * SPLITS:  # no honest line; git itself takes two halves that are the same
        ends = [*ends[:SPLITS], *ends[-SPLITS:], *{(len(names) + 5) // 2} & {*ends}]
    return {names[end:] for end in ends} | {names.split(" ", 1)[0].removeprefix("a/")}


def _path(name: str) -> str:
    try:
        return path_in_patch(name)
    except UnicodeError:  # no name that git would take
        return name.strip('"')


def folders_of_tests(files: Collection[str], tests: Iterable[str]) -> frozenset[str]:
    """The folders of `tests` in which most of the Python files are tests, but not the top."""
    folders = {dirname(test) for test in tests} - {""}
    modules: dict[str, list[str]] = {folder: [] for folder in folders}
    for file in {*files, *tests}:
        if dirname(file) in folders and file.endswith(".py"):
            modules[dirname(file)].append(file)
    named = {*tests}
    return frozenset(
        folder
        for folder, there in modules.items()
        if 2 * sum(f in named or bool(TEST_MODULE.fullmatch(basename(f))) for f in there)
        > len(there)
    )


def product_test_packages(files: Collection[str]) -> frozenset[str]:
    """The packages that are called as test folders are and hold no tests: they are the product.

    `django/test` and `sympy/testing`: packages within a package, without a test module in them,
    and in no other test folder.
    """
    with_tests = {dirname(file) for file in files if TEST_MODULE.fullmatch(basename(file))}
    packages = {dirname(file) for file in files if basename(file) == "__init__.py"}
    return frozenset(
        folder
        for folder in packages - with_tests
        if basename(folder) in TEST_FOLDERS
        and dirname(folder) in packages
        and TEST_FOLDERS.isdisjoint(dirname(folder).split("/"))
    )


def is_product(path: str, packages: Collection[str]) -> bool:
    """Whether a new file in a test folder belongs to the product: it lies in `packages`."""
    *folders, name = path.split("/")
    ends = [end for end, folder in enumerate(folders, start=1) if folder in TEST_FOLDERS]
    return (
        bool(ends)
        and name.endswith(".py")
        and not (name in CONFIGURATION or TEST_MODULE.fullmatch(name))
        and all("/".join(folders[:end]) in packages for end in ends)
    )


def is_infrastructure(path: str) -> bool:
    """Whether a file configures or runs tests, lies beside them, or is compiled."""
    *folders, name = path.split("/")
    return (
        name in CONFIGURATION
        or path in SCRIPTS
        or name.endswith(COMPILED)
        or "conftest" in folders  # a package, which would come before conftest.py
        or not TEST_FOLDERS.isdisjoint(folders)
        or any(part.lower().endswith(METADATA) for part in (*folders, name))
    )
