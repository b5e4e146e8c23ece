"""Copies of tests pass or fail as they have to on their runner, and say how far they came."""

import ast
import re
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from harness.benchmarks.swebench.guard.planted_code import unequal
from harness.benchmarks.swebench.guard.statements import Statements
from harness.benchmarks.swebench.guard.test_copies import PlantedFile, copies_of
from harness.benchmarks.swebench.guard.test_functions import outcomes_of, status_of, statuses_of

PYTEST = '''\
"""What the file is for."""
from __future__ import annotations

import contextlib
import unittest
import warnings

import pytest


def test_empty_name():
    """Says why."""
    assert [1, 2][0] == 1


@pytest.mark.parametrize("n", [1, 2])
def test_marked(n): assert n; x = n


@pytest.mark.parametrize(
    "text", ["é", "\\u2028"]
)
def test_ünusual(text):
    texts = {"é": text}; assert "é" in texts and texts["é"] == text, "é"
    with contextlib.suppress(LookupError):
        raise KeyError


class TestThings:
    async_ = 1

    def test_later(self, tmp_path):
        def inner():
            return 1

        with pytest.raises(ValueError, match="x"):
            raise ValueError("x")
        for number in (1, 2):
            assert not number > 2
        assert (
            inner() is not None
        )
        if inner() == 1:
            return
        raise AssertionError

    class TestDeeper:
    \ttext = "a \\
tab"

    \tdef test_tab(self):
    \t\t"""Only words."""

    \tdef test_warns(self):
    \t\twith pytest.warns(UserWarning):
    \t\t\twarnings.warn("w"); assert isinstance(self.text, str)
    \t\tassert all(a == b for a, b in [("x", "x")])


class Cases(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(1 + 1, 2)
        self.assertIn("a", ["a"])
        self.assertNotIn("b", ["a"])
        with self.assertRaises(LookupError):
            {}["a"]
        self.assertTrue(1 < 2 <= 2)

    def test_each(self):
        """In subtests."""
        for number in (1, 2):
            with self.subTest(number=number):
                self.assertEqual(number, number)

    def test_matches(self):
        self.assertRegex("a line", r"^[^#\\s]+")

    def test_called(self):
        self.called = self.id()


class OtherCases(Cases):
    pass


if sys_is_there := True:
    def test_branch():
        assert {"a": 1} == dict(a=1)
else:
    def test_branch():
        raise AssertionError


def test_named():
    assert test_named.__name__ == "test_named"


@pytest.mark.xfail
def test_not_yet():
    assert False
'''
NAMES = (
    "test_empty_name", "test_marked[1]", "test_marked[2]", "test_ünusual[\\xe9]",
    "test_ünusual[\\u2028]", "TestThings::test_later", "TestThings::TestDeeper::test_tab",
    "TestThings::TestDeeper::test_warns", "Cases::test_equal", "OtherCases::test_equal",
    "Cases::test_each", "Cases::test_matches", "Cases::test_called", "test_branch", "test_named",
)  # fmt: skip
LEFT = ("test_not_yet", "test_nowhere")
SEEDS = range(4)


class Run:
    """A planted file that was run: the status of each test, and how often each token was said."""

    def __init__(self, planted: PlantedFile, statuses: dict[str, str], said: Counter) -> None:
        self.planted = planted
        self.statuses = statuses
        self.said = said


