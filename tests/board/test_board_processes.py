"""Many processes on one board, some of them killed at any moment."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from harness.board.protocols import NewTask
from harness.board.sqlite.board import SqliteBoard

pytestmark = pytest.mark.slow(seconds=8)

WORKERS, TASKS, KILLS = 32, 10_000, 24
LEASE_S = 0.5
LIMIT_S = 100.0  # it takes 15 on two idle cores

WORK = """
import anyio, random, sys
from pathlib import Path
from harness.board.evidence import Span
from harness.board.protocols import LeaseLost, Proposal
from harness.board.sqlite.board import SqliteBoard

async def work(path, name):
    board = SqliteBoard(Path(path), synchronous="OFF").of(1)
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
from pathlib import Path
from harness.board.sqlite.board import SqliteBoard

async def read(path):
    board = SqliteBoard(Path(path), synchronous="OFF").of(1)
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


def open_tasks(board: SqliteBoard) -> int:
    rows = board._connection.db.execute(
        "SELECT count(*) FROM board_task WHERE state IN ('open', 'claimed')"
    )
    return rows.fetchone()[0]


def kill_some_until_done(board: SqliteBoard, crowd: Crowd, path, draw: random.Random) -> int:
    """Kill workers at random moments and start others, while the rest does the tasks."""
    began, killed = time.monotonic(), 0
    alive = [crowd.start(WORK, path, f"worker-{n}", LEASE_S) for n in range(WORKERS)]
    for worker in alive:
        assert worker.stdout.readline() == "ready\n"
    while (left := open_tasks(board)) > 0:
        assert time.monotonic() - began < LIMIT_S, f"{left} tasks left, {killed} killed"
        if killed < KILLS and left < TASKS * (1 - killed / KILLS):
            victim = alive.pop(draw.randrange(len(alive)))
            victim.send_signal(signal.SIGKILL)
            killed += 1
            alive.append(crowd.start(WORK, path, f"heir-{killed}", LEASE_S))
        time.sleep(draw.random() * 0.05)
    return killed


def check_story(events: list[dict]) -> None:
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
    assert len(done) == TASKS
    assert set(done.values()) == {1}


async def test_killed_workers_lose_no_task_and_none_is_done_twice(tmp_path, crowd):
    path = tmp_path / "run.db"
    board = SqliteBoard(path, synchronous="OFF")
    made = (NewTask(kind="work", text="", label=f"t{n}") for n in range(TASKS))
    queue, context = board.of(1).queue, board.of(1).context
    await queue.put(*made, by="root")
    for _ in range(2):
        crowd.start(READ, path)
    killed = kill_some_until_done(board, crowd, path, random.Random(7))
    assert killed >= KILLS / 2
    await queue.close(by="root", reason="all done")

    said = [process.communicate(timeout=30)[0].split("\n") for process in crowd.all]
    assert {process.returncode for process in crowd.all} <= {0, -signal.SIGKILL}
    events = await board.events(1)
    check_story(events)
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
    board.close()


async def test_a_writer_that_is_killed_in_the_middle_holds_nobody_up(tmp_path, crowd):
    path = tmp_path / "run.db"
    board = SqliteBoard(path)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from harness.board.sqlite.board import SqliteBoard\n"
        "board = SqliteBoard(Path(sys.argv[1]))\n"
        "with board._connection.write(1) as run:\n"
        "    run('join', agent='doomed', lease_s=60)\n"
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
