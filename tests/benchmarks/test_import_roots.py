"""A new module comes before another of its name only where imports begin."""

import sys

import pytest

from harness.benchmarks.swebench.base_commit import BaseCommit, configured_roots
from harness.benchmarks.swebench.import_roots import (
    RUNNERS,
    import_roots,
    markers_of,
    shadowed,
    with_folders,
)

BEFORE = {"src/_pytest/main.py", "src/flask/json.py", "tests/logging/test_a.py", "x.py"}


@pytest.mark.parametrize(
    ("path", "modules"),
    [
        ("pytest.py", {"pytest"}),
        ("pytest/__main__.py", {"pytest"}),
        ("src/unittest/__init__.py", {"unittest"}),
        ("re.cpython-311-x86_64-linux-gnu.so", {"re"}),
        ("tests/logging/json.py", {"json"}),
        ("src/_pytest/more.py", set()),  # the package was there
        ("src/flask/logging.py", set()),  # no import begins there
        ("pytest.md", set()),
        ("mine.py", set()),
    ],
)
def test_a_new_module_shadows_what_has_its_name_where_imports_begin(path, modules):
    roots = import_roots(BEFORE, ["tests/logging/test_a.py"])
    assert shadowed(path, with_folders(BEFORE), roots) == modules


USUAL = {"", "src", "lib", "tests", "test", "testing"}


@pytest.mark.parametrize(
    ("files", "test", "roots"),
    [
        # tests within a package: imports begin above the outermost one
        ("p/__init__.py p/q/__init__.py p/q/tests/__init__.py", "p/q/tests/test_a.py", set()),
        # the folder of the tests is no package, the one above it is
        ("p/__init__.py", "p/checks/test_a.py", {"p/checks"}),
        ("p/__init__.py p/conftest.py", "p/checks/test_a.py", {"p/checks"}),
        ("a/conftest.py", "a/b/c/test_a.py", {"a", "a/b/c"}),
        # a namespace package: imports of its tests begin within it, and those of no other folder
        ("libs/ns/p/__init__.py", "libs/ns/p/test_a.py", {"libs/ns"}),
        # the usual names, where they are no packages
        ("tests/__init__.py lib/__init__.py", "tests/test_a.py", {"-tests", "-lib"}),
        ("tests/__init__.py", "tests/unit/test_a.py", {"-tests", "tests/unit"}),
    ],
)
def test_imports_begin_at_the_first_folder_upwards_that_is_no_package(files, test, roots):
    removed = {root[1:] for root in roots if root.startswith("-")}
    added = {root for root in roots if not root.startswith("-")}
    assert import_roots(files.split(), [test]) == (USUAL - removed) | added


@pytest.mark.parametrize(
    ("script", "root"),
    [
        ("./checks/run.py --verbosity 2 a.b", "checks"),
        ("LANG=C A='b c' python3.9 -bb -W error checks/run.py x", "checks"),
        ("python /testbed/checks/run.py", "checks"),
        ("export PYTHONPATH=/testbed/extra:more", "extra"),
        ("PYTHONPATH=. pytest checks/test_a.py", None),
        ("python -m pytest -rA checks/run.py", None),
        ("pytest checks/run.py", None),
    ],
)
def test_imports_begin_beside_a_program_and_where_the_script_says(script, root):
    files = ["checks/__init__.py", "checks/run.py", "extra/a.py"]
    found = import_roots(files, [], script=f"cd /testbed\n{script}\n")
    assert found - USUAL - {"more"} == ({root} if root else set())


@pytest.mark.parametrize(
    ("name", "text", "roots"),
    [
        ("pytest.ini", "[pytest]\npythonpath = plug . a/b/\n", {"plug", "", "a/b"}),
        ("setup.cfg", "[tool:pytest]\npython_paths =\n    one\n    two\n", {"one", "two"}),
        ("pyproject.toml", '[tool.pytest.ini_options]\npythonpath = ["one", "./two"]\n',
         {"one", "two"}),
        ("pyproject.toml", '[tool.pytest.ini_options]\npythonpath = "one"\n', {"one"}),
        ("tox.ini", "[tox]\nenvlist = %(x)s\n", set()),
        ("tox.ini", "no section", set()),
        ("pyproject.toml", "[", set()),
    ],
)  # fmt: skip
def test_the_folders_that_pytest_is_told_of_are_read_from_its_configuration(name, text, roots):
    assert configured_roots(name, text) == roots


def test_what_is_on_the_path_as_python_starts_counts_whatever_it_is_called():
    base = BaseCommit.of(["python/p/__init__.py"], {}, [], on_path=["python"])
    assert base.refused(["python/pytest.py", "python/p/pytest.py"]) == {"shadows-runner"}
    assert base.put_back(["python/types.py", "python/p/types.py"]) == ["python/types.py"]


def test_a_marker_of_a_package_above_the_tests_stays_as_it_was():
    files = ["p/__init__.py", "p/q/__init__.py", "p/q/test_a.py"]
    base = BaseCommit.of(files, {}, ["p/q/test_a.py", "r/s/test_b.py"])
    assert base.markers == markers_of(["p/q/test_a.py", "r/s/test_b.py"])
    assert base.put_back(["p/q/__init__.py", "p/new/__init__.py"]) == []  # only where it is gone
    assert base.put_back(["r/__init__.py"]) == ["r/__init__.py"]


def test_every_name_of_a_runner_or_the_standard_library_is_one_at_the_top_and_none_in_a_package():
    files = ["p/__init__.py", "p/tests/__init__.py", "p/tests/test_a.py"]
    base = BaseCommit.of(files, {}, ["p/tests/test_a.py"])
    names = sys.stdlib_module_names | RUNNERS
    assert base.put_back(f"{name}.py" for name in names) == sorted(f"{name}.py" for name in names)
    assert base.put_back(f"p/{n}.py" for n in names - {"sitecustomize", "usercustomize"}) == []
