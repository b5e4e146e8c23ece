"""Python text by the positions of its syntax tree, and edits of it."""

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # as Python counts them
BLANK = " \t\f"


class SourceText:
    """Text with the places of its nodes, in characters; a syntax tree counts bytes of UTF-8."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines: list[str] = LINE.findall(text)
        self._starts: list[int] = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        first = self._lines[0] if self._lines else ""
        self.newline = first[len(first.rstrip("\r\n")) :] or "\n"

    def line(self, number: int) -> str:
        """The line with this number, of which the first is 1, with its end."""
        return self._lines[number - 1]

    def line_start(self, number: int) -> int:
        """Where the line begins; the end of the text for the one behind the last."""
        return self._starts[min(number, len(self._starts)) - 1]

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Where the node begins: a `def` or `class` behind its decorators."""
        return self._at(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Where the node ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """The text of the node."""
        return self.text[self.start(node) : self.end(node)]

    def first_line(self, node: ast.stmt) -> int:
        """The line on which a statement begins, with its decorators."""
        marks: list[ast.expr] = getattr(node, "decorator_list", [])
        if not marks:
            return node.lineno
        return bisect_right(self._starts, self.text.rindex("@", 0, self.start(marks[0])))

    def indent(self, node: ast.stmt) -> str | None:
        """What stands before a statement on its line; None where that is another statement."""
        number = self.first_line(node)
        line = self.line(number)
        before = line[: len(line) - len(line.lstrip(BLANK))]
        if number == node.lineno and self.line_start(number) + len(before) < self.start(node):
            return None
        return before.rpartition("\f")[2]

    def _at(self, line: int, column: int) -> int:
        raw = self.line(line).encode("utf-8", "surrogatepass")[:column]
        return self.line_start(line) + len(raw.decode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class Edits:
    """Changes of a text; those at one place come out in the order in which they were made."""

    made: list[tuple[int, int, str]] = field(default_factory=list)  # from, to, the new text

    def insert(self, place: int, text: str) -> None:
        """Put `text` at a place."""
        self.made.append((place, place, text))

    def replace(self, first: int, last: int, text: str) -> None:
        """Put `text` where the characters from `first` up to `last` are."""
        self.made.append((first, last, text))

    def add(self, others: Iterable[tuple[int, int, str]]) -> None:
        """Take over the changes of other edits."""
        self.made += others

    def applied(self, text: str, first: int = 0, last: int | None = None) -> str:
        """`text` from `first` up to `last` with the changes. They may touch, and not overlap."""
        parts = []
        at = first
        for begin, end, new in sorted(self.made, key=lambda edit: edit[:2]):
            parts += [text[at:begin], new]
            at = end
        return "".join(parts) + text[at : len(text) if last is None else last]
