"""The heat map of a run: systems × instances, the share of submissions that are resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.pages.rendering import render
from harness.score import InstanceScore
from harness.score.estimators import mean
from harness.text.counted import counted
from harness.text.figures import percent

PER_BLOCK = 50  # instances side by side; more go below
LEVELS = 10
CELL, LINE = 16, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """A system on an instance. `level`: 0 to `LEVELS` by the share; `x` where nothing ran."""

    x: int
    y: int
    level: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatBlock:
    """Up to `PER_BLOCK` instances of all systems."""

    names: Sequence[tuple[int, str]]  # of systems, with where they stand
    cells: Sequence[HeatCell]
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """The map. `summary` says in words what it shows."""

    blocks: Sequence[HeatBlock]
    summary: str


def heat_map(scores: Sequence[InstanceScore]) -> HeatMap | None:
    """The map of a run with its `instance_scores`, the instances that most resolve first; None
    where nothing ran."""
    systems = list(dict.fromkeys(score.system for score in scores))
    found = {(score.system, score.instance_id): score for score in scores}
    instances = list(dict.fromkeys(score.instance_id for score in scores))
    if not any(score.ran for score in scores):
        return None
    shares = {
        name: mean(
            found[key].average for system in systems
            if (key := (system, name)) in found and found[key].ran
        )
        for name in instances
    }  # fmt: skip
    known = {name: share for name, share in shares.items() if share is not None}
    ordered = sorted(instances, key=lambda name: -known.get(name, -1.0))
    blocks = [
        _block(systems, ordered[start : start + PER_BLOCK], found)
        for start in range(0, len(ordered), PER_BLOCK)
    ]
    every, none = list(known.values()).count(1), list(known.values()).count(0)
    return HeatMap(
        blocks=blocks,
        summary=(
            f"{counted(len(systems), 'system')} on {counted(len(instances), 'instance')}: all "
            f"submissions resolved on {every}, none on {none}, some on "
            f"{len(known) - every - none}."
        ),
    )


def heat_map_html(scores: Sequence[InstanceScore]) -> Markup:
    """The map as HTML, or a sentence where all its squares would be equal; empty where nothing
    ran."""
    found = heat_map(scores)
    return render("heat_map", map=found, every=_every(scores)) if found else Markup()


def _every(scores: Sequence[InstanceScore]) -> str:
    """What every system resolves on every instance; empty where that differs, or not all ran."""
    systems, instances = ({each.system for each in scores}, {each.instance_id for each in scores})
    shares = {each.average for each in scores}
    if len(scores) < len(systems) * len(instances) or len(shares) > 1 or None in shares:
        return ""
    (share,) = shares
    told = {1.0: "all", 0.0: "none"}.get(share or 0.0, percent(share))
    every = "The system" if len(systems) == 1 else f"Each of the {len(systems)} systems"
    on = "the instance" if len(instances) == 1 else f"each of the {len(instances)} instances"
    return f"{every} resolves {told} of its submissions on {on}."


def _block(
    systems: Sequence[str],
    instances: Sequence[str],
    found: dict[tuple[str, str], InstanceScore],
) -> HeatBlock:
    cells = [
        _cell(found.get((system, name)), system, name, column * CELL, row * LINE)
        for row, system in enumerate(systems)
        for column, name in enumerate(instances)
    ]
    return HeatBlock(
        names=[(row * LINE, system) for row, system in enumerate(systems)],
        cells=cells,
        width=len(instances) * CELL,
        height=len(systems) * LINE,
    )


def _cell(score: InstanceScore | None, system: str, name: str, x: int, y: int) -> HeatCell:
    if score is None or score.average is None:
        told = "not asked for" if score is None else "not run"
        return HeatCell(x=x, y=y, level="x", title=f"{system} on {name}: {told}")
    title = (
        f"{system} on {name}: {score.resolved} of {score.wanted} resolved "
        f"({percent(score.average)})"
    )
    return HeatCell(x=x, y=y, level=str(round(score.average * LEVELS)), title=title)
