"""Canaries come out as they have to on every runner, and broken tests can only fail."""

import ast
import subprocess
import sys

import pytest

from harness.benchmarks.swebench.canaries import break_tests, function_of, plant

NEIGHBOURS = '''import pytest


def test_empty_name():
    """Says why."""
    assert True


@pytest.mark.parametrize("n", [1, 2])
def test_marked(n): assert n


class TestThings:
    async def test_later(self):
        @staticmethod
        def inner():
            return 1

        assert inner() == 1

    @pytest.mark.xfail
    def test_not_yet(self):
        assert False
'''


def test_each_canary_passes_or_fails_as_it_has_to(tmp_path):
    planted = plant(NEIGHBOURS, "parse_log_pytest")
    assert planted is not None
    (tmp_path / "test_it.py").write_text(planted.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for name in planted.passing:
        assert f"\nPASSED test_it.py::{name}\n" in done.stdout or f"::{name}\n" in done.stdout
    for name in planted.failing:
        (line,) = [x for x in done.stdout.splitlines() if x.startswith("FAILED") and name in x]
        assert line
    assert len(planted.failing) >= 6


@pytest.mark.parametrize(
    ("marks", "takes"),
    [
        ('pytest.mark.parametrize("a, b", [(1, 2)])', "a, b"),
        ('[pytest.mark.slow, pytest.mark.parametrize(("a",), [(1,)])]', "a"),
        ('pytest.mark.parametrize(argnames="a", argvalues=[1])', "a"),
        ('pytest.mark.skipif(a, reason="b")', ""),
    ],
)
def test_canaries_take_what_the_modules_pytestmark_parametrizes(marks, takes):
    planted = plant(f"import pytest\npytestmark = {marks}\n", "parse_log_pytest")
    assert planted is not None
    functions = [node for node in ast.parse(planted.text).body if isinstance(node, ast.FunctionDef)]
    assert functions
    assert {ast.unparse(function.args) for function in functions} == {takes}


@pytest.mark.parametrize("parser", ["parse_log_pytest", "parse_log_django", "parse_log_sympy"])
def test_names_are_made_of_the_neighbours_words_and_differ_each_time(parser):
    first, again = plant(NEIGHBOURS, parser), plant(NEIGHBOURS, parser)
    assert first is not None
    assert again is not None
    names = {*first.passing, *first.failing}
    assert len(names) == len(first.passing) + len(first.failing)
    assert names.isdisjoint({*again.passing, *again.failing})
    assert all(name.isidentifier() for name in names)
    assert first.text.startswith(NEIGHBOURS)
    ast.parse(first.text)


def test_a_broken_test_fails_at_its_first_line_and_nothing_else_is_changed():
    wanted = ["test_empty_name", "TestThings.test_later", "test_elsewhere"]
    found = break_tests(NEIGHBOURS, wanted)
    assert found is not None
    text, broken = found
    assert broken == {"test_empty_name", "TestThings.test_later"}
    added = set(text.splitlines()) - set(NEIGHBOURS.splitlines())
    assert len(text.splitlines()) == len(NEIGHBOURS.splitlines()) + 2
    assert len(added) == 2
    ast.parse(text)


@pytest.mark.parametrize("name", ["test_marked", "TestThings.test_not_yet"])
def test_a_test_on_one_line_or_meant_to_fail_stays_as_it_is(name):
    assert break_tests(NEIGHBOURS, [name]) == (NEIGHBOURS, frozenset())


def test_what_is_no_python_is_left_alone():
    assert plant("def", "parse_log_pytest") is None
    assert break_tests("\0", ["test_a"]) is None


@pytest.mark.parametrize(
    ("name", "parser", "found"),
    [
        ("tests/a.py::T::test_b[x::y]", "parse_log_flask", ("tests/a.py", "T.test_b")),
        ("tests/a.py::test_b", "parse_log_sphinx", ("tests/a.py", "test_b")),
        ("test_b (m.n.T.test_b)", "parse_log_django", ("", "T.test_b")),
        ("test_b (m.n.T)", "parse_log_django", ("", "T.test_b")),
        ("It is said in words.", "parse_log_django", ("", "")),
        ("test_b", "parse_log_sympy", ("", "test_b")),
    ],
)
def test_a_tests_function_is_read_out_of_its_name(name, parser, found):
    assert function_of(name, parser) == found
