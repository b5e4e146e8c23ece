"""Two systems beside each other: verdict, instances, drawings, and where their dollars went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from markupsafe import Markup

from harness import score
from harness.analysis.comparison_lines import comparison_lines, troubles, unlike
from harness.analysis.cost_breakdown import ACTIVITY
from harness.analysis.cost_difference import CAUSES, PartApart, parts_apart, why_apart
from harness.analysis.outcome_grid import Cell, outcome_grid
from harness.analysis.paired_instances import PairedInstance, paired_instances, ran_on_both
from harness.pages import slopes
from harness.pages.curves import CurvesShown
from harness.pages.grid import letters, mark_text
from harness.pages.links import Links
from harness.pages.rendering import render, share, usd
from harness.pages.run_data import RunData
from harness.pages.slopes import Slope, slope
from harness.score import Side
from harness.score.rows import TableRow
from harness.text.figures import points, signed_dollars

BAR = 118  # the longest
PER_PAGE = 100  # instances of the live page


class Chosen:
    """A system of a run, chosen for a comparison."""

    def __init__(self, run: RunData, system: str, links: Links) -> None:
        """Raises `KeyError` if the run has no such system."""
        found = score.sides(run.scored.scores, score.allowance_of(run.facts))
        self.run, self.system, self.links = run, system, links
        self.side: Side = {side.name: side for side in found}[system]
        self.name = system  # what the page calls it

    def named_side(self) -> Side:
        """Its scores under the name of the page."""
        return Side(name=self.name, scores=self.side.scores, allowance=self.side.allowance)

    def cells(self) -> dict[str, Cell]:
        """What became of its submissions, by instance."""
        mine = [row for row in self.run.rows.trials if row["system"] == self.system]
        made = [row for row in self.run.rows.submissions if row["system"] == self.system]
        grid = outcome_grid(mine, made, list(self.side.scores.values()))
        return {row.instance_id: cell for row in grid.rows if (cell := row.cells[0])}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRow:
    """An instance with what became of both systems' submissions."""

    pair: PairedInstance
    a: Cell | None
    b: Cell | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsApart:
    """Where the dollars of a submission of both went: the numbers of `delm cost`."""

    why: Sequence[str]
    activities: Sequence[PartApart]
    causes: Sequence[PartApart]
    most: float  # the largest activity of either


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """What `compare.html.j2` shows."""

    a: Chosen
    b: Chosen
    warnings: Sequence[str]
    lines: Sequence[str]
    submissions: int  # on an instance, of which the dollars are
    differ: int  # instances on which their scores differ
    rows: Sequence[CompareRow]  # of this page
    instances: int
    left_out: int  # instances that are on no page
    page: int
    pages: int
    drawings: Sequence[Slope]
    costs: CostsApart | None
    curves: Sequence[CurvesShown]
    address: str  # of this comparison; where it has several pages
    costs_later: str  # the address of the same with its costs, where they take long

    @property
    def command(self) -> str:
        """The command that prints the same."""
        a, b = self.a, self.b
        runs = dict.fromkeys([a.run.run_id, b.run.run_id])
        systems = dict.fromkeys([a.system, b.system])
        named = " ".join(f"-s {system}" for system in systems)
        return f".venv/bin/delm compare {' '.join(runs)} {named}"


def compare_page(
    a: Chosen,
    b: Chosen,
    *,
    costs: Sequence[TableRow] = (),
    curves: Sequence[CurvesShown] = (),
    page: int = 0,
    most: int = 0,
    address: str = "",
    costs_later: str = "",
) -> ComparePage:
    """The comparison. `costs`: rows of `cost_breakdown.csv` of both, with the names that `a` and
    `b` have here. `page`: of the instances, from 1 on; 0: all of them on one, but no
    more than `most` (0: any number)."""
    if a.run is not b.run:
        for each in (a, b):
            each.name = f"{each.system} of {each.run.run_id}"
    submissions = score.equal_submissions(
        each for run in (a.run, b.run) for each in run.scored.scores
    )
    mine, theirs = a.named_side(), b.named_side()
    found = score.compare(mine, theirs, submissions)
    lines = list(comparison_lines(found, mine, theirs, a.name, b.name))
    apart = (
        unlike((a.run.run_id, a.run.facts), (b.run.run_id, b.run.facts))
        if "config" in a.run.facts
        else []
    )
    pairs = paired_instances(mine, theirs, submissions)
    pages = max(1, -(-len(pairs) // PER_PAGE)) if page else 1
    at = min(max(1, page), pages)
    shown = pairs[(at - 1) * PER_PAGE : at * PER_PAGE] if page else pairs[: most or None]
    cells = a.cells(), b.cells()
    return ComparePage(
        a=a,
        b=b,
        warnings=[
            *apart,
            *(f"{side.name}{told}" for side in (mine, theirs) if (told := troubles(side))),
            *(line.text for line in lines if line.warning),
        ],
        lines=[line.text for line in lines if not line.warning],
        submissions=submissions,
        differ=sum(bool(pair.gap) for pair in pairs),
        rows=[
            CompareRow(
                pair=pair, a=cells[0].get(pair.instance_id), b=cells[1].get(pair.instance_id)
            )
            for pair in shown
        ],
        instances=len(pairs),
        left_out=0 if page else len(pairs) - len(shown),
        page=at,
        pages=pages,
        drawings=_drawings((a.name, b.name), ran_on_both(pairs)),
        costs=_costs(costs, a.name, b.name),
        curves=curves,
        address=address,
        costs_later=costs_later,
    )


def compare_html(page: ComparePage, *, level: int = 4) -> Markup:
    """The comparison as HTML, without the frame of a page: for the report and the live page.
    `level`: of its headings."""
    words = SimpleNamespace(
        letters=letters, mark_text=mark_text, slopes=slopes, points=points, signed=signed_dollars,
        bar=_bar,
    )  # fmt: skip
    return render("compare", page=page, words=words, level=level)


def named_costs(rows: Sequence[TableRow], names: Mapping[str, str]) -> list[TableRow]:
    """Rows of `cost_breakdown.csv` of the systems in `names`, under the names there."""
    return [{**row, "system": names[row["system"]]} for row in rows if row["system"] in names]


def _bar(usd: float, most: float) -> float:
    """The length of a bar."""
    return round(BAR * max(0.0, usd) / most, 1) if most else 0.0


def _drawings(names: tuple[str, str], pairs: Sequence[PairedInstance]) -> list[Slope]:
    made = (
        slope("Avg.@1", names, pairs, lambda pair: pair.averages, share, most=1.0),
        slope("Dollars per instance", names, pairs, lambda pair: pair.costs, usd),
    )
    return [each for each in made if each is not None]


def _costs(rows: Sequence[TableRow], a: str, b: str) -> CostsApart | None:
    why = why_apart(rows, a, b)
    if not why:
        return None
    activities = parts_apart(rows, a, b, (ACTIVITY,))
    return CostsApart(
        why=why,
        activities=activities,
        causes=parts_apart(rows, a, b, CAUSES),
        most=max((max(each.a, each.b) for each in activities), default=0.0),
    )
