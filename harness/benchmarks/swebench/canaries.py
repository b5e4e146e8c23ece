"""Tests that are planted beside an instance's own, and its own tests made to fail: text to text.

A canary's name is made of the words of its neighbours' names, so that a patch cannot know it.
"""

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import SystemRandom

PLAIN = ("default", "value", "input", "order", "name", "result", "empty", "list", "simple", "error")
EXPECTED_TO_FAIL = ("xfail", "expectedfailure")

FAILURES = (
    "assert {0} == {1}", "assert sorted([{1}, {0}])[0] == {1}", "assert not [{0}]",
    "raise AssertionError('{0} != {1}')", "[{0}].index({1})", "dict(a={0})['b']",
)  # fmt: skip

FUNCTIONS = """

def test_{passes}({arguments}):
    assert sorted([{high}, {low}]) == [{low}, {high}]


def test_{fails_0}({arguments}):
    assert sorted([{high}, {low}]) == [{high}, {low}]


def test_{fails_1}({arguments}):
    [{low}, {high}].index({higher})


def test_{fails_2}({arguments}):
"""
PYTEST = (
    FUNCTIONS
    + """\
    import pytest

    with pytest.raises(LookupError):
        [{low}, {high}].index({high})
"""
)
UNITTEST = """

import unittest


class {klass}Tests(unittest.TestCase):
    def test_{passes}(self):
        self.assertEqual(sorted([{high}, {low}]), [{low}, {high}])

    def test_{fails_0}(self):
        self.assertEqual(sorted([{high}, {low}]), [{high}, {low}])

    def test_{fails_1}(self):
        self.assertIn({higher}, [{low}, {high}])

    def test_{fails_2}(self):
        with self.assertRaises(LookupError):
            [{low}, {high}].index({high})

    def test_{fails_3}(self):
        [{low}, {high}].index({higher})
"""
DJANGO = (
    UNITTEST
    + """

from django.test import SimpleTestCase


class {klass}MoreTests(SimpleTestCase):
    def test_{passes_too}(self):
        self.assertTrue({low} < {high})

    def test_{fails_4}(self):
        self.assertTrue({high} < {low})
"""
)
SYMPY = (
    FUNCTIONS
    + """\
    try:
        from sympy.testing.pytest import raises
    except ImportError:
        from sympy.utilities.pytest import raises
    raises(LookupError, lambda: [{low}, {high}].index({high}))
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """A test file with canaries at its end, and the expected outcome of each."""

    text: str
    passing: tuple[str, ...]
    failing: tuple[str, ...]


def plant(text: str, log_parser: str) -> Canaries | None:
    """Add canaries to a test file for the runner of `log_parser`; None if it is not Python."""
    tree = _parse(text)
    if tree is None:
        return None
    random = SystemRandom()
    template = {"parse_log_django": DJANGO, "parse_log_sympy": SYMPY}.get(
        log_parser, PYTEST + UNITTEST.replace("{passes}", "{passes_too}").replace("fails_", "more_")
    )
    slots = sorted(set(re.findall(r"test_{(\w+)}", template)))
    names = dict(zip(slots, _names(tree, len(slots), random), strict=True))
    low = random.randrange(1, 90)
    high = low + random.randrange(1, 90)
    klass = "".join(word.capitalize() for word in _names(tree, 1, random)[0].split("_"))
    added = template.format(
        klass=klass, low=low, high=high, higher=high + 1, arguments=_arguments(tree), **names
    )
    passing = tuple(f"test_{name}" for slot, name in names.items() if slot.startswith("passes"))
    return Canaries(
        text=text.rstrip("\n") + "\n" + added,
        passing=passing,
        failing=tuple(t for t in (f"test_{name}" for name in names.values()) if t not in passing),
    )


def _arguments(tree: ast.Module) -> str:
    """The arguments of the module's `pytestmark` parametrization; each test must accept them."""
    found: dict[str, None] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if "pytestmark" in map(ast.unparse, targets):
                found |= dict.fromkeys(_parametrized(node.value))
    return ", ".join(found)


def _parametrized(value: ast.expr) -> Iterable[str]:
    for call in ast.walk(value):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("parametrize"):
            named = [word.value for word in call.keywords if word.arg == "argnames"]
            for argument in [*call.args[:1], *named]:
                texts = [n.value for n in ast.walk(argument) if isinstance(n, ast.Constant)]
                names = [name for text in texts for name in str(text).replace(",", " ").split()]
                yield from filter(str.isidentifier, names)


def _names(tree: ast.Module, count: int, random: SystemRandom) -> list[str]:
    taken = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    words = {word for name in taken for word in name.lower().split("_") if word.isidentifier()}
    pool = sorted((words | set(PLAIN)) - {"test"})
    found: list[str] = []
    while len(found) < count:
        name = "_".join(random.sample(pool, random.choice((3, 4, 5))))
        if f"test_{name}" not in taken and name not in found:
            found.append(name)
    return found


def break_tests(text: str, wanted: Iterable[str]) -> tuple[str, frozenset[str]] | None:
    """Make each of the tests `wanted` fail at its first line; the text, and which there were.

    Tests are `function` or `Class.method`. Those that are marked to fail stay as they are. None:
    the file is no Python.
    """
    tree = _parse(text)
    if tree is None:
        return None
    lines = text.split("\n")  # as Python counts them; other separators are none
    broken = set()
    places = []
    there = dict(_functions(tree.body))
    for name in set(wanted) & there.keys():
        place = _first_statement(there[name], lines)
        if place is not None:
            broken.add(name)
            places.append(place)
    random = SystemRandom()
    for line, indent in sorted(places, reverse=True):
        number = random.randrange(2, 90)
        failure = random.choice(FAILURES).format(number, number + 1)
        lines.insert(line - 1, indent + failure)
    return "\n".join(lines), frozenset(broken)


def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(body: Sequence[ast.stmt], within: str = "") -> Iterable[tuple[str, Function]]:
    for node in body:
        if isinstance(node, Function):
            yield within + node.name, node
        elif isinstance(node, ast.ClassDef) and not _may_fail(node):
            yield from _functions(node.body, f"{within}{node.name}.")


def _may_fail(node: Function | ast.ClassDef) -> bool:
    marks = " ".join(ast.unparse(mark) for mark in node.decorator_list).lower()
    return any(word in marks for word in EXPECTED_TO_FAIL)


def _first_statement(function: Function, lines: Sequence[str]) -> tuple[int, str] | None:
    """The line and indentation of the first statement; None if no line fits before it."""
    if _may_fail(function):
        return None
    first = function.body[0]
    marks = getattr(first, "decorator_list", [])
    line = min([first.lineno, *(mark.lineno for mark in marks)])
    before = lines[line - 1].encode()[: first.col_offset].decode(errors="replace")
    return None if before.strip(" \t") else (line, before)


def function_of(name: str, log_parser: str) -> tuple[str, str]:
    """The file (or an empty string) and the function of a test name, as the parser writes it."""
    if log_parser == "parse_log_sympy":
        return "", name
    if log_parser == "parse_log_django":
        match = re.fullmatch(r"(\w+) \(([\w.]+)\)", name)
        if match is None:
            return "", ""
        function, dotted = match[1], match[2].split(".")
        owner = dotted[-2] if dotted[-1] == function and len(dotted) > 1 else dotted[-1]
        return "", f"{owner}.{function}"
    file, *parts = name.split("[")[0].split("::")
    return file, ".".join(parts)
