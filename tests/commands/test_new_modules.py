"""Honest new modules: of every name of the standard library, in every package of every instance.

What such a patch does when it is run is in `test_forged_passes.py` and `scripts/forged_passes.py`.
"""

import sys
from collections.abc import Iterable
from posixpath import basename, dirname, join

import anyio
import pytest
from console import DATASET, bundled

from harness.benchmarks.rows import load
from harness.benchmarks.swebench.guard.base_commit import BaseCommit, read_base_commit
from harness.benchmarks.swebench.guard.import_roots import RUNNERS, STARTUP, Module, modules_of
from harness.benchmarks.swebench.guard.test_infrastructure import TEST_FOLDERS
from harness.benchmarks.swebench.guard.tree_changes import Change, TreeChanges
from harness.cache import cache_dir
from harness.config import SandboxConfig
from harness.sandbox.providers import choose

pytestmark = pytest.mark.slow(seconds=4)

NAMES = sorted((sys.stdlib_module_names | RUNNERS) - STARTUP)
# By environment: an instance in it, where imports begin, and packages named as test folders are.
REPOSITORIES = {
    "flask-2.2.3": ({"", "src", "tests"}, set()),
    "requests-2.27.0": ({""}, set()),
    "pytest-7.1.2": ({"", "src", "testing"}, set()),
    "sphinx-4.5.0": ({""}, {"sphinx/testing"}),
    "sphinx-5.1.1": ({"", "tests/roots/test-toctree-index"}, {"sphinx/testing"}),
    "sphinx-7.0.1": ({""}, {"sphinx/testing"}),
    "sympy-1.10.1": ({""}, {"sympy/testing"}),
    "sympy-1.11.1": ({""}, {"sympy/testing"}),
    "django-4.2a1": ({"", "tests"}, {"django/test"}),
    "django-4.2b1": ({"", "tests"}, {"django/test"}),
    "django-4.2.3": ({"", "tests"}, {"django/test"}),
}


def added(paths: Iterable[str]) -> TreeChanges:
    """New files, which no line of the product names."""
    new = {path: Change(was="", now="file") for path in paths}
    return TreeChanges(applied=True, paths=new, sources={}, added_lines={})


@pytest.fixture(scope="module")
def bases() -> dict[str, BaseCommit]:
    """By environment: what the guard knows of the base commit."""
    bundled()
    items = {item.environment.name: item for item in load(DATASET, cache=cache_dir()).items}
    bundled(*(item.instance.instance_id for item in items.values()))

    async def read() -> dict[str, BaseCommit]:
        sandboxes = choose(
            SandboxConfig(kind="bubblewrap"), cache_dir(), list(items.values()), labels={},
            grading_network=False,
        )  # fmt: skip
        await sandboxes.prepare(list(items.values()), print)
        return {name: await read_base_commit(sandboxes, item) for name, item in items.items()}

    return anyio.run(read)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_imports_begin_where_they_do_and_no_package_is_such_a_place(bases, name):
    roots, product = REPOSITORIES[name]
    base = bases[name]
    found = base.first | base.path.roots.keys()
    assert found == roots
    assert base.product == product
    assert not [root for root in found if join(root, "__init__.py") in base.files]


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_new_module_in_a_package_shadows_nothing_and_stays_in_a_guarded_run(bases, name):
    base = bases[name]
    packages = {dirname(path) for path in base.files if basename(path) == "__init__.py"}
    of_tests = {p for p in packages if TEST_FOLDERS & set(p.split("/"))} - base.product
    assert len(packages) >= 2
    for package in packages:
        new = {join(package, f"{module}.py") for module in NAMES} - base.files
        assert base.refused(added(new)) == set(), package
        if package not in of_tests:
            assert base.put_back(added(new)) == [], package


@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_same_names_where_imports_begin_are_put_back(bases, name):
    base = bases[name]
    for root in REPOSITORIES[name][0]:
        for form in ("{}.py", "{}/__init__.py", "{}.so"):
            new = {join(root, form.format(module)) for module in NAMES}
            new = {path for path in new if not any(m.is_in(base.files) for m in of(path, root))}
            assert set(base.put_back(added(new))) == new


def of(path: str, root: str) -> list[Module]:
    return modules_of(path, [root])


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_runner_is_refused_where_imports_look_before_they_find_the_real_one(bases, name):
    base = bases[name]
    there = [module for module in ("pytest", "pluggy") if module in base.path.modules]
    assert there or name.startswith(("sympy", "django"))
    for module in ["unittest", *there]:
        for root in REPOSITORIES[name][0]:
            refused = base.refused(added([join(root, f"{module}.py")]))
            assert refused == ({"shadows-runner"} if root in base.first else set())


def test_every_bundled_environment_is_looked_at(bases):
    assert set(bases) == set(REPOSITORIES)
