#!/usr/bin/env python3
"""Check the sizes that `make lint` enforces; print every violation and exit with 1 if there is any.

Product code is `harness/` and `agents/`. At most 12 modules lie directly in `harness/` and 10 in
`agents/` (`__init__` not counted). A file of the product or of `scripts/` has at most 350 lines, a
function at most 60. The product has exactly one broad `except`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = {"harness": 12, "agents": 10}
FILE_LINES = 350
FUNCTION_LINES = 60
BROAD_EXCEPTS = 1
BROAD = {"Exception", "BaseException"}


def crowded(root: Path) -> Iterator[str]:
    """Packages with too many modules directly inside."""
    for package, most in MODULES.items():
        number = len(list((root / package).glob("*.py"))) - 1
        if number > most:
            yield f"{package}/: {number} modules, at most {most}: move some into packages"


def too_long(name: str, text: str) -> Iterator[str]:
    """The file, and functions in it, that have too many lines."""
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines, at most {FILE_LINES}: split the file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name}: {length} lines, at most {FUNCTION_LINES}"


def broad_excepts(name: str, text: str) -> Iterator[str]:
    """Where everything is caught: `except:`, `except Exception`, `suppress(Exception)`."""
    for node in ast.walk(ast.parse(text)):
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield f"{name}:{node.lineno}"
                continue
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = node.args
        if any(ast.unparse(each).rpartition(".")[2] in BROAD for each in caught):
            yield f"{name}:{node.lineno}"


def violations(root: Path) -> list[str]:
    """Every violation in the tree at `root`, one line each."""
    found = list(crowded(root))
    broad: list[str] = []
    for folder in (*MODULES, "scripts"):
        for path in sorted((root / folder).rglob("*.py")):
            name, text = str(path.relative_to(root)), path.read_text(encoding="utf-8")
            found += too_long(name, text)
            if folder in MODULES:
                broad += broad_excepts(name, text)
    if len(broad) != BROAD_EXCEPTS:
        found.append(f"broad excepts: {', '.join(broad) or 'none'}; the product has exactly one")
    return found


def main() -> int:
    """Print the violations in this tree, or in the one at the path given; the exit code."""
    found = violations(Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parents[1]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
