"""The sections of a run's page, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.analysis.outcome_grid import outcome_grid
from harness.pages.grid import GridQuery, grid_html, grid_page
from harness.pages.links import Links
from harness.pages.run_data import RunData


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """A part of the page of a run. `name` is the id of its heading."""

    name: str
    title: str
    content: Markup


def run_sections(data: RunData, links: Links, query: Mapping[str, str]) -> Sequence[RunSection]:
    """The sections of a run. `query`: the parameters of the address; they choose what the grid
    shows."""
    if not data.rows.trials:
        return []
    return [RunSection(name="grid", title="Instances", content=_grid(data, links, query))]


def _grid(data: RunData, links: Links, query: Mapping[str, str]) -> Markup:
    rows = data.rows
    grid = outcome_grid(rows.trials, rows.submissions, data.scored.scores)
    return grid_html(grid_page(grid, data.benchmark.levels, GridQuery.read(query)), links)
