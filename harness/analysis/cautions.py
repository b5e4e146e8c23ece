"""What a reader has to know before any figure of a run. Pure functions over rows.

Each caution is a sentence with a kind, and says which rows of which table show it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis import footnotes, interventions
from harness.score.rows import TableRow
from harness.store.rows import RunRows
from harness.text.counted import counted

Equal = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """One thing to know. `table` and `equal`: the rows that show it, as `Links.rows` takes them;
    empty where none do."""

    kind: str
    text: str
    table: str = ""
    equal: Equal = field(default_factory=dict)


def cautions(
    run: RunRows, table: Sequence[TableRow], meaning: Callable[[str], str] = str
) -> list[Caution]:
    """Everything that limits what the rows of `table` (`table.csv`) say, the gravest first.

    `meaning` puts a check of the guard into words.
    """
    facts = run.facts
    replay = [Caution(kind="replay", text=footnotes.REPLAY)] if facts.get("replay") else []
    return [
        *replay,
        *_said("interventions", interventions.sentences(run), "interventions"),
        *_said("unfinished", footnotes.unfinished(table), "trials"),
        *_infrastructure(table),
        *_said("failed", footnotes.broken(table), "trials", state="failed"),
        *_said("flagged", footnotes.second_look(table), "submissions"),
        *_unchecked(run, meaning),
        *_budgets(table),
        *_said("submissions", [f"costs are {line}" for line in footnotes.scaled(table)]),
        *_unknown_costs(table),
        *_said("money", [f"costs are a {line}" for line in footnotes.unsure(table)], "calls"),
        *_said("copies", footnotes.copies(table), "submissions"),
        *_said("changed", footnotes.changed(table, facts)),
    ]


def _said(kind: str, lines: Sequence[str], table: str = "", **equal: str | int) -> list[Caution]:
    return [Caution(kind=kind, text=_sentence(line), table=table, equal=equal) for line in lines]


def _sentence(line: str) -> str:
    """The line as a sentence. A name of a system at its beginning stays as it is."""
    name, colon, _ = line.partition(": ")
    starts_with_name = bool(colon) and " " not in name
    text = line if starts_with_name else line[:1].upper() + line[1:]
    return text if text.endswith(".") else f"{text}."


def _infrastructure(table: Sequence[TableRow]) -> list[Caution]:
    broken = [row for row in table if row.get("infra_errors")]
    if not broken:
        return []
    count = sum(row["infra_errors"] for row in broken)
    ran = sum(row["trials_run"] for row in table)
    told = ", ".join(f"{row['system']} {row['infra_errors']}" for row in broken)
    fail = "fails" if count == 1 else "fail"
    text = (
        f"{count} of {counted(ran, 'trial')} {fail} for infrastructure and "
        f"{'counts' if count == 1 else 'count'} as not resolved ({told})."
    )
    return [Caution(kind="infrastructure", text=text, table="trials", equal={"state": "error"})]


def _unchecked(run: RunRows, meaning: Callable[[str], str]) -> list[Caution]:
    """The passes that the guard could not examine in full, by system."""
    of: dict[str, list[Sequence[str]]] = {}
    for row in run.submissions:
        if row.get("unchecked") and row["outcome"] == "resolved":
            of.setdefault(row["system"], []).append(row["unchecked"] or ())
    if not of:
        return []
    told = ", ".join(f"{name} {len(rows)}" for name, rows in of.items())
    keys = dict.fromkeys(key for rows in of.values() for row in rows for key in row)
    why = "; ".join(meaning(key) for key in keys)
    count = sum(map(len, of.values()))
    passes = "1 pass" if count == 1 else f"{count} passes"
    text = f"{passes} could not be examined in full ({told}): {why}."
    return [Caution(kind="unchecked", text=text, table="submissions")]


def _budgets(table: Sequence[TableRow]) -> list[Caution]:
    if not footnotes.odd_budgets(table):
        return []
    of: dict[str, list[str]] = {}
    for row in table:
        of.setdefault(footnotes.allowed(row), []).append(row["system"])
    told = "; ".join(f"{', '.join(names)}: {words}" for words, names in of.items())
    text = f"The budgets per instance differ, so scores are not comparable ({told})."
    return [Caution(kind="budgets", text=text)]


def _unknown_costs(table: Sequence[TableRow]) -> list[Caution]:
    names = [row["system"] for row in table if row["cost_usd"] is None and row["trials_run"]]
    if not names:
        return []
    text = (
        f"The cost of {', '.join(names)} is unknown: a model has no price, or an answer came "
        "without its tokens."
    )
    return [Caution(kind="money", text=text, table="calls")]
