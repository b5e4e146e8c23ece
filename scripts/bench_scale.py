"""What the harness costs in a run of many instances: wall clock, memory, and the same table.

    python scripts/bench_scale.py [--quick]

A scripted model (a process of its own, real HTTP) that takes its time for each answer solves the
same small issue under 200 names, in real sandboxes, with 16 workers; `single` runs it, the official
grader grades it. What a trial takes beyond its model's answers and its commands is the harness:
making and closing sandboxes, the client, the store, the diff, waiting for a processor. Memory is
read from the process all the time: in the last fifth of the run it may not be more than in the
second fifth, but for a tenth. Then fewer instances are run with 16 workers and with 3: the tables
have to be the same, save for what is measured in seconds.

The last line is the figure. Exit code 1: more than 5 % beyond, memory that grows, or another table.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from console import FLASK, SOLVE, bundled

from harness import event_loop
from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.grading import PatchGrader
from harness.board.sqlite.board import SqliteBoard
from harness.commands import compose
from harness.config import resolve
from harness.results import run_folder
from harness.results.run_folder import RunFolder
from harness.runner.run import Run
from harness.store.sqlite.store import SqliteStore
from harness.types import Item

WORKERS = 16
BEYOND = 0.05
GROWTH = 0.10
LOOK_S = 0.25
SCRIPT = """
import time
SOLVE = {solve!r}
LOOK = {{"name": "bash", "arguments": {{"command": "git status --short"}}}}
FINISH = {{"name": "finish", "arguments": {{"summary": "Done."}}}}

def script(request, n):
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    time.sleep({latency})
    call = SOLVE if turn == 0 else FINISH if turn == {turns} - 1 else LOOK
    return {{"tool_calls": [call | {{"id": f"call_{{turn}}"}}]}}  # of one length
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run."""

    trials: int
    workers: int
    took_s: float
    trial_s: float  # of all trials together
    model_s: float
    command_s: float
    memory_mb: Sequence[float]  # in the order of time

    @property
    def beyond(self) -> float:
        """What trials took beyond their model and their commands, as a share of these."""
        return self.trial_s / (self.model_s + self.command_s) - 1

    @property
    def growth(self) -> float:
        """Memory in the last fifth of the run against that in its second, as a share of this."""
        return growth_of(self.memory_mb)


class Silent:
    """A `harness.runner.services.Watcher` that counts."""

    def __init__(self) -> None:
        self.ended = 0

    def trial(self, row: Any, state: str, note: str = "") -> None:
        """See `harness.runner.services.Watcher`."""
        if state in ("done", "error", "cancelled"):
            self.ended += 1
            if state != "done":
                print(f"trial {row['trial_id']}: {state} ({note})", flush=True)

    def step(self, row: Any, steps: int, cost: Any, *, resumed: int = 0) -> None:
        """See `harness.runner.services.Watcher`."""

    def stands(self, standing: Any) -> None:
        """See `harness.runner.run.Watcher`."""


@contextmanager
def served_by(folder: Path, words: str) -> Iterator[str]:
    """A scripted model, a process of its own, that does what `words` define as `script`."""
    script = folder / "script.py"
    script.write_text(words)
    server = Path(__file__).parents[1] / "tests" / "helpers" / "scripted_model.py"
    process = subprocess.Popen(
        [sys.executable, str(server), "--script", str(script), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def growth_of(memory_mb: Sequence[float]) -> float:
    """Memory in the last fifth of a run against that in its second, as a share of this."""
    fifth = max(1, len(memory_mb) // 5)
    early = statistics.median(memory_mb[fifth : 2 * fifth])
    return statistics.median(memory_mb[-fifth:]) / early - 1


async def play(folder: Path, item: Item, count: int, workers: int) -> Outcome:
    """One run of `count` instances that are all `item`."""
    items = [named(item, f"{item.instance.instance_id}-{n:03}") for n in range(count)]
    config = resolve([{"model": {"name": "openai/scripted"}, "systems": ["single"]}])
    parts = compose.model_parts(config, print)
    run_systems = compose.load_systems(config, parts.backend)
    target = RunFolder(folder, f"run-{count}-{workers}")
    target.create()
    sandboxes = compose.sandboxes(config, SweBench(), items, target.run_id)
    memory: list[float] = []
    with (
        closing(SqliteStore(target.path / "run.db")) as store,
        closing(SqliteBoard(target.path / "run.db")) as board,
    ):
        await store.describe(config=config.model_dump(mode="json"), model=parts.name)
        run = Run(
            store=store,
            board=board,
            benchmark=SweBench(),
            items=items,
            run_systems=run_systems,
            client=compose.client(parts, config, store, lambda trial, why: None, str),
            sandboxes=sandboxes,
            grader=PatchGrader(sandboxes, target.logs(), folder / "cache", config.grading),
            limits=config.budget.limits(),
            agent_tools=config.agent_tools,
            workers=workers,
            watcher=Silent(),
        )
        await parts.backend.warm_up()
        await sandboxes.prepare(items, print)
        await run.plan()
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch_memory, memory)
            await run.work()
            tasks.cancel_scope.cancel()
        took = time.monotonic() - began
        await parts.backend.aclose()
        await run_folder.derive(target, store, board)
        trials = await store.trials()
        return Outcome(
            trials=sum(trial["state"] == "done" for trial in trials),
            workers=workers,
            took_s=took,
            trial_s=sum(trial["seconds"] for trial in trials),
            model_s=sum(lasted(call) for call in await store.calls()),
            command_s=sum(span["seconds"] for span in await store.spans())
            + sum(r["grade_seconds"] for r in await store.submissions() if not r["grade_cached"]),
            memory_mb=memory,
        )


def named(item: Item, name: str) -> Item:
    """The same issue under another name."""
    return replace(
        item,
        instance=replace(item.instance, instance_id=name),
        reference=replace(item.reference, instance_id=name),
    )


def lasted(call: dict[str, Any]) -> float:
    """Seconds from the beginning to the end of a call."""
    began, ended = (datetime.fromisoformat(call[f"{word}_at"]) for word in ("started", "ended"))
    return (ended - began).total_seconds()


async def watch_memory(found: list[float]) -> None:
    """Resident megabytes of this process, again and again."""
    while True:
        found.append(resident_mb())
        await anyio.sleep(LOOK_S)


def resident_mb() -> float:
    """Of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def table_of(folder: Path, count: int, workers: int) -> dict[str, str]:
    """The row of the one system, without what is measured in seconds."""
    with (folder / f"run-{count}-{workers}" / "table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    return {
        name: value
        for name, value in row.items()
        if not name.endswith("_s") and "seconds" not in name
    }


