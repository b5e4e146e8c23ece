"""What must be known to read the table of a run: the lines below it."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.score.rows import TableRow
from harness.text.counted import counted


def notes(
    rows: Sequence[TableRow],
    facts: Mapping[str, Any],
    *,
    odd_budgets: Sequence[str],
) -> list[str]:
    """Of the table: its marks, its budgets, and what changed during the run.

    What is its benchmark's follows them.

    `odd_budgets` are the systems whose budget has a mark.
    """
    lines = []
    if any(row.get("main_agents") for row in rows):
        lines.append("1+N agents: a main agent, and N sub-agents at a time.")
    if any(row.get(f"pass_at_{k}_kind") == "shared" for row in rows for k in (2, 4)):
        lines.append(
            "† any of the N submissions of one trial, which share a context; without it: the "
            "chance that one of k independent ones is resolved. They do not measure the same."
        )
    lines += _unfinished(rows) + _broken(rows) + _unsure(rows) + _money(rows)
    lines += _second_look(rows) + _budgets(rows, odd_budgets)
    return lines + _changed(rows, facts)


def _unfinished(rows: Sequence[TableRow]) -> list[str]:
    """That scores are not final, and what was spent on trials that have none."""
    lacking = [row for row in rows if row.get("unfinished")]
    if not lacking:
        return []
    spent = ", ".join(
        f"{row['system']} ${row['unfinished_usd']:.4f}"
        for row in lacking
        if row.get("unfinished_usd")
    )
    told = f" Trials that were cut have cost, in no column: {spent}." if spent else ""
    names = ", ".join(row["system"] for row in lacking)
    return [
        f"not finished ({names}): scores and costs are of what ran, which may be the quicker "
        f"instances.{told}"
    ]


def _broken(rows: Sequence[TableRow]) -> list[str]:
    """Whose scores are those of a program that does not work."""
    return [
        f"{row['system']}: {row['system_errors']} of {counted(row['trials_run'], 'trial')} ended "
        "by an error in its own code, counted as not resolved: its score and dollars are no "
        "result before that is mended."
        for row in rows
        if row.get("system_errors")
    ]


def in_doubt(row: TableRow) -> float:
    """USD that the trials behind the row's costs may have cost more."""
    unsure: float = row.get("cost_unsure_usd") or 0.0
    return unsure - (row.get("unfinished_unsure_usd") or 0.0)


def _unsure(rows: Sequence[TableRow]) -> list[str]:
    """Whose dollars are the least that they can be, and what they can be more."""
    more = {row["system"]: in_doubt(row) for row in rows if in_doubt(row) > 0}
    if not more:
        return []
    told = ", ".join(f"{system} ${usd:.4f}" for system, usd in more.items())
    return [
        "≥ the least that it can be: calls that were cut off may be billed, and no provider says. "
        f"At most, in all, it is more by: {told}."
    ]


def _money(rows: Sequence[TableRow]) -> list[str]:
    """What a column of dollars is of, and which seconds are no model's."""
    lines = []
    each = next((row["equal_submissions"] for row in rows if row.get("equal_submissions")), 0)
    fewer = [
        f"{row['system']} was asked for {row['wanted'] / row['instances']:g}"
        for row in rows
        if each and row.get("instances") and row["wanted"] != each * row["instances"]
    ]
    if fewer:
        lines.append(
            f"$/instance: of {counted(each, 'submission')} of every system; {', '.join(fewer)}, "
            "and its dollars are brought to as many."
        )
    served = [f"{row['system']} {row['served_calls']}" for row in rows if row.get("served_calls")]
    if served:
        lines.append(
            f"answers that were paid for before and served again, at once: {', '.join(served)}; "
            "seconds of these trials are no model's."
        )
    return lines


