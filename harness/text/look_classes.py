"""Functions and methods that answer a test whatever it asks, or find out how deep the stack is."""

import ast
from collections.abc import Iterator

COMPARISONS = frozenset(
    ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__")
)
CONSTANTS = COMPARISONS | {"__bool__"}
PLAIN = frozenset(
    ("str", "int", "float", "bytes", "list", "tuple", "dict", "set", "frozenset", "complex")
)
BROAD = frozenset(("RecursionError", "RuntimeError", "Exception", "BaseException"))
INSTANCES = frozenset(("__instancecheck__", "__subclasscheck__", "__subclasshook__"))
Method = ast.FunctionDef | ast.AsyncFunctionDef


def method_looks(node: ast.ClassDef | Method) -> Iterator[tuple[str, str]]:
    """The kind and the word of what a class or a function shows; see `look_names.KINDS`."""
    if isinstance(node, ast.ClassDef):
        bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
        changed = {each.name for each in node.body if isinstance(each, Method)}
        changed |= {
            name.id
            for each in node.body
            if isinstance(each, ast.Assign)
            for name in each.targets
            if isinstance(name, ast.Name)
        }
        for name in sorted(changed & {"__eq__", "__ne__", "__hash__"}):
            if bases & PLAIN:
                yield "equal-to-anything", f"{name} of a {min(bases & PLAIN)}"
        for name in sorted(changed & INSTANCES):
            yield "instance-checks", name
        return
    if _falls(node):
        yield "frames", f"except around {node.name} in itself"
    if node.name == "__del__":
        yield "ending", "__del__"
    blind = node.name in COMPARISONS and not _uses_other(node)
    if blind or (node.name in CONSTANTS and _always_true(node)):
        yield "equal-to-anything", node.name
    if node.name in ("__exit__", "__aexit__") and _always_true(node):
        yield "swallows", node.name


def _falls(node: Method) -> bool:
    """Whether it calls itself where it would catch that the stack is full."""
    return any(
        isinstance(call, ast.Call)
        and node.name in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))
        for each in ast.walk(node)
        if isinstance(each, ast.Try) and any(_is_broad(one.type) for one in each.handlers)
        for statement in each.body
        for call in ast.walk(statement)
    )


def _is_broad(kind: ast.expr | None) -> bool:
    return kind is None or any(
        isinstance(each, ast.Name) and each.id in BROAD for each in ast.walk(kind)
    )


def _uses_other(node: Method) -> bool:
    names = [each.arg for each in node.args.args][1:2]
    if node.args.vararg is not None:
        names.append(node.args.vararg.arg)
    return any(
        isinstance(each, ast.Name) and each.id in names
        for statement in node.body
        for each in ast.walk(statement)
    )


def _always_true(node: Method) -> bool:
    """Whether each of its `return` gives True, and there is one."""
    values = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
    return bool(values) and all(
        isinstance(value, ast.Constant) and value.value is True for value in values
    )
