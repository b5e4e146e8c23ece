"""A table as lines of text. Columns are as wide as their content; nothing is cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

NAME = 20  # columns that names get at most; a longer one has a line of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A table row: its name, further columns of the name, and a cell for each column."""

    name: str
    short: str = ""  # what stands beside the cells where the name has a line of its own
    more: str = ""  # as wide on every line that has it; where it is empty, the name may reach over
    cells: tuple[str, ...]
    style: str = ""  # rich's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header line and rows. Names are left-aligned, cells right-aligned."""

    head: Line
    lines: tuple[Line, ...]

    def columns(self, wanted: Sequence[int], *, more: bool) -> "Table":
        """Some of the columns; lines with nothing to say in them are left out.

        Lines without any cells stand with the names, where `more` does.
        """

        def less(line: Line) -> Line:
            cells = tuple(line.cells[index] for index in wanted)
            return replace(line, cells=cells, more=line.more if more else "")

        kept = [less(line) for line in self.lines if (more and not any(line.cells))
                or any(line.cells[index] for index in wanted)]  # fmt: skip
        return Table(head=less(self.head), lines=tuple(kept))


def written(table: Table, width: int) -> list[tuple[str, str]]:
    """The lines as text and style, as far apart as `width` columns allow.

    A name that does not fit beside its cells has a line of its own above them.
    """
    wanted = max(len(line.name) for line in table.lines) if table.lines else 0
    for room in (wanted, 0):
        lines = _written(table, width, room)
        if breadth(lines) <= width:
            break
    return lines


def breadth(lines: Sequence[tuple[str, str]]) -> int:
    """The width of the longest line."""
    return max(len(text) for text, _ in lines)


def _written(table: Table, width: int, least: int) -> list[tuple[str, str]]:
    """With at least so many columns for the name and more together."""
    every = [table.head, *table.lines]
    names = max(len(line.name) for line in every if len(line.name) <= NAME)
    room = max(names + len(table.head.more) + bool(table.head.more), least)
    widths = [max(len(line.cells[at]) for line in every) for at in range(len(table.head.cells))]
    gap = 2 if room + sum(widths) + 2 * len(widths) <= width else 1
    lines: list[tuple[str, str]] = []
    for line in every:
        name = line.name
        if len(name) > (names if line.more else room):
            lines.append((name, line.style))
            name = line.short
        lead = f"{name:<{names}} {line.more}" if line.more else name
        cells = "".join(
            " " * gap + cell.rjust(size) for cell, size in zip(line.cells, widths, strict=True)
        )
        lines.append((f"{lead:<{room}}{cells}".rstrip(), line.style))
    return lines