def plant(text: str, path: str, names, seed: int, report: Path, parser="parse_log_pytest"):
    return copies_of(
        text, path=path, fail_to_pass=names, pass_to_pass=(), log_parser=parser,
        report=str(report), random=Random(seed),
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    folder = tmp_path_factory.mktemp("planted")
    report = folder / "tokens"
    planted = []
    for seed in SEEDS:
        names = [f"test_{seed}.py::{name}" for name in (*NAMES, *LEFT)]
        planted.append(plant(PYTEST, f"test_{seed}.py", names, seed, report))
        (folder / f"test_{seed}.py").write_text(planted[-1].text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--tb=no", "-p", "no:cacheprovider", "."],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = Counter(report.read_text().split())
    lines = [line.split(" - ")[0].split() for line in done.stdout.splitlines()]
    statuses = {words[1]: words[0] for words in lines if len(words) == 2 and words[0].isupper()}
    return [
        Run(each, {k: v for k, v in statuses.items() if k.startswith(f"test_{seed}.py")}, said)
        for seed, each in zip(SEEDS, planted, strict=True)
    ]


def test_each_test_has_another_name_passes_and_says_that_it_came_to_its_end(runs):
    for seed, run in zip(SEEDS, runs, strict=True):
        prefix = f"test_{seed}.py::"
        assert set(run.planted.renamed) == {prefix + name for name in NAMES}
        for test, new in run.planted.renamed.items():
            assert (new == test) == test.endswith("::test_named")
            assert status_of(new, run.statuses) == "PASSED", new
        for copy in run.planted.copies:
            if copy.must_pass and (copy.mode, copy.of) != ("again", (f"{prefix}test_named",)):
                assert statuses_of(copy.name, run.statuses) == {"PASSED"}, copy
                ran = outcomes_of(copy.name, run.statuses)
                assert run.said[copy.begin] == run.said[copy.token] == len(ran)


def test_every_broken_copy_begins_fails_and_never_comes_to_its_end(runs):
    modes = Counter()
    for run in runs:
        for copy in run.planted.copies:
            if not copy.must_pass and "test_named" not in str(copy.of):
                if copy.mode != "turned" or "test_each" not in str(copy.of):  # its subtest fails
                    assert statuses_of(copy.name, run.statuses) == {"FAILED"}, copy
                assert run.said[copy.begin] > run.said[copy.token] == 0, copy
                modes[copy.mode] += 1
    assert set(modes) == {"begin", "middle", "end", "turned", "canary"}
    assert min(modes.values()) >= 4 * len(SEEDS)


def test_a_test_whose_name_stands_elsewhere_keeps_it_and_has_a_copy_under_another(runs):
    for run in runs:
        mine = [copy for copy in run.planted.copies if "test_named" in str(copy.of)]
        assert [copy.name for copy in mine if copy.mode == "renamed"] == ["test_named"]
        (again,) = [copy for copy in mine if copy.mode == "again"]
        assert again.name != "test_named"
        assert again.must_pass


def test_a_test_runs_before_and_after_broken_copies_of_it_in_another_order_each_time(runs):
    orders = set()
    for run in runs:
        copies = [copy for copy in run.planted.copies if "::test_marked[1]" in str(copy.of)]
        copies.sort(key=lambda copy: run.planted.text.index(f"def {copy.name}("))
        modes = [copy.mode for copy in copies]
        assert not copies[0].must_pass
        assert modes[-1] == "again"
        assert "renamed" in modes[1:-1]
        orders.add(tuple(modes))
    assert len(orders) > 1


def test_what_the_test_patch_asserts_is_turned_before_other_assertions():
    lines = [f"    assert len('{'x' * n}') == {n}" for n in range(20)]
    text = "\n".join(["def test_a():", *lines, ""])
    for seed in SEEDS:
        found = copies_of(
            text, path="a/t.py", fail_to_pass=["a/t.py::test_a"], pass_to_pass=(),
            log_parser="parse_log_pytest", report="/tmp/x", random=Random(seed), asserted={9, 15},
        )  # fmt: skip
        whole = Counter(line.strip() for line in found.text.splitlines())
        copies = sum(copy.of != () for copy in found.copies)
        assert {n for n in range(20) if whole[lines[n].strip()] < copies} > {7, 13}


def test_names_tokens_and_texts_are_drawn_anew_each_time(runs):
    names = [copy.name for run in runs for copy in run.planted.copies if copy.mode != "renamed"]
    tokens = [t for run in runs for copy in run.planted.copies for t in (copy.begin, copy.token)]
    assert len(set(tokens)) == len(tokens)
    assert len(set(names)) > 0.95 * len(names)
    assert not any("Says why" in run.planted.text for run in runs)


def planted(text: str, *names: str, parser: str = "parse_log_pytest") -> PlantedFile:
    found = plant(text, "a/t.py", names, 1, Path("/tmp/x"), parser)
    ast.parse(found.text.removeprefix("\ufeff"))
    return found


@pytest.mark.parametrize(
    "text",
    [
        "def test_a():\r\n    assert 1\r\n\r\n    return None\r\n",
        "\ufeff# -*- coding: utf-8 -*-\ndef test_a():\n    'words'\n",
        "\f\ndef test_a():\n\f    assert 'é' == 'é'  # no line end",
        "@(\n  n)\ndef test_b(): 1\n@(\nn)\ndef test_a():\n    assert f'{1 == 1}'; return",
        "class C: x = 1\nimport os; x = 2\nasync def test_a(): return (1,\n  2)\n",
        "try:\n    import a\nexcept ImportError:\n    def test_a():\n        global b; b = 1\n",
        "def test_a():\n    if 1: return\n    else: assert not 1; x = 2;\nif b:\n  a()",
        "def test_a():\n    assert (yield_ for yield_ in [1])\n    check(x for x in [1])\n"
        "    assert 1 not in [2] and (3) < (4) != 5 or 6\n    assert_equal(*[1, 1])\n",
    ],
)
def test_unusual_text_stays_python_and_its_test_is_planted(text):
    test = "a/t.py::test_a"
    found = planted(text, test)
    assert set(found.renamed) == {test}
    assert {"renamed", "begin", "end"} <= {copy.mode for copy in found.copies}
    assert ("\r\n" in text) == ("\r\n" in found.text)
    assert found.text.count("\r") == found.text.count("\n") or "\r" not in text
    assert found.text.startswith("\ufeff") == text.startswith("\ufeff")


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert 0\n",
        "@unittest.expectedFailure\ndef test_a():\n    assert 0\n",
        "def test_a():\n    yield check, 1\n",
        "test_a = make()\n",
    ],
)
def test_a_test_that_may_fail_or_is_made_is_left_and_the_file_has_canaries_at_most(text):
    found = planted(text, "a/t.py::test_a")
    assert not found.renamed
    assert {copy.mode for copy in found.copies} <= {"canary"}
    assert text in found.text or found.copies


