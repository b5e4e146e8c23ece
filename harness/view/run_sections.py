"""The sections of a run's page, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.analysis.outcome_grid import outcome_grid
from harness.benchmarks.registry import of_run
from harness.pages.grid import GridQuery, grid_html, grid_page
from harness.score.rows import scores_from_sums
from harness.view.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """A part of the page of a run. `name` is the id of its heading."""

    name: str
    title: str
    content: Markup


async def run_sections(reading: Reading, query: Mapping[str, str]) -> Sequence[RunSection]:
    """The sections of a run. `query`: the parameters of the address; they choose what the grid
    shows."""
    return [RunSection(name="grid", title="Instances", content=await _grid(reading, query))]


async def _grid(reading: Reading, query: Mapping[str, str]) -> Markup:
    rows = await reading.store.read_outcomes()
    scores = scores_from_sums(rows.trials, rows.sums, rows.submissions)
    grid = outcome_grid(rows.trials, rows.submissions, scores)
    levels = of_run(rows.facts).levels
    return grid_html(grid_page(grid, levels, GridQuery.read(query)), reading.links)
