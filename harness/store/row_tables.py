"""Tables as pages of rows: filtered, sorted, counted and summed by the database.

`row_tables.sql`, here and beside the board, has a SELECT for each table. Names of columns come from
it; what a reader asks for is compared with them, and values are parameters, so that no text of a
reader is ever a part of a statement.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import UserError
from harness.store.database import Database, statements

How = Literal["is", "not", "has", "min", "max"]
_SIGNS: Mapping[How, str] = {"is": "=", "not": "<>", "min": ">=", "max": "<="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a column must be: equal, not equal, at least or at most the value, or contain it.

    An empty value stands for no value, too.
    """

    column: str
    how: How
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rows of a table that are asked for. `sort`: a column, with - before it the other way
    round; empty: the oldest first."""

    table: str
    conditions: Sequence[Condition] = ()
    sort: str = ""
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Some rows of a table, and what all rows that fulfil the conditions come to."""

    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    total: int
    sums: Mapping[str, float]  # of the columns that were asked for, of rows that have a value


class RowTables:
    """The tables of one package's `row_tables.sql`."""

    def __init__(self, package: str) -> None:
        found = statements(package, "row_tables.sql")
        self._selects = {name: text.strip() for name, text in found.items()}

    async def page(
        self, database: Database, asked: Asked, sums: Sequence[str] = ()
    ) -> RowPage | None:
        """The rows that are `asked` for; None if there is no such table.

        Raises `UserError` for a column that the table does not have.
        """
        select = self._selects.get(asked.table)
        if select is None:
            return None
        columns = await database.columns(_statement("*", select, " LIMIT 0"))
        where, values = _where(asked.conditions, columns)
        summed = [name for name in sums if name in columns]
        counted = ", ".join(["count(*)", *(f"total({name})" for name in summed)])
        ((total, *told),) = await database.tuples(_statement(counted, select, where), values)
        order = _order(asked.sort, columns)
        rows = await database.tuples(
            _statement(
                "*", select, f"{where}{order} LIMIT {asked.limit:d} OFFSET {asked.offset:d}"
            ),
            values,
        )
        return RowPage(
            columns=list(columns),
            rows=[dict(zip(columns, row, strict=True)) for row in rows],
            total=total,
            sums=dict(zip(summed, told, strict=True)),
        )

    def none_of(self, asked: Asked) -> RowPage | None:
        """No rows, where the database has none of these tables; None if there is no such table."""
        return (
            RowPage(columns=(), rows=(), total=0, sums={}) if asked.table in self._selects else None
        )


def _where(conditions: Sequence[Condition], columns: Mapping[str, str]) -> tuple[str, list[str]]:
    parts: list[str] = []
    values: list[str] = []
    for each in conditions:
        _check(each.column, columns)
        if not each.value and each.how in {"is", "not"}:
            negated = "NOT " if each.how == "not" else ""
            parts.append(f"{negated}coalesce(CAST({each.column} AS TEXT), '') = ''")
        elif each.how == "has":
            parts.append(f"instr(lower(CAST({each.column} AS TEXT)), lower(?)) > 0")
            values.append(each.value)
        else:
            # a number, too, is given as text
            parts.append(f"{each.column} {_SIGNS[each.how]} {columns[each.column]}")
            values.append(each.value)
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _order(sort: str, columns: Collection[str]) -> str:
    """The ORDER BY for `sort`, with the oldest first among equals."""
    if not sort:
        return " ORDER BY 1"  # an id; within one trial they come as they were written
    name = sort.removeprefix("-")
    _check(name, columns)
    return f" ORDER BY {name}{' DESC' if sort.startswith('-') else ''}"


def _check(column: str, columns: Collection[str]) -> None:
    if column not in columns:
        raise UserError(f"there is no column {column}; there are: {', '.join(columns)}")


def _statement(what: str, select: str, rest: str) -> str:
    """A statement about the rows of `select`. All names in it come from it, or were compared with
    its columns."""
    return f"SELECT {what} FROM ({select}) AS found{rest}"  # noqa: S608 - see above
