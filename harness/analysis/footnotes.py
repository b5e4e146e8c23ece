"""The footnotes of a run's table. Its warnings also stand first on its page (`cautions`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.score.rows import TableRow
from harness.system_files import baseline_system
from harness.text.counted import counted

REPLAY = "This is a replay of recorded answers: no benchmark result."


def notes(
    rows: Sequence[TableRow],
    facts: Mapping[str, Any],
    people: Sequence[str] = (),
    *,
    budgets: bool = True,
) -> list[str]:
    """The footnotes: marks, costs, budgets, and changes during the run.

    `people`: what to know of their interventions (`harness.analysis.interventions.sentences`).
    `budgets`: whether to say what they were.

    The benchmark's own footnotes are printed after these.
    """
    lines = []
    if any(row.get("main_agents") for row in rows):
        lines.append("1+N agents: an orchestrator, and up to N subagents at a time.")
    if any(row.get(f"pass_at_{k}_kind") == "shared" for row in rows for k in (2, 4)):
        lines.append(
            "† any of N: the submissions of one trial share a context. Without †: Pass@k of "
            "independent submissions. Do not compare the two."
        )
    lines += [*people, *copies(rows)]
    lines += unfinished(rows) + broken(rows)
    lines += [f"≥ {line}" for line in unsure(rows)] + _money(rows)
    lines += second_look(rows) + (budget_lines(rows) if budgets else [])
    return lines + changed(rows, facts)


def copies(rows: Sequence[TableRow]) -> list[str]:
    """How many submissions are another agent's patch, and what a distinct one costs, beside one of
    the baseline or, where that did not run, of the first system."""
    lines = []
    name = baseline_system()
    base = next((row for row in rows if row.get("system") == name), rows[0] if rows else {})
    for row in rows:
        made, same = row.get("submissions"), row.get("copies")
        if made and same:
            told = _distinct(row, base)
            lines.append(
                f"{row['system']}: {same} of {made} submissions are copies of another agent's "
                f"patch{told}."
            )
    return lines


def _distinct(row: TableRow, base: TableRow) -> str:
    """What a distinct patch of a system costs, and how many times one of the baseline."""
    usd, theirs = distinct_usd(row), distinct_usd(base)
    if usd is None:
        return ""
    told = f"; a distinct patch costs ${usd:.4f}"
    if not theirs or base["system"] == row["system"]:
        return told
    return f"{told}, {usd / theirs:.2f} times one of {base['system']} (${theirs:.4f})"


def distinct_usd(row: TableRow) -> float | None:
    """What the submissions of a system cost in all, for each that is no copy; None: unknown."""
    distinct = (row.get("submissions") or 0) - (row.get("copies") or 0)
    usd = row.get("cost_usd")
    return usd / distinct if usd is not None and distinct else None


def unfinished(rows: Sequence[TableRow]) -> list[str]:
    """A warning that scores are not final, and the cost of unfinished trials."""
    lacking = [row for row in rows if row.get("unfinished")]
    if not lacking:
        return []
    spent = ", ".join(
        f"{row['system']} ${row['unfinished_usd']:.4f}"
        for row in lacking
        if row.get("unfinished_usd")
    )
    told = f" Interrupted trials cost, in no column: {spent}." if spent else ""
    names = ", ".join(row["system"] for row in lacking)
    return [
        f"not finished ({names}): scores and costs cover finished trials only, which may be the "
        f"faster instances.{told}"
    ]


def broken(rows: Sequence[TableRow]) -> list[str]:
    """One line for each system whose own code failed."""
    return [
        f"{row['system']}: {row['system_errors']} of {counted(row['trials_run'], 'trial')} ended "
        "by an error in its own code and count as not resolved. Fix the error before using its "
        "score and cost."
        for row in rows
        if row.get("system_errors")
    ]


def in_doubt(row: TableRow) -> float:
    """USD that the row's costs may be too low."""
    unsure: float = row.get("cost_unsure_usd") or 0.0
    return unsure - (row.get("unfinished_unsure_usd") or 0.0)


def unsure(rows: Sequence[TableRow]) -> list[str]:
    """The systems whose costs are lower bounds, and by how much they can be too low."""
    more = {row["system"]: in_doubt(row) for row in rows if in_doubt(row) > 0}
    if not more:
        return []
    told = ", ".join(f"{system} ${usd:.4f}" for system, usd in more.items())
    return [
        "lower bound: a provider may bill unanswered requests, up to this much more of the "
        "finished trials, as spent (not scaled): "
        f"{told}."
    ]


