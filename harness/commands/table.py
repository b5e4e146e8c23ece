"""The table of a run for a person, and what it is and is not."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.store import Row

WIDE = 100  # columns of a terminal


def print_run(out: Console, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """The table of the run that `facts` (`Store.description`) describe, and what it is worth."""
    print_scores(out, rows, title=f"{facts.get('dataset')} · {facts.get('model')}")
    for line in worth(facts):
        out.print(line, highlight=False, markup=False)


def worth(facts: Mapping[str, Any]) -> list[str]:
    """What must be known to read the numbers: the budget, whose prices, whether it is a replay."""
    if "config" not in facts:  # it was never begun
        return []
    budget = facts["config"]["budget"]
    limits = [
        f"{budget['steps']} steps" if budget["steps"] else "any steps",
        f"${budget['cost_usd']:.2f}" if budget["cost_usd"] else "any dollars",
        f"{budget['wall_clock_s']:g} s" if budget["wall_clock_s"] else "any time",
    ]
    whole = f"; of the run: ${budget['run_cost_usd']:.2f}" if budget["run_cost_usd"] else ""
    source = facts.get("prices_source") or "none; the cost is unknown"
    lines = [f"budget of a submission: {', '.join(limits)}{whole}"]
    if facts.get("replay"):
        lines += ["This is a replay of recorded answers: no benchmark result."]
        return [*lines, f"Dollars are recorded tokens at this price list: {source}."]
    return [*lines, f"Dollars are at this price list: {source}."]


def print_scores(out: Console, rows: Sequence[Row], *, title: str) -> None:
    """`table.csv` for a person: closer together on a narrow terminal, and never cut."""
    narrow = out.width < WIDE
    table = Table(
        title=title, title_justify="left", box=None, padding=(0, 1 if narrow else 2, 0, 0)
    )
    for column in ("system", "agents", "inst.", "resolved", "Avg.@1", "Pass@2", "Pass@4",
                   "Sel.@1", "$/task", "$/subm.", "infra"):  # fmt: skip
        table.add_column(column, justify="left" if column == "system" else "right")
    for row in rows:
        shares = (row[key] for key in ("avg_at_1", "pass_at_2", "pass_at_4", "selected_at_1"))
        table.add_row(
            row["system"], str(row["agents"]), str(row["instances"]),
            f"{row['resolved']} of {row['wanted']}",
            *(percent(share).replace(" ", "" if narrow else " ") for share in shares),
            dollars(row["cost_per_task_usd"]), dollars(row["cost_per_submission_usd"]),
            str(row["infra_errors"]),
        )  # fmt: skip
    whole = Console(file=out.file, force_terminal=out.is_terminal, width=max(out.width, 2 * WIDE))
    whole.print()
    whole.print(table, soft_wrap=True)


def percent(value: float | None) -> str:
    """A share for a person; unknown is a dash."""
    return "–" if value is None else f"{100 * value:.1f} %"


def dollars(value: float | None) -> str:
    """USD for a person; unknown is a dash."""
    return "–" if value is None else f"{value:.4f}"