def show(rows: Sequence[Outcome]) -> None:
    """One row a run."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="a run of one issue under many names", title_justify="left")
    for column in ("instances", "workers", "took s", "model s", "command s", "trials s",
                   "beyond", "memory MB", "growth"):  # fmt: skip
        table.add_column(column, justify="right")
    for row in rows:
        seconds = (row.took_s, row.model_s, row.command_s, row.trial_s)
        table.add_row(
            str(row.trials),
            str(row.workers),
            *(f"{number:,.1f}" for number in seconds),
            f"{100 * row.beyond:.1f} %",
            f"{max(row.memory_mb):.0f}",
            f"{100 * row.growth:.1f} %",
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the harness costs in a run.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    options = parser.parse_args()
    count, few, latency_s, turns = (24, 8, 1.0, 5) if options.quick else (200, 24, 4.0, 12)
    (item,) = bundled(FLASK)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["OPENAI_API_KEY"] = "none"
        slow, quick = (
            SCRIPT.format(solve=SOLVE["tool_calls"][0], latency=seconds, turns=turns)
            for seconds in (latency_s, 0.1)
        )
        with served_by(folder, slow) as os.environ["OPENAI_API_BASE"]:
            large = event_loop.run(play, folder, item, count, WORKERS)
        with served_by(folder, quick) as os.environ["OPENAI_API_BASE"]:
            rows = [large, *(event_loop.run(play, folder, item, few, w) for w in (WORKERS, 3))]
        tables = [table_of(folder, few, workers) for workers in (WORKERS, 3)]
    show(rows)
    same = tables[0] == tables[1]
    if not same:
        print({name: (tables[0][name], tables[1][name]) for name in tables[0]
               if tables[0][name] != tables[1][name]})  # fmt: skip
    print(
        f"{100 * large.beyond:.1f} % of wall clock beyond model and commands at {count} instances "
        f"and {WORKERS} workers; memory {100 * large.growth:+.1f} %; "
        f"{'the same table' if same else 'another table'} with 3 workers"
    )
    whole = all(row.trials == wanted for row, wanted in zip(rows, (count, few, few), strict=True))
    sys.exit(not (whole and same and large.beyond < BEYOND and large.growth < GROWTH))


if __name__ == "__main__":
    main()