@pytest.mark.parametrize("text", ["def", "\0", "", "x = 1\n", "def test_other():\n    pass\n"])
def test_a_file_in_which_nothing_can_be_planted_is_as_it_was(text):
    assert planted_or_not(text) == PlantedFile(text=text, renamed={}, copies=())


def planted_or_not(text: str) -> PlantedFile:
    return plant(text, "a/t.py", ["a/t.py::test_a", "b.py::test_other"], 1, Path("/tmp/x"))


def test_a_function_with_many_tests_and_those_that_passed_before_get_few_copies():
    text = "def test_a(n):\n    a = 1\n    assert a == n\n\n\ndef test_b():\n    assert 1\n"
    first = [f"a/t.py::test_a[{n}]" for n in range(61)]
    found = copies_of(
        text, path="a/t.py", fail_to_pass=first, pass_to_pass=["a/t.py::test_b"],
        log_parser="parse_log_pytest", report="/tmp/x", random=Random(2),
    )  # fmt: skip
    modes = Counter((copy.mode, len(copy.of)) for copy in found.copies if copy.of)
    assert modes == {(mode, n): 1 for mode in ("renamed", "end", "turned") for n in (61, 1)}


DJANGO = '''\
from django.test import SimpleTestCase


class Base:
    def test_shared(self):
        """What is shared."""
        self.assertTrue(1)


class ShapeTests(Base, SimpleTestCase):
    def test_plain(self):
        """
        Said on another line.

        More.
        """
        self.assertEqual(1, 1)
'''


