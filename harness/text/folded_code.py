"""What names and strings of a Python file stand for, as far as its text alone says.

Nothing is run. Names are followed without regard to scopes or order: a name that is bound to
several things stands for each of them.
"""

import ast
import base64
import binascii
import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.text.folded_values import (
    MOST_CHARS,
    WIDE,
    Folded,
    builtin,
    joined,
    operated,
)
from harness.text.ordinary_names import DISTINCT, distinct
from harness.text.reading_steps import Steps

DEPTH = 120  # of what is put together, so that hostile text does not end the reader
FAILURES = (ValueError, TypeError, LookupError, OverflowError, AttributeError)
WORD = re.compile(r"\w+")
DOTTED_TEXT = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)*\Z")

# Names that stand for themselves where nothing binds them: a star may have brought them.
KNOWN = frozenset((
    "sys", "os", "inspect", "builtins", "ctypes", "atexit", "signal", "subprocess", "threading",
    "traceback", "unittest", "pytest", "types", "linecache", "importlib", "time", "datetime",
    "exit", "quit", "SystemExit", "KeyboardInterrupt", "doctest",
))  # fmt: skip
IMPORTERS = ("importlib.import_module", "__import__")
DECODERS = {
    "base64.b64decode": base64.b64decode,
    "base64.standard_b64decode": base64.b64decode,
    "base64.urlsafe_b64decode": base64.urlsafe_b64decode,
    "base64.b32decode": base64.b32decode,
    "base64.b16decode": base64.b16decode,
    "base64.b85decode": base64.b85decode,
    "binascii.unhexlify": binascii.unhexlify,
    "binascii.a2b_base64": binascii.a2b_base64,
    "bytes.fromhex": bytes.fromhex,
}
LAST = {name.rpartition(".")[2] for name in DECODERS}
METHODS = frozenset((
    "join", "format", "replace", "lower", "upper", "swapcase", "title", "capitalize", "strip",
    "lstrip", "rstrip", "decode", "encode", "removeprefix", "removesuffix", "split", "hex",
    "translate", "casefold",
))  # fmt: skip


