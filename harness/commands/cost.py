"""`delm cost`: where the money of a run went."""

import textwrap
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.analysis.cost_breakdown import (
    ACTIVITY,
    COLUMNS,
    KIND,
    OTHER,
    OUTPUT,
    OVERHEAD,
    PROMPT,
    SYSTEM,
    UNFINISHED,
)
from harness.analysis.cost_difference import difference
from harness.analysis.run_costs import cost_rows
from harness.commands.json_output import notes_console, numbers, print_json, run_facts
from harness.commands.locate import find
from harness.commands.table import LEAST
from harness.config import nearest
from harness.errors import UserError
from harness.model.token_count import count
from harness.results.run_folder import csv_text, write
from harness.score.rows import TableRow
from harness.store.rows import RunRows
from harness.terminal import widened
from harness.text.figures import dollars, percent
from harness.text.text_table import Line, Table, breadth, written

FILE = "cost_breakdown.csv"
MANY = 20  # names that are listed; of more, the rest is counted
MILLION = 1_000_000
Cell = Callable[[TableRow], str]
Columns = Sequence[tuple[str, Cell]]


async def tell_cost(
    run: str,
    systems: Sequence[str],
    output: Path,
    *,
    instances: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Print where the money of a run went, of `systems` (empty: all), and write the CSV of all.

    With `instances`, all figures are of these alone, and no CSV is written. Raises `UserError` for
    an unknown run, system or instance, and where the run has no trials.
    """
    folder = await find(run, output)
    async with folder.open() as store, folder.boards() as boards:
        stored = await store.read()
        _known(
            "instance", instances, {each["instance_id"] for each in stored.trials}, folder.run_id
        )
        rows = await cost_rows(stored, store, boards, count, instances)
    names = list(dict.fromkeys(row["system"] for row in rows))
    if not names:
        raise UserError(f"the run {folder.run_id} has no trials: nothing was spent")
    _known("system", systems, names, folder.run_id)
    chosen = [row for row in rows if not systems or row["system"] in systems]
    if not instances:
        write(folder.path / FILE, csv_text(rows, COLUMNS))
    out = notes_console(as_json=as_json)
    if as_json:
        head = {"run": folder.run_id, "path": str(folder.path)} | run_facts(stored.facts)
        print_json(head | {"parts": list(map(numbers, chosen))})
    else:
        print_costs(out, chosen, stored)
    if not instances:
        out.print(f"written: {folder.path / FILE}", highlight=False, markup=False)


def _known(what: str, asked: Sequence[str], names: Collection[str], run_id: str) -> None:
    """Raise `UserError` for the first of `asked` that is not among `names`."""
    unknown = next((name for name in asked if names and name not in names), None)
    if unknown is not None:
        shown = sorted(names)[:MANY]
        more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
        raise UserError(
            f"there is no {what} {unknown!r} in the run {run_id}{nearest(unknown, names)}; "
            f"there are: {', '.join(shown)}{more}"
        )


def print_costs(out: Console, rows: Sequence[TableRow], run: RunRows) -> None:
    """The table of all systems, of two their difference, then those of each, then the notes."""
    whole = widened(out, 400)

    def show(title: str, table: Table) -> None:
        whole.print()
        whole.print(Text(title, "italic"))
        for text, style in _fitting(table, out.width):
            whole.print(Text(text, style=style), soft_wrap=True)

    systems = [row for row in rows if row["part"] == SYSTEM]
    about = f"{run.facts.get('dataset')} · {run.facts.get('model')}"
    show(about, _table("system", systems, _SYSTEMS, name="system"))
    if apart := difference(rows):
        show(*apart)
    for system in systems:
        mine = [row for row in rows if row["system"] == system["system"]]
        if not system["calls"]:
            continue
        for title, parts, first, columns in _TABLES:
            shown = [row for row in mine if row["part"] in parts and _says_something(row)]
            if shown:
                show(f"{system['system']}: {title}", _table(first, shown, columns))
    whole.print()
    for note in _notes(rows, run):
        filled = textwrap.fill(note, out.width, subsequent_indent="  ", break_on_hyphens=False)
        whole.print(Text(filled), soft_wrap=True)


def _table(first: str, rows: Sequence[TableRow], columns: Columns, *, name: str = "name") -> Table:
    head = Line(name=first, cells=tuple(title for title, _ in columns), style="underline")
    lines = [
        Line(name=str(row[name]), cells=tuple(cell(row) for _, cell in columns)) for row in rows
    ]
    return Table(head=head, lines=tuple(lines))


def _fitting(table: Table, width: int) -> list[tuple[str, str]]:
    """The table; where it is too wide, its columns in two halves, one below the other."""
    lines = written(table, width)
    columns = range(len(table.head.cells))
    if breadth(lines) <= width:
        return lines
    half = (len(columns) + 1) // 2
    halves = [table.columns(each, more=False) for each in (columns[:half], columns[half:])]
    return [*written(halves[0], width), ("", ""), *written(halves[1], width)]


def _says_something(row: TableRow) -> bool:
    """Whether a part has any tokens, dollars or occurrences."""
    return any(
        row[key] for key in ("prompt_tokens", "output_tokens", "count", "seconds", "cost_usd")
    )


def _whole(column: str) -> Cell:
    """A number without decimals; from a million on, in millions."""

    def cell(row: TableRow) -> str:
        value = row[column]
        if value is None:
            return ""
        return f"{value:,.0f}" if value < MILLION else f"{value / MILLION:,.2f}M"

    return cell


def _tenths(column: str) -> Cell:
    return lambda row: "" if row[column] is None else f"{row[column]:,.1f}"


def _share(column: str) -> Cell:
    def cell(row: TableRow) -> str:
        return "" if row[column] is None else percent(row[column])

    return cell


def _usd(row: TableRow) -> str:
    least = LEAST if row["cost_unsure_usd"] else ""
    return least + dollars(row["cost_usd"])


def _overhead_usd(row: TableRow) -> str:
    """As `_usd`; waiting has no dollars."""
    return "" if row["prompt_tokens"] is None else _usd(row)


def _ratio(row: TableRow) -> str:
    if row["ratio"] is None:
        return "–" if row["part"] == SYSTEM else ""
    return f"{row['ratio']:.2f}"


_SYSTEMS: Columns = (
    ("calls", _whole("calls")),
    ("prompt", _whole("prompt_tokens")),
    ("cached", _whole("cached_tokens")),
    ("output", _whole("output_tokens")),
    ("repeated", _share("prefix_share")),
    ("own", _share("own_prefix_share")),
    ("$", _usd),
    ("$/subm.", lambda row: dollars(row["cost_per_submission_usd"])),
    ("ratio", _ratio),
)
_KINDS: Columns = (
    ("conv.", _whole("conversations")),
    ("calls", _whole("calls")),
    ("prompt", _whole("prompt_tokens")),
    ("cached", _whole("cached_tokens")),
    ("output", _whole("output_tokens")),
    ("$", _usd),
    ("of $", _share("cost_share")),
    ("ratio", _ratio),
)
_ACTIVITIES: Columns = (
    ("turns", _tenths("count")),
    ("of turns", _share("count_share")),
    ("prompt", _whole("prompt_tokens")),
    ("cached", _whole("cached_tokens")),
    ("output", _whole("output_tokens")),
    ("$", _usd),
    ("of $", _share("cost_share")),
    ("ratio", _ratio),
)
_CAUSES: Columns = (
    ("fresh", _whole("fresh_tokens")),
    ("cached", _whole("cached_tokens")),
    ("of prompt", _share("token_share")),
    ("$", _usd),
    ("of $", _share("cost_share")),
    ("ratio", _ratio),
)
_ANSWERS: Columns = (
    ("calls", _whole("calls")),
    ("tokens", _whole("output_tokens")),
    ("of output", _share("token_share")),
    ("$", _usd),
    ("of $", _share("cost_share")),
    ("ratio", _ratio),
)
_OVERHEADS: Columns = (
    ("count", _whole("count")),
    ("of turns", _share("count_share")),
    ("seconds", _whole("seconds")),
    ("prompt", _whole("prompt_tokens")),
    ("output", _whole("output_tokens")),
    ("$", _overhead_usd),
    ("of $", _share("cost_share")),
)
_TABLES: Sequence[tuple[str, tuple[str, ...], str, Columns]] = (
    ("by kind of work", (KIND,), "kind", _KINDS),
    ("by activity", (ACTIVITY,), "activity", _ACTIVITIES),
    ("prompts by cause", (PROMPT,), "cause", _CAUSES),
    ("answers by tool", (OUTPUT, OTHER, UNFINISHED), "tool", _ANSWERS),
    ("overheads, which overlap", (OVERHEAD,), "overhead", _OVERHEADS),
)


def _notes(rows: Sequence[TableRow], run: RunRows) -> list[str]:
    systems = [row for row in rows if row["part"] == SYSTEM]
    baseline: Any = next((row["baseline"] for row in systems if row["baseline"]), None)
    lines = []
    if baseline:
        lines.append(
            f"ratio: dollars per submission relative to {baseline}, on instances that both ran; "
            "of a part: its share of its system's ratio (the kinds of work add up to that, and so "
            "do the activities, and causes and answers together)."
        )
    lines.append(
        "activity: a turn is shared out among its tool calls, and what one showed that had been "
        "read or run before is repeated; what a command does is told from its words."
    )
    lines.append(
        "repeated: the share of prompt tokens with which an earlier prompt of the trial begins, so "
        "that a provider can read them from its cache; own: an earlier prompt of the same "
        "conversation. Such as repeated 80 %, own 70 %: of 100 prompt tokens 20 are new, 70 "
        "continue their own conversation, and 10 begin as another conversation did."
    )
    if any(row["cost_unsure_usd"] for row in systems):
        lines.append(f"{LEAST}: requests without an answer may have cost more.")
    if any(call["tools_sha256"] is None for call in run.calls):
        lines.append(
            "Tool schemas are estimated, because an older delm made this run: they are what "
            "prompts hold besides their messages."
        )
    return lines
