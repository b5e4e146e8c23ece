"""The table of a run as text."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.analysis.footnotes import allowed, in_doubt, notes, odd_budgets, worth
from harness.benchmarks.registry import of_run
from harness.score.published import Counterpart, counterpart
from harness.score.rows import TableRow
from harness.terminal import widened
from harness.text.counted import counted
from harness.text.figures import dollars, percent, percent_of, seconds
from harness.text.text_table import Line, Table, breadth, written

SCORES = ("avg_at_1", "pass_at_2", "pass_at_4", "selected_at_1")
COSTS = ("cost_per_instance_usd", "cost_per_task_usd", "cost_per_submission_usd")
TITLES = ("Avg.@1", "Pass@2", "Pass@4", "Sel.@1", "$/instance", "$/task", "$/submission", "latency",
          "last", "infra", "budget")  # fmt: skip
PARTS = (  # of TITLES, for narrower and narrower terminals: a table each
    ((0, 1, 2, 3, 4, 7, 9), (5, 6, 8, 10)),
    ((0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10)),
    ((0, 1, 2, 3), (4, 5, 6), (7, 8, 9, 10)),
)
OTHER = "≠"  # before a budget that is not the others'
WIDE = 100  # columns of a terminal
SHARED = "†"  # after a Pass@k that is any of N
LEAST = "≥"  # before dollars to which calls that were cut off may add
LABEL = "  published"
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One row of the table, with its published row and its marks."""

    row: TableRow
    beside: Counterpart | None
    odd_budget: bool  # it is not that of the others


def print_run(
    out: Console,
    rows: Sequence[TableRow],
    facts: Mapping[str, Any],
    people: Sequence[str] = (),
) -> None:
    """The table of the run that `facts` (`Store.description`) describe, and what it is worth.

    `people`: see `harness.analysis.footnotes.notes`.
    """
    whole = widened(out, 400)
    benchmark = of_run(facts)
    shown = _shown(rows, str(facts.get("model", "")), benchmark.published)
    whole.print()
    for text, style in scores(shown, _title(rows, facts), out.width):
        whole.print(Text(text, style=style), soft_wrap=True)
    whole.print()
    beside = [each.beside for each in shown if each.beside]
    told = [*notes(rows, facts, people), *benchmark.footnotes(rows, beside, facts)]
    for line in [*told, *worth(facts)]:
        filled = textwrap.fill(line, out.width, subsequent_indent="  ", break_on_hyphens=False)
        whole.print(Text(filled), soft_wrap=True)


def scores(shown: Sequence[Shown], title: str, width: int) -> list[tuple[str, str]]:
    """The lines and their styles: one table where `width` columns are enough, else two or three."""
    for wide, apart in ((True, False), (False, False), (False, True)):
        table = _table(shown, wide=wide, apart=apart)
        for parts in PARTS if not wide else (None,):
            lines = written(table, width) if parts is None else _in_parts(table, parts, width)
            if breadth(lines) <= width:
                return [(title, "italic"), *lines]
    return [(title, "italic"), *lines]


def _in_parts(table: Table, parts: Sequence[Sequence[int]], width: int) -> list[tuple[str, str]]:
    lines = written(table.columns(parts[0], more=True), width)
    for part in parts[1:]:
        lines += [("", ""), *written(table.columns(part, more=False), width)]
    return lines


def _shown(rows: Sequence[TableRow], model: str, benchmark: str) -> list[Shown]:
    odd = odd_budgets(rows)
    return [
        Shown(
            row=row,
            beside=counterpart(row["system"], row["agents"], model, benchmark=benchmark),
            odd_budget=row["system"] in odd,
        )
        for row in rows
    ]


def _title(rows: Sequence[TableRow], facts: Mapping[str, Any]) -> str:
    about = [str(facts.get("dataset")), str(facts.get("model"))]
    counts = sorted({row["instances"] for row in rows})
    if not counts:
        return " · ".join(about)
    *others, last = [str(count) for count in counts[:-1]] + [counted(counts[-1], "instance")]
    return " · ".join([*about, " or ".join([*others, last])])


def _table(shown: Sequence[Shown], *, wide: bool, apart: bool) -> Table:
    """`apart`: trials that were not run get a line of their own, if the row has no room."""
    agents = "agents" if wide else "n"
    first = max([len(agents), *(len(_agents(each.row)) for each in shown)])
    second = max([len("resolved"), *(len(_resolved(each.row, apart=apart)) for each in shown)])

    def more(agents: str, resolved: str) -> str:
        return f"{agents:>{first}} {resolved:>{second}}"

    lines: list[Line] = []
    for each in shown:
        lines += _ours(each, more(_agents(each.row), _resolved(each.row, apart=apart)))
        if apart and _not_run(each.row):
            lines.append(Line(name=f"  {_resolved(each.row)}", cells=("",) * len(TITLES)))
        if each.beside:
            lines += _theirs(each.beside, each.row.get("equal_submissions") or 0)
    head = Line(name="system", more=more(agents, "resolved"), cells=TITLES, style="underline")
    return Table(head=head, lines=tuple(lines))


