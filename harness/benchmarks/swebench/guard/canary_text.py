"""Tests of a file's end that need nothing of the product: one of each kind passes. Text only."""

import ast
from collections.abc import Callable, Iterator
from random import Random

from harness.benchmarks.swebench.guard.copy_names import CopyNames
from harness.benchmarks.swebench.guard.function_text import Variant
from harness.benchmarks.swebench.guard.statements import Statements

UNITTEST = '__import__("unittest").TestCase'
PARENTS = {"parse_log_sympy": ("",), "parse_log_django": (
    UNITTEST, '__import__("django.test").test.SimpleTestCase',
)}  # fmt: skip
FAILING = 2  # of each kind


class Canaries:
    """Writes them. `reached` is the name of that function in the file."""

    def __init__(
        self, names: CopyNames, random: Random, statements: Statements, reached: str
    ) -> None:
        self._names = names
        self._random = random
        self._statements = statements
        self._reached = reached

    def text(
        self, tree: ast.Module, log_parser: str, variant: Callable[[str, str], Variant]
    ) -> str:
        """The text of all, each a variant of its name and of `begin`; of nothing if it passes."""
        parts = []
        for parent in PARENTS.get(log_parser, ("", UNITTEST)):
            kinds = ["", *["begin"] * FAILING]
            self._random.shuffle(kinds)
            if log_parser == "parse_log_sympy":  # does not read that the last of a file passed
                kinds.sort(key=bool)
            made = [variant(self._names.test("test_"), kind) for kind in kinds]
            if parent:
                parts.append(f"\n\nclass {self._names.of_class()}({parent}):\n")
                parts += ["\n".join(["", *self._lines(each, "self", "    "), ""]) for each in made]
            else:
                arguments = ", ".join(_arguments(tree))
                parts += [
                    "\n".join(["", "", *self._lines(each, arguments, ""), ""]) for each in made
                ]
        return "".join(parts)

    def _lines(self, variant: Variant, arguments: str, indent: str) -> Iterator[str]:
        statements = [
            [f"{self._reached}('{variant.begin}')"],
            self._statements.draw(fails=False, block=True),
            self._statements.draw(fails=bool(variant.fails_at), block=True),
            [f"{self._reached}('{variant.end}')"],
        ]
        yield f"{indent}def {variant.name}({arguments}):"
        for line in (line for lines in statements for line in lines):
            yield f"{indent}    " + line.replace("\t", "    ")


def _arguments(tree: ast.Module) -> list[str]:
    """The arguments of the module's `pytestmark` parametrization; each test must accept them."""
    found: dict[str, None] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if "pytestmark" in map(ast.unparse, targets):
                found |= dict.fromkeys(_parametrized(node.value))
    return list(found)


def _parametrized(value: ast.expr) -> Iterator[str]:
    for call in ast.walk(value):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("parametrize"):
            named = [word.value for word in call.keywords if word.arg == "argnames"]
            for argument in [*call.args[:1], *named]:
                texts = [n.value for n in ast.walk(argument) if isinstance(n, ast.Constant)]
                names = [name for text in texts for name in str(text).replace(",", " ").split()]
                yield from filter(str.isidentifier, names)