@pytest.mark.parametrize(
    ("test", "new"),
    [
        ("test_plain (a.t.ShapeTests)", r"(\w+) \(a\.t\.ShapeTests\)"),
        ("test_plain (t.ShapeTests.test_plain)", r"(\w+) \(t\.ShapeTests\.\1\)"),
        ("test_shared (a.t.ShapeTests)", r"(\w+) \(a\.t\.ShapeTests\)"),
        ("Said on another line.", r"ShapeTests\.(\w+)"),
        ("What is shared.", r"Base\.(\w+)"),
    ],
)
def test_djangos_tests_are_found_by_class_docstring_and_in_the_class_they_come_from(test, new):
    found = planted(DJANGO, test, parser="parse_log_django")
    assert "What is shared" not in found.text or "shared" not in test
    name = re.fullmatch(new, found.renamed[test])
    assert name
    assert name[1].startswith("test_")
    assert name[1] in found.text
    assert "Said" not in found.text or "Said" not in test


def test_a_test_of_another_module_with_the_same_class_is_none_of_the_file():
    found = planted(DJANGO, "test_plain (b.other.ShapeTests)", parser="parse_log_django")
    assert found.copies == ()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("a.py::test_a", {"PASSED"}),
        ("a.py::T::test_a[x::y]", {"PASSED"}),
        ("test_a (m.T.test_a)", {"PASSED"}),
        ("a.py:test_a", {"PASSED"}),
        ("test_a", {"PASSED"}),
        ("test_a (m.T.test_a) (n=1)", {"PASSED"}),
        ("test_ab", set()),
        ("test_a.py::test_b", set()),
        ("a.py::test_a.py", set()),
    ],
)
def test_the_outcome_of_a_copy_is_found_by_its_function(name, status):
    assert statuses_of("test_a", {name: "PASSED", "other": "FAILED"}) == status


def test_a_name_that_a_row_cuts_inside_its_brackets_has_a_status_other_than_passed_first():
    statuses = {"a.py::test_a[x y]": "FAILED", "a.py::test_a[x z]": "PASSED"}
    assert status_of("a.py::test_a[x", statuses) == "FAILED"
    assert status_of("a.py::test_a[x z", statuses) == "PASSED"
    assert status_of("a.py::test_a[y", statuses) == ""
    assert status_of("a.py::test_a[x y]", statuses) == "FAILED"


def test_what_is_drawn_fails_or_does_nothing_in_every_form():
    statements = Statements(Random(5), ["alpha", "beta", "gamma", "delta", "eta", "iota", "rho"])
    forms = set()
    for number in range(1500):
        text = "\n".join(statements.draw(fails=bool(number % 2), block=True))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code = compile(text, "x", "exec")
        try:
            exec(code, {})
        except Exception as error:  # noqa: BLE001 - a class of its own may be drawn
            assert number % 2, text
            forms.add(type(error).__name__)
        else:
            assert not number % 2, text
    assert len(forms) >= 15


@dataclass
class Hour:
    """A number that goes round."""

    number: int

    def __add__(self, step):
        return Hour((self.number + step) % 3)


@pytest.mark.parametrize(
    "value",
    [True, 0, 3, -2.5, float("inf"), 2j, "", "text", b"", b"x", [], [1, "a"], (), ((1,), 2), {},
     {"a": 1}, set(), frozenset([1]), None, int, Fraction(1, 3), object(), Hour(2)],
)  # fmt: skip
def test_what_is_put_for_a_value_is_not_equal_to_it(value):
    for step in (1, 3, 900):
        found = unequal(value, step)
        assert not found == value  # noqa: SIM201
        assert not value == found  # noqa: SIM201
