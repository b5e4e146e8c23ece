"""Claims of tasks by many processes at once, beside the installed huey's SQLite storage.

    python scripts/bench_board.py [--quick]

A step of ours is `finish_and_claim` on `SqliteBoard`, as a worker calls it that finishes a task and
goes on to the next: lease, fence, events and all in one transaction. A step of theirs is `dequeue`
and `put_result` on `SqliteHuey`, which is what its worker does around a task; the tasks were put in
with `enqueue`. A result is the same small dict, written by each side's own means (JSON, pickle).
Both have the same durability: journal_mode=WAL, synchronous=NORMAL and SQLite's own checkpoints on
every connection, and a file of their own on the same disk. Workers are processes that connect, wait
for each other, and then step until nothing is left; starting them is not measured. The sides take
turns, so that a busy machine slows both; the ratio is the median of those of neighbouring rounds.

The last line is the figure. Exit code 1: ours makes fewer steps a second at 8 or 32 processes.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from harness import event_loop
from harness.board.protocols import NewTask
from harness.board.sqlite.board import SqliteBoard

OURS, THEIRS = "delm-harness", "huey"
COMPARED = (8, 32)
PATIENCE_S = 60.0
Step = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the workers of one side did together."""

    rate: float  # steps a second
    seconds: list[float]  # of each step


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Its rounds with one number of workers."""

    rounds: list[Round]

    @property
    def rate(self) -> float:
        """Steps a second, the median round's."""
        return statistics.median(played.rate for played in self.rounds)

    @property
    def seconds(self) -> list[float]:
        """Of each step of all rounds."""
        return [seconds for played in self.rounds for seconds in played.seconds]


# -- one worker ----------------------------------------------------------------------------------


def their_queue(path: Path):
    """A `SqliteHuey` and its one task, as its documentation has them."""
    from huey import SqliteHuey

    huey = SqliteHuey("bench", filename=str(path), journal_mode="wal", timeout=PATIENCE_S)
    huey.storage.conn.execute("PRAGMA synchronous = NORMAL")

    @huey.task()
    def bench(text: str) -> None:
        """Never run: what is compared is the queue."""

    return huey, bench


async def work_ours(path: Path, name: str) -> list[float]:
    """Step until nothing is left; the moments between steps."""
    queue = SqliteBoard(path).of(1).queue
    begin()
    moments = [time.monotonic()]
    claim = await queue.claim(name, lease_s=PATIENCE_S)
    while claim is not None:
        _, claim = await queue.finish_and_claim(claim, result={"worker": name}, lease_s=PATIENCE_S)
        moments.append(time.monotonic())
    return moments


def work_theirs(path: Path, name: str) -> list[float]:
    """Step until nothing is left; the moments between steps."""
    huey, _ = their_queue(path)
    begin()
    moments = [time.monotonic()]
    while (task := huey.dequeue()) is not None:
        huey.put_result(task.id, {"worker": name})
        moments.append(time.monotonic())
    return moments


def begin() -> None:
    """Say that this worker is ready, and wait for the word."""
    print("ready", flush=True)
    sys.stdin.readline()


# -- all of them ---------------------------------------------------------------------------------


async def fill_ours(path: Path, tasks: int) -> None:
    board = SqliteBoard(path)
    made = [NewTask(kind="bench", text=f"task {n}", label=f"task-{n}") for n in range(tasks)]
    await board.of(1).queue.put(*made, by="bench")
    board.close()


def fill_theirs(path: Path, tasks: int) -> None:
    huey, bench = their_queue(path)
    for n in range(tasks):
        huey.enqueue(bench.s(f"task {n}"))
    huey.storage.close()


def play(side: str, processes: int, tasks: int) -> Round:
    """One round of one side, in a fresh file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "board.db"
        if side == OURS:
            event_loop.run(fill_ours, path, tasks)
        else:
            fill_theirs(path, tasks)
        workers = [
            subprocess.Popen(
                [sys.executable, __file__, "--worker", side, str(path), f"worker-{n}"],
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
    assert len(steps) == tasks, f"{side}: {len(steps)} steps for {tasks} tasks"
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


def measure(rounds: int, tasks: int, processes: list[int]) -> dict[int, dict[str, Side]]:
    """For each number of processes the sides' rounds, taken in turns."""
    found: dict[int, dict[str, Side]] = {}
    for count in processes:
        found[count] = {OURS: Side(rounds=[]), THEIRS: Side(rounds=[])}
        for _ in range(rounds):
            for name, side in found[count].items():
                side.rounds.append(play(name, count, tasks))
    return found


def ratio(sides: dict[str, Side]) -> float:
    """Ours to theirs, the median of the pairs that ran one after the other."""
    pairs = zip(sides[OURS].rounds, sides[THEIRS].rounds, strict=True)
    return statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)


def show(found: dict[int, dict[str, Side]]) -> None:
    """One row for each number of processes and side."""
    from rich.console import Console
    from rich.table import Table

    title = "a task claimed and finished; WAL, synchronous=NORMAL on both sides"
    table = Table(title=title, title_justify="left")
    for column in ("processes", "side", "steps/s", "median ms", "p99 ms", "longest ms"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for processes, sides in found.items():
        for side, played in sides.items():
            name = f"huey {version('huey')}" if side == THEIRS else side
            seconds = played.seconds
            centiles = statistics.quantiles(seconds, n=100)
            numbers = (centiles[49], centiles[98], max(seconds))
            row = (f"{1e3 * number:.2f}" for number in numbers)
            table.add_row(str(processes), name, f"{played.rate:,.0f}", *row)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Claims by many processes, beside huey's.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        side, path, name = options.worker
        if side == OURS:
            moments = event_loop.run(work_ours, Path(path), name)
        else:
            moments = work_theirs(Path(path), name)
        print(json.dumps(moments))
        return
    rounds, tasks, processes = (3, 4_000, [1, 8, 32])
    if not options.quick:
        rounds, tasks, processes = (9, 10_000, [1, 8, 32, 128])
    found = measure(rounds, tasks, processes)
    show(found)
    ratios = {n: ratio(found[n]) for n in COMPARED}
    both = " and ".join(f"{ratio:.2f} at {n}" for n, ratio in ratios.items())
    rates = ", ".join(
        f"{found[n][OURS].rate:,.0f} against {found[n][THEIRS].rate:,.0f} at {n}" for n in COMPARED
    )
    print(f"ratio {both} processes: {rates} steps a second")
    sys.exit(min(ratios.values()) < 1)


if __name__ == "__main__":
    main()
