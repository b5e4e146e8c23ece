"""Many processes on one board, some of them killed at any moment, and a server as well."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncpg
import pytest
from postgres_servers import Server, run_on

from harness.board.opening import open_boards
from harness.board.protocols import NewTask
from harness.board.records import Boards
from harness.board.sqlite.board import SqliteBoard

pytestmark = pytest.mark.slow(seconds=8)

LEASE_S = 0.5
LIMIT_S = 100.0  # it takes 15 on two idle cores

WORK = """
import anyio, random, sys
from pathlib import Path
from harness.board.evidence import Span
from harness.board.opening import open_boards
from harness.board.protocols import LeaseLost, Proposal
from harness.board.sqlite.board import SqliteBoard

async def work(address, name):
    if "://" in address:
        board = (await open_boards(address)).of(1)
    else:
        board = SqliteBoard(Path(address), synchronous="OFF").of(1)
    queue, context = board.queue, board.context
    draw = random.Random(name)
    print("ready", flush=True)
    claim, lease_s = None, float(sys.argv[3])
    while not await queue.closed():
        since = queue.version
        claim = claim or await queue.claim(name, lease_s=lease_s)
        if claim is None:
            await queue.wait(since, timeout_s=1)
            continue
        label = claim.task.label
        if draw.random() < 0.05:
            seen = Span(path="a.py", quote="x = 1")
            said = {"gist": label, "summary": "", "evidence": seen, "author": name, "task": label}
            number = await context.propose(Proposal(kind="FACT", **said))
            await context.admit(number, key=str(draw.randrange(400)), raw=label, seconds=0)
            print("entry", number, flush=True)
        if label.endswith("00") and draw.random() < 0.5:
            await anyio.sleep(1.5 * lease_s)  # another takes it over, and may sleep on it, too
        mine, claim = claim, None
        try:
            if draw.random() < 0.5:
                await queue.finish(mine, result={"by": name})
            else:
                _, claim = await queue.finish_and_claim(mine, result={"by": name}, lease_s=lease_s)
        except LeaseLost:
            print("lost", label, flush=True)

anyio.run(work, *sys.argv[1:3])
"""

READ = """
import anyio, json, sys
from harness.board.opening import open_boards

async def read(address):
    board = (await open_boards(address)).of(1)
    print("ready", flush=True)
    seen, over = [], False
    while not over:
        since, over = board.queue.version, await board.queue.closed()
        seen += [entry.label for entry in await board.context.entries(len(seen))]
        whole = [entry.label for entry in await board.context.entries()]
        assert whole[: len(seen)] == seen, "an entry came before one that was read already"
        if not over:
            await board.queue.wait(since, timeout_s=0.2)
            await anyio.sleep(0.2)
    print(json.dumps(seen), flush=True)

