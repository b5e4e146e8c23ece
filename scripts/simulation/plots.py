"""The plots of `docs/scaling.md`: one panel a question, the designs side by side."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.report import plot_style
from simulation.work import Outcome

Outcomes = Sequence[Outcome]
NAME = "scaling"
LABEL = 0.075  # of the axis, that a label needs
ROOM = 120.0  # factor by which the first panel is wider than its lines, for their labels
LOOK = {
    "decentralized": (0, "-"),
    "bounded reads": (0, (0, (4, 2))),
    "threads with locks": (1, "-"),
    "centralized": (4, "-"),
}
"""By design: its colour in `plot_style.COLOURS`, and its line."""
PANELS: tuple[tuple[str, str, str, Callable[[Outcome], float]], ...] = (
    ("growing", "Wall clock, one unit an agent (s)", "log", lambda one: one.wall_s),
    ("fixed", "Wall clock, fixed work (s)", "log", lambda one: one.wall_s),
    ("growing", "Dollars a unit", "log", lambda one: one.dollars / one.units),
    ("growing", "Tokens of the busiest agent", "log", lambda one: one.busiest_tokens),
    ("growing", "Messages a unit", "linear", lambda one: one.messages / one.units),
    ("growing", "Facts found again, % of units", "linear",
     lambda one: 100 * one.found_again / one.units),
)  # fmt: skip
"""By panel: which work, its title, its scale, and what is drawn."""


def draw(folder: Path, outcomes: Mapping[str, Outcomes]) -> list[Path]:
    """Write the figure and return its paths. The same outcomes give the same bytes."""
    from matplotlib.figure import Figure

    with plot_style.ink():
        figure = Figure(figsize=(10, 6), layout="constrained", facecolor="white")
        for number, (axes, (work, title, scale, value)) in enumerate(
            zip(figure.subplots(2, 3).flat, PANELS, strict=True)
        ):
            axes.set_yscale(scale)
            axes.set_title(title, loc="left", fontsize=9)
            panel(axes, outcomes[work], value, labelled=not number)
        plot_style.caption(
            figure,
            "Agents, from 1 to 100,000. Simulated: scripts/simulate.py, costs of "
            "scripts/simulation/costs.yaml.",
        )
        return plot_style.save(figure, folder, NAME)


def panel(
    axes: Any, outcomes: Outcomes, value: Callable[[Outcome], float], *, labelled: bool
) -> None:
    """One question. With `labelled` each line has its name at its end."""
    ends = []
    for design, (colour, line) in LOOK.items():
        mine = [one for one in outcomes if one.design == design]
        ends.append((value(mine[-1]), design, plot_style.colour(colour)))
        axes.plot([one.agents for one in mine], [value(one) for one in mine], color=ends[-1][2],
                  linestyle=line, marker="o", markersize=2.5, linewidth=1.4)  # fmt: skip
    most = max(one.agents for one in outcomes)
    axes.set_xscale("log")
    axes.set_xlim(0.7, most * (ROOM if labelled else 1.5))
    axes.set_xticks([n for n in (1, 10, 100, 1000, 10_000, 100_000) if n <= most])
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}" if n < 1e4 else f"{n / 1e3:,.0f}k")
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:,.15g}")
    axes.minorticks_off()
    axes.tick_params(labelsize=7.5)
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0)
    if labelled:
        names(axes, most, sorted(ends))


def names(axes: Any, x: float, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write each design's name at the end of its line, from the lowest up, none over another."""
    place, last = axes.transAxes.inverted(), -1.0
    for y, design, colour in ends:
        at = place.transform(axes.transData.transform((x, y)))
        last = max(at[1], last + LABEL)
        axes.text(at[0] + 0.03, last, design, transform=axes.transAxes, va="center", fontsize=7.5,
                  color=colour)  # fmt: skip
