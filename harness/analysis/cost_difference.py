"""Two systems side by side: what of their costs differs, by cause and by activity, and why in
words. Pure functions over rows of `cost_breakdown.csv`."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.cost_breakdown import ACTIVITY, OTHER, OUTPUT, PROMPT, SYSTEM
from harness.score.rows import TableRow
from harness.text.figures import dollars, percent
from harness.text.text_table import Line, Table

_WORDS = {PROMPT: "prompt: ", OUTPUT: "answer: ", OTHER: "", ACTIVITY: ""}
CAUSES = (PROMPT, OUTPUT, OTHER)
"""Parts that together are all that a system cost."""
USD = "cost_per_submission_usd"
TOLD = 0.1  # the least share of a difference that is told in words
NAMED = 3  # parts that are named at most


@dataclass(frozen=True, slots=True, kw_only=True)
class PartApart:
    """A part of what two systems cost, in USD per submission. `share`: of their whole difference;
    None where they cost the same."""

    part: str  # of `cost_breakdown.csv`
    name: str  # of the part there
    label: str
    a: float
    b: float
    share: float | None

    @property
    def less(self) -> float:
        """The second less the first."""
        return self.b - self.a


def parts_apart(
    rows: Sequence[TableRow], a: str, b: str, parts: Sequence[str] = CAUSES
) -> list[PartApart]:
    """The `parts` of the costs of the systems `a` and `b`, the largest difference first.

    Empty where a cost is unknown. Those of `CAUSES` and those of `ACTIVITY` add up to the
    difference of the systems, each.
    """
    mine, theirs = _whole(rows, a), _whole(rows, b)
    if mine is None or theirs is None:
        return []
    apart = theirs[USD] - mine[USD]
    here, there = _by_part(rows, a, parts), _by_part(rows, b, parts)
    found = [
        _part(key, here.get(key, 0.0), there.get(key, 0.0), apart)
        for key in dict.fromkeys([*here, *there])
    ]
    return sorted(found, key=lambda each: -abs(each.less))


def difference(rows: Sequence[TableRow]) -> tuple[str, Table] | None:
    """A title and the table of dollars per submission by cause, the largest difference first.

    None unless the `rows` are those of two systems with known costs.
    """
    names = list(dict.fromkeys(str(row["system"]) for row in rows))
    if len(names) != 2:
        return None
    a, b = names
    mine, theirs = _whole(rows, a), _whole(rows, b)
    if mine is None or theirs is None:
        return None
    lines = [_line(each.label, each.a, each.b, each.share) for each in parts_apart(rows, a, b)]
    share = 1.0 if theirs[USD] != mine[USD] else None
    lines.append(_line("all", mine[USD], theirs[USD], share))
    head = Line(name="cause", cells=(a, b, "difference", "of it"), style="underline")
    title = f"{a} and {b}: dollars per submission by cause; difference: the second less the first"
    return title, Table(head=head, lines=tuple(lines))


def why_apart(rows: Sequence[TableRow], a: str, b: str) -> list[str]:
    """Why a submission of one of the systems costs more, in sentences; none where it is unknown."""
    mine, theirs = _whole(rows, a), _whole(rows, b)
    if mine is None or theirs is None:
        return []
    if mine[USD] > theirs[USD]:
        return why_apart(rows, b, a)
    if mine[USD] == theirs[USD]:
        return [f"A submission of {a} and one of {b} cost the same, ${dollars(mine[USD])}."]
    times = f", {theirs[USD] / mine[USD]:.3g} times as much" if mine[USD] else ""
    apart = theirs[USD] - mine[USD]
    told = [
        f"A submission of {b} costs ${dollars(theirs[USD])}, ${dollars(apart)} more than one of "
        f"{a} (${dollars(mine[USD])}){times}."
    ]
    for what, parts in (("By activity", (ACTIVITY,)), ("By cause", CAUSES)):
        found = parts_apart(rows, a, b, parts)
        more = [each for each in found if each.share is not None and each.share >= TOLD][:NAMED]
        less = [each for each in found if each.share is not None and each.share <= -TOLD][:NAMED]
        if more:
            other = f"; the other way: {_shares(less, -1)}" if less else ""
            told.append(f"{what}, in percent of the difference: {_shares(more, 1)}{other}.")
    told.append(f"Per submission: {_counts(a, mine)}; {_counts(b, theirs)}.")
    return told


def _shares(found: Sequence[PartApart], sign: int) -> str:
    return ", ".join(f"{each.label} {percent(sign * (each.share or 0.0))}" for each in found)


def _counts(system: str, row: TableRow) -> str:
    made = row["submissions"]
    if not made:
        return f"{system} made none"
    tokens = f"{row['prompt_tokens'] / made:,.0f} prompt tokens"
    cached = percent(row["cached_tokens"] / row["prompt_tokens"] if row["prompt_tokens"] else None)
    return (
        f"{system} {row['calls'] / made:.1f} calls, {tokens} ({cached} of them cached), "
        f"{row['output_tokens'] / made:,.0f} answer tokens"
    )


def _whole(rows: Sequence[TableRow], system: str) -> TableRow | None:
    """The row of a system; None if its cost is unknown."""
    mine = (row for row in rows if row["system"] == system and row["part"] == SYSTEM)
    return next((row for row in mine if row[USD] is not None), None)


def _by_part(
    rows: Sequence[TableRow], system: str, parts: Sequence[str]
) -> dict[tuple[str, str], float]:
    return {
        (row["part"], row["name"]): row[USD] or 0.0
        for row in rows
        if row["system"] == system and row["part"] in parts
    }


def _part(key: tuple[str, str], mine: float, theirs: float, apart: float) -> PartApart:
    part, name = key
    share = (theirs - mine) / apart if apart else None
    return PartApart(
        part=part, name=name, label=f"{_WORDS[part]}{name}", a=mine, b=theirs, share=share
    )


def _line(name: str, mine: float, theirs: float, share: float | None) -> Line:
    less = theirs - mine
    return Line(name=name, cells=(dollars(mine), dollars(theirs), f"{less:+.4f}", percent(share)))
