"""The plots of a run.

Plots that cannot be drawn, for want of a price or of a second agent, are left out. Each function
takes rows and returns a matplotlib figure, or None if there is nothing to draw.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from harness import score
from harness.analysis.run_scores import ScoredRun
from harness.report import plot_style
from harness.report.agent_timeline import timelines
from harness.score.cost_accuracy import front, on_equal_terms
from harness.score.estimators import mean, pass_at_k
from harness.score.rows import TableRow
from harness.text.counted import counted

Scores = Mapping[str, Sequence[score.InstanceScore]]
FOLDER = "plots"
LINES = ("-", "--", "-.", ":", (0, (7, 2)), (0, (1, 3)), (0, (5, 1, 1, 1, 1, 1)))
"""Of curves that lie on each other: what is below can be seen through what is above."""
DODGE = 0.05  # of a submission, between the marks of two systems
JITTER = (0.0, 0.12, -0.12, 0.24, -0.24, 0.06, -0.06, 0.18, -0.18)
"""By how much neighbouring points of one column are moved aside."""


def draw(path: Path, run: ScoredRun) -> list[Path]:
    """Write the plots of the run folder `path` and return their paths (PNG and SVG).

    Removes old plots that can no longer be drawn.
    """
    scores: dict[str, list[score.InstanceScore]] = {}
    for each in score.ran(run.scores):
        scores.setdefault(each.system, []).append(each)
    facts, rows = run.rows.facts, run.rows
    folder = path / FOLDER
    written: list[Path] = []
    with plot_style.ink():
        figures = {
            "cost_accuracy": cost_against_score(run.points),
            "pass_at_k": pass_by_k(scores),
            "cost_by_instance": cost_by_instance(scores, score.equal_submissions(run.scores)),
        } | timelines(rows.trials, rows.calls, rows.spans)
        for name, figure in figures.items():
            if figure is not None:
                plot_style.caption(figure, _caption(facts, run.scores))
                written += plot_style.save(figure, folder, re.sub(r"[^A-Za-z0-9._-]+", "-", name))
    for form in plot_style.FORMATS:
        for old in folder.glob(f"*.{form}"):
            if old not in written:
                old.unlink()
    return written


def _caption(facts: Mapping[str, Any], scores: Sequence[score.InstanceScore]) -> str:
    """The caption: instances, model, replay or not, and the number of trials that did not run."""
    replay = ["a replay of recorded answers: no benchmark result"] if facts.get("replay") else []
    words = [str(facts.get("dataset", "")), str(facts.get("model", "")), *replay]
    trials, lacking = sum(s.trials for s in scores), sum(s.unfinished for s in scores)
    if lacking:
        words.append(f"not finished: {trials - lacking} of {trials} trials run, {lacking} not run")
    return " · ".join(word for word in words if word)


def cost_against_score(rows: Sequence[TableRow]) -> Any:
    """Cost per instance against Avg.@1, with the Pareto front of the run's own systems."""
    known = [row for row in rows if None not in (row["cost_per_instance_usd"], row["avg_at_1"])]
    if not known:
        return None
    figure, axes = plot_style.new_figure(8.2, 4.6)
    places = {row["system"]: place for place, row in enumerate(rows)}
    dear: list[float] = []
    for row in known:
        x, y = row["cost_per_instance_usd"], 100 * row["avg_at_1"]
        sides = [_side(row, "cost_per_instance_usd", x, 1), _side(row, "avg_at_1", y, 100)]
        ink = {"color": plot_style.colour(places[row["system"]])}
        axes.errorbar(
            x, y, xerr=sides[0], yerr=sides[1], fmt=plot_style.marker(places[row["system"]]),
            label=_label(row), capsize=2, elinewidth=1, markersize=6, zorder=3, **ink,
        )  # fmt: skip
        ends = (row["cost_per_instance_usd_low"], row["cost_per_instance_usd_high"])
        dear += [x, *(end for end in ends if end is not None)]
    dear += _published_points(axes, rows, places)
    points = on_equal_terms(rows)
    plot_style.dollar_axis(axes, "x", dear)
    _step(axes, [points[name] for name in front(points)])
    log = ", logarithmic" if axes.get_xscale() == "log" else ""
    each = counted(known[0]["equal_submissions"], "submission")
    axes.set_xlabel(f"cost per instance (USD, {each} of every system{log})")
    axes.set_ylabel("Avg.@1 (% of submissions resolved)")
    axes.set_title("Cost against score, 95 % intervals over instances", loc="left")
    plot_style.percent_axis(axes)
    plot_style.legend(figure, axes, [x for r in rows for x in (_label(r), _published_label(r))])
    return figure


def _label(row: TableRow) -> str:
    """The name of the system, with a mark if some of its trials did not run or its code failed."""
    if row["unfinished"]:
        return f"{row['system']} (not finished)"
    if row["system_errors"]:
        return f"{row['system']} (its code fails)"
    return str(row["system"])


def _side(row: TableRow, name: str, value: float, scale: float) -> list[list[float]] | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None:
        return None
    return [[max(0.0, value - scale * low)], [max(0.0, scale * high - value)]]