def scaled(rows: Sequence[TableRow]) -> list[str]:
    """That costs are scaled to equal submissions, where systems were asked for different numbers
    of them."""
    each = next((row["equal_submissions"] for row in rows if row.get("equal_submissions")), 0)
    fewer = [
        f"{row['system']} was asked for {row['wanted'] / row['instances']:g}"
        for row in rows
        if each and row.get("instances") and row["wanted"] != each * row["instances"]
    ]
    if not fewer:
        return []
    return [f"scaled to {counted(each, 'submission')} of every system; {', '.join(fewer)}."]


def _money(rows: Sequence[TableRow]) -> list[str]:
    """How costs are scaled, and how many model calls were answered from the ledger."""
    lines = [f"$/instance: {line}" for line in scaled(rows)]
    served = [f"{row['system']} {row['served_calls']}" for row in rows if row.get("served_calls")]
    if served:
        lines.append(
            f"model calls answered from the ledger, without a new request: {', '.join(served)}; "
            "latencies of these trials are too short."
        )
    return lines


def second_look(rows: Sequence[TableRow]) -> list[str]:
    """Flagged passes, and scores without unstable tests."""
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
                "without tests that are unstable on this machine."
            )
    return lines


def _of(row: TableRow) -> int:
    """The number of submissions behind the scores."""
    ran = row.get("wanted_run")
    return int(row["wanted"] if ran is None else ran)


def budget_of(row: TableRow) -> tuple[Any, ...]:
    """The budget of an instance (USD, steps, tokens) and the wall clock of a trial (seconds)."""
    names = ("budget_per_instance_usd", "budget_per_instance_steps", "budget_per_instance_tokens",
             "budget_wall_clock_s")  # fmt: skip
    return tuple(row.get(name) for name in names)


def odd_budgets(rows: Sequence[TableRow]) -> list[str]:
    """The systems whose budget differs from that of most; all, where no budget is that of most."""
    budgets = {row["system"]: budget_of(row) for row in rows}
    (usual, count), *others = Counter(budgets.values()).most_common() or [((), 0)]
    tie = any(times == count for _, times in others)
    return [name for name, mine in budgets.items() if others and (tie or mine != usual)]


def allowed(row: TableRow) -> str:
    """The budget in words; a dash if it is unknown."""
    money, steps, tokens, wall = budget_of(row)
    if (money, steps, tokens, wall) == (None,) * 4:
        return "–"
    parts = [f"${money:g}" if money else "any $"]
    parts += [counted(steps, "step") if steps else "any steps"]
    parts += [f"{tokens / 1e6:g}M tokens"] if tokens else []
    return " · ".join([*parts, f"{wall:g} s a trial" if wall else "any time"])


def budget_lines(rows: Sequence[TableRow]) -> list[str]:
    """The budget of all rows; or the budgets, each with its systems."""
    odd = odd_budgets(rows)
    of: dict[str, list[str]] = {}
    for row in rows:
        of.setdefault(allowed(row), []).append(row["system"])
    if not odd:
        return [f"budget per instance: {words}" for words in of if words != "–"]
    told = "; ".join(f"{words} ({', '.join(names)})" for words, names in of.items())
    return [
        f"budget per instance: {told}",
        "≠ this budget differs from the other rows: the scores are not comparable.",
    ]


def changed(rows: Sequence[TableRow], facts: Mapping[str, Any]) -> list[str]:
    """Changes during the run, and systems without recorded options and code."""
    lines = [
        f"changed during the run (--accept-changes): {'; '.join(each['changes'])}. Trials started "
        f"before {each['since']} used the old version."
        for each in facts.get("accepted", ())
    ]
    began, records = str(facts.get("created_at", "")), facts.get("systems", {})
    late = {row["system"]: records.get(row["system"]) for row in rows}
    unknown = [name for name, known in late.items() if not known or known[0]["since"] > began]
    if unknown and began:
        lines.append(
            "options and code not recorded (an older version of delm started the run): "
            f"{', '.join(unknown)}."
        )
    return lines


def worth(facts: Mapping[str, Any]) -> list[str]:
    """Lines with the budget, the price list, and a warning if the run is a replay."""
    if "config" not in facts:  # the run never started
        return []
    budget = facts["config"]["budget"]
    limits = [
        counted(budget["steps"], "step") if budget["steps"] else "any steps",
        f"${budget['cost_usd']:.2f}" if budget["cost_usd"] else "any dollars",
        f"{budget['wall_clock_s']:g} s a trial" if budget["wall_clock_s"] else "any time",
    ]
    whole = f"; of the run: ${budget['run_cost_usd']:.2f}" if budget["run_cost_usd"] else ""
    source = facts.get("prices_source") or "none; costs are unknown"
    lines = [f"budget per submission: {', '.join(limits)}{whole}"]
    if facts.get("replay"):
        return [*lines, REPLAY, f"Costs: recorded tokens. Prices: {source}."]
    return [*lines, f"Prices: {source}."]
