"""Whether Python text of a command is in the plain form: imports, calls, own names, `print`,
`assert`.

What is allowed is listed in `plain_names`; all else is a fault, said with its line and how to write
it instead. Pure functions.
"""

import ast
import builtins
import re
from collections.abc import Collection, Iterator

from agents.admission.plain_modules import Modules
from agents.admission.plain_names import (
    BUILTINS,
    DUNDERS,
    FRAME_PARTS,
    FRAMES,
    MUTATORS,
    OWN_DUNDERS,
    PATCHING,
    POWERS,
    SETS_VARIABLES,
    STANDARD,
)
from agents.admission.plain_paths import Paths
from agents.admission.plain_programs import DOCTEST
from agents.admission.plain_scopes import Origins, chain
from agents.admission.shell_grammar import NotPlain

NODES = (
    ast.Module, ast.Expression, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Return,
    ast.Delete, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.AsyncFor, ast.While, ast.If,
    ast.With, ast.AsyncWith, ast.Raise, ast.Try, ast.Assert, ast.Import, ast.ImportFrom, ast.Global,
    ast.Nonlocal, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.expr, ast.expr_context,
    ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.comprehension, ast.ExceptHandler,
    ast.arguments, ast.arg, ast.keyword, ast.alias, ast.withitem,
)  # fmt: skip
SHOWS = frozenset(("sorted", "len", "list", "set", "dict", "print", "tuple"))
NEWEST = "Write it as Python 3.11 reads it."


