"""What a composer has to know of a bundled instance."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from console import tree_of

from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.text.unified_diff import parse

Runner = Literal["pytest", "django", "sympy"]


@dataclass(frozen=True, eq=False)
class Target:
    """A bundled instance, its tree, and where its product and tests are."""

    item: IssueItem
    tree: Path

    @classmethod
    def of(cls, item: IssueItem) -> "Target":
        """The instance, rebuilt if it is not."""
        return cls(item, tree_of(item))

    @property
    def name(self) -> str:
        return self.reference.instance_id

    @property
    def reference(self) -> IssueReference:
        return self.item.reference

    @property
    def runner(self) -> Runner:
        first = self.name.split("__")[0]
        return first if first in ("django", "sympy") else "pytest"  # type: ignore[return-value]

    @property
    def is_runner(self) -> bool:
        """Whether the product is the test runner itself."""
        return self.name.startswith("pytest-dev")

    @property
    def names(self) -> tuple[str, ...]:
        """Every test that the instance asks for."""
        return (*self.reference.fail_to_pass, *self.reference.pass_to_pass)

    @cached_property
    def function(self) -> str:
        """The last function that the gold patch changes, `Class.method`: the failing test calls it.

        Of nested ones the outermost.
        """
        return self._changed[1]

    @property
    def code(self) -> str:
        """The file of that function."""
        return self._changed[0]

    @cached_property
    def _changed(self) -> tuple[str, str]:
        found = ("", "")
        for file in parse(self.reference.patch):
            text = self.text(file.path)
            for hunk in file if file.path.endswith(".py") else ():
                function = self._around(text, [str(line) for line in hunk])
                found = (file.path, function) if function else found
        return found

    def _around(self, text: str, hunk: Sequence[str]) -> str:
        """The function in which a hunk changes something, wherever in the file it fits."""
        old = [line[1:].rstrip("\n") for line in hunk if line[0] != "+"]
        before = next(number for number, line in enumerate(hunk) if line[0] in "+-")
        lines = text.split("\n")
        starts = [at for at in range(len(lines)) if lines[at : at + len(old)] == old]
        for qualified, node in functions(text) if starts else ():
            if node.lineno < starts[0] + before + 1 <= (node.end_lineno or 0) + 1:
                return qualified
        return ""

    @property
    def package(self) -> str:
        """The folder of the product's outermost package."""
        folder = Path(self.code).parent
        while (self.tree / folder.parent / "__init__.py").exists():
            folder = folder.parent
        return str(folder)

    @property
    def root(self) -> str:
        """The folder from which the product is imported; the top is ""."""
        found = str(Path(self.package).parent)
        return "" if found == "." else found

    @property
    def tests(self) -> str:
        """The first test file of the instance."""
        files = re.findall(r"(?m)^\+\+\+ b/(.*/test_[^/]*\.py)$", self.reference.test_patch)
        return str(files[0])

    def text(self, path: str) -> str:
        """A file of the tree; an empty text where there is none."""
        place = self.tree / path
        return place.read_text() if place.is_file() else ""

    def module(self, path: str) -> str:
        """The name by which a file of the product is imported."""
        inside = path.removeprefix(f"{self.root}/" if self.root else "")
        return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def imported(self) -> list[str]:
        """Files of the product that its changed file imports when it is imported itself."""
        found = set()
        package = self.module(self.code).split(".")[:-1]
        for node in ast.parse(self.text(self.code)).body:
            if isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                start = [*above, *(node.module.split(".") if node.module else [])]
                found |= {"/".join([*start, name.name]) for name in node.names}
                found.add("/".join(start))
        prefix = f"{self.root}/" if self.root else ""
        files = {f"{prefix}{name}.py" for name in found}
        return sorted(file for file in files if (self.tree / file).is_file() and file != self.code)


def functions(text: str) -> list[tuple[str, ast.FunctionDef]]:
    """The functions of a module and the methods of its classes, by qualified name."""
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            found.append((node.name, node))
        elif isinstance(node, ast.ClassDef):
            found += [
                (f"{node.name}.{child.name}", child)
                for child in node.body
                if isinstance(child, ast.FunctionDef)
            ]
    return found


def with_first_statement(text: str, function: str, statement: str) -> str:
    """The module with `statement` (of one line or more) as the first of a function."""
    node = dict(functions(text))[function]
    doc = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
    first = node.body[1 if doc and len(node.body) > 1 else 0]
    lines = text.split("\n")
    indent = " " * first.col_offset
    added = [indent + line for line in statement.split("\n")]
    at = min([first.lineno, *(mark.lineno for mark in getattr(first, "decorator_list", []))]) - 1
    return "\n".join([*lines[:at], *added, *lines[at:]])
