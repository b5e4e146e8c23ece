"""A run opened: its sections, in the order in which they stand in the report and on the live page.

A section is a function that makes HTML of a `RunData`; None: the run has nothing of it, and the
section is left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.analysis.cautions import cautions
from harness.analysis.outcome_grid import outcome_grid
from harness.analysis.verdict import Verdict, p_words, times, verdict
from harness.pages.cost_plot import cost_plot
from harness.pages.fine_print import fine_print
from harness.pages.glossary import GLOSSARY
from harness.pages.gold import gold_cautions
from harness.pages.grid import GridQuery, grid_html, grid_page
from harness.pages.interventions import interventions_html
from harness.pages.links import Links
from harness.pages.rendering import render, share, usd
from harness.pages.run_comparisons import (
    agent_curves_html,
    comparisons_html,
    heat_html,
    labels_html,
)
from harness.pages.run_data import RunData
from harness.pages.score_table import score_table
from harness.score.repeats import INSTANCES, TRIALS
from harness.text.figures import points, signed_dollars

IN_SCORE: Mapping[str, str] = {
    "more": "resolves more",
    "less": "resolves less",
    "not shown": "no difference shown",
    "too few": "too few instances",
    "not comparable": "different budgets",
    "unknown": "unknown",
}
IN_COST: Mapping[str, str] = {
    **IN_SCORE,
    "more": "costs more",
    "less": "costs less",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """A part of the page. `name` is the id of its heading."""

    name: str
    title: str
    make: Callable[[RunData, Links], Markup | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSection:
    """A section as HTML, without its heading."""

    name: str
    title: str
    html: Markup


def verdict_html(run: RunData, links: Links) -> Markup:
    """The verdict in words, with what is to be known before it."""
    scored = run.scored
    known = [
        *cautions(run.rows, scored.table, run.benchmark.meaning),
        *gold_cautions(run.as_gold),
    ]
    return render("verdict", found=_verdict(run), cautions=known, links=links)


def plot_html(run: RunData, links: Links) -> Markup | None:
    """Dollars against score, and what more trials or instances would buy."""
    if not run.scored.table:
        return None
    values = {"TRIALS": TRIALS, "INSTANCES": INSTANCES}
    return render(
        "plot_and_gains", plot=cost_plot(run.scored.points), table=score_table(run), links=links,
        words=values,
    )  # fmt: skip


def scores_html(run: RunData, links: Links) -> Markup | None:
    """The table of scores with its notes."""
    if not run.scored.table:
        return None
    words = {"share": share, "usd": usd}
    return render("scores", table=score_table(run), links=links, words=words)


def pairs_html(run: RunData, links: Links) -> Markup | None:
    """Each pair of systems."""
    found = _verdict(run)
    if not found.pairs:
        return None
    words: Mapping[str, Any] = {
        "IN_SCORE": IN_SCORE, "IN_COST": IN_COST, "points": points, "times": times,
        "signed_dollars": signed_dollars, "p": p_words,
    }  # fmt: skip
    return render("pairs", found=found, links=links, words=words)


def fine_print_html(run: RunData, links: Links) -> Markup:
    """What was run with what, the command that repeats it, and the glossary."""
    return render("fine_print", print=fine_print(run), glossary=GLOSSARY, links=links)


def grid_section(query: GridQuery | None = None) -> Callable[[RunData, Links], Markup | None]:
    """The grid; `query`: the server chooses, else the script does."""

    def make(run: RunData, links: Links) -> Markup | None:
        if not run.scored.scores:
            return None
        grid = outcome_grid(run.rows.trials, run.rows.submissions, run.scored.scores)
        return grid_html(grid_page(grid, run.benchmark.levels, query, run.labels), links)

    return make


def run_sections(run: RunData, links: Links, query: GridQuery | None = None) -> list[ShownSection]:
    """The sections of a run as HTML. `query`: what the live page was asked to choose in the grid;
    without one, all rows are there."""
    sections = (
        RunSection(name="verdict", title="Verdict", make=verdict_html),
        RunSection(name="cost-and-score", title="Dollars and score", make=plot_html),
        RunSection(name="scores", title="Scores", make=scores_html),
        RunSection(name="grid", title="Instances and systems", make=grid_section(query)),
        RunSection(name="pairs", title="Each pair of systems", make=pairs_html),
        RunSection(name="compare", title="Instance by instance", make=comparisons_html),
        RunSection(name="heat-map", title="All systems on all instances", make=heat_html),
        RunSection(name="curves", title="More agents", make=agent_curves_html),
        RunSection(name="run-labels", title="Labels", make=labels_html),
        RunSection(name="run-interventions", title="What people did", make=interventions_html),
        RunSection(name="fine-print", title="Fine print", make=fine_print_html),
    )
    made = [(each, each.make(run, links)) for each in sections]
    return [
        ShownSection(name=each.name, title=each.title, html=html)
        for each, html in made
        if html is not None
    ]


def _verdict(run: RunData) -> Verdict:
    return verdict(run.scored.table, run.scored.comparisons, run.baseline)
