"""The sections of a run that compare its systems: pairs, heat map, curves."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

from markupsafe import Markup

from harness.analysis.comparison_lines import IS_REPLAY
from harness.pages.compare import Chosen, compare_html, compare_page, named_costs
from harness.pages.curves import curves, curves_html
from harness.pages.heat_map import heat_map_html
from harness.pages.labels import run_section
from harness.pages.links import Links, pair_place
from harness.pages.rendering import render
from harness.pages.run_data import RunData

MOST_ROWS = 600  # of instances in one file; of more, only pairs with the baseline, cut
LEAST_ROWS = 50  # of a pair


def pairs_of(run: RunData) -> list[tuple[str, str]]:
    """The pairs of systems that are compared: those with the baseline first, as the second of its
    pair."""
    found = list(combinations(run.systems, 2))
    turned = [(b, a) if a == run.baseline else (a, b) for a, b in found]
    return sorted(turned, key=lambda pair: run.baseline not in pair)


def comparisons_html(run: RunData, links: Links) -> Markup | None:
    """Pairs of systems, instance by instance: in the report each opens in its place, on the live
    page each has a page of its own."""
    pairs = pairs_of(run)
    if not pairs:
        return None
    inline = links.compare(*pairs[0]).startswith("#")
    told = pairs
    if inline and len(pairs) * len(run.instances) > MOST_ROWS:
        told = [pair for pair in pairs if run.baseline in pair]
    most = max(LEAST_ROWS, MOST_ROWS // len(told))
    shown = [
        SimpleNamespace(
            a=a,
            b=b,
            href=links.compare(a, b),
            place=pair_place(a, b),
            html=_pair(run, links, a, b, most) if inline else None,
        )
        for a, b in told
    ]
    return render("comparisons", shown=shown, left_out=len(pairs) - len(told), run_id=run.run_id)


def heat_html(run: RunData, links: Links) -> Markup | None:
    """All systems on all instances."""
    return heat_map_html(run.scored.scores) or None


def agent_curves_html(run: RunData, links: Links) -> Markup | None:
    """Curves over the number of agents; None where no systems differ in that alone."""
    shown = curves([run])
    return curves_html(shown) if shown else None


def labels_html(run: RunData, links: Links) -> Markup | None:
    """What people and models said of the trials; None where nobody did."""
    section = run_section(run)
    return render("labels_summary", section=section, links=links) if section else None


def _pair(run: RunData, links: Links, a: str, b: str, most: int) -> Markup:
    costs = named_costs(run.costs, {a: a, b: b})
    page = compare_page(Chosen(run, a, links), Chosen(run, b, links), costs=costs, most=most)
    told = [line for line in page.warnings if IS_REPLAY not in line]  # it stands first on the page
    return compare_html(replace(page, warnings=told))
