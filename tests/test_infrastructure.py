"""Which files of a patch judge it, whatever way the patch is written."""

import pytest

from harness.benchmarks.infrastructure import (
    import_roots,
    is_infrastructure,
    is_startup_hook,
    shadowed,
    touched,
)


@pytest.mark.parametrize(
    ("patch", "paths"),
    [
        ("diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n", {"x.py"}),
        ("--- /dev/null\n+++ b/new/conftest.py\n", {"new/conftest.py"}),
        ("--- old/x.py\t2020-01-01\n+++ new/x.py\t2020-01-01\n", {"x.py"}),
        ("Index: tests/conftest.py\n", {"tests/conftest.py"}),
        ("diff --git a/empty.pth b/empty.pth\nnew file mode 100644\n", {"empty.pth"}),
        ("diff --git a/a b.py b/a b.py\n", {"a b.py"}),
        ("diff --git a/o b/n\nrename from o/conftest.py\nrename to n/x.py\n",
         {"o/conftest.py", "n/x.py"}),
        ('--- "a/caf\\303\\251.py"\n+++ "b/caf\\303\\251.py"\n', {"café.py"}),
        ("diff --git a/x.py b/x.py\r\n+++ b/x.py\r\n", {"x.py"}),
    ],
)  # fmt: skip
def test_no_form_of_a_patch_hides_what_it_touches(patch, paths):
    assert paths <= touched(patch)


@pytest.mark.parametrize("patch", ["", "no patch", '+++ "b/\\x"\n', "+++ \n", "+++ \ud800\n"])
def test_what_is_no_patch_touches_nothing_of_importance(patch):
    assert not any(map(is_infrastructure, touched(patch)))


@pytest.mark.parametrize(
    "path",
    ["conftest.py", "a/b/conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml",
     "tests/utils.py", "pkg/tests/__init__.py", "sympy/testing/runtests.py", "bin/test",
     "x.egg-info/entry_points.txt", "x-1.0.dist-info/METADATA", "src/sitecustomize.py"],
)  # fmt: skip
def test_what_configures_or_runs_tests_is_infrastructure(path):
    assert is_infrastructure(path)


@pytest.mark.parametrize("path", ["src/flask/app.py", "docs/tests.rst", "latest/x.py", "setup.py"])
def test_the_solution_is_not(path):
    assert not is_infrastructure(path)


def test_a_startup_hook_is_one_in_any_folder_and_form():
    assert is_startup_hook("sitecustomize.py")
    assert is_startup_hook("src/usercustomize/__init__.py")
    assert is_startup_hook("lib/evil.pth")
    assert not is_startup_hook("src/customize.py")


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
    roots = import_roots(["tests/logging/test_a.py"])
    assert shadowed(path, BEFORE, roots) == modules
