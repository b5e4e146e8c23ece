"""Where a trial of N agents spends its time: prompts, context, gate, cross-checks and selection.

    python scripts/bench_coordination.py [--quick]

The real `delm` on a real board, with a model that takes 10 s a call and sandboxes in which a
command takes 2 s, on a clock that leaps (`simulated_trial.py`). Every seat has a finding and a
patch of its own, which is the most that N agents can add; some agents end by a fault of their own.

Must hold: the tokens of shared context in any call stay under `context_tokens`; up to 32 agents
the gate is not the bottleneck, i.e. agents wait for it and for cross-checks less than for the
model; no trial ends by one agent: every seat is submitted and one is selected. The last line is
the figure. Exit code 1: something does not hold. `--quick` leaves out the largest trial.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console
from rich.table import Table
from simulated_trial import CALL_S, FAULTS, LeapingLoop, SimulatedTrial

from agents.board.verdicts import Verdicts
from agents.delm.matrix import Matrix
from agents.delm.options import DelmOptions
from agents.delm.system import Delm
from harness.board.sqlite.board import SqliteBoard
from harness.errors import DelmError

SIZES = ((2, 8), (8, 8), (32, 8), (200, 4), (1000, 4))  # agents; calls before a patch
QUICK = SIZES[:-1]
NO_BOTTLENECK = 32  # agents up to which the gate must not be one
WAITS: tuple[tuple[str, type, str], ...] = (
    ("gate", Verdicts, "settled"),
    ("cross-checks", Matrix, "cross"),
)
"""What agents wait for besides the model, and the method in which they do."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One trial. Seconds are simulated, unless they are its own."""

    agents: int
    wall_s: float
    model_s: float  # of all agents together, as the next two
    gate_s: float
    crossing_s: float
    selection_s: float
    commands: int  # of proposals and candidates, that were executed
    calls: int
    shown: int  # most tokens of shared context in a call
    own_s: float  # the processor time of the harness
    ended: str  # what became of it, where that is not as it should be

    @property
    def waits(self) -> float:
        """Seconds that agents wait for the gate and for cross-checks, by those for the model."""
        return (self.gate_s + self.crossing_s) / self.model_s


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Adds up the seconds that agents spend in each of `WAITS`."""
    spent: dict[str, float] = defaultdict(float)
    before = [(owner, name, getattr(owner, name)) for _, owner, name in WAITS]

    def measured(what: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def run(*given: Any, **named: Any) -> Any:
            since = anyio.current_time()
            try:
                return await method(*given, **named)
            finally:
                spent[what] += anyio.current_time() - since

        return run

    for what, owner, name in WAITS:
        setattr(owner, name, measured(what, getattr(owner, name)))
    try:
        yield spent
    finally:
        for owner, name, method in before:
            setattr(owner, name, method)


async def measure(folder: Path, agents: int, looks: int) -> Outcome:
    """One trial of so many agents."""
    board = SqliteBoard(folder / f"{agents}.db")
    trial = SimulatedTrial(board, agents, looks)
    began, own = anyio.current_time(), time.process_time()
    problem = ""
    with timed() as spent:
        try:
            await Delm(DelmOptions()).run(trial)
        except DelmError as error:  # what ends a trial is its outcome
            problem = f"{type(error).__name__}: {error}"
    wall_s = anyio.current_time() - began
    board.close()
    return Outcome(
        agents=agents,
        wall_s=wall_s,
        model_s=CALL_S * trial.calls,
        gate_s=spent["gate"],
        crossing_s=spent["cross-checks"],
        selection_s=trial.selection_s,
        commands=trial.checks,
        calls=trial.calls,
        shown=max(trial.shown, default=0),
        own_s=time.process_time() - own,
        ended=problem or _as_it_should(trial),
    )


def _as_it_should(trial: SimulatedTrial) -> str:
    """Empty, or what is missing at the end of a trial in which agents ended by a fault."""
    expected = len(FAULTS) if trial.agents > 3 else 1
    if sum(trial.faults.values()) != expected:
        return f"{sum(trial.faults.values())} of {expected} faults happened"
    if len(trial.submitted) != trial.agents:
        return f"{len(trial.submitted)} of {trial.agents} seats were submitted"
    if not trial.selected:
        return "nothing was selected"
    empty = sum(not patch for patch in trial.submitted.values())
    return f"{empty} seats came to no patch" if empty > expected else ""


def table(outcomes: list[Outcome]) -> Table:
    """One row a size."""
    made = Table(title="Simulated seconds; of all agents together where not said otherwise")
    for column in ("agents", "trial s", "model", "gate", "cross-checks", "selection", "calls",
                   "commands", "context tokens", "own s"):  # fmt: skip
        made.add_column(column, justify="right")
    for one in outcomes:
        made.add_row(
            f"{one.agents:,}", f"{one.wall_s:,.0f}", f"{one.model_s:,.0f}", f"{one.gate_s:,.0f}",
            f"{one.crossing_s:,.0f}", f"{one.selection_s:,.0f}", f"{one.calls:,}",
            f"{one.commands:,}", f"{one.shown:,}", f"{one.own_s:.1f}",
        )  # fmt: skip
    return made


def verdict(outcomes: list[Outcome]) -> list[str]:
    """What does not hold, one line each."""
    most = getattr(DelmOptions(), "context_tokens", 0)
    missed = [f"{one.agents} agents: {one.ended}" for one in outcomes if one.ended]
    missed += [
        f"{one.agents} agents: {one.shown:,} tokens of shared context in a call, {most:,} allowed"
        for one in outcomes
        if one.shown > most
    ]
    return missed + [
        f"{one.agents} agents wait {one.waits:.0%} as long for the gate as for the model"
        for one in outcomes
        if one.agents <= NO_BOTTLENECK and one.waits >= 1
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Where a trial of N agents spends its time.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    options = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for agents, looks in QUICK if options.quick else SIZES:
            outcomes.append(
                anyio.run(  # noqa: TID251  # on a clock of its own
                    measure, Path(folder), agents, looks,
                    backend_options={"loop_factory": LeapingLoop},
                )
            )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 110).print(table(outcomes))
    missed = verdict(outcomes)
    for line in missed:
        print(f"NOT HELD: {line}")
    slowest = max((one for one in outcomes if one.agents <= NO_BOTTLENECK), key=lambda o: o.waits)
    print(
        f"up to {NO_BOTTLENECK} agents wait at most {slowest.waits:.0%} as long for the gate as "
        f"for the model (at {slowest.agents}); at most {max(o.shown for o in outcomes):,} tokens "
        f"of shared context in a call: {'held' if not missed else 'NOT HELD'}"
    )
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
