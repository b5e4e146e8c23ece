"""A Python file as a syntax tree, and the function or class in which each of its nodes stands."""

import ast
import re

from harness.text.reading_steps import TooManySteps

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, TooManySteps)
ENCODING = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
ENCODINGS = frozenset((
    "utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1",
    "iso-8859-15", "cp1252",
))  # fmt: skip
LINE_END = re.compile(r"\r\n|\r|\n")  # as Python counts lines


def parsed(source: str) -> ast.Module:
    """The syntax tree of a file in an encoding in which its text says what Python reads."""
    for line in LINE_END.split(source)[:2]:
        match = ENCODING.match(line)
        if match and match[1].lower().replace("_", "-") not in ENCODINGS:
            raise ValueError(f"its encoding is {match[1]}")
    return ast.parse(source)


def scopes(tree: ast.Module) -> dict[ast.AST, str]:
    """The function or class of each node, `Class.method`; of such a node itself its own."""
    found: dict[ast.AST, str] = {tree: ""}
    waiting: list[ast.AST] = [tree]
    for node in waiting:
        for inner in ast.iter_child_nodes(node):
            named = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            name = f"{found[node]}.{inner.name}".lstrip(".") if named else found[node]  # type: ignore[attr-defined]
            found[inner] = name
            waiting.append(inner)
    return found
