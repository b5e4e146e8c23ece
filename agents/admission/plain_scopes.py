"""What the names of a Python text stand for: modules, what they hold, or what calls returned.

All scopes of a text are one here: a name that is anywhere something of a module's counts as that.
"""

import ast
from collections.abc import Iterable
from typing import Any

from agents.admission.shell_grammar import NotPlain

HANDS_ON = frozenset(("next", "iter", "max", "min", "sorted", "list", "tuple", "reversed", "map",
                      "filter", "zip", "enumerate", "vars", "getattr", "super"))  # fmt: skip
GETTERS = frozenset(("get", "items", "values", "keys", "copy"))
MOST_PASSES = 25  # over the text, until no more names stand for something of a module's
LIBRARY_HANDS_ON = ("copy.", "functools.", "itertools.", "operator.")


class Origins:
    """Where the names of one text come from."""

    def __init__(self, tree: ast.Module) -> None:
        self.imported: dict[str, str] = {}  # name: what it is, with dots
        self.modules: set[str] = set()  # names that are modules for sure
        self.tried: set[str] = set()  # imported in `try`, or twice
        self._bound: set[str] = set()
        self._values: dict[str, list[tuple[ast.expr, bool]]] = {}
        self._classes: set[str] = set()
        self._functions: set[str] = set()
        self._caught: set[str] = set()
        self._parameters: dict[str, set[str]] = {}  # by own function that is no test
        self._calls: list[ast.Call] = []
        self._stands_for: dict[str, str] = {}  # own name: what it is, with dots
        for node in ast.walk(tree):
            self._read(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Try):
                self.tried |= {
                    alias.asname or alias.name.partition(".")[0]
                    for each in node.body
                    if isinstance(each, ast.Import | ast.ImportFrom)
                    for alias in each.names
                }
        self._shared = self._spread()

    def _read(self, node: ast.AST) -> None:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imported[name] = alias.name if alias.asname else name
                    self.modules.add(name)
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    self.imported[alias.asname or alias.name] = f"{module or ''}.{alias.name}"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._functions.add(node.name)
                self._read_parameters(node)
            case ast.ClassDef():
                self._classes.add(node.name)
            case ast.Call():
                self._calls.append(node)
            case ast.Lambda():
                self._bound |= {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
            case _:
                self._read_values(node)

    def _read_values(self, node: ast.AST) -> None:
        match node:
            case ast.ExceptHandler(name=str() as name):
                self._caught.add(name)
            case ast.Name(ctx=ast.Store() | ast.Del()):
                self._bound.add(node.id)
            case ast.Assign():
                for target in node.targets:
                    self._give(target, node.value)
            case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
                self._give(node.target, value)
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                self._give(node.target, node.iter)
            case ast.withitem(optional_vars=ast.expr() as target):
                self._give(target, node.context_expr)

    def _read_parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        names = {arg.arg for arg in every}
        names |= {arg.arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None}
        self._bound |= names
        fixtures = node.name.startswith("test") or bool(node.decorator_list)
        if not fixtures:
            given = self._parameters.setdefault(node.name, set())
            given |= names - {"self", "cls"}

    def _give(self, target: ast.expr, value: ast.expr) -> None:
        for each in ast.walk(target):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                self._values.setdefault(each.id, []).append((value, each is target))

    def _spread(self) -> set[str]:
        """The names that may stand for something that a module holds."""
        shared = set(self.imported) | self._caught
        self._shared = shared
        for _ in range(MOST_PASSES):
            before = len(shared)
            for name, values in self._values.items():
                if name not in shared and any(self.shared(value) for value, _ in values):
                    shared.add(name)
            for call in self._calls:
                shared |= self._given_to_parameters(call)
            if len(shared) == before:
                return shared
        raise NotPlain("Its names are given to each other too often. Use fewer names.")

    def _given_to_parameters(self, call: ast.Call) -> set[str]:
        """The parameters of own functions that a call gives something of a module's."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        called = {*chain(call.func)[1][-1:], *names_of(call.func, *given)} & set(self._parameters)
        if not called or not any(map(self.shared, given)):
            return set()
        return set().union(*(self._parameters[name] for name in called))

    def binds(self, name: str) -> bool:
        """Whether a name is the text's own."""
        return (
            name in self._bound
            or name in self.imported
            or name in self._functions
            or name in self._classes
            or name in self._caught
        )

    def value(self, name: str) -> ast.expr | None:
        """What a name is given, where that is one expression."""
        given = self._values.get(name, [])
        return given[0][0] if len(given) == 1 and given[0][1] else None

    def valued(self) -> Iterable[str]:
        """The names that are given values."""
        return self._values

    def given(self, name: str) -> list[ast.expr]:
        """All that a name is given."""
        return [value for value, _ in self._values.get(name, [])]

    def root(self, node: ast.expr) -> str | None:
        """The imported name that a chain of attributes begins with."""
        first, _ = chain(node)
        return first if first is not None and first in self.imported else None

    def dotted(self, node: ast.expr) -> str:
        """The name of what a chain of attributes of an imported name is, with dots."""
        first, rest = chain(node)
        if first is None:
            return ""
        if first not in self.imported:
            if first not in self._stands_for:
                self._stands_for[first] = ""  # while it is asked
                value = self.value(first)
                self._stands_for[first] = self.dotted(value) if value is not None else ""
            again = self._stands_for[first]
            return ".".join([again, *rest]) if again else ""
        return ".".join([self.imported[first], *rest])

    def shared(self, node: Any) -> bool:
        """Whether an expression may be something that a module, or a class of one, holds."""
        match node:
            case ast.Name(id=name):
                return name in self._shared
            case ast.Attribute(attr="__class__"):
                return True
            case ast.Call():
                return self._handed_on(node)
            case ast.Constant() | ast.JoinedStr() | ast.Compare() | ast.BinOp() | ast.UnaryOp():
                return False
            case ast.Subscript(value=value) | ast.DictComp(value=value):
                return self.shared(value)  # not what chooses the place
        return any(map(self.shared, ast.iter_child_nodes(node)))

    def _handed_on(self, call: ast.Call) -> bool:
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        match call.func:
            case ast.Name(id=name) if name not in self.imported:
                hands_on = name in HANDS_ON or name in self._functions
                return (hands_on and any(map(self.shared, given))) or name in ("type", "super")
            case ast.Attribute(value=value, attr=name) if name in GETTERS:
                return self.shared(value)
        full = self.dotted(call.func)
        return full.startswith(LIBRARY_HANDS_ON) and any(map(self.shared, given))


def chain(node: ast.AST | None) -> tuple[str | None, list[str]]:
    """The name that a chain of attributes begins with, and the attributes."""
    rest: list[str] = []
    while isinstance(node, ast.Attribute):
        rest.append(node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else None), rest[::-1]


def names_of(*nodes: ast.expr) -> set[str]:
    """Those of the expressions that are names."""
    return {node.id for node in nodes if isinstance(node, ast.Name)}
