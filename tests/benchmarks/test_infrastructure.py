"""Which files of a patch judge it, whatever way the patch is written."""

import pytest

from harness.benchmarks.swebench.guard.test_infrastructure import (
    folders_of_tests,
    is_infrastructure,
    is_product,
    product_test_packages,
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
     "setup.py",
     "tests/utils.py", "pkg/tests/__init__.py", "sympy/testing/runtests.py", "bin/test",
     "x.egg-info/entry_points.txt", "x-1.0.dist-info/METADATA"
     "x-1.0.DIST-INFO/entry_points.txt", "x.egg/EGG-INFO/entry_points.txt",
     "pkg/__pycache__/core.cpython-311.pyc", "pkg/core.abi3.so", "pkg/conftest/__init__.py"],
)  # fmt: skip
def test_what_configures_or_runs_tests_is_infrastructure(path):
    assert is_infrastructure(path)


@pytest.mark.parametrize(
    "path",
    [
        "src/flask/app.py",
        "docs/tests.rst",
        "latest/x.py",
        "pkg/setups.py",
        "docs/conftest.md",
        "data/x.pth",
        ".github/a.yml",
    ],
)
def test_the_solution_is_not(path):
    assert not is_infrastructure(path)


FILES = [
    "web/__init__.py", "web/test/__init__.py", "web/test/client.py", "web/test/runner.py",
    "web/forms/__init__.py", "web/forms/tests/__init__.py", "web/forms/tests/test_a.py",
    "testing/__init__.py", "testing/plugin.py", "docs/test/__init__.py",
    "web/tests/__init__.py", "web/tests/app/__init__.py", "web/tests/app/test/__init__.py",
    "web/tests/test_all.py",
]  # fmt: skip


def test_a_package_called_as_test_folders_are_is_the_product_where_it_holds_no_tests():
    assert product_test_packages(FILES) == {"web/test"}


@pytest.mark.parametrize(
    ("path", "product"),
    [
        ("web/test/types.py", True),
        ("web/test/html/parser.py", True),
        ("web/test/conftest.py", False),
        ("web/test/test_client.py", False),
        ("web/test/tests.py", False),
        ("web/test/sitecustomize.py", True),  # no import begins in a package
        ("web/test/tests/types.py", False),
        ("web/test/data.json", False),
        ("web/forms/tests/types.py", False),
        ("testing/types.py", False),
        ("web/x.dist-info/plugin.py", False),
    ],
)
def test_a_new_module_of_such_a_package_is_the_product_and_what_tests_read_is_not(path, product):
    assert is_product(path, product_test_packages(FILES)) is product


def test_a_line_whose_names_may_part_in_many_places_costs_little_and_hides_no_file():
    """Each " b/" may be where the second name begins; git takes two halves that are the same."""
    name = "x b/" * 300 + "conftest.py"
    found = touched(f"diff --git a/{name} b/{name}\n" + "diff --git a/x" + " b/" * 200_000 + "\n")
    assert name in found
    assert len(found) < 100


@pytest.mark.parametrize(
    ("files", "tests", "folders"),
    [
        ("p/checks/a.py p/checks/test_c.py", "p/checks/test_b.py", {"p/checks"}),
        ("p/checks/help.py", "p/checks/case.py p/checks/more.py", {"p/checks"}),
        ("p/__init__.py", "p/test_a.py", set()),
        ("p/core.py p/more.py p/test_core.py", "p/test_core.py", set()),  # beside the product
        ("setup.py test_a.py", "test_a.py", set()),
    ],
)
def test_a_folder_of_tests_is_one_whatever_it_is_called(files, tests, folders):
    assert folders_of_tests(files.split(), tests.split()) == folders
