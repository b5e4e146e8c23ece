"""Real agents on a real PostgreSQL board, whose model only takes time. Run by `calibration.py`.

    python scripts/simulation/real_board.py JSON        one process of a run

Each agent claims a task, reads what is new in the shared context before each model call, waits as
long as the call takes, publishes a finding now and then, and goes on with `finish_and_claim`.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import event_loop
from harness.board.evidence import Span
from harness.board.opening import open_boards
from harness.board.protocols import NewTask, Proposal
from harness.board.records import Boards
from harness.board.vocabulary import EntryKind
from harness.store.postgres.database import MOST_CONNECTIONS
from simulation.workload import LEAST, MOST, Workload

LEASE_S = 600.0
BATCH = 500
WARM = 5  # requests by which a connection is open and prepared
CPU_SECONDS = 1e9  # the unit of /proc/PID/schedstat


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run took."""

    wall_s: float  # from the start of all agents to the end of the last
    client_s: float  # processor time of the agents' processes
    server_s: float  # of PostgreSQL
    others: float  # processors that other programs had, on average
    done: int
    entries: int
    steps: dict[str, list[float]]  # seconds by kind of request: how often, in all


class Timed:
    """Adds up the seconds of each kind of request."""

    def __init__(self) -> None:
        self.steps: dict[str, list[float]] = {}

    def note(self, what: str, since: float) -> None:
        """One more request, which began at `since` (monotonic)."""
        step = self.steps.setdefault(what, [0, 0.0])
        step[0] += 1
        step[1] += time.monotonic() - since


async def publish(boards: Boards, name: str, label: str) -> None:
    """Have a finding admitted."""
    context = boards.of(1).context
    evidence = Span(path="a.py", line=1, quote=f"line of {label}")
    proposal = Proposal(kind=EntryKind.FACT, gist=f"{label} is so.", summary="",
                        evidence=evidence, author=name, task=label)  # fmt: skip
    number = await context.propose(proposal)
    ruling = await context.admit(number, key=label, raw="line", seconds=0.1)
    assert ruling.entry is not None


async def agent(boards: Boards, number: int, given: Workload, timed: Timed) -> int:
    """Work until nothing is left; how many tasks it did."""
    name, done, read_to = f"agent-{number}", 0, 0
    queue, context = boards.of(1).queue, boards.of(1).context
    draw = random.Random(number)
    await anyio.sleep(draw.uniform(0, given.latency_s))
    since = time.monotonic()
    claim = await queue.claim(name, lease_s=LEASE_S)
    timed.note("claim", since)
    while claim is not None:
        for _ in range(given.turns):
            since = time.monotonic()
            for entry in await context.entries(after=read_to):
                read_to = entry.position
            timed.note("read", since)
            await anyio.sleep(draw.uniform(LEAST, MOST) * given.latency_s)
        label = claim.task.label
        if given.publishes(int(label.rpartition("-")[2])):
            since = time.monotonic()
            await publish(boards, name, label)
            timed.note("publish", since)
        since = time.monotonic()
        _, claim = await queue.finish_and_claim(claim, result={"by": name}, lease_s=LEASE_S)
        timed.note("step", since)
        done += 1
    return done


async def warm(boards: Boards, name: str) -> None:
    """Use a connection for what agents will ask, on another trial: it is open and prepared."""
    for _ in range(WARM):
        await boards.of(2).queue.claim(name, lease_s=LEASE_S)
        await boards.of(2).context.entries()


