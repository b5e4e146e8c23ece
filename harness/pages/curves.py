"""Curves over the number of agents: score, dollars and seconds, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from markupsafe import Markup

from harness.analysis.agent_curves import AgentCurve, CurvePoint, CurveRun, Measure, agent_curves
from harness.pages.axes import Axis, upto
from harness.pages.rendering import render, seconds, share, usd
from harness.pages.run_data import RunData

TOP, BOTTOM, LEFT, RIGHT = 14.0, 166.0, 62.0, 300.0
WIDTH, HEIGHT = 320, 204


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPoint:
    """A point with the ends of its interval, where it has one."""

    x: float
    y: float
    low: float | None
    high: float | None
    agents: int
    words: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnCurve:
    """One figure against the number of agents."""

    title: str
    points: Sequence[DrawnPoint]
    ticks: Sequence[tuple[float, str]]
    path: str  # the points of an SVG polyline
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesShown:
    """A curve's drawings, and its points for a table."""

    curve: AgentCurve
    drawn: Sequence[DrawnCurve]


def curves(runs: Sequence[RunData]) -> list[CurvesShown]:
    """The curves of one run, or of several; none where no systems differ in N alone."""
    found = agent_curves(
        [
            CurveRun(
                run_id=run.run_id,
                facts=run.facts,
                agents={trial["system"]: trial["agents"] for trial in run.rows.trials},
                scores=run.scored.scores,
            )
            for run in runs
        ]
    )
    return [CurvesShown(curve=curve, drawn=_drawn(curve)) for curve in found]


def curves_html(shown: Sequence[CurvesShown]) -> Markup:
    """The curves as HTML."""
    size = SimpleNamespace(WIDTH=WIDTH, HEIGHT=HEIGHT, LEFT=LEFT, RIGHT=RIGHT, BOTTOM=BOTTOM)
    return render("curves", shown=shown, size=size)


def _drawn(curve: AgentCurve) -> list[DrawnCurve]:
    made = [
        _draw(curve, "Avg.@1", lambda point: point.score, share, most=1.0),
        _draw(curve, "Dollars per instance", lambda point: point.cost, usd),
        _draw(curve, "Seconds per trial", lambda point: point.seconds, seconds),
    ]
    return [each for each in made if each is not None]


def _draw(
    curve: AgentCurve,
    title: str,
    of: Callable[[CurvePoint], Measure],
    words: Callable[[float | None], str],
    *,
    most: float = 0.0,
) -> DrawnCurve | None:
    known = [(point, measure) for point in curve.points
             if (measure := of(point)).value is not None]  # fmt: skip
    if not known:
        return None
    ends = [m.interval.high if m.interval else m.value or 0.0 for _, m in known]
    up = Axis(most=most or upto(ends), start=BOTTOM, end=TOP)
    fewest, largest = known[0][0].agents, known[-1][0].agents
    across = Axis(most=float(largest - fewest + 1), start=LEFT, end=RIGHT)
    points = [
        _point(point, measure, up, across.at(point.agents - fewest + 0.5), words)
        for point, measure in known
    ]
    return DrawnCurve(
        title=title,
        points=points,
        ticks=up.ticks(words),
        path=" ".join(f"{point.x},{point.y}" for point in points),
        summary=f"{title} by number of agents: {'; '.join(point.title for point in points)}.",
    )


def _point(
    point: CurvePoint,
    measure: Measure,
    up: Axis,
    x: float,
    words: Callable[[float | None], str],
) -> DrawnPoint:
    value, ends = measure.value or 0.0, measure.interval
    between = f" (95 %: {words(ends.low)} to {words(ends.high)})" if ends else ""
    return DrawnPoint(
        x=x,
        y=up.at(value),
        low=up.at(ends.low) if ends else None,
        high=up.at(ends.high) if ends else None,
        agents=point.agents,
        words=words(value),
        title=f"{point.system} with {point.agents}: {words(value)}{between}",
    )