@dataclass(slots=True)
class Bindings:
    """Where the names of a file come from."""

    dotted: dict[str, set[str]] = field(default_factory=dict)  # what a name is imported as
    values: dict[str, list[ast.expr]] = field(default_factory=dict)  # what is assigned to it
    lines: dict[str, list[range]] = field(default_factory=dict)  # where either happens
    steps: Steps = field(default_factory=Steps)
    _names: dict[ast.AST, frozenset[str]] = field(default_factory=dict)
    _folded: dict[ast.AST, Folded] = field(default_factory=dict)

    @classmethod
    def of(cls, nodes: Iterable[ast.AST], steps: Steps | None = None) -> "Bindings":
        """Of every scope of a file together, from all its nodes."""
        found = cls(steps=steps or Steps())
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name, target in imported(node):
                    found.dotted.setdefault(name, set()).add(distinct(target))
                    found.lines.setdefault(name, []).append(_lines(node))
            elif isinstance(node, ast.Assign):
                for each in node.targets:
                    found._assign(each, node.value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                found._assign(node.target, node.value)
            elif isinstance(node, ast.arg | ast.AugAssign | ast.For | ast.comprehension):
                found._hide(node)
        return found

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values.setdefault(target.id, []).append(value)
            self.lines.setdefault(target.id, []).extend((_lines(target), _lines(value)))
        elif isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            parts = value.elts if same and isinstance(value, ast.Tuple | ast.List) else []
            for place, each in enumerate(target.elts):
                self._assign(each, parts[place] if parts else value)
        # attributes and elements are nobody's names

    def _hide(self, node: ast.arg | ast.AugAssign | ast.For | ast.comprehension) -> None:
        """Keep a name that a caller or a loop binds from being taken for its other value."""
        if isinstance(node, ast.arg):
            names = [node.arg]
        else:
            names = [n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)]
        for name in names:
            self.values.setdefault(name, []).append(ast.Constant(None))

    def names_of(self, node: ast.AST, depth: int = 0) -> frozenset[str]:
        """The dotted names that an expression may stand for: `sys._getframe`, `os.environ`."""
        if node not in self._names:
            self._names[node] = frozenset()  # what is bound to itself stands for nothing more
            self.steps.take()
            self._names[node] = self._names_of(node, depth) if depth < DEPTH else frozenset()
            self.steps.take(len(self._names[node]))
        return self._names[node]

    def _names_of(self, node: ast.AST, depth: int) -> frozenset[str]:
        if isinstance(node, ast.Name):
            found = set(self.dotted.get(node.id, ()))
            values = self.values.get(node.id, [])
            for value in values:
                found |= self.names_of(value, depth + 1)
            if not found and not values and node.id in KNOWN:
                found.add(node.id)
            return frozenset(found)
        if isinstance(node, ast.Attribute):
            if node.attr in DISTINCT:
                return frozenset((node.attr,))
            return frozenset(f"{base}.{node.attr}" for base in self.names_of(node.value, depth + 1))
        if isinstance(node, ast.Subscript):
            return self._element(node, depth)
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        if isinstance(node, ast.IfExp | ast.BoolOp):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            return frozenset(n for part in parts for n in self.names_of(part, depth + 1))
        return frozenset()

    def _element(self, node: ast.Subscript, depth: int) -> frozenset[str]:
        """`sys.modules["os"]`, `sys.__dict__["_getframe"]`, `vars(sys)["_getframe"]`."""
        key = self.fold(node.slice)
        if not isinstance(key, str):
            return frozenset()
        bases = self.names_of(node.value, depth + 1)
        if "sys.modules" in bases or key in DISTINCT:
            return frozenset((distinct(key),))
        return frozenset(f"{b.removesuffix('.__dict__')}.{key}" for b in bases if "__dict__" in b)

    def _called(self, node: ast.Call, depth: int) -> frozenset[str]:
        """`import_module("gc")`, `resolve_name("os:environ")`, `getattr(os, "sep")`, `vars(os)`."""
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if not node.args:
            return frozenset()
        text = self.fold(node.args[0])
        if called == "getattr" and len(node.args) > 1:
            name = self.fold(node.args[1])
            bases = self.names_of(node.args[0], depth + 1) if isinstance(name, str) else ()
            return frozenset(distinct(f"{base}.{name}") for base in bases)
        if called == "vars":
            return frozenset(f"{b}.__dict__" for b in self.names_of(node.args[0], depth + 1))
        if isinstance(text, str):
            names = self.names_of(node.func, depth + 1)
            plain = called == "__import__" or any(name.endswith(IMPORTERS) for name in names)
            known = DOTTED_TEXT.match(text) and not DISTINCT.isdisjoint(WORD.findall(text))
            if plain or known:
                return frozenset((distinct(text),))
        return frozenset()

    def fold(self, node: ast.AST | None, depth: int = 0) -> Folded:
        """The string, bytes, number or sequence that an expression is; None: not known."""
        if node is None or depth > DEPTH:
            return None
        if node not in self._folded:
            self._folded[node] = None
            self.steps.take()
            try:
                self._folded[node] = self._fold(node, depth + 1)
                self.steps.read(self._folded[node])
            except FAILURES:  # it fails when it is run, too
                return None
        return self._folded[node]

    def _fold(self, node: ast.AST, depth: int) -> Folded:
        match node:
            case ast.Constant(value=str() | bytes() | int() as value):
                return value if isinstance(value, int) or len(value) <= MOST_CHARS else None
            case ast.Name(id=name):
                values = self.values.get(name, [])
                return self.fold(values[0], depth) if len(values) == 1 else None
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                parts = [self.fold(each, depth) for each in elements[:MOST_CHARS]]
                return None if None in parts else parts
            case ast.JoinedStr(values=pieces):
                return joined([self.fold(piece, depth) for piece in pieces])
            case ast.BinOp():
                return operated(self.fold(node.left, depth), node.op, self.fold(node.right, depth))
            case ast.Call():
                return self._result(node, depth)
            case ast.GeneratorExp() | ast.ListComp():
                return self._comprehended(node, depth)
        return self._piece(node, depth)

    def _piece(self, node: ast.AST, depth: int) -> Folded:
        match node:
            case ast.Subscript(value=value, slice=part):
                return self._part(self.fold(value, depth), part, depth)
            case ast.FormattedValue(value=value, format_spec=None):
                found = self.fold(value, depth)
                return str(found) if isinstance(found, str | int) else None
            case ast.UnaryOp(op=ast.USub(), operand=value):
                number = self.fold(value, depth)
                return -number if isinstance(number, int) else None
        return None

    def _part(self, whole: Folded, part: ast.expr, depth: int) -> Folded:
        if not isinstance(whole, str | bytes | list):
            return None
        if isinstance(part, ast.Slice):
            limits = [
                self.fold(n, depth) if n else None for n in (part.lower, part.upper, part.step)
            ]
            return whole[slice(*(each if isinstance(each, int) else None for each in limits))]
        place = self.fold(part, depth)
        return whole[place] if isinstance(place, int) else None

    def _result(self, node: ast.Call, depth: int) -> Folded:
        values = [self.fold(each, depth) for each in node.args]
        if isinstance(node.func, ast.Name):
            return builtin(node, values)
        if not isinstance(node.func, ast.Attribute):
            return None
        names = self.names_of(node.func, 1)
        for name in names or {ast.unparse(node.func) if node.func.attr in LAST else ""}:
            if name in DECODERS and values and isinstance(values[0], str | bytes):
                return DECODERS[name](values[0])  # type: ignore[arg-type]  # it raises TypeError
            if name == "codecs.decode" and values[1:] == ["rot13"]:
                return codecs.decode(str(values[0]), "rot13")
        owner = self.fold(node.func.value, depth)
        if node.func.attr not in METHODS or not isinstance(owner, str | bytes) or None in values:
            return None
        return None if node.keywords else self._changed(owner, node.func.attr, values)

    def _changed(self, text: str | bytes, method: str, values: list[Folded]) -> Folded:
        """What a method makes of a text."""
        size = sum(len(v) for v in values if isinstance(v, str | bytes | list))
        wide = method == "format" and (isinstance(text, bytes) or WIDE.search(text))
        if wide or len(text) * size > 50 * MOST_CHARS:
            return None
        for value in values:
            if isinstance(value, list):
                if method != "join":
                    return None
                self.steps.read(*value)
        found = getattr(text, method)(*values)
        return found if isinstance(found, str | bytes | list) else None

    def _comprehended(self, node: ast.GeneratorExp | ast.ListComp, depth: int) -> Folded:
        """`chr(c) for c in (95, 103)`: one loop without conditions, over what is known."""
        loop = node.generators[0]
        over = self.fold(loop.iter, depth)
        if len(node.generators) > 1 or loop.ifs or not isinstance(loop.target, ast.Name):
            return None
        if not isinstance(over, str | bytes | list) or len(over) > 2_000:
            return None
        self.steps.take(len(self.dotted) + len(self.values))
        inner = Bindings(dict(self.dotted), dict(self.values), steps=self.steps)
        found: list[Folded] = []
        for each in over:
            if not isinstance(each, str | bytes | int):
                return None
            inner.values[loop.target.id] = [ast.Constant(each)]
            inner._folded.clear()
            found.append(inner.fold(node.elt, depth))
        return None if None in found else found


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Each name that a statement binds, and the dotted name of what it stands for."""
    if isinstance(node, ast.Import):
        for each in node.names:
            yield (
                each.asname or each.name.split(".")[0],
                (each.name if each.asname else each.name.split(".")[0]),
            )
        return
    module = "." * node.level + (node.module or "")
    for each in node.names:
        yield each.asname or each.name, f"{module}.{each.name}"


def _lines(node: ast.stmt | ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
