"""Two systems of a run side by side: what of their costs differs, by cause."""

from collections.abc import Sequence

from harness.analysis.cost_breakdown import OTHER, OUTPUT, PROMPT, SYSTEM
from harness.score.rows import TableRow
from harness.text.figures import dollars, percent
from harness.text.text_table import Line, Table

_WORDS = {PROMPT: "prompt: ", OUTPUT: "answer: ", OTHER: ""}
USD = "cost_per_submission_usd"


def difference(rows: Sequence[TableRow]) -> tuple[str, Table] | None:
    """A title and the table of dollars per submission by cause, the largest difference first.

    None unless the `rows` (of `cost_breakdown.csv`) are those of two systems with known costs. The
    differences add up to that of the systems: causes of prompt tokens and tools of answers
    together are all that a system cost.
    """
    wholes = [row for row in rows if row["part"] == SYSTEM and row[USD] is not None]
    if len(wholes) != 2 or len({row["system"] for row in rows}) != 2:
        return None
    a, b = (str(row["system"]) for row in wholes)
    mine, theirs = _by_cause(rows, a), _by_cause(rows, b)
    apart = wholes[1][USD] - wholes[0][USD]
    lines = [
        _line(name, mine.get(name, 0.0), theirs.get(name, 0.0), apart)
        for name in sorted(
            mine | theirs, key=lambda name: -abs(theirs.get(name, 0.0) - mine.get(name, 0.0))
        )
    ]
    lines.append(_line("all", wholes[0][USD], wholes[1][USD], apart))
    head = Line(name="cause", cells=(a, b, "difference", "of it"), style="underline")
    title = f"{a} and {b}: dollars per submission by cause; difference: the second less the first"
    return title, Table(head=head, lines=tuple(lines))


def _by_cause(rows: Sequence[TableRow], system: str) -> dict[str, float]:
    return {
        f"{_WORDS[row['part']]}{row['name']}": row[USD] or 0.0
        for row in rows
        if row["system"] == system and row["part"] in _WORDS
    }


def _line(name: str, mine: float, theirs: float, apart: float) -> Line:
    less = theirs - mine
    share = percent(less / apart) if apart else "–"
    return Line(name=name, cells=(dollars(mine), dollars(theirs), f"{less:+.4f}", share))
