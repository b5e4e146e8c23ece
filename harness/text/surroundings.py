"""Where Python code asks for the state of its process: what is otherwise where tests run.

A change that works only with a log handler of the runner, without a terminal, or before some date
looks at who calls it as one does that reads frames. What ordinary code uses of the modules that
know is listed in `ordinary_names`; everything else of them is told.
"""

import ast
from collections.abc import Iterator, Sequence

from harness.text.folded_code import Bindings
from harness.text.ordinary_names import ORDINARY

ON_PATHS = frozenset((
    "os.path.exists", "os.path.lexists", "os.path.isfile", "os.path.isdir", "os.path.getmtime",
    "os.path.abspath", "os.path.realpath", "os.stat", "os.lstat", "os.access", "os.listdir",
    "os.scandir", "os.walk", "os.readlink", "glob.glob", "glob.iglob", "pathlib.Path", "open",
    "io.open", "codecs.open",
))  # fmt: skip
STREAMS = ("sys.stdout", "sys.stderr")
WRITES = frozenset(("write", "writelines", "flush"))
PARSE = ("parse_args", "parse_known_args")
FAR = 9  # a `stacklevel` above it is no caller's


def _conditions(nodes: Sequence[ast.AST]) -> set[ast.AST]:
    """All nodes on which it depends what is done."""
    found: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            found.update(ast.walk(node.test))
        elif isinstance(node, ast.comprehension):
            found.update(inner for test in node.ifs for inner in ast.walk(test))
        elif isinstance(node, ast.Subscript):
            found.update(ast.walk(node.slice))
        elif isinstance(node, ast.Match):
            found.update(ast.walk(node.subject))
        elif isinstance(node, ast.match_case) and node.guard is not None:
            found.update(ast.walk(node.guard))
        elif isinstance(node, ast.Compare | ast.BoolOp) or _is_not(node):
            found.update(() if node in found else ast.walk(node))
    return found


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


class Surroundings:
    """Reads the nodes of one file."""

    def __init__(self, nodes: Sequence[ast.AST], names: Bindings) -> None:
        self._names = names
        self._conditions = _conditions(nodes)
        self.above = {inner: node for node in nodes for inner in ast.iter_child_nodes(node)}
        self._caught = {
            inner
            for node in nodes
            if isinstance(node, ast.ExceptHandler) and node.type is not None
            for inner in ast.walk(node.type)
        }
        self._tried = {
            inner
            for node in nodes
            if isinstance(node, ast.Try) and node.handlers
            for statement in node.body
            for inner in ast.walk(statement)
        }
        self._looped = {
            inner.id
            for node in nodes
            if isinstance(node, ast.For | ast.comprehension)
            for inner in ast.walk(node.target)
            if isinstance(inner, ast.Name)
        }

    def of(self, node: ast.expr) -> Iterator[tuple[str, str]]:
        """The kind and the word of what an expression asks; see `look_names.KINDS`."""
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            for name in self._names.names_of(node):
                if name in ORDINARY and self._is_handed_on(node):
                    yield "surroundings", f"all of {name}"
                elif name == "sys.modules" and self._is_whole(node):
                    yield "surroundings", "all of sys.modules"
        word = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if word == "__version__" and node in self._conditions:
            yield "surroundings", word
        if node in self._caught and word == "RecursionError":
            yield "frames", "except RecursionError"
        elif node in self._caught and word.endswith("Warning"):
            yield "surroundings", f"except {word}"
        if isinstance(node, ast.Call):
            yield from self._called(node)

    def only_writes(self, node: ast.expr) -> bool:
        """Whether an expression is a stream, or its method, to which something is written."""
        above = self.above.get(node)
        if isinstance(above, ast.keyword):
            return above.arg == "file"
        if isinstance(above, ast.Attribute):
            node, above = above, self.above.get(above)
        return (
            isinstance(node, ast.Attribute)
            and node.attr in WRITES
            and isinstance(above, ast.Call)
            and isinstance(self.above.get(above), ast.Expr)
        )

    def _is_handed_on(self, node: ast.expr) -> bool:
        """Whether a module is more than what a plain attribute is taken of."""
        above = self.above.get(node)
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return False
        if isinstance(above, ast.Call) and isinstance(above.func, ast.Name):
            return not (
                above.func.id in ("getattr", "hasattr", "setattr", "delattr")
                and node is above.args[0]
                and isinstance(self._names.fold(above.args[-1 if len(above.args) < 2 else 1]), str)
            )
        return not isinstance(above, ast.Attribute)

    def _is_whole(self, node: ast.expr) -> bool:
        """Whether a table is used otherwise than by a key: `x[key]`, `x.get(key)`, `key in x`."""
        above = self.above.get(node)
        if isinstance(above, ast.Subscript):
            return above.value is not node
        if isinstance(above, ast.Attribute):
            call = self.above.get(above)
            return not (above.attr == "get" and isinstance(call, ast.Call) and call.func is above)
        return not (
            isinstance(above, ast.Compare)
            and isinstance(above.ops[-1], ast.In | ast.NotIn)
            and self._names.fold(above.left) is not None
        )

    def _called(self, node: ast.Call) -> Iterator[tuple[str, str]]:
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        names = self._names.names_of(node.func) or {called}
        path = self._names.fold(node.args[0]) if node.args else None
        if called == "hash" and isinstance(path, str | bytes):
            yield "surroundings", "hash of a text"
        for name in names & ON_PATHS:
            if isinstance(path, str):
                yield "surroundings", f"{name} {path}"
        for word in node.keywords:
            if word.arg == "stacklevel" and self._is_far(word.value):
                yield "frames", "a computed stacklevel"
            elif word.arg == "module" and "warnings.filterwarnings" in names:
                yield "frames", "warnings.filterwarnings(module)"
        if node in self._tried and "warnings.warn" in names:
            yield "surroundings", "whether a warning is an error"
        if getattr(node.func, "attr", "") in PARSE and not node.args:
            yield "environment", "the arguments of the process"
        if names & {"pickle.loads", "pickle.load"} and _holds_bytes(node):
            yield "computed-code", "pickle.loads"

    def _is_far(self, node: ast.expr) -> bool:
        value = self._names.fold(node)
        if isinstance(value, int):
            return value > FAR
        return isinstance(node, ast.Name) and node.id in self._looped


def _holds_bytes(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Constant) and isinstance(each.value, bytes) for each in ast.walk(node)
    )
