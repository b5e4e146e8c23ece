"""What a Python text may take of modules: imports, and attributes of what is imported."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping

from agents.admission.plain_names import (
    ANY,
    DUNDERS,
    NOWS,
    POWERS,
    PYTEST,
    REPLACING,
    STANDARD,
    STDLIB,
)
from agents.admission.plain_scopes import Origins

RULED = re.compile(r"(PYTHON|PYTEST|LD_|BASH|DELM|GIT_|SHELL|PS\d|ENV$|IFS$|PATH$|HOME$|TMPDIR$)")
NOT_NEEDED = "Call the repository's code and print or assert what it gives."


class Modules:
    """The modules that one text uses.

    `known`: the first names of those that the repository has or imports; None: not known.
    """

    def __init__(
        self,
        names: Origins,
        parents: Mapping[ast.AST, ast.AST],
        known: Collection[str] | None,
    ) -> None:
        self._names = names
        self._parents = parents
        self._known = known

    def imports(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """What an import takes that is not plain."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from self._module(alias.name)
            return
        module = node.module or ""
        if node.level:
            yield "a relative import reaches nothing here. Name the whole module."
            return
        yield from self._module(module)
        for alias in node.names:
            yield from self._member(module, alias.name)

    def _module(self, name: str) -> Iterator[str]:
        first = name.partition(".")[0]
        if name in STANDARD or name in ("pytest", "unittest", "os", "sys"):
            return
        if first in STDLIB:
            yield (f"the module {name} is none that a plain command needs. {NOT_NEEDED}")
        elif first in REPLACING or (
            self._known is not None and first not in self._known and first != "pytest"
        ):
            yield (
                f"the module {first} is neither the repository's nor one that it imports. Import "
                "what is to be shown."
            )
        elif any(part in POWERS for part in name.split(".")[1:]):
            yield f"the module {name} changes what others do. Import what is to be shown."

    def _member(self, module: str, name: str) -> Iterator[str]:
        allowed = PYTEST if module == "pytest" else STANDARD.get(module)
        full = f"{module}.{name}"
        if allowed is None:
            if name in POWERS:
                yield f"{full} is none that a plain command needs. Import what is to be shown."
            elif name.startswith("__") and name not in DUNDERS:
                yield f"{full} looks inside of Python. Import what is to be shown."
        elif full in STANDARD:
            return
        elif (name not in allowed and allowed is not ANY) or (
            allowed is ANY and (name.startswith("_") or name in STDLIB)
        ):
            yield (f"{full} is not plain. {NOT_NEEDED}")

    def attribute(self, node: ast.Attribute) -> Iterator[str]:
        """What is taken of an imported module."""
        full = self._names.dotted(node)
        if not full:
            return
        module, _, name = full.rpartition(".")
        if module in STANDARD or module == "pytest":
            yield from self._member(module, name)
        elif module in ("datetime.datetime", "datetime.date") and name in NOWS:
            yield f"`{name}` is another value each day. Give a date: datetime(2020, 1, 2)."
        if full == "os.environ":
            yield from self._environment(node)
        elif full == "sys.path":
            yield from self._search_path(node)
        elif full in ("sys.stdout", "sys.stderr"):
            yield from self._stream(node)

    def _environment(self, node: ast.Attribute) -> Iterator[str]:
        up = self._parents.get(node)
        above = self._parents.get(up) if up is not None else None
        if isinstance(up, ast.Subscript) and not isinstance(up.ctx, ast.Load):
            value = getattr(above, "value", None)
            if plain_setting(up.slice) and isinstance(value, ast.Constant | None):
                return
        elif isinstance(up, ast.Attribute) and up.attr in ("setdefault", "pop", "update"):
            args = above.args if isinstance(above, ast.Call) else []
            if args and plain_setting(args[0]) and all(isinstance(a, ast.Constant) for a in args):
                return
        yield (
            "variables of the environment may only be set, to a constant and not Python's own: "
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'."
        )

    def _search_path(self, node: ast.Attribute) -> Iterator[str]:
        up = self._parents.get(node)
        call = self._parents.get(up) if up is not None else None
        if isinstance(up, ast.Attribute) and isinstance(call, ast.Call) and call.args:
            where = call.args[-1]
            held = isinstance(where, ast.Constant) and isinstance(where.value, str)
            here = (
                self._names.dotted(where.func) == "os.getcwd"
                if isinstance(where, ast.Call)
                else False
            )
            if up.attr in ("insert", "append") and (here or held):
                return
        yield "sys.path may only have a folder added: sys.path.insert(0, '.')."

    def _stream(self, node: ast.Attribute) -> Iterator[str]:
        up = self._parents.get(node)
        if isinstance(up, ast.Attribute) and up.attr in ("write", "flush"):
            return
        if isinstance(up, ast.keyword | ast.Call):
            return
        yield "the output's stream may only be written to: print(…), sys.stdout.write(…)."


def plain_setting(node: ast.expr) -> bool:
    """Whether a text is the name of a variable that a command may set."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[A-Z][A-Z0-9_]*", node.value) is not None
        and not RULED.match(node.value)
    )
