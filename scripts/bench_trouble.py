"""The board on PostgreSQL when the server restarts, connections end, or a snapshot stays open.

    python scripts/bench_trouble.py [--quick]

8 processes claim and finish tasks of one board in one run. In it the server is stopped ("fast")
and started, its main process is killed (SIGKILL) and started, and all client connections are ended
5 times in 3 s; then again, in turns. The recovery is the rate of the windows that begin a moment
after the trouble, as a share of the rate of those right before it, each the median of several
windows; the figure of a kind of trouble is the median of its turns. Neighbours are compared because
the machine's speed changes in minutes more than within seconds. What is wanted is 1; 0.95 passes,
because two medians of undisturbed windows differ too: the row "no trouble" shows by how much.

Then ours and the queues of others (see `bench_board.py`) work through a queue while another
connection has a snapshot open, so that no row that is dead is cleaned up.

Must hold: each task that a process was told to be done is done once, at its first claim, with one
event; none is lost. The last line is the figure. Exit code 1: something does not hold, a recovery
is under 0.95, or ours makes fewer steps a second than the best of the others with the snapshot
open.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
import asyncpg
from bench_board import Rounds, databases, play, ratio
from board_sides import SIDES, Side
from rich.console import Console
from rich.table import Table
from troubled_board import PROCESSES, Plan, Recovery, troubled

from harness import event_loop

LEAST_RECOVERY, LEAST_RATIO = 0.95, 1.0
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class"
FULL = Plan(windows=4, window_s=1.0, turns=3, tasks=250_000, rounds=3, snapshot_tasks=10_000)
QUICK = Plan(windows=3, window_s=0.5, turns=1, tasks=45_000, rounds=1, snapshot_tasks=1_000)


# -- a snapshot that stays open ------------------------------------------------------------------


async def hold(place: str) -> None:
    """Keep a snapshot open until a line comes in."""
    connection = await asyncpg.connect(place)
    await connection.execute(SNAPSHOT)
    print("ready", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)


@contextlib.contextmanager
def snapshot(place: str) -> Iterator[None]:
    """Another process has a snapshot of the database open."""
    command = [sys.executable, __file__, "--hold", place]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "the snapshot was not opened"
        yield
    finally:
        holder.kill()
        holder.communicate()


def with_snapshot(plan: Plan) -> tuple[dict[str, Rounds], Rounds]:
    """The rounds of each side with a snapshot open, and those of ours without."""
    sides: list[Side] = SIDES["postgresql"]
    found = {side.name: Rounds(rounds=[]) for side in sides}
    without = Rounds(rounds=[])
    with databases() as places:
        for _ in range(plan.rounds):
            around = partial(play, "postgresql", places=places, processes=PROCESSES)
            without.rounds.append(around(side=sides[0], tasks=plan.snapshot_tasks))
            for side in sides:
                played = around(side=side, tasks=plan.snapshot_tasks, around=snapshot)
                found[side.name].rounds.append(played)
    return found, without


# -- all of it -----------------------------------------------------------------------------------


def shares(turns: Mapping[str, Sequence[Recovery]]) -> dict[str, float]:
    """The recovery of each kind of trouble: the median of its turns."""
    return {
        kind: statistics.median(after / before if before else 0.0 for before, after, _ in each)
        for kind, each in turns.items()
    }


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    for row in rows:
        made.add_row(*map(str, row))
    Console(width=None if sys.stdout.isatty() else 100).print(made)


def main() -> None:
    parser = argparse.ArgumentParser(description="A PostgreSQL board under trouble.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--hold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        event_loop.run(hold, options.hold)
        return
    plan = QUICK if options.quick else FULL
    turns, broken = troubled(plan)
    found, without = with_snapshot(plan)
    sys.exit(report(turns, broken, found, without))


def report(
    turns: Mapping[str, Sequence[Recovery]],
    broken: Sequence[str],
    found: dict[str, Rounds],
    without: Rounds,
) -> int:
    """Print the tables and the figure; the exit code."""
    recovered = shares(turns)
    rows = []
    for kind, each in turns.items():
        before, after, back = (statistics.median(column) for column in zip(*each, strict=True))
        numbers = (f"{before:,.0f}", f"{after:,.0f}", f"{recovered[kind]:.2f}", f"{back:.2f}")
        rows.append((kind, *numbers))
    columns = ("trouble", "steps/s before", "after", "recovery", "first step after s")
    table(f"{PROCESSES} processes on one board", columns, rows)
    ours = next(iter(found))
    rows = [(f"{ours}, no snapshot", f"{without.rate:,.0f}")]
    rows += [(name, f"{played.rate:,.0f}") for name, played in found.items()]
    table("a snapshot stays open", ("side", "steps/s"), rows)
    for line in broken:
        print(f"does not hold: {line}")
    least = min(share for kind, share in recovered.items() if kind != "no trouble")
    share, best = ratio(found)
    print(
        f"recovery {least:.2f} at least; with an open snapshot ratio {share:.2f} to {best}; "
        f"{len(broken)} rules broken"
    )
    return int(bool(broken) or least < LEAST_RECOVERY or share < LEAST_RATIO)


if __name__ == "__main__":
    main()
