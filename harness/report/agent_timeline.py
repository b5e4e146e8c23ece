"""Plot what the agents of a trial did over time."""

import math
from collections.abc import Sequence
from typing import Any

from harness.analysis.timeline import MODEL, WHAT, Interval, timeline, words_of
from harness.report import plot_style
from harness.score import last_attempts
from harness.store.rows import CallRow, SpanRow, TrialRow
from harness.types import Activity

MOST = 6  # trials that are drawn
INKS = {
    MODEL: plot_style.COLOURS[0],
    Activity.COMMAND: plot_style.COLOURS[1],
    Activity.ADMISSION: plot_style.COLOURS[2],
    Activity.PEER: "#BBBBBB",
    Activity.BARRIER: plot_style.COLOURS[3],
    Activity.MAIN: "#777777",
    Activity.TURN: "#E8E8E8",
    Activity.PAUSED: "#D0D0D0",
}


def timelines(
    trials: Sequence[TrialRow], calls: Sequence[CallRow], spans: Sequence[SpanRow]
) -> dict[str, Any]:
    """One figure per system with several agents, of its first finished trial, by name."""
    figures: dict[str, Any] = {}
    seen: set[str] = set()
    for trial in last_attempts(trials):
        if trial["system"] in seen or trial["state"] != "done" or len(figures) == MOST:
            continue
        seen.add(trial["system"])
        intervals = since_first_errand(timeline(trial, calls, spans))
        if len({each.agent for each in intervals}) > 1:
            name = f"timeline_{trial['system']}_{trial['instance_id']}_{trial['number']}"
            figures[name] = lanes(trial, intervals)
    return figures


def since_first_errand(intervals: Sequence[Interval]) -> list[Interval]:
    """The intervals without a subagent's wait for its first task."""
    begun: dict[str, float] = {}
    for each in intervals:
        if each.what != Activity.MAIN:
            begun[each.agent] = min(each.start_s, begun.get(each.agent, each.start_s))
    return [
        each
        for each in intervals
        if each.what != Activity.MAIN or each.start_s >= begun.get(each.agent, math.inf)
    ]


def lanes(trial: TrialRow, intervals: Sequence[Interval]) -> Any:
    """One lane per agent. Of two overlapping intervals, the later one is drawn in front."""
    agents = sorted({each.agent for each in intervals}, key=lambda name: (len(name), name))
    figure, axes = plot_style.new_figure(10, 1.5 + 0.38 * len(agents))
    for at, agent in enumerate(agents):
        mine = sorted((x for x in intervals if x.agent == agent), key=lambda x: x.start_s)
        bars = [(each.start_s, each.seconds) for each in mine]
        inks = [INKS[each.what] for each in mine]
        axes.broken_barh(bars, (at - 0.36, 0.72), color=inks, linewidth=0)
    words = words_of(intervals)
    for what in WHAT:
        if any(each.what == what for each in intervals):
            axes.plot(
                [], [], "s", color=INKS[what], markersize=8, label=words[what].replace(" (", "\n(")
            )
    end = max(each.start_s + each.seconds for each in intervals)
    axes.set_xlim(0, end * 1.01 or 1)
    axes.set_ylim(len(agents) - 0.4, -0.6)
    axes.set_yticks(range(len(agents)), agents)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("seconds since the trial began")
    axes.set_title(
        f"{trial['system']} on {trial['instance_id']}, trial #{trial['number'] + 1}", loc="left"
    )
    plot_style.legend(figure, axes)
    return figure
