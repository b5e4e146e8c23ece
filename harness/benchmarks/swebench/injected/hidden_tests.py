"""Take test functions out of test files, so that who is to find a fault does not see them fail."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.benchmarks.swebench.guard.test_functions import function_of
from harness.errors import UserError
from harness.text.file_patch import lines_of

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A test function: the lines that it takes, and its class, if it has one."""

    name: str  # function or Class.function
    first: int
    last: int
    owner: ast.ClassDef | None


def without_tests(
    texts: Mapping[str, str], names: Iterable[str], log_parser: str
) -> dict[str, str]:
    """The test files `texts`, by path, without the functions of the tests `names`.

    Names are written as the log parser gives them; a parametrized test goes as a whole, with its
    decorators and the comment just above it. Raises `UserError` where a test stands in no function
    of these files: it is made or inherited, and cannot be taken out.
    """
    wanted = {name: function_of(name, log_parser) for name in sorted(names)}
    places = {path: _places(path, text) for path, text in texts.items()}
    for name, (file, function) in wanted.items():
        searched = places.get(file, []) if file else [p for found in places.values() for p in found]
        if not any(place.name == function for place in searched):
            raise UserError(
                f"the test {name} fails with the fault and stands in no function of test_files, so "
                "that it cannot be hidden"
            )
    left = {}
    for path, text in texts.items():
        functions = {function for file, function in wanted.values() if file in ("", path)}
        gone = [place for place in places[path] if place.name in functions]
        left[path] = _without(path, text, gone) if gone else text
    return left


def _places(path: str, text: str) -> list[_Place]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"the test file {path} is no valid Python: {error}") from None
    lines = lines_of(text)
    return list(_functions(tree.body, lines, "", None))


def _functions(
    body: Sequence[ast.stmt], lines: Sequence[str], within: str, owner: ast.ClassDef | None
) -> Iterable[_Place]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, lines, f"{within}{node.name}.", node)
        elif isinstance(node, Function):
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            last = node.end_lineno or node.lineno
            yield _Place(name=within + node.name, first=first, last=last, owner=owner)


def _without(path: str, text: str, gone: Sequence[_Place]) -> str:
    lines: list[str] = lines_of(text)
    for place in sorted(gone, key=lambda place: place.first, reverse=True):
        last = place.last
        while last < len(lines) and not lines[last].strip():
            last += 1  # the blank lines behind it
        del lines[place.first - 1 : last]
        if place.owner is not None and _is_last_one(place, gone):
            indent = " " * place.owner.body[0].col_offset
            lines.insert(place.first - 1, f"{indent}pass\n\n")
    shorter = "".join(lines)
    try:
        ast.parse(shorter)
    except SyntaxError as error:
        raise UserError(f"{path} is no valid Python without its failing tests: {error}") from None
    return shorter


def _is_last_one(place: _Place, gone: Sequence[_Place]) -> bool:
    """Whether nothing of the class is left, and `place` is the first of it."""
    mine = [each for each in gone if each.owner is place.owner]
    assert place.owner is not None
    return len(mine) == len(place.owner.body) and place.first == min(each.first for each in mine)
