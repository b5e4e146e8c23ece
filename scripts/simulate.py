"""Where decentralized, threaded and centralized coordination break, for 1 to 100,000 agents.

    python scripts/simulate.py [--quick] [--seed N] [--plots FOLDER]
    python scripts/simulate.py --calibrate [--quick]

The first form plays three designs in simpy (`simulation/designs.py`) with the costs that stand in
`simulation/costs.yaml`, each with its source, and prints for each number of agents: the wall clock
(the critical path), messages, tokens through the agent that has most, facts found again, dollars.
"Growing work" is one unit of work an agent, "fixed work" the same units for any number. From 31,623
agents on a simulated agent stands for several. `--plots` draws, and writes `outcomes.csv`.

The second form runs real ones: agents in four processes on a real PostgreSQL board, real threads
around one lock, the real `centralized-parallel`, all with models that only take time; fits costs on
some small runs, predicts the others, and prints each prediction beside what was measured. The last
line is the figure. Exit code 1: of 8 to 1,000 agents a prediction is off by more than 15 %.

What it is not: `bench_coordination.py` plays a trial of the real `delm` up to 1,000 agents, prompt
by prompt, and asks whether gate and context hold; `bench_agents.py` measures the real board and
asks for its latencies while the server restarts; `bench_queue.py` asks what the queue in a file
costs. None of them knows another design, a price, or more agents than this machine can run.
"""

import argparse
import csv
import sys
from dataclasses import asdict, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table
from simulation.costs import measured
from simulation.designs import DESIGNS, Sizes
from simulation.work import Outcome

AGENTS = (1, 8, 32, 100, 316, 1000, 3162, 10_000, 31_623, 100_000)
QUICK = AGENTS[:7]
TIMES = {31_623: 3, 100_000: 10}  # how many agents a simulated one stands for
EXACT = "centralized"  # is simulated agent by agent: it takes seconds for any number
FIXED, QUICK_FIXED = 10_000, 1_000  # units of the fixed work
GROWING = "growing"


def play(scaling: str, design: str, agents: int, *, fixed: int, seed: int) -> Outcome:
    """One design with so many agents."""
    units = agents if scaling == GROWING else fixed
    times = 1 if design == EXACT else TIMES.get(agents, 1)
    units -= units % times
    return DESIGNS[design](Sizes(measured(), agents, units, times, seed))


def table(scaling: str, outcomes: list[Outcome]) -> Table:
    """One row a design and number of agents."""
    made = Table(title=f"{scaling} work", title_justify="left")
    for column in ("design", "agents", "units", "wall s", "messages", "most tokens", "found again",
                   "misled", "$ a unit", "busy", "lock"):  # fmt: skip
        made.add_column(column, justify="left" if column == "design" else "right")
    for one in outcomes:
        made.add_row(
            one.design, f"{one.agents:,}", f"{one.units:,}", f"{one.wall_s:,.0f}",
            f"{one.messages:,}", f"{one.busiest_tokens:,}", f"{one.found_again:,}",
            f"{one.misled:,}", f"{one.dollars / one.units:.4f}", f"{one.board_busy:.0%}",
            f"{one.lock_busy:.0%}",
        )  # fmt: skip
    return made


def simulate(options: argparse.Namespace) -> int:
    """Both kinds of work, all designs; the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 130)
    all_of_them: dict[str, list[Outcome]] = {}
    fixed = QUICK_FIXED if options.quick else FIXED
    for scaling in (GROWING, "fixed"):
        outcomes = [
            play(scaling, design, agents, fixed=fixed, seed=options.seed)
            for design in DESIGNS
            for agents in (QUICK if options.quick else AGENTS)
        ]
        all_of_them[scaling] = outcomes
        console.print(table(scaling, outcomes))
    again = sum(one.again for outcomes in all_of_them.values() for one in outcomes)
    if options.plots:
        from simulation.plots import draw

        write_csv(Path(__file__).parent / "simulation" / "outcomes.csv", all_of_them)
        for path in draw(options.plots, all_of_them):
            print(path)
    most = max(one.agents for one in all_of_them[GROWING])
    print(f"{most:,} agents: {again} tasks done more than once")
    return int(bool(again))


def write_csv(path: Path, outcomes: dict[str, list[Outcome]]) -> None:
    """All figures, one row an outcome."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["work", *(field.name for field in fields(Outcome))])
        for scaling, each in outcomes.items():
            for one in each:
                values = asdict(one).values()
                rows.writerow(
                    [scaling, *(f"{v:.6g}" if isinstance(v, float) else v for v in values)]
                )


def main() -> None:
    parser = argparse.ArgumentParser(description="Coordination of 1 to 100,000 agents, simulated.")
    parser.add_argument("--calibrate", action="store_true", help="beside real runs")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw there (SVG and PNG)")
    options = parser.parse_args()
    if options.calibrate and options.plots:
        parser.error("--plots draws what is simulated: leave out --calibrate")
    if options.calibrate:
        from simulation.calibration import calibrate

        sys.exit(calibrate(quick=options.quick))
    sys.exit(simulate(options))


if __name__ == "__main__":
    main()
