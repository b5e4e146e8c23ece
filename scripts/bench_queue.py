"""What the task queue costs: N agents on one board, with a model that only takes time.

    python scripts/bench_queue.py [--quick]

N agents in one process share a queue of independent tasks on a real board in a real file. Each task
is one simulated model call of a fixed latency. With tasks >= 10 N the wall clock ought to be
tasks x latency / N; what is beyond that is waiting for the board or for each other. The peak memory
of the agents is read from the process, against the same process before it had any.

The last line is the figure. Exit code 1: more than 10 % beyond the ideal for any N, or more than
1 MB an agent.
"""

import argparse
import gc
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table

from harness import event_loop
from harness.board.protocols import NewTask
from harness.board.sqlite.board import SqliteBoard

BEYOND = 0.10  # of the ideal wall clock, at most
MEMORY_MB = 1.0  # an agent, at most
TASKS_EACH = 10
BATCH = 500  # tasks that are put in one transaction
LEASE_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """One size of team."""

    agents: int
    tasks: int
    latency_s: float
    ideal_s: float
    took_s: float
    memory_mb: float  # of all agents

    @property
    def beyond(self) -> float:
        """How much more than the ideal, as a share of it."""
        return self.took_s / self.ideal_s - 1

    @property
    def each_mb(self) -> float:
        """Memory of one agent."""
        return self.memory_mb / self.agents


async def agent(board: SqliteBoard, name: str, latency_s: float, conversation: list[str]) -> None:
    """Claim, ask, finish, until nothing is left: the loop of a worker without its workspace."""
    queue = board.of(1).queue
    await queue.join(name, lease_s=LEASE_S)
    while (claim := await queue.claim(name, lease_s=LEASE_S)) is not None:
        await anyio.sleep(latency_s)
        conversation.append(f"{claim.task.label} answered")
        await queue.finish(claim, result={"summary": "done"})
    await queue.leave(name)


async def measure(folder: Path, agents: int, tasks: int, latency_s: float) -> Outcome:
    """The wall clock of `tasks` by `agents`, and what the agents take of memory."""
    board = SqliteBoard(folder / f"{agents}.db", max_tasks=tasks)
    for first in range(0, tasks, BATCH):
        batch = range(first, min(first + BATCH, tasks))
        new = [NewTask(kind="work", text=f"Part {n}.", label=f"work-{n}") for n in batch]
        await board.of(1).queue.put(*new, by="")
    gc.collect()
    before = resident_mb()
    peak = [before]
    started = time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(watch, peak, group.cancel_scope)
        async with anyio.create_task_group() as team:
            for number in range(agents):
                team.start_soon(agent, board, f"agent-{number}", latency_s, [])
        took_s = time.perf_counter() - started
        group.cancel_scope.cancel()
    left = [task.label for task in await board.of(1).queue.tasks() if task.state != "done"]
    assert not left, f"not done: {left[:3]}"
    board.close()
    return Outcome(
        agents=agents,
        tasks=tasks,
        latency_s=latency_s,
        ideal_s=tasks * latency_s / agents,
        took_s=took_s,
        memory_mb=max(peak) - before,
    )


async def watch(peak: list[float], scope: anyio.CancelScope) -> None:
    """Note the size of the process ten times a second."""
    while not scope.cancel_called:
        peak.append(resident_mb())
        await anyio.sleep(0.1)


def resident_mb() -> float:
    """The size of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def table(outcomes: list[Outcome]) -> Table:
    """One row a size."""
    made = Table(title="N agents on one queue, simulated model latency", title_justify="left")
    for column in ("agents", "tasks", "latency s", "ideal s", "took s", "beyond", "MB an agent"):
        made.add_column(column, justify="right")
    for one in outcomes:
        made.add_row(
            f"{one.agents:,}", f"{one.tasks:,}", f"{one.latency_s:g}", f"{one.ideal_s:.2f}",
            f"{one.took_s:.2f}", f"{100 * one.beyond:+.1f} %", f"{one.each_mb:.3f}",
        )  # fmt: skip
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="The wall clock of N agents beside the ideal.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    options = parser.parse_args()
    # a model call takes seconds; a hundred thousandth of a task's board time is not what is asked
    sizes = [(1, 0.1), (10, 0.5), (100, 1.0), (1000, 2.0)]
    if not options.quick:
        sizes = [(1, 0.5), (2, 0.5), (10, 1.0), (50, 1.0), (100, 2.0), (300, 4.0), (1000, 6.0)]
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for agents, latency_s in sizes:
            tasks = TASKS_EACH * agents
            outcomes.append(event_loop.run(measure, Path(folder), agents, tasks, latency_s))
    Console(width=None if sys.stdout.isatty() else 100).print(table(outcomes))
    slowest = max(outcomes, key=lambda one: one.beyond)
    # below a hundred agents what Python itself allocates in passing is larger than they are
    largest = max((one for one in outcomes if one.agents >= 100), key=lambda one: one.each_mb)
    good = slowest.beyond <= BEYOND and largest.each_mb <= MEMORY_MB
    print(
        f"at most {100 * slowest.beyond:.1f} % beyond the ideal (at {slowest.agents:,} agents), "
        f"{largest.each_mb:.3f} MB an agent: {'within' if good else 'MORE THAN'} the "
        f"{100 * BEYOND:.0f} % and {MEMORY_MB:g} MB that are allowed"
    )
    sys.exit(not good)


if __name__ == "__main__":
    main()