def _published_points(
    axes: Any, rows: Sequence[TableRow], places: Mapping[str, int]
) -> list[float]:
    """The published costs and scores, as hollow marks in the colour of our system."""
    costs = []
    for row in rows:
        x, y = row["published_cost_per_instance_usd"], row["published_avg_at_1"]
        if x is None or y is None:
            continue
        place = places[row["system"]]
        axes.plot(
            x, 100 * y, plot_style.marker(place), markerfacecolor="white", markersize=6, zorder=2,
            color=plot_style.colour(place),
            label=_published_label(row),
        )  # fmt: skip
        costs.append(float(x))
    return costs


def _published_label(row: TableRow) -> str:
    return f"published: {row['published']},\n{row['published_model']}"


def _step(axes: Any, points: Sequence[tuple[float | None, float | None]]) -> None:
    """The Pareto front as a step line, up to the edge of the plot."""
    if not points:
        return
    xs = [float(x) for x, _ in points if x is not None]
    ys = [100 * float(y) for _, y in points if y is not None]
    right = axes.get_xlim()[1]
    axes.step(
        [*xs, right], [*ys, ys[-1]], where="post", color="#888888", linewidth=1, linestyle="--",
        label="Pareto front of this run", zorder=1,
    )  # fmt: skip
    axes.set_xlim(right=right)


def pass_by_k(scores: Scores) -> Any:
    """Pass@k against k: curves for independent submissions, points for shared contexts.

    Marks at the same k are drawn side by side.
    """
    if all(min(each.wanted for each in mine) < 2 for mine in scores.values()):  # or nothing ran
        return None
    figure, axes = plot_style.new_figure(8.2, 4.6)
    most = 1
    for place, (system, mine) in enumerate(scores.items()):
        shared = any(each.kind == "shared" for each in mine)
        points = any_of_n(mine) if shared else curve(mine)
        if not points:
            continue
        most = max(most, *(k for k, _ in points))
        moved = aside(place, len(scores))
        axes.plot(
            [k + moved for k, _ in points], [100 * value for _, value in points],
            color=plot_style.colour(place), linewidth=1.4,
            linestyle="none" if shared else LINES[place % len(LINES)],
            marker=plot_style.marker(place), markersize=8 if shared else 4.5,
            markerfacecolor="white" if shared else plot_style.colour(place), zorder=3,
            label=f"{system}:\n" + ("any of N, shared" if shared else "independent submissions"),
        )  # fmt: skip
    axes.set_xlabel("k (submissions); the marks at each k stand side by side")
    axes.set_ylabel("Pass@k (% of instances)")
    axes.set_title("Pass@k: independent and shared are not the same measure", loc="left")
    axes.set_xticks(range(1, most + 1))
    axes.set_xlim(0.7, most + 0.3)
    plot_style.percent_axis(axes)
    plot_style.legend(figure, axes)
    return figure


def aside(place: int, count: int) -> float:
    """The horizontal offset of the marks of the system at `place` of `count`.

    Offsets are evenly spaced around k, at most a fifth of a submission.
    """
    step = min(DODGE, 0.4 / max(1, count - 1))
    return step * (place - (count - 1) / 2)


def curve(mine: Sequence[score.InstanceScore]) -> list[tuple[int, float]]:
    """Pass@k of independent submissions, up to the smallest number on any instance."""
    most = min(each.wanted for each in mine)
    found = [
        (k, mean(pass_at_k(each.wanted, each.resolved, k) for each in mine))
        for k in range(1, most + 1)
    ]
    return [(k, value) for k, value in found if value is not None]


def any_of_n(mine: Sequence[score.InstanceScore]) -> list[tuple[int, float]]:
    """Avg.@1 and any of N of a system whose submissions share a context."""
    sizes = {wanted for each in mine for _, wanted in each.of_trials.values()}
    found = [(1, mean(each.average for each in mine))]
    found += [(n, mean(each.pass_at(n) for each in mine)) for n in sorted(sizes)]
    return [(k, value) for k, value in found if value is not None]


def cost_by_instance(scores: Scores, submissions: int) -> Any:
    """The cost per instance of each system at equal submissions: points, and a median bar."""
    costed = {system: [each.cost_of(submissions) for each in mine]
              for system, mine in scores.items()}  # fmt: skip
    priced = {system: [c for c in costs if c is not None] for system, costs in costed.items()}
    priced = {system: mine for system, mine in priced.items() if mine}
    costs = [cost for mine in priced.values() for cost in mine]
    if not costs or not any(costs):
        return None
    figure, axes = plot_style.new_figure(max(5.5, 1.15 * len(priced) + 1.2), 4.6)
    every = list(scores)
    for place, (system, mine) in enumerate(priced.items()):
        ordered = sorted(mine)
        places = [place + JITTER[at % len(JITTER)] for at in range(len(ordered))]
        axes.plot(
            places, ordered, "o", color=plot_style.colour(every.index(system)), markersize=3.5,
            alpha=0.7, markeredgewidth=0,
        )  # fmt: skip
        axes.hlines(
            median(ordered), place - 0.32, place + 0.32, color="black", linewidth=1.4, zorder=4
        )
    plot_style.dollar_axis(axes, "y", costs)
    axes.set_xticks(range(len(priced)), list(priced), rotation=25, ha="right")
    axes.set_xlim(-0.6, len(priced) - 0.4)
    axes.grid(visible=False, axis="x")
    log = ", logarithmic" if axes.get_yscale() == "log" else ""
    each = counted(submissions, "submission")
    axes.set_ylabel(f"cost per instance (USD, {each} of every system{log})")
    axes.set_title("Cost per instance; the bar is the median", loc="left")
    return figure
