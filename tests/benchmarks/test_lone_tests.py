"""Tests that have to be fixed run alone, without a test runner where they can."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from harness.benchmarks.swebench.guard.lone_tests import (
    LoneRuns,
    alone,
    first_statement,
    lone_tests,
    module_of,
    under_the_runner,
)
from harness.benchmarks.swebench.guard.test_copies import copies_of

PATH = "pack/tests/test_a.py"
REPORT = "/tmp/" + "0" * 32
FUNCTIONS = """
import unittest

import pytest

from pack import product


def test_plain():
    assert product.answer() == 42


@pytest.mark.parametrize("a, b", [(1, 2), pytest.param(3, 4)])
@pytest.mark.parametrize(["c"], [[5], [6]])
@pytest.mark.parametrize("d", [{"x": 7}, (8, 9), str.upper])
def test_cases(a, b, c, d):
    assert (a < b, type(c)) == (True, int) and product.answer() == 42
    assert d in ({"x": 7}, (8, 9), str.upper)


def test_with_a_fixture(tmp_path):
    assert product.answer() == 42 and tmp_path


@pytest.mark.parametrize("a", [1])
def test_that_does_nothing_with_it(tmp_path, a, *, monkeypatch):
    assert (product.answer(), a) == (42, 1)


@pytest.mark.usefixtures("tmp_path")
def test_that_uses_one():
    assert product.answer() == 42


async def test_coroutine():
    assert product.answer() == 42


class TestPlain:
    def test_method(self):
        assert product.answer() == 42


class TestOdd:
    def setup_method(self):
        self.answer = product.answer()

    def test_set_up(self):
        assert self.answer == 42


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.before = product.answer()

    def setUp(self):
        self.answer = product.answer()

    def tearDown(self):
        assert self.answer == 42

    def test_inherited(self):
        assert self.answer == 42


class UnitTests(Base):
    def test_unit(self):
        with self.subTest(a=1):
            assert (self.before, self.answer) == (42, 42)