async def work(address: str, first: int, agents: int, given: Workload) -> None:
    """One process; what it did is printed."""
    boards, timed, done = await open_boards(address), Timed(), []
    async with anyio.create_task_group() as opening:
        for number in range(MOST_CONNECTIONS):
            opening.start_soon(warm, boards, f"{first}-{number}")

    async def one(number: int) -> None:
        done.append(await agent(boards, number, given, timed))

    print("ready", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
    cpu = time.process_time()
    async with anyio.create_task_group() as tasks:
        for number in range(first, first + agents):
            tasks.start_soon(one, number)
    print(json.dumps([sum(done), time.process_time() - cpu, timed.steps]), flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)  # the server's processes are still counted
    await boards.aclose()


async def fill(address: str, given: Workload) -> None:
    """Put the tasks."""
    boards = await open_boards(address)
    for first in range(0, given.tasks, BATCH):
        made = [NewTask(kind="calibration", text=f"task {n}", label=f"task-{n}")
                for n in range(first, min(first + BATCH, given.tasks))]  # fmt: skip
        await boards.of(1).queue.put(*made, by="calibration")
    await boards.aclose()


async def row_seconds(address: str, folder: Path, times: int) -> tuple[float, float, float]:
    """Of one more new entry in a read: the server's and the client's processor seconds, and
    seconds in all."""
    boards = await open_boards(address)
    context = boards.of(1).context
    entries = await context.entries()
    spent = []
    for after in (entries[-1].position, 0):
        begun = (server_seconds(folder), time.process_time(), time.monotonic())
        for _ in range(times):
            await context.entries(after=after)
        ended = (server_seconds(folder), time.process_time(), time.monotonic())
        spent.append([last - first for first, last in zip(begun, ended, strict=True)])
    await boards.aclose()
    none, every = spent
    server, client, wall = (
        max(more - less, 0.0) / times / len(entries) for less, more in zip(none, every, strict=True)
    )
    return server, client, wall


async def left(address: str) -> tuple[int, int]:
    """How many tasks are done, and how many entries there are."""
    boards = await open_boards(address)
    tasks = await boards.of(1).queue.tasks()
    entries = await boards.of(1).context.entries()
    await boards.aclose()
    assert all(task.attempts == 1 for task in tasks), "a task was claimed twice"
    return sum(task.state == "done" for task in tasks), len(entries)


def server_seconds(folder: Path) -> float:
    """Processor time of a PostgreSQL server's living processes."""
    first = int((folder / "data/postmaster.pid").read_text().split()[0])
    return sum(map(processor_seconds, [first, *children(first)]))


def children(pid: int) -> Iterator[int]:
    """The processes that a process has started and that live."""
    yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def processor_seconds(pid: int) -> float:
    """Processor time of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / CPU_SECONDS
    except OSError:
        return 0.0


def machine_seconds() -> float:
    """Processor time of the whole machine: all but idle and waiting for a disk."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / 100


def play(url: str, folder: Path, name: str, given: Workload) -> Run:
    """Run it on the server at `url`, in the run `name`."""
    address = f"{url}#{name}"
    event_loop.run(fill, address, given)
    shares = [given.agents // given.processes + (n < given.agents % given.processes)
              for n in range(given.processes)]  # fmt: skip
    processes = []
    for n, share in enumerate(shares):
        words = json.dumps([address, sum(shares[:n]), share, asdict(given)])
        processes.append(
            subprocess.Popen([sys.executable, __file__, words], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        )  # fmt: skip
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", "a process did not start"
        server, machine, began = server_seconds(folder), machine_seconds(), time.monotonic()
        for process in processes:
            say(process, "go")
        told = [json.loads(process.stdout.readline()) for process in processes]
        wall_s = time.monotonic() - began
        server, machine = server_seconds(folder) - server, machine_seconds() - machine
        for process in processes:
            say(process, "end")
            process.wait(60)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    done, entries = event_loop.run(left, address)
    assert done == sum(each[0] for each in told) == given.tasks, "not every task was done once"
    steps: dict[str, list[float]] = {}
    for _, _, mine in told:
        for what, (count, seconds) in mine.items():
            old = steps.get(what, [0, 0.0])
            steps[what] = [old[0] + count, old[1] + seconds]
    client = sum(each[1] for each in told)
    return Run(wall_s=wall_s, client_s=client, server_s=server, done=done, entries=entries,
               others=max(machine - client - server, 0) / wall_s, steps=steps)  # fmt: skip


def say(process: subprocess.Popen[str], word: str) -> None:
    """Give a process of a run its next word."""
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


if __name__ == "__main__":
    address, first, agents, workload = json.loads(sys.argv[1])
    event_loop.run(work, address, first, agents, Workload(**workload))