def _ours(shown: Shown, more: str) -> list[Line]:
    row = shown.row
    budget = _limit(row)
    values: Cells = (
        *(percent(row.get(name)) + _mark(row, name) for name in SCORES),
        *(_at_least(row, name) + dollars(row.get(name)) for name in COSTS),
        seconds(row.get("latency_mean_s")),
        seconds(row.get("latency_last_s")),
        str(row.get("infra_errors", 0)),
        f"{OTHER} {budget}" if shown.odd_budget else budget,
    )
    spread: Cells = (
        *(_between(row, name, 100, ".1f") for name in SCORES),
        *(_between(row, name, 1, ".4f") for name in COSTS),
        *("",) * 4,
    )
    second = Line(name="  95 % interval", cells=spread)
    first = Line(name=row["system"], more=more, cells=values, style="bold")
    return [first, second] if any(spread) else [first]


def _theirs(beside: Counterpart, submissions: int) -> list[Line]:
    """The published row, scaled to `submissions` per instance. A footnote gives its budget."""
    marked = [percent_of(beside.value(name)) + _their_mark(beside, name) for name in SCORES[:3]]
    instance = beside.cost_usd(submissions) if submissions else None
    values: Cells = (
        *marked, "", _cents(instance),
        _cents(beside.value("cost_per_task_usd")), _cents(beside.value("cost_per_submission_usd")),
        seconds(beside.value("latency_s")), "", "", "",
    )  # fmt: skip
    of_money = ("cost_per_task_usd", "cost_per_submission_usd", "latency_s")
    spread: Cells = (
        *(_deviation(beside, name) for name in SCORES), "",
        *(_deviation(beside, name) for name in of_money), "", "", "",
    )  # fmt: skip
    name = f"{LABEL}: {beside.label}"
    lines = [Line(name=name, short=LABEL, cells=values, style="dim")]
    if any(spread):
        lines.append(Line(name="  sd over runs", cells=spread, style="dim"))
    return lines


def _mark(row: TableRow, name: str) -> str:
    return SHARED if row.get(f"{name}_kind") == "shared" and row.get(name) is not None else ""


def _at_least(row: TableRow, name: str) -> str:
    """The mark before costs that are lower bounds."""
    return LEAST if row.get(name) is not None and in_doubt(row) else ""


def _their_mark(beside: Counterpart, name: str) -> str:
    number = beside.numbers.get(name)
    return SHARED if number and "share a context" in number.note else ""


def _between(row: TableRow, name: str, scale: float, form: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "" if low is None or high is None else f"{low * scale:{form}}–{high * scale:{form}}"


def _deviation(beside: Counterpart, name: str) -> str:
    found = beside.sd(name)
    return "" if found is None else f"±{found:g}"


def _cents(value: float | None) -> str:
    """USD as published."""
    return "–" if value is None else f"{value:.2f}"


def _resolved(row: TableRow, *, apart: bool = False) -> str:
    """Resolved submissions, such as `3 of 4`, or `3 of 3 run, 1 not run` if some did not run;
    `0 of 2, interrupted` if nothing ended and money was spent.

    `apart`: leave out those that did not run.
    """
    lacking = _not_run(row)
    if not lacking:
        return f"{row['resolved']} of {row['wanted']}"
    done = row["wanted"] - lacking
    if apart:
        return f"{row['resolved']} of {done}" if done else "–"
    if not done and row.get("unfinished_usd"):
        return f"0 of {row['wanted']}, interrupted"
    told = f"{row['resolved']} of {done} run, " if done else ""
    return f"{told}{lacking} not run"


def _not_run(row: TableRow) -> int:
    """Requested submissions of trials that did not end."""
    done = row.get("wanted_run")
    return 0 if done is None else row["wanted"] - done


def _agents(row: TableRow) -> str:
    """The number of agents; `1+4` for an orchestrator with four subagents."""
    leaders = row.get("main_agents")
    return f"{leaders}+{row['agents']}" if leaders else str(row["agents"])


def _limit(row: TableRow) -> str:
    """The dollar budget per instance. A footnote gives the whole budget."""
    return allowed(row).partition(" · ")[0]