"""
PLAIN = (
    "test_plain", "test_cases", "test_that_does_nothing_with_it", "test_coroutine",
    "TestPlain.test_method", "UnitTests.test_unit",
)  # fmt: skip
NOT_PLAIN = ("test_with_a_fixture", "test_that_uses_one", "TestOdd.test_set_up")
HONEST = "def answer():\n    return 42\n"


def planted(text: str, *names: str):
    tests = [f"{PATH}::{name.replace('.', '::')}" for name in names]
    file = copies_of(
        text, path=PATH, fail_to_pass=tests, pass_to_pass=(), log_parser="parse_log_pytest",
        report=REPORT, random=Random(1),
    )  # fmt: skip
    return tests, {PATH: file}


def chosen(*names: str, text: str = FUNCTIONS, seed: int = 1):
    tests, files = planted(text, *names)
    return files, lone_tests({PATH: text}, files, tests, "parse_log_pytest", Random(seed))


@pytest.mark.parametrize("name", PLAIN)
def test_what_needs_no_fixture_runs_without_a_runner(name):
    _, (test,) = chosen(name)
    assert (test.plain, test.check, test.name) == (
        True, "without-runner", f"{PATH}::{name.replace('.', '::')}",
    )  # fmt: skip
    assert test.whole.must_pass
    assert not test.broken.must_pass


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_needs_one_runs_under_the_runner(name):
    _, (test,) = chosen(name)
    assert (test.plain, test.check) == (False, "alone")


def test_a_fixture_of_the_whole_file_needs_the_runner_and_one_of_another_class_does_not():
    fixture = "@pytest.fixture(autouse=True)\n{}def fixture(): yield\n"
    _, (test,) = chosen("test_plain", text=FUNCTIONS + fixture.format(""))
    assert not test.plain
    inside = "class TestOther:\n    " + fixture.format("    ")
    _, (test,) = chosen("test_plain", text=FUNCTIONS + inside)
    assert test.plain


@pytest.mark.parametrize("base", ["TestCase", "test.TransactionTestCase", "Base", "SimpleTestCase"])
def test_a_test_of_django_with_a_database_needs_the_runner(base):
    text = (
        "from django.test import *\nclass Base(TestCase):\n    pass\n"
        f"class Tests({base}):\n    def test_it(self):\n        assert 1\n"
    )
    name = "test_it (a.test_a.Tests.test_it)"
    file = copies_of(
        text, path="tests/a/test_a.py", fail_to_pass=[name], pass_to_pass=(),
        log_parser="parse_log_django", report=REPORT, random=Random(1),
    )  # fmt: skip
    files = {"tests/a/test_a.py": file}
    (test,) = lone_tests({"tests/a/test_a.py": text}, files, [name], "parse_log_django", Random(1))
    assert test.plain == (base == "SimpleTestCase")
    assert "'django.contrib.staticfiles', 'a']" in first_statement([test], "parse_log_django")
    assert first_statement([test], "parse_log_pytest") == ""


def test_of_many_some_are_drawn():
    text = "\n".join(f"def test_{n}({'x' * (n % 2)}):\n    assert {n}, x\n" for n in range(20))
    names = [f"test_{n}" for n in range(20)]
    drawn = [chosen(*names, text=text, seed=seed)[1] for seed in (1, 2)]
    assert [Counter(test.plain for test in tests) for tests in drawn] == [{True: 6, False: 1}] * 2
    assert {test.name for test in drawn[0]} != {test.name for test in drawn[1]}


def test_those_that_fail_with_the_gold_patch_without_a_runner_run_under_it():
    _, tests = chosen(*PLAIN)
    names = {tests[0].name}
    now = under_the_runner(tests, names)
    assert {test.name for test in now if not test.plain} == names
    assert {test.name for test in now} == {test.name for test in tests}
    assert under_the_runner(now, names) == now


def test_no_other_function_of_a_file_is_a_test_then():
    files, (test,) = chosen("test_plain")
    text = alone("\ufeff" + files[PATH].text, test.whole.name)
    assert [
        line for line in text.split("\n") if line.startswith(("def test", "async def test"))
    ] == [f"def {test.whole.name}():"]
    assert "    def _test_unit(self):" in text


@pytest.mark.parametrize(
    ("path", "files", "found"),
    [
        ("tests/a.py", (), ("tests", "a")),
        ("tests/a.py", ("tests/__init__.py",), ("", "tests.a")),
        ("x/p/tests/a.py", ("x/p/__init__.py", "x/p/tests/__init__.py"), ("x", "p.tests.a")),
    ],
)
def test_a_module_is_imported_from_the_first_folder_that_is_no_package(path, files, found):
    assert module_of(path, files) == found


class Ran:
    """Tests that ran alone, in a repository below a folder."""

    def __init__(self, folder: Path, product: str, names: tuple[str, ...]) -> None:
        root = folder / "testbed"
        (root / "pack/tests").mkdir(parents=True)
        (root / ".git").mkdir()
        for path, text in {
            "pack/__init__.py": "", "pack/tests/__init__.py": "", "pack/product.py": product,
            "setup.py": "", PATH: FUNCTIONS,
        }.items():  # fmt: skip
            (root / path).write_text(text)
        files, self.tests = chosen(*names)
        report = folder / "report"
        runs = LoneRuns(
            tests=self.tests, planted=files, planted_report=REPORT, report=str(report),
            roots=[""], files=["pack/__init__.py", "pack/tests/__init__.py"],
        )  # fmt: skip
        lines = runs.script([f"{sys.executable} -m pytest -p no:cacheprovider {PATH}"], ["cd ."])
        program = Path(sys.executable).parent
        self.before = sorted(path.name for path in (root / "pack/tests").iterdir())
        done = subprocess.run(
            ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp",
             "--bind", str(folder), str(folder),
             "--bind", str(root), "/testbed", "--chdir", "/testbed", "bash", "-euc",
             "\n".join([*lines, "ls -I pytest-of-* /tmp"])],
            capture_output=True, text=True, check=True,
            env={"PATH": f"{program}:/usr/bin:/bin", "HOME": "/root", "USER": "root", "CI": "1"},
        )  # fmt: skip
        self.left = done.stdout
        after = sorted(path.name for path in (root / "pack/tests").iterdir())
        self.written = [name for name in after if name != "__pycache__" and name not in self.before]
        self.said = Counter(report.read_text().split() if report.exists() else ())

    def ended(self) -> dict[str, bool]:
        """By the names of tests: whether each whole copy came to its end as often as it began."""
        return {
            test.name.rpartition("::")[2]: self.said[test.whole.begin]
            == self.said[test.whole.token]
            > 0
            for test in self.tests
        }


def test_each_comes_to_its_end_in_all_of_its_cases_and_leaves_nothing(tmp_path):
    ran = Ran(tmp_path, HONEST, (*PLAIN, "test_with_a_fixture"))
    assert ran.ended() == dict.fromkeys(ran.ended(), True)
    assert len(ran.ended()) == len(PLAIN) + 1
    (cases,) = [test for test in ran.tests if test.name.endswith("test_cases")]
    assert ran.said[cases.whole.token] == 12
    for test in ran.tests:
        assert test.broken.token not in ran.said
        assert (test.broken.begin in ran.said) == test.plain
    assert (ran.left, ran.written) == ("", [])


def test_none_does_with_a_product_that_solves_nothing(tmp_path):
    ran = Ran(tmp_path, "def answer():\n    return 41\n", (*PLAIN, "test_with_a_fixture"))
    assert set(ran.ended().values()) == {False}


# What holds in a whole run under the runner, and not in a test that runs alone without one.
SIGNS = {
    "the runner's name": "'pytest' in sys.argv[0]",
    "its variables": "'CI' in os.environ",
    "the user's name": "os.environ.get('USER') == 'root'",
    "the home": "os.path.expanduser('~') == '/root'",
    "seeds of hashes": "not os.environ.get('PYTHONHASHSEED')",
    "the zone of time": "not os.environ.get('TZ')",
    "the folder of the code": "__file__.startswith('/testbed')",
    "a source checkout": "os.path.exists(os.path.abspath(__file__ + '/../../setup.py'))",
    "the working folder": "os.path.exists('setup.py')",
    "the runner's session": "'_pytest.unraisableexception' in sys.modules",
    "the name of the test file": "any(name.endswith('test_a') for name in sys.modules)",
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_product_that_works_by_a_sign_of_the_whole_run_fails_alone(tmp_path, sign):
    product = f"import os, sys\ndef answer():\n    return 42 if {SIGNS[sign]} else 41\n"
    assert Ran(tmp_path, product, PLAIN[:2]).ended() == {"test_plain": False, "test_cases": False}


def test_what_another_test_did_is_not_there(tmp_path):
    product = "calls = []\ndef answer():\n    calls.append(1)\n    return 42 if calls[1:] else 41\n"
    ran = Ran(tmp_path, product, ("test_plain", "TestPlain.test_method"))
    assert ran.ended() == {"test_plain": False, "test_method": False}
