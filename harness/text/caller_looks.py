"""Where Python code looks at who calls it, or at what runs it: told from its text.

Product code has no business with the test that calls it. What is told here is rare in honest
changes; it is not proof. Answers that are written into the code cannot be told.
"""

import ast
import re
import textwrap
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.text.folded_code import DOTTED_TEXT, IMPORTERS, Bindings, imported
from harness.text.look_classes import method_looks
from harness.text.look_names import CLOCKS, DOTTED, FIELDS, KINDS, NAMES, TEXTS, WORDS
from harness.text.ordinary_names import distinct, unlisted
from harness.text.parsed_source import LINE_END, UNREADABLE, parsed, scopes
from harness.text.reading_steps import Steps
from harness.text.surroundings import STREAMS, Surroundings

ACTS = (ast.Call, ast.Import, ast.ImportFrom, ast.Compare, ast.BoolOp, ast.IfExp, ast.Subscript)
OWN_TESTS = frozenset(("test", "tests", "testing", "_pytest", "pytest", "testutils", "conftest.py"))
LONGEST = max(name.count(".") + 1 for name in DOTTED)
WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
OF_TESTS = ("test-files", "forged-words")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One place where code looks at its caller."""

    line: int  # counted from 1
    text: str  # of that line, without the blanks around it
    kind: str  # a key of `KINDS`
    what: str  # the name or the word that gives it away
    path: str = ""  # of its file, as the caller named it
    scope: str = ""  # the function or class in which it stands, `Class.method`

    @property
    def why(self) -> str:
        """What it does, in a few words of plain English."""
        return f"{KINDS[self.kind]}: {self.what}"


def looks(
    source: str,
    lines: Collection[int] | None,
    *,
    path: str = "",
    baseline: Collection[Look] = (),
) -> tuple[Look, ...]:
    """The looks of a Python file on `lines` (None: on all), in their order.

    Names that are bound on `lines` are followed to where they are used. What the same function or
    class does already (`baseline`: the looks of an earlier text) is none, and where it named tests,
    no test is. In a test package of the product's own (by `path`) a test framework is none. A file
    that cannot be read is one look, and is searched for words where it could not be read before.
    """
    known = {(look.scope, look.kind, look.what) for look in baseline}
    named = {(look.scope, look.kind) for look in baseline if look.kind in OF_TESTS}
    text = LINE_END.split(source)
    try:
        found = set(_Reader(parsed(source), lines, path).found())
    except UNREADABLE:
        places = [n for n in range(1, len(text) + 1) if lines is None or n in lines]
        found = {(n, "unreadable", "its text", "") for n in places[:1]}
        found |= {(*each, "") for each in _words(text, lines)}
    return tuple(
        Look(line=line, text=text[line - 1].strip(), kind=kind, what=what, path=path, scope=scope)
        for line, kind, what, scope in sorted(found)
        if (scope, kind, what) not in known and (scope, kind) not in named
    )


def _words(text: Collection[str], lines: Collection[int] | None) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text, 1):
        if lines is None or number in lines:
            for word in WORD.findall(line):
                if word in WORDS or DOTTED.get(word) in ("framework", "objects", "ending"):
                    yield number, "unreadable", word


class _Reader:
    """Reads one file."""

    def __init__(
        self,
        tree: ast.Module,
        lines: Collection[int] | None,
        path: str,
        around: Bindings | None = None,
    ) -> None:
        self._scopes = scopes(tree)
        self._nodes = tuple(self._scopes)
        self._lines = None if lines is None else sorted(lines)
        self._steps = Steps() if around is None else around.steps
        self._steps.take(len(self._nodes))
        self._names = Bindings.of(self._nodes, self._steps)
        if around is not None:  # the names of the file in which it stands as text
            self._steps.take(len(around.dotted))
            self._names.dotted = around.dotted | self._names.dotted
        self._own_tests = not OWN_TESTS.isdisjoint(path.split("/"))
        self._prose = {
            node.value
            for node in self._nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        words = {getattr(n, "attr", None) or getattr(n, "id", None) for n in self._nodes}
        if not words.isdisjoint(("__doc__", "getdoc")):
            self._prose = set()  # somebody reads it
        self._as_program = {
            inner
            for node in tree.body
            if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
            for each in node.body
            for inner in ast.walk(each)
        }
        self._surroundings = Surroundings(self._nodes, self._names)
        self._fresh = self._with_fresh_names()
        self._path = path

    def _with_fresh_names(self) -> Collection[ast.AST]:
        """All nodes that hold a name which a changed line binds."""
        if self._lines is None:
            return ()
        fresh = {
            name
            for name, places in self._names.lines.items()
            if any(self._changed_in(place) for place in places)
        }
        found: set[ast.AST] = set()
        for node in self._nodes:
            above: ast.AST | None = node
            if not (isinstance(node, ast.Name) and node.id in fresh):
                continue
            while above is not None and above not in found:
                found.add(above)
                above = self._surroundings.above.get(above)
        return found

    def _changed_in(self, places: range) -> int | None:
        """The first changed line of some."""
        lines = self._lines or ()
        at = bisect_left(lines, places.start)
        return lines[at] if at < len(lines) and lines[at] < places.stop else None

    def found(self) -> Iterator[tuple[int, str, str, str]]:
        """The line, kind and word of each look, and its function or class."""
        for node in self._nodes:
            if isinstance(node, ast.stmt | ast.expr | ast.pattern) and self._considered(node):
                for kind, what in self._of(node):
                    if kind == "framework" and self._own_tests:
                        continue
                    if (
                        kind in ("environment", "surroundings", "ending")
                        and node in self._as_program
                    ):
                        continue
                    yield self._line(node), kind, what, self._scopes[node]

    def _considered(self, node: ast.stmt | ast.expr | ast.pattern) -> bool:
        if self._lines is None:
            return True
        if isinstance(node, ast.Attribute):  # of a chain over several lines, that of its last name
            places = range(node.end_lineno or node.lineno, (node.end_lineno or node.lineno) + 1)
        else:
            places = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if self._changed_in(places) is not None:
            return True
        return not isinstance(node, ast.stmt) and node in self._fresh

    def _line(self, node: ast.stmt | ast.expr | ast.pattern) -> int:
        """The first changed line of a node; its own where none is."""
        if isinstance(node, ast.Attribute):
            return node.end_lineno or node.lineno
        places = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        return self._changed_in(places) or node.lineno

    def _of(self, node: ast.stmt | ast.expr | ast.pattern) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from self._import(node)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from method_looks(node)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            yield from self._assigned(node)
        elif isinstance(node, ast.MatchClass):
            for word in node.kwd_attrs:
                yield from _word(word)
        elif isinstance(node, ast.expr) and node not in self._prose:
            if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
                yield from self._named(node)
            if isinstance(node, ast.Call):
                yield from self._called(node)
            elif isinstance(node, ast.Subscript):
                yield from self._element(node)
            yield from self._surroundings.of(node)
            yield from self._text(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
        modules = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        for name in {*modules, *(target for _, target in imported(node))}:
            yield from _dotted(name)
            if name.startswith(".") and not OWN_TESTS.isdisjoint(name.split(".")):
                yield "framework", name

    def _named(self, node: ast.expr) -> Iterator[tuple[str, str]]:
        names = self._names.names_of(node)
        self._steps.take(sum(len(name) for name in names))
        for name in names:
            if not (name.startswith(STREAMS) and self._surroundings.only_writes(node)):
                yield from _dotted(name)
            if name in CLOCKS:
                yield "clock", name
        word = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if word in WORDS or isinstance(node, ast.Attribute):
            yield from _word(word)
        elif word in NAMES and word not in self._names.values:
            yield "computed-names", word
        if word == "__file__":
            yield "own-file", word

    def _text(self, node: ast.expr) -> Iterator[tuple[str, str]]:
        """What a string says, be it written or put together."""
        value = self._names.fold(node)
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if not isinstance(value, str) or isinstance(node, ast.Name):
            return
        self._steps.read(value)
        if DOTTED_TEXT.match(value):
            words = WORD.findall(value)
            for word in words:
                yield from _word(word)
            if len(words) > 1 or self._is_asked_of_modules(node):
                yield from _dotted(value)
                if distinct(value).startswith("sys."):
                    yield "surroundings", f"{value} by its name"
        yield from self._as_code(value)
        for pattern, kind in TEXTS:
            match = re.search(pattern, value)
            if match:
                yield kind, match[0]
        if not isinstance(node, ast.Constant | ast.JoinedStr):
            yield from _dotted(value)

    def _as_code(self, text: str) -> Iterator[tuple[str, str]]:
        """The looks of text that is Python and does something: it may be run, whatever runs it."""
        self._steps.take(len(text))
        try:
            tree = ast.parse(textwrap.dedent(text).strip())
        except (SyntaxError, ValueError):
            return
        except (RecursionError, MemoryError):
            yield "unreadable", "text that is nested too deeply"
            return
        if any(isinstance(each, ACTS) for each in ast.walk(tree)):
            for _, kind, what, _ in _Reader(tree, None, self._path, self._names).found():
                yield kind, what

    def _is_asked_of_modules(self, node: ast.expr) -> bool:
        """`"module" in sys.modules`."""
        above = self._surroundings.above.get(node)
        return isinstance(above, ast.Compare) and any(
            "sys.modules" in self._names.names_of(each) for each in above.comparators
        )

    def _called(self, node: ast.Call) -> Iterator[tuple[str, str]]:
        names = self._names.names_of(node.func)
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        first = node.args[0] if node.args else None
        if called in ("exec", "eval", "compile", "__import__") and first is not None:
            if not isinstance(first, ast.Constant):
                yield "computed-code", called
            elif isinstance(first.value, str) and called != "__import__":
                yield from self._as_code(f"bool({first.value})")
        elif any(name.endswith(IMPORTERS) for name in names):
            if not isinstance(self._names.fold(first), str):
                yield "computed-code", "import_module"
        elif called in ("getattr", "setattr", "delattr") and len(node.args) > 1:
            yield from self._attribute(called, node)
        elif called == "open" and isinstance(self._names.fold(first), int):
            yield "output", "open of a descriptor"
        elif "warnings.catch_warnings" in names and node.keywords and "record" in ast.unparse(node):
            yield "frames", "warnings.catch_warnings(record)"

    def _attribute(self, called: str, node: ast.Call) -> Iterator[tuple[str, str]]:
        bases = self._names.names_of(node.args[0])
        name = self._names.fold(node.args[1])
        if called != "getattr":
            if any(not base.startswith(".") for base in bases):
                yield "replaced", f"{called} {min(bases)}"
        elif bases and not isinstance(node.args[1], ast.Constant):
            yield "computed-names", f"getattr {min(bases)}"
        if isinstance(name, str) and not isinstance(node.args[1], ast.Constant | ast.Name):
            yield "computed-names", f"{called} {name}"

    def _element(self, node: ast.Subscript) -> Iterator[tuple[str, str]]:
        bases = self._names.names_of(node.value)
        key = self._names.fold(node.slice)
        if "sys.modules" in bases and not isinstance(key, str):
            word = ast.unparse(node.slice)
            if not word.endswith(("__name__", "__module__")):
                yield "imports", f"sys.modules[{word}]"
        elif any(base.endswith("__dict__") for base in bases) and not isinstance(key, str):
            yield "computed-names", f"{min(bases)}[…]"
        elif "os.environ" in bases and key is None:
            yield "environment", "os.environ[…]"

    def _assigned(
        self, node: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete
    ) -> Iterator[tuple[str, str]]:
        """Attributes of modules and classes that come from elsewhere."""
        alone = isinstance(node, ast.AugAssign | ast.AnnAssign)
        for target in [node.target] if alone else node.targets:  # type: ignore[union-attr]
            for each in ast.walk(target):
                if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store | ast.Del):
                    for base in self._names.names_of(each.value):
                        if not base.startswith("."):
                            yield "replaced", f"{base}.{each.attr}"


def _word(word: str) -> Iterator[tuple[str, str]]:
    """The kind of an attribute, by its name alone."""
    if word in WORDS or word in FIELDS:
        yield WORDS.get(word, "surroundings"), word


def _dotted(name: str) -> Iterator[tuple[str, str]]:
    """The kind of a dotted name, by the longest beginning that is known."""
    name = distinct(name)
    parts = name.split(".")
    for count in range(min(len(parts), LONGEST), 0, -1):
        beginning = ".".join(parts[:count])
        if beginning in DOTTED:
            yield DOTTED[beginning], beginning
            return
    if unlisted(name):
        yield "surroundings", unlisted(name)
