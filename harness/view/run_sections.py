"""The sections of a run's page, in their order: what is quick to make, and what the whole run has
to be read for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.outcome_grid import outcome_grid
from harness.pages.grid import GridQuery, grid_html, grid_page
from harness.pages.run_page import ShownSection, run_sections
from harness.view.reading import Reading

SMALL = 100  # trials of a run that is read as a whole in less than a second
GRID = "grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSections:
    """The sections before the grid, the grid, and those after it. Not `whole`: only the grid is
    there, and the others are to be asked for."""

    before: Sequence[ShownSection]
    grid: ShownSection
    after: Sequence[ShownSection]
    whole: bool


async def page_sections(
    reading: Reading, query: Mapping[str, str], *, trials: int, whole: bool
) -> PageSections:
    """The sections of a run of so many `trials`. `query`: the parameters of the address; they
    choose what the grid shows. `whole`: all of them, however long they take."""
    chosen = GridQuery.read(query)
    grid = await _grid(reading, chosen)
    if not (whole or trials <= SMALL or reading.has_sections):
        return PageSections(before=(), grid=grid, after=(), whole=False)

    async def make() -> list[ShownSection]:
        return run_sections(await reading.data(), reading.links, chosen)

    found = await reading.sections(make)  # whatever the grid of this page shows
    names = [each.name for each in found]
    at = names.index(GRID) if GRID in names else len(found)
    return PageSections(before=found[:at], grid=grid, after=found[at + 1 :], whole=True)


async def _grid(reading: Reading, query: GridQuery) -> ShownSection:
    run = await reading.outcomes()
    grid = outcome_grid(run.rows.trials, run.rows.submissions, run.scored.scores)
    labels = await reading.store.labels()
    html = grid_html(grid_page(grid, run.benchmark.levels, query, labels), reading.links)
    return ShownSection(name=GRID, title="Instances and systems", html=html)