def _second_look(rows: Sequence[TableRow]) -> list[str]:
    """Whose passes do not count, and whose failures may not be their own."""
    lines = []
    for row in rows:
        if row.get("flagged"):
            lines.append(
                f"{row['system']}: {row['official_resolved']} resolved by the official grader "
                f"alone, {counted(row['flagged'], 'submission')} flagged (see submissions.csv)."
            )
        if (row.get("flake_adjusted_resolved") or 0) > (row["resolved"] or 0):
            lines.append(
                f"{row['system']}: {row['flake_adjusted_resolved']} of {_of(row)} resolved "
                "where tests that are unstable on this machine do not count."
            )
    return lines


def _of(row: TableRow) -> int:
    """Submissions that the scores are of."""
    ran = row.get("wanted_run")
    return int(row["wanted"] if ran is None else ran)


def budget_of(row: TableRow) -> tuple[Any, ...]:
    """What an instance may cost: dollars, steps, tokens; and the wall clock of a trial."""
    names = ("budget_per_instance_usd", "budget_per_instance_steps", "budget_per_instance_tokens",
             "budget_wall_clock_s")  # fmt: skip
    return tuple(row.get(name) for name in names)


def allowed(row: TableRow) -> str:
    """The same in words; unknown is a dash."""
    money, steps, tokens, wall = budget_of(row)
    if (money, steps, tokens, wall) == (None,) * 4:
        return "–"
    parts = [f"${money:g}" if money else "any $"]
    parts += [counted(steps, "step") if steps else "any steps"]
    parts += [f"{tokens / 1e6:g}M tokens"] if tokens else []
    return " · ".join([*parts, f"{wall:g} s a trial" if wall else "any time"])


def _budgets(rows: Sequence[TableRow], odd: Sequence[str]) -> list[str]:
    """One budget for all rows, or whose is which."""
    of: dict[str, list[str]] = {}
    for row in rows:
        of.setdefault(allowed(row), []).append(row["system"])
    if not odd:
        return [f"budget per instance: {words}" for words in of if words != "–"]
    told = "; ".join(f"{words} ({', '.join(names)})" for words, names in of.items())
    return [
        f"budget per instance: {told}",
        "≠ not the budget of the other rows: the score may be what the money bought.",
    ]


def _changed(rows: Sequence[TableRow], facts: Mapping[str, Any]) -> list[str]:
    """What was changed while the run was under way, and which systems have no record."""
    lines = [
        f"changed during the run (--accept-changes): {'; '.join(each['changes'])}. Trials begun "
        f"before {each['since']} ran as it was."
        for each in facts.get("accepted", ())
    ]
    began, records = str(facts.get("created_at", "")), facts.get("systems", {})
    late = {row["system"]: records.get(row["system"]) for row in rows}
    unknown = [name for name, known in late.items() if not known or known[0]["since"] > began]
    if unknown and began:
        lines.append(
            "options and code not recorded (an earlier version of delm began the run): "
            f"{', '.join(unknown)}."
        )
    return lines


def worth(facts: Mapping[str, Any]) -> list[str]:
    """What must be known to read the numbers: the budget, whose prices, whether it is a replay."""
    if "config" not in facts:  # it was never begun
        return []
    budget = facts["config"]["budget"]
    limits = [
        counted(budget["steps"], "step") if budget["steps"] else "any steps",
        f"${budget['cost_usd']:.2f}" if budget["cost_usd"] else "any dollars",
        f"{budget['wall_clock_s']:g} s a trial" if budget["wall_clock_s"] else "any time",
    ]
    whole = f"; of the run: ${budget['run_cost_usd']:.2f}" if budget["run_cost_usd"] else ""
    source = facts.get("prices_source") or "none; the cost is unknown"
    lines = [f"budget per submission: {', '.join(limits)}{whole}"]
    if facts.get("replay"):
        lines += ["This is a replay of recorded answers: no benchmark result."]
        return [*lines, f"Dollars are recorded tokens at this price list: {source}."]
    return [*lines, f"Dollars are at this price list: {source}."]
