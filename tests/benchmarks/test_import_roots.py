"""A new module comes before another of its name only where imports begin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.benchmarks.swebench.guard.base_commit import BaseCommit, configured_roots
from harness.benchmarks.swebench.guard.import_path import NO_PYTHON, ImportPath, read_import_path
from harness.benchmarks.swebench.guard.import_roots import (
    RUNNERS,
    Module,
    import_roots,
    markers_of,
    modules_of,
    usual_roots,
)
from harness.benchmarks.swebench.guard.tree_changes import Change, TreeChanges
from harness.types import ExecResult

ADDED = Change(was="", now="file")
CHANGED = Change(was="file", now="file")
REMOVED = Change(was="file", now="")


def of(paths: dict[str, Change], *, outside: tuple[str, ...] = (), **lines: str) -> TreeChanges:
    """These changes; `lines` are what the Python files say, by name without its ending."""
    added = {f"{name.replace('__', '/')}.py": ((1, line),) for name, line in lines.items()}
    return TreeChanges(applied=True, paths=paths, outside=outside, sources={}, added_lines=added)


@pytest.mark.parametrize(
    ("path", "modules"),
    [
        ("pytest.py", {("", "pytest", True)}),
        ("pytest/__main__.py", {("", "pytest", False)}),
        ("src/unittest/__init__.py", {("", "src", False), ("src", "unittest", True)}),
        ("re.cpython-311-x86_64-linux-gnu.so", {("", "re", True)}),
        ("re/__init__.abi3.so", {("", "re", True)}),
        ("src/flask/logging.py", {("", "src", False), ("src", "flask", False)}),
        ("pytest.md", set()),
        ("sitecustomize.txt", set()),
        (".hidden.py", set()),
    ],
)
def test_a_file_is_a_part_of_the_module_of_each_folder_where_imports_begin(path, modules):
    assert set(modules_of(path, ["", "src"])) == {Module(*module) for module in modules}


def test_a_link_is_a_module_whatever_its_name_ends_with():
    assert modules_of("pytest", [""], link=True) == [Module("", "pytest", True)]


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
        ("tests/__init__.py", "tests/unit/test_a.py", {"tests/unit"}),
    ],
)
def test_imports_begin_at_the_first_folder_upwards_that_is_no_package(files, test, roots):
    assert import_roots(files.split(), [test]) == roots | {""}


def test_folders_with_usual_names_count_where_they_are_no_packages():
    found = usual_roots({"tests/__init__.py", "lib/__init__.py", "src/p/__init__.py"})
    assert found == {"src", "test", "testing"}


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
    found = import_roots(files, [], f"cd /testbed\n{script}\n")
    assert found - {"", "more"} == ({root} if root else set())


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


# As it is of a repository that was installed in editable form: its folder comes last.
PATH = ImportPath(
    roots={"python": 2},
    modules={"json": 0, "types": 0, "unittest": 0, "pytest": 1, "attr": 1, "p": 2, "sys": -1},
    namespaces=frozenset({"plugins"}),
    environment=frozenset({"env/lib/site-packages", "env/bin"}),
)
FILES = ["python/p/__init__.py", "python/p/json.py", "python/p/test/__init__.py",
         "python/p/test/client.py", "checks/test_a.py", "checks/common.py", "run.py",
         "docs/conf.py"]  # fmt: skip
BASE = BaseCommit.of(
    FILES, {}, ["checks/test_a.py", "checks/test_b.py"], path=PATH, script="python run.py --all\n"
)


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        # what honest patches have
        ("python/p/pytest.py", set()),  # in a package
        ("python/pytest.py", set()),  # the environment's comes first
        ("docs/sitecustomize.py", set()),  # no import begins there
        ("python/p/sitecustomize.py", set()),
        ("sitecustomize.txt", set()),
        ("notes/pytest.md", set()),
        ("pytest/readme.py", set()),  # a folder without __init__.py gives way to the package
        ("data/x.pth", set()),  # no folder in which site looks
        ("python/p/x.pth", set()),
        (".github/workflows/a.yml", set()),
        ("docs/.gitkeep", set()),
        (".gitignore", set()),
        ("test.py", set()),
        ("tox.py", set()),  # no such runner there
        ("json.py", set()),  # put back, and no more
        # what they never have
        ("pytest.py", {"shadows-runner"}),
        ("pytest/__init__.py", {"shadows-runner"}),
        ("pytest.cpython-311-x86_64-linux-gnu.so", {"shadows-runner"}),
        ("unittest.pyc", {"shadows-runner"}),
        ("checks/unittest.py", {"shadows-runner"}),
        ("env/bin/pytest", {"shadows-runner"}),
        ("sitecustomize.py", {"startup-hook"}),
        ("python/usercustomize/__init__.py", {"startup-hook"}),
        ("env/lib/site-packages/x.pth", {"startup-hook"}),
        (".git/hooks/post-checkout", {"touches-git"}),
        ("docs/.git/config", {"touches-git"}),
    ],
)
def test_only_what_an_honest_patch_never_adds_is_refused(path, flags):
    assert BASE.refused(of({path: ADDED})) == flags


@pytest.mark.parametrize(
    ("target", "flags"), [("/testbed/.git/hooks", {"touches-git"}), ("/testbed/docs", set())]
)
def test_a_link_into_the_repository_of_git_is_refused(target, flags):
    assert BASE.refused(of({"docs/more": Change(was="", now="link", target=target)})) == flags


def test_what_is_written_elsewhere_is_refused():
    assert BASE.refused(of({}, outside=("/root/.bashrc",))) == {"outside-tree"}


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("json.py", True),
        ("attr/__init__.py", True),  # a package of the environment
        ("checks/json.py", True),
        ("p.py", True),  # another folder has it
        ("p.abi3.so", True),
        ("plugins/mine.py", True),  # a part of a package that lies in many folders
        ("reproduce.py", True),  # nothing names it
        ("python/json.py", False),  # the standard library comes first, and the product names it
        ("python/p/types.py", False),
        ("python/p/test/runner.py", False),
        ("python/p/fast.cpython-311-x86_64-linux-gnu.so", True),
        ("python/p/__pycache__/json.cpython-311.pyc", True),
        ("checks/conftest/__init__.py", True),
        ("checks/test_a/__init__.py", True),
        ("checks/test_a.abi3.so", True),
        ("forger-1.0.DIST-INFO/entry_points.txt", True),
        ("forger.egg/EGG-INFO/entry_points.txt", True),
        ("docs/x.rst", False),
        ("docs/x.pth", False),
    ],
)
def test_a_new_file_that_may_judge_is_put_back_and_one_of_the_product_is_not(path, back):
    seen = of({path: ADDED, "python/p/__init__.py": CHANGED}, python__p____init__="import json")
    assert BASE.put_back(seen) == ([path] if back else [])


def test_a_new_module_that_the_product_imports_stays_with_all_its_files():
    paths = dict.fromkeys(("fast/__init__.py", "fast/core.py", "fast/data.json"), ADDED)
    product = {"python/p/__init__.py": CHANGED}
    assert BASE.put_back(of(paths | product, python__p____init__="from fast import core")) == []
    # it names itself, as any package does; nothing else names it
    assert BASE.put_back(of(paths | product, fast____init__="import fast")) == sorted(paths)


@pytest.mark.parametrize(
    ("path", "change", "back"),
    [
        ("run.py", CHANGED, True),  # the evaluation starts it
        ("python/p/test/client.py", CHANGED, True),
        ("checks/test_a.py", REMOVED, True),
        ("python", Change(was="", now="link", target="/testbed/docs"), True),
        ("docs/a", Change(was="", now="link", target="/etc"), True),
        ("docs/a", Change(was="", now="link", target="/testbed/docs/b"), False),
        ("checks/common.py", CHANGED, True),
        ("docs/conf.py", CHANGED, False),
    ],
)
def test_a_changed_file_that_may_judge_is_put_back(path, change, back):
    assert BASE.put_back(of({path: change})) == ([path] if back else [])


def test_where_a_link_makes_such_a_file_reachable_the_link_is_put_back():
    way = Change(was="", now="link", target="/testbed/docs")
    reached = Change(was="", now="file", link="python/p/way")
    found = of({"python/p/way": way, "python/p/way/conftest.py": reached})
    assert BASE.put_back(found) == ["python/p/way"]
    link = of({"pytest": Change(was="", now="link", target="/testbed/docs"),
               "pytest/__init__.py": Change(was="", now="file", link="pytest")})  # fmt: skip
    assert BASE.refused(link) == {"shadows-runner"}
    assert BASE.put_back(link) == ["pytest"]


def test_a_marker_of_a_package_above_the_tests_stays_as_it_was():
    files = ["p/__init__.py", "p/q/__init__.py", "p/q/test_a.py"]
    base = BaseCommit.of(files, {}, ["p/q/test_a.py", "r/s/test_b.py"])
    assert base.markers == markers_of(["p/q/test_a.py", "r/s/test_b.py"])
    assert base.put_back(of({"p/q/__init__.py": CHANGED, "p/new/__init__.py": ADDED})) == []
    assert base.put_back(of({"p/q/__init__.py": REMOVED})) == ["p/q/__init__.py"]
    assert base.put_back(of({"r/__init__.py": ADDED})) == ["r/__init__.py"]


def test_every_name_of_a_runner_or_the_standard_library_is_one_at_the_top_and_none_in_a_package():
    files = ["p/__init__.py", "p/tests/__init__.py", "p/tests/test_a.py"]
    base = BaseCommit.of(files, {}, ["p/tests/test_a.py"])
    names = sys.stdlib_module_names | RUNNERS
    top = {f"{name}.py": ADDED for name in names}
    assert base.put_back(of(top)) == sorted(top)
    assert base.put_back(of({f"p/{name}.py": ADDED for name in names})) == []


def test_many_new_modules_take_no_time():
    paths = {f"m{number}.py": ADDED for number in range(5000)}
    assert len(BASE.put_back(of(paths))) == 5000


async def test_the_path_is_what_the_python_of_the_instance_says():
    """Asked of this machine's Python, in a folder that it takes for the repository's."""
    said = await read_import_path(HostPython(), "export PYTHONPATH=/testbed/lib\n")
    assert said.roots["lib"] == 0
    assert said.modules["json"] > 0
    assert said.modules["pytest"] > said.modules["json"]
    assert said.modules["sys"] == -1
    assert await read_import_path(HostPython(), "export PATH=/nowhere\n") == NO_PYTHON


class HostPython:
    """Runs commands on the host, as a sandbox would; only what is asked above."""

    async def exec(self, command: str, **_: object) -> ExecResult:
        variables = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", command], env=variables, capture_output=True, text=True, check=False
        )
        return ExecResult(
            exit_status=done.returncode, output=done.stdout + done.stderr,
            output_bytes=len(done.stdout), seconds=0,
        )  # fmt: skip
