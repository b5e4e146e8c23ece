"""For how long people paused a trial: such time is no latency of its system."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from harness.store.interventions import Action, InterventionRow
from harness.store.rows import TrialRow

Spans = Sequence[tuple[float, float]]  # beginning and end, in seconds since the epoch


def pauses(rows: Iterable[InterventionRow]) -> Mapping[str, Spans]:
    """By process (`trial.owner`), when it was paused. One that ended paused has no end of it."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for applied in row["applied"]:
            spans = found.setdefault(applied["owner"], [])
            at = datetime.fromisoformat(applied["at"]).timestamp()
            under_way = bool(spans) and spans[-1][1] == math.inf
            if row["action"] == Action.PAUSE and not under_way:
                spans.append((at, math.inf))
            elif row["action"] == Action.RESUME and under_way:
                spans[-1] = (spans[-1][0], at)
    return found


def paused_s(trial: TrialRow, until: float, found: Mapping[str, Spans]) -> float:
    """Seconds for which a trial that was started was paused, until a moment."""
    if not found:
        return 0.0
    zero = datetime.fromisoformat(str(trial["started_at"])).timestamp()
    spans = found.get(trial["owner"], ())
    return sum(max(0.0, min(end, until) - max(begin, zero)) for begin, end in spans)