def python_fault(
    source: str, known: Collection[str] | None, name: str, most: int
) -> tuple[str, int]:
    """What of a Python text is not plain, in one line, and how many nodes its tree has.

    `known`: the first names of the modules that the repository has or imports; None: not known.
    `most`: nodes; a text with more is not read.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{name} cannot be read as Python ({error}). {NEWEST}", 0
    nodes = sum(1 for _ in ast.walk(tree))
    if nodes > most:
        return f"{name} is too long to be read. Keep what shows the one thing.", nodes
    try:
        fault = next(iter(_Form(tree, known).faults()), None)
    except NotPlain as reason:
        return f"{name}: {reason}", nodes
    except RecursionError:
        return f"{name} is nested too deeply. Write it as statements one after the other.", nodes
    if fault is None:
        return "", nodes
    node, why = fault
    number = getattr(node, "lineno", 1)
    lines = source.split("\n")
    shown = " ".join(lines[number - 1].split())[:100] if number <= len(lines) else ""
    return f"line {number} of {name}, {shown!r}: {why}", nodes


class _Form:
    """One text, and what its names stand for."""

    def __init__(self, tree: ast.Module, known: Collection[str] | None) -> None:
        self._tree = tree
        self._names = Origins(tree)
        self._paths = Paths(self._names)
        self._parents = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        self._modules = Modules(self._names, self._parents, known)

    def faults(self) -> Iterator[tuple[ast.AST, str]]:
        """Every fault, in the order of the text as far as it is walked."""
        for node in ast.walk(self._tree):
            if not isinstance(node, NODES):
                yield node, f"{type(node).__name__} is not plain. Write calls, `print`, `assert`."
            for why in self._of(node):
                yield node, why

    def _of(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from self._modules.imports(node)
            case ast.Name():
                yield from self._name(node)
            case ast.Attribute():
                yield from self._attribute(node)
            case ast.Call():
                yield from self._call(node)
                yield from self._paths.faults(node)
            case ast.Constant(value=str() as text) if not set(DUNDER.findall(text)) <= DUNDERS:
                yield "a text names something inside of Python. Leave it out."
            case ast.Constant(value=str() as text) if DOCTEST in text:
                yield f"a doctest ({DOCTEST}) is not read. Write what it runs as statements."
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                yield from self._target(node)
            case _:
                yield from self._definition(node)

    def _definition(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from self._rebinds([name])
                if name.startswith("pytest_") or name == "load_tests":
                    yield f"`{name}` changes what a test runner does. Write tests only."
            case ast.ClassDef():
                yield from self._rebinds([node.name])
                if node.keywords:
                    yield "a class with `metaclass` or other keywords is not plain. Leave them out."
            case ast.AugAssign(target=ast.Name() as target) if self._held(target):
                yield (
                    f"`{target.id}` may be what the code itself holds, and is changed in place. "
                    "Write a new name = old + more."
                )
            case ast.Global():
                yield from self._rebinds(node.names)
            case ast.ExceptHandler(name=str() as name):
                yield from self._rebinds([name])

    # names and attributes

    def _name(self, node: ast.Name) -> Iterator[str]:
        if isinstance(node.ctx, ast.Load):
            if self._names.binds(node.id) or node.id in BUILTINS:
                yield from self._used(node)
            elif node.id.startswith("__") or node.id in REFUSED:
                yield (
                    f"`{node.id}` is not plain. Write the call, the name or the value that it "
                    "stands for."
                )
            return
        yield from self._rebinds([node.id])

    def _used(self, node: ast.Name) -> Iterator[str]:
        """What of a known name is not plain where it stands."""
        up = self._parents.get(node)
        taken = up.attr if isinstance(up, ast.Attribute) else ""
        if node.id == "vars" and not self._only_shown(node):
            yield "`vars` is only plain in `sorted(vars(m))`, `len(vars(m))` and loops."
        elif self._names.imported.get(node.id) in STANDARD.keys() | MODULES and not taken:
            yield f"the module {node.id} is used as a value. Call what of it is meant."
        elif node.id in PATCHING and taken not in SETS_VARIABLES:
            yield (
                f"the fixture {node.id} replaces parts of the code. Call the code with arguments, "
                "or set variables of the environment."
            )

    def _rebinds(self, names: Collection[str]) -> Iterator[str]:
        for name in names:
            if name in self._names.imported and name not in self._names.tried:
                yield (
                    f"`{name}` is imported and then given another value. Take another name for "
                    "what is the command's own."
                )
            elif name.startswith("__") and name not in OWN_DUNDERS:
                yield f"`{name}` is a name of Python's own. Take another one."

    def _only_shown(self, node: ast.Name) -> bool:
        call = self._parents.get(node)
        around = self._parents.get(call) if call is not None else None
        if not isinstance(call, ast.Call) or call.func is not node:
            return False
        if isinstance(around, ast.Call):
            return isinstance(around.func, ast.Name) and around.func.id in SHOWS
        return (isinstance(around, ast.For | ast.comprehension) and around.iter is call) or (
            isinstance(around, ast.Compare) and call in around.comparators
        )

    def _attribute(self, node: ast.Attribute) -> Iterator[str]:
        name = node.attr
        inside = name in FRAMES or name in POWERS or name.startswith(FRAME_PARTS)
        if inside or (name.startswith("__") and name not in DUNDERS):
            yield f"`.{name}` looks inside of Python. Print what the code returns or raises."
        if not isinstance(node.ctx, ast.Load):
            yield from self._target(node)
            return
        yield from self._modules.attribute(node)
        if (
            name in MUTATORS
            and not self._names.binds(first := chain(node)[0] or "")
            and (first in BUILTINS)
        ):
            yield f"`{first}.{name}` is called on a value: value.{name}(…)."
        elif name in MUTATORS and self._held(node.value):
            yield (
                f"`.{name}` changes what the repository's modules hold. Take a copy, or what a "
                "call returned."
            )

    # what is changed

    def _held(self, node: ast.expr) -> bool:
        """Whether a value is one that a module of others holds, and no module itself."""
        if self._names.dotted(node) in ("sys.path", "os.environ"):
            return False  # see `Modules`
        module = isinstance(node, ast.Name) and node.id in self._names.modules
        return self._names.shared(node) and not module

    def _target(self, node: ast.Attribute | ast.Subscript) -> Iterator[str]:
        if self._names.dotted(node.value) == "os.environ":
            return
        if self._names.shared(node.value):
            what = ast.unparse(node)[:60]
            yield (
                f"`{what}` changes what the code itself holds, so that the command shows what it "
                "wrote there. Pass it as an argument, or set it on what a call returned."
            )

    # calls and definitions

    def _call(self, node: ast.Call) -> Iterator[str]:
        name = self._names.dotted(node.func)
        plain = node.func.id if isinstance(node.func, ast.Name) else ""
        own = self._names.binds(plain)
        if plain in ("getattr", "hasattr") and not own:
            wanted = node.args[1] if len(node.args) > 1 else None
            if not (
                isinstance(wanted, ast.Constant)
                and isinstance(wanted.value, str)
                and (not wanted.value.startswith("__") or wanted.value in DUNDERS)
                and wanted.value not in FRAMES
                and wanted.value not in POWERS
                and wanted.value not in MUTATORS
            ) and not (plain == "hasattr" and not isinstance(wanted, ast.Constant)):
                yield f"`{plain}` needs a name that is written out. Write `value.name`."
        elif plain == "type" and not own and len(node.args) != 1:
            yield "`type` with three arguments makes a class. Write `class`."
        elif plain == "vars" and not own and len(node.args) != 1:
            yield "`vars` without an argument is not plain. Print the values by their names."
        elif name.startswith("random.") and not self._is_seeded(node):
            yield "chance needs a fixed seed: random.Random(0), or random.seed(0) before it."
        elif name == "pickle.loads" and not self._is_dumped(node):
            yield "pickle.loads only reads what pickle.dumps wrote: pickle.loads(pickle.dumps(v))."

    def _is_seeded(self, node: ast.Call) -> bool:
        first = next((each for each in ast.walk(self._tree) if self._seeds(each)), node)
        return self._seeds(first)

    def _seeds(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and self._names.dotted(node.func) in ("random.Random", "random.seed")
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Constant)
        )

    def _is_dumped(self, node: ast.Call) -> bool:
        inner = node.args[0] if node.args else None
        if isinstance(inner, ast.Name):
            inner = self._names.value(inner.id)
        return isinstance(inner, ast.Call) and self._names.dotted(inner.func) == "pickle.dumps"


DUNDER = re.compile(r"\b__\w+?__\b")
MODULES = frozenset(("pytest", "os.path"))
REFUSED = (frozenset(dir(builtins)) | POWERS) - BUILTINS
