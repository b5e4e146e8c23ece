"""A test function as text, with statements added: its own, or a copy under another name."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeGuard

from harness.benchmarks.swebench.guard.source_text import Edits, SourceText
from harness.benchmarks.swebench.guard.statements import Statements
from harness.benchmarks.swebench.guard.test_functions import Function, Place
from harness.benchmarks.swebench.guard.turned_assertions import Turn, own

SUBTEST = re.compile(r"\bsubTest\(|\bsubtests\.test\(")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What to make of a function."""

    name: str
    begin: str  # the token that says that it began
    end: str  # the one that says that it came to its end
    fails_at: str = ""  # begin, middle or end
    turn: Turn | None = None


class FunctionText:
    """Writes variants of functions. `reached` is the name of that function in the file."""

    def __init__(
        self, source: SourceText, random: Random, statements: Statements, reached: str
    ) -> None:
        self._source = source
        self._random = random
        self._statements = statements
        self._reached = reached

    def can_be_copied(self, place: Place) -> bool:
        """Whether a copy of the function is a test that has to pass, and comes to its end."""
        yields = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(place.node.body))
        return not place.may_fail and not yields

    def copy(self, function: Function, variant: Variant) -> str:
        """The lines of a copy."""
        start = self._source.line_start(self._source.first_line(function))
        end = self._source.line_start((function.end_lineno or 0) + 1)
        return self.edits(function, variant).applied(self._source.text, start, end)

    def edits(self, function: Function, variant: Variant) -> Edits:
        """The changes that make the function the variant."""
        edits = Edits()
        edits.add(self.renaming(function, variant.name))
        first = function.body[0]
        if ast.get_docstring(function, clean=False) is not None:
            place = self._source.start(first), self._source.end(first)
            edits.replace(*place, self._statements.draw(fails=False)[0])
        edits.add(variant.turn or ())
        self._add(edits, [first], first, [f"{self._reached}('{variant.begin}')"])
        says = self._last_words(edits, function, variant.end)
        for gap, fails in self._plan(function, variant.fails_at):
            block = self._source.indent(gap or first) is not None
            lines = self._statements.draw(fails=fails, block=block)
            self._add(edits, function.body, gap, lines)
        for each in _own(function.body):
            if isinstance(each, ast.Return):
                if variant.fails_at == "end":
                    failing = self._statements.draw(fails=True)[0]
                    edits.insert(self._source.start(each), f"{failing}; ")
                self._before_return(edits, each, says)
        self._add(edits, function.body, None, [says])
        return edits

    def _last_words(self, edits: Edits, function: Function, token: str) -> str:
        """The statement that says that the function came to its end.

        A failure in a subtest does not end it, and then the statement says nothing.
        """
        says = f"{self._reached}('{token}')"
        inside = [node for node in own(function.body) if _is_subtest(node)]
        if not inside:
            return says
        name = f"_{self._statements.name(3)}"
        self._add(edits, function.body, function.body[0], [f"{name} = []"])
        for node in reversed(inside):  # of those that end together the inner ones first
            self._add(edits, node.body, node.body[0], [f"{name}.append(1)"])
            self._add(edits, node.body, None, [f"{name}.pop()"])
        return f"{name} or {says}"

    def middle(self, function: Function) -> list[ast.stmt]:
        """The statements, but the first, to which each run of the function comes."""
        found = []
        for node in own(function.body, sure=True):
            found.append(node)
            if any(isinstance(each, ast.Return) for each in _own([node])):
                break
        return found[1:]

    def renaming(self, function: Function, name: str) -> Turn:
        """The change of its name alone."""
        start = self._source.start(function)
        head = re.compile(r"(?:async\s+)?def\s+").match(self._source.text, start)
        assert head is not None
        return [(head.end(), head.end() + len(function.name), name)]

    def _plan(self, function: Function, fails_at: str) -> list[tuple[ast.stmt | None, bool]]:
        """Before which statements to put one, None for the end, and whether it is to fail."""
        gaps = [*own(function.body, sure=True), None]
        plan = [(gap, False) for gap in gaps if self._random.random() < 2 / len(gaps)]
        first, last = function.body[0], function.body[-1]
        if fails_at == "begin":
            plan.append((first, True))
        elif fails_at == "middle":
            plan.append((self._random.choice(self.middle(function) or [first]), True))
        elif fails_at == "end":
            plan.append((last if isinstance(last, ast.Raise) else None, True))
        self._random.shuffle(plan)
        return plan

    def _add(
        self, edits: Edits, block: Sequence[ast.stmt], gap: ast.stmt | None, lines: Sequence[str]
    ) -> None:
        """Add a statement to a block: before another one, or at its end."""
        indent = self._source.indent(gap or block[0])
        if indent is None:
            place = self._source.start(gap) if gap else self._source.end(block[-1])
            edits.insert(place, f"{lines[0]}; " if gap else f"; {lines[0]}")
            return
        number = self._source.first_line(gap) if gap else (block[-1].end_lineno or 0) + 1
        unit = "\t" if "\t" in indent else "    "
        for line in lines:
            added = indent + line.replace("\t", unit) + self._source.newline
            edits.insert(self._source.line_start(number), added)

    def _before_return(self, edits: Edits, node: ast.Return, says: str) -> None:
        start, end = self._source.start(node), self._source.end(node)
        if node.value is None:
            edits.insert(start, f"{says}; ")
            return
        name = f"_{self._statements.name(2)}"
        value = f"{name} = ({self._source.of(node.value)})"
        edits.replace(start, end, f"{value}; {says}; return {name}")


def _is_subtest(node: ast.stmt) -> TypeGuard[ast.With | ast.AsyncWith]:
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        SUBTEST.search(ast.unparse(item.context_expr)) for item in node.items
    )


def _own(block: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a function's statements, but for those of functions and classes inside it."""
    waiting: list[ast.AST] = list(block)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