anyio.run(read, sys.argv[1])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the processes of a test do."""

    address: str
    workers: int
    tasks: int
    kills: int


class Crowd:
    """Processes that are all gone in the end."""

    def __init__(self) -> None:
        self.all: list[subprocess.Popen[str]] = []

    def start(self, code: str, *words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.all.append(process)
        return process

    def end(self) -> None:
        for process in self.all:
            process.kill()
        for process in self.all:
            process.wait()
            process.stdout.close()


@pytest.fixture
def crowd():
    made = Crowd()
    yield made
    made.end()


async def open_tasks(boards: Boards) -> int:
    text = "SELECT count(*) FROM board_task WHERE state IN ('open', 'claimed')"
    return (await boards._database.tuples(text, []))[0][0]


async def kill_some_until_done(
    boards: Boards, crowd: Crowd, job: Job, draw: random.Random, server: Server | None
) -> int:
    """Kill workers at random moments and start others, while the rest does the tasks.

    The processes of a server that serve the workers are ended again and again, and the server
    itself is killed once, and started again.
    """
    began, killed = time.monotonic(), 0
    alive = [crowd.start(WORK, job.address, f"worker-{n}", LEASE_S) for n in range(job.workers)]
    for worker in alive:
        assert worker.stdout.readline() == "ready\n"
    while (left := await open_tasks(boards)) > 0:
        assert time.monotonic() - began < LIMIT_S, f"{left} tasks left, {killed} killed"
        if killed < job.kills and left < job.tasks * (1 - killed / job.kills):
            victim = alive.pop(draw.randrange(len(alive)))
            victim.send_signal(signal.SIGKILL)
            killed += 1
            alive.append(crowd.start(WORK, job.address, f"heir-{killed}", LEASE_S))
            if server is not None:
                await end_connections(server)
            if server is not None and killed == job.kills // 2:
                server.stop("immediate")
                server.start()
        await anyio.sleep(draw.random() * 0.05)
    return killed


async def end_connections(server: Server) -> None:
    connection = await asyncpg.connect(server.url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'delm'"
    )
    await connection.close()


def check_story(events: list[dict], tasks: int) -> None:
    """Every task is done once, by the agent of its latest claim, and claims never overlap."""
    claims: dict[str, tuple[str, int]] = {}
    held: set[str] = set()
    done: Counter[str] = Counter()
    for event in events:
        label, what, actor = event["subject"], event["what"], event["actor"]
        if what == "claimed":
            assert label not in held, f"{label} was claimed while it was held"
            assert event["detail"]["fence"] == claims.get(label, ("", 0))[1] + 1
            claims[label] = (actor, event["detail"]["fence"])
            held.add(label)
        elif what in ("lost", "done"):
            assert (actor, event["detail"]["fence"]) == claims[label]
            held.discard(label)
            done[label] += what == "done"
    assert len(done) == tasks
    assert set(done.values()) == {1}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_killed_workers_lose_no_task_and_none_is_done_twice(kind, tmp_path, crowd, request):
    server = request.getfixturevalue("own_postgres") if kind == "postgresql" else None
    if server is None:
        job = Job(address=str(tmp_path / "run.db"), workers=32, tasks=10_000, kills=24)
        board = SqliteBoard(Path(job.address), synchronous="OFF")
    else:
        job = Job(address=run_on(server), workers=12, tasks=3_000, kills=12)
        board = await open_boards(job.address)
    made = (NewTask(kind="work", text="", label=f"t{n}") for n in range(job.tasks))
    queue, context = board.of(1).queue, board.of(1).context
    await queue.put(*made, by="root")
    for _ in range(2):
        crowd.start(READ, job.address)
    killed = await kill_some_until_done(board, crowd, job, random.Random(7), server)
    assert killed >= job.kills / 2
    await queue.close(by="root", reason="all done")

    said = [process.communicate(timeout=30)[0].split("\n") for process in crowd.all]
    assert {process.returncode for process in crowd.all} <= {0, -signal.SIGKILL}
    events = await board.events(1)
    check_story(events, job.tasks)
    assert any(event["what"] == "lost" for event in events)  # the killed held something

    entries = [entry.label for entry in await context.entries()]
    for reader, lines in zip(crowd.all[:2], said[:2], strict=True):
        assert reader.returncode == 0
        assert json.loads(lines[-2]) == entries
    assert entries == [f"F{n}" for n in range(1, len(entries) + 1)]
    told = {int(line.split()[1]) for lines in said for line in lines if line.startswith("entry ")}
    proposals = await board.proposals(1)
    settled = {row["number"]: row["entry"] for row in proposals if row["settled"] is not None}
    assert told <= set(settled)  # what a worker was told is there, killed or not
    assert set(settled.values()) == set(entries)
    found = sum([await context.count(label) for label in entries])
    assert found == len(settled) > len(entries) > 0
    await board.aclose()


async def test_a_writer_that_is_killed_in_the_middle_holds_nobody_up(tmp_path, crowd):
    path = tmp_path / "run.db"
    board = SqliteBoard(path)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from harness.board.sqlite.board import SqliteBoard\n"
        "from harness.store.sqlite.connection import Transaction\n"
        "board = SqliteBoard(Path(sys.argv[1]))\n"
        "with Transaction(board._connection, 1) as transaction:\n"
        "    transaction.rows('join', {'agent': 'doomed', 'lease_s': 60})\n"
        "    print('inside', flush=True); time.sleep(60)\n"
    )
    writer = crowd.start(code, path)
    assert writer.stdout.readline() == "inside\n"
    writer.send_signal(signal.SIGKILL)
    began = time.monotonic()
    await board.of(1).queue.join("ann", lease_s=60)
    assert time.monotonic() - began < 5
    assert [event["actor"] for event in await board.events(1)] == ["ann"]
    board.close()
