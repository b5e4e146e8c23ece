"""Pages of rows: what a number is made of. Filtered, sorted, by pages, and as CSV.

The address says it all: `?state=error&seconds.min=60&sort=-cost_usd&page=2`.
"""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from harness.errors import UserError
from harness.pages.rows import TABLES, cells
from harness.results.run_folder import csv_cell
from harness.secrets import redact
from harness.store.row_tables import Asked, Condition, How, RowPage
from harness.view.reading import BadRequest, NotThere, Reading
from harness.view.run_pages import frame, live_address, page
from harness.view.server_state import state_of

ON_A_PAGE = 100
CONDITIONS = 100  # of one address; SQLite takes no expression that is much deeper
IN_A_PART = 10_000  # rows of a CSV that are read at once
WORDS: Mapping[How, str] = {
    "is": "is", "not": "is not", "has": "contains", "min": "is at least", "max": "is at most",
}  # fmt: skip
SUMS = (
    "cost_usd", "charged_usd", "prompt_tokens", "cached_tokens", "completion_tokens",
    "reasoning_tokens", "latency_s", "seconds",
)  # fmt: skip


async def rows(request: Request) -> Response:
    """A page of the rows of a table; with `.csv` after its name, all of them as CSV."""
    name = request.path_params["table"]
    asked = _asked(name.removesuffix(".csv"), request.query_params.multi_items())
    if name.endswith(".csv"):
        return await _csv(request, asked)
    number = _number(request.query_params.get("page", "1"))

    async def build(reading: Reading) -> Markup:
        part = replace(asked, offset=(number - 1) * ON_A_PAGE)
        found = await _found(reading, part, SUMS)
        return _page(reading, part, found, number)

    return await page(request, build)


def _asked(table: str, query: Sequence[tuple[str, str]]) -> Asked:
    if table not in TABLES:
        raise NotThere(f"There is no table {table}; there are: {', '.join(TABLES)}.")
    given = dict(query)
    conditions = []
    for key, value in query:
        column, _, how = key.partition(".")
        if key not in {"sort", "page", "column", "how", "value"} and (how or "is") in WORDS:
            conditions.append(Condition(column=column, how=cast("How", how or "is"), value=value))
    if given.get("column"):  # of the form
        how = given.get("how", "is")
        conditions.append(
            Condition(
                column=given["column"],
                how=cast("How", how if how in WORDS else "is"),
                value=given.get("value", ""),
            )
        )
    if len(conditions) > CONDITIONS:
        raise BadRequest(f"An address has at most {CONDITIONS} conditions.")
    return Asked(table=table, conditions=conditions, sort=given.get("sort", ""), limit=ON_A_PAGE)


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else 1


async def _found(reading: Reading, asked: Asked, sums: Sequence[str] = ()) -> RowPage:
    try:
        found = await reading.store.row_page(asked, sums) or await reading.boards.row_page(asked)
    except UserError as error:
        raise BadRequest(f"In {asked.table} {error}.") from None
    if found is None:
        raise NotThere(f"The run {reading.run_id} has no {asked.table}.")
    return found


def _page(reading: Reading, asked: Asked, found: RowPage, number: int) -> Markup:
    links, table = reading.links, asked.table
    pages = max(1, -(-found.total // ON_A_PAGE))

    def at(conditions: Sequence[Condition], sort: str, number: int = 1, suffix: str = "") -> str:
        return links.rows(table + suffix) + _query(conditions, sort, number)

    without = [
        (f"{each.column} {WORDS[each.how]} {each.value or 'empty'}",
         at([other for other in asked.conditions if other is not each], asked.sort))
        for each in asked.conditions
    ]  # fmt: skip
    sorts = {
        column: at(asked.conditions, f"-{column}" if asked.sort == column else column)
        for column in found.columns
    }
    return frame(
        reading,
        "view_rows",
        live_address=live_address(reading),
        here=links.rows(table),
        table=table,
        about=TABLES[table],
        tables=[(name, links.rows(name)) for name in TABLES],
        found=found,
        rows=[cells(row, table, links) for row in found.rows],
        conditions=without,
        kept=[(f"{each.column}.{each.how}", each.value) for each in asked.conditions],
        words=WORDS,
        sort=asked.sort,
        sorts=sorts,
        first=asked.offset + 1,
        number=number,
        pages=pages,
        before=at(asked.conditions, asked.sort, number - 1) if number > 1 else "",
        after=at(asked.conditions, asked.sort, number + 1) if number < pages else "",
        csv=at(asked.conditions, asked.sort, suffix=".csv"),
    )


def _query(conditions: Sequence[Condition], sort: str, number: int = 1) -> str:
    values = [(f"{c.column}.{c.how}" if c.how != "is" else c.column, c.value) for c in conditions]
    values += [("sort", sort)] if sort else []
    values += [("page", str(number))] if number > 1 else []
    return f"?{urlencode(values)}" if values else ""


async def _csv(request: Request, asked: Asked) -> Response:
    server, run_id = state_of(request).runs, request.path_params["run_id"]
    folder = server.folder(run_id)

    async def read(reading: Reading, offset: int) -> tuple[str, int]:
        found = await _found(reading, replace(asked, limit=IN_A_PART, offset=offset))
        return redact(_csv_lines(found, heading=not offset)), found.total

    async def part(offset: int) -> tuple[str, int]:
        return await server.threaded(partial(server.read, folder, partial(read, offset=offset)))

    first, total = await part(0)  # a table or column that is not there: a page, and no half file

    async def text() -> AsyncIterator[str]:
        yield first
        for offset in range(IN_A_PART, total, IN_A_PART):
            yield (await part(offset))[0]

    headers = {
        "content-disposition": f'attachment; filename="{asked.table}.csv"',
        "cache-control": "no-store",
    }
    return StreamingResponse(text(), 200, headers, "text/csv; charset=utf-8")


def _csv_lines(found: RowPage, *, heading: bool) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    if heading:
        lines.writerow(found.columns)
    lines.writerows([csv_cell(row[name], name) for name in found.columns] for row in found.rows)
    return text.getvalue()
