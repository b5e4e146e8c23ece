"""One assertion of a test turned into one that nothing satisfies. Text only.

What the product gives is still asked for and compared, so that something that is equal to anything
shows itself. Where a value is replaced, it is by one of its kind.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from random import Random

from harness.benchmarks.swebench.guard.source_text import SourceText
from harness.benchmarks.swebench.guard.statements import Statements
from harness.benchmarks.swebench.guard.test_functions import Function

Edit = tuple[int, int, str]  # from, to, the new text
Turn = list[Edit]

SIGNS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.NotEq: ("!=", "=="), ast.Lt: ("<", ">="), ast.Gt: (">", "<="), ast.LtE: ("<=", ">"),
    ast.GtE: (">=", "<"), ast.IsNot: (r"is\s+not", "is"), ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
OPPOSITES = {
    "assertTrue": "assertFalse", "assertFalse": "assertTrue", "assertNotEqual": "assertEqual",
    "assertIsNone": "assertIsNotNone", "assertIsNotNone": "assertIsNone", "assertIsNot": "assertIs",
    "assertNotIn": "assertIn", "assertNotIsInstance": "assertIsInstance",
    "assertGreater": "assertLessEqual", "assertLess": "assertGreaterEqual",
    "assertGreaterEqual": "assertLess", "assertLessEqual": "assertGreater",
    "assertNotAlmostEqual": "assertAlmostEqual", "assertNotContains": "assertContains",
    "assertTemplateNotUsed": "assertTemplateUsed", "assertHTMLNotEqual": "assertHTMLEqual",
    "assertXMLNotEqual": "assertXMLEqual", "assertJSONNotEqual": "assertJSONEqual",
    "assertNotRegex": "assertRegex",
}  # fmt: skip
FIRST = ("assertIn", "assertInHTML")  # what is looked for comes first
MATCHES = ("assertRegex", "assertRegexpMatches")  # a pattern comes second
WAITS = re.compile(r"raises|warn", re.IGNORECASE)
ASSERTS = re.compile(r"assert|check|verify|expect|ensure|match_lines", re.IGNORECASE)
EXPECTS_ONE = re.compile(r"match_lines|called|calls|await|NumQueries|Template", re.IGNORECASE)
SWALLOWS = re.compile(r"raises|suppress|warns|xfail|fails|assertLogs|skip", re.IGNORECASE)
COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try)


def own(block: Sequence[ast.stmt], *, sure: bool = False) -> Iterator[ast.stmt]:
    """The statements whose failure ends the function; where `sure` only those that always run."""
    for node in block:
        yield node
        if isinstance(node, ast.With | ast.AsyncWith):
            if not any(SWALLOWS.search(ast.unparse(item.context_expr)) for item in node.items):
                yield from own(node.body, sure=sure)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.If | ast.While) and not sure:
            yield from own(node.body)
            yield from own(node.orelse)
        elif isinstance(node, ast.Try) and not sure:
            yield from own(node.body if not node.handlers else ())
            yield from own(node.finalbody)


class Turning:
    """Finds the assertions of functions, and the ways to turn each."""

    def __init__(
        self,
        source: SourceText,
        random: Random,
        statements: Statements,
        unequal: str,
        asserted: Collection[int] = (),
    ) -> None:
        self._source = source
        self._random = random
        self._statements = statements
        self._unequal = unequal  # the name of that function in the file
        self._asserted = asserted  # lines that the test patch adds

    def turns(self, function: Function, most: int) -> list[Turn]:
        """At most so many turns, each of another assertion.

        Those that the test patch adds come first, and of them those that always run.
        """
        sure = {id(node) for node in own(function.body, sure=True)}
        found = [(node, turn) for node in own(function.body) if (turn := self._of(node))]
        self._random.shuffle(found)
        found.sort(key=lambda each: (not self._is_added(each[0]), id(each[0]) not in sure))
        return [self._random.choice(ways) for _, ways in found[:most]]

    def _is_added(self, node: ast.stmt) -> bool:
        """Whether a line of the statement is, but for those of statements inside it."""
        inside = getattr(node, "body", None)
        end = inside[0].lineno if inside else (node.end_lineno or node.lineno) + 1
        return any(line in self._asserted for line in range(node.lineno, max(end, node.lineno + 1)))

    def _of(self, node: ast.stmt) -> list[Turn]:
        if isinstance(node, ast.Assert):
            return self._condition(node.test)
        if isinstance(node, ast.With | ast.AsyncWith):
            calls = [item.context_expr for item in node.items]
        elif isinstance(node, ast.Expr | ast.Assign):
            calls = [node.value]
        else:
            return []
        calls = [each.value if isinstance(each, ast.Await) else each for each in calls]
        return [turn for call in calls if isinstance(call, ast.Call) for turn in self._call(call)]

    def _condition(self, test: ast.expr) -> list[Turn]:
        if isinstance(test, ast.Compare):
            return self._comparison(test)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            start = self._source.start(test)
            return [[(start, start, "not ")]]
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return [turn for value in test.values for turn in self._condition(value)]
        ways = [self._not(test)]
        for inner in _inside(test):
            if isinstance(inner, ast.Compare) and isinstance(inner.ops[0], ast.Eq):
                ways += self._comparison(inner)
            elif _name(inner) == "isinstance" and isinstance(inner, ast.Call):
                ways += self._replaced(inner.args[1:2], "object")
        return ways

    def _not(self, test: ast.expr) -> Turn:
        start, end = self._source.start(test), self._source.end(test)
        return [(start, start, "not ("), (end, end, ")")]

    def _comparison(self, test: ast.Compare) -> list[Turn]:
        sides = [test.left, *test.comparators][-2:]
        sign = test.ops[-1]
        if isinstance(sign, ast.Eq):
            return self._changed(_expected(sides))
        if isinstance(sign, ast.Is):
            return self._changed(sides[1:])
        if isinstance(sign, ast.In):
            return self._changed(sides[:1])
        old, new = SIGNS[type(sign)]
        start, end = self._source.end(sides[0]), self._source.start(sides[1])
        gap, found = re.subn(old, new, self._source.text[start:end], count=1)
        return [[(start, end, gap)]] if found else [self._not(test)]

    def _call(self, call: ast.Call) -> list[Turn]:
        name = _name(call)
        if WAITS.search(name):
            return self._waiting(call, name)
        if name in OPPOSITES and isinstance(call.func, ast.Attribute):
            end = self._source.end(call.func)
            ways = [[(end - len(name), end, OPPOSITES[name])]]
            if name == "assertTrue":
                ways += [t for x in call.args[:1] if not _odd(x) for t in self._condition(x)]
            return ways
        if not ASSERTS.search(name):
            return []
        if name == "assertIsInstance":
            return self._replaced(call.args[1:2], "object")
        if name in FIRST:
            return self._changed(call.args[:1])
        if name in MATCHES:
            return self._unmatched(call.args[1:2])
        if len(call.args) == 1 and not call.keywords and not EXPECTS_ONE.search(name):
            return []  # a check of something by itself: another value may pass it as well
        if call.args:
            return self._changed(_expected(call.args[:2], by_default=1))
        return self._changed([word.value for word in call.keywords if word.arg][:1])

    def _waiting(self, call: ast.Call, name: str) -> list[Turn]:
        """`call` waits for an exception or a warning: for another one, or for other words."""
        parent = "Warning" if "warn" in name.lower() else "Exception"
        named = [w.value for w in call.keywords if (w.arg or "").startswith("expected_")]
        ways = self._replaced([*call.args, *named][:1], parent)
        words = [word.value for word in call.keywords if word.arg == "match"]
        if name.endswith(("Message", "Regex", "Regexp", "_message", "_regex")):
            words += call.args[1:2]
        return ways + self._unmatched(words)

    def _unmatched(self, patterns: Iterable[ast.expr]) -> list[Turn]:
        """Each of `patterns` as letters that no text has: another pattern may match as well."""
        ways = []
        for node in patterns:
            if not _odd(node):
                start, end = self._source.start(node), self._source.end(node)
                ways.append([(start, end, repr(self._statements.letters()))])
        return ways

    def _replaced(self, nodes: Iterable[ast.expr], parent: str) -> list[Turn]:
        """Each of `nodes` as a class that nothing has seen."""
        ways = []
        for node in nodes:
            if not _odd(node):
                start, end = self._source.start(node), self._source.end(node)
                ways.append([(start, end, self._statements.fresh_class(parent))])
        return ways

    def _changed(self, nodes: Iterable[ast.expr]) -> list[Turn]:
        """Each of `nodes` as something that is not equal to it."""
        ways = []
        for node in nodes:
            if not _odd(node):
                start, end = self._source.start(node), self._source.end(node)
                more = f", {self._statements.between(3, 900)})"
                ways.append([(start, start, f"{self._unequal}("), (end, end, more)])
        return ways


def _expected(sides: Sequence[ast.expr], by_default: int | None = None) -> list[ast.expr]:
    """Of two operands the one that is written out, or else that number, or both."""
    plain = [side for side in sides if _literal(side)]
    if len(plain) == 1:
        return plain
    return list(sides if by_default is None else sides[by_default:] or sides)


def _literal(node: ast.expr) -> bool:
    kinds = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp)
    return isinstance(node, kinds) and all(
        isinstance(each, (*kinds, ast.expr_context, ast.operator, ast.unaryop))
        for each in ast.walk(node)
    )


def _odd(node: ast.expr) -> bool:
    """Whether it cannot stand by itself, or its place in the text is not its own."""
    return isinstance(node, ast.Starred | ast.GeneratorExp)


def _inside(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in `node`, but for those in f-strings, which have no places of their own."""
    for inner in () if isinstance(node, ast.JoinedStr) else ast.iter_child_nodes(node):
        if isinstance(inner, ast.expr):
            yield inner
        yield from _inside(inner)


def _name(node: ast.expr) -> str:
    """The last name of what is called; empty for what is no call of a name."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")
