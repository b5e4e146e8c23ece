"""What the harness costs in a run over long documents: wall clock and memory.

    python scripts/bench_questions.py [--quick]

125 questions over documents of 200,000 tokens each, written by a program; `base` and
`delm-documents` answer them with a scripted model (a process of its own, real HTTP) that takes 4 s
for each answer, and a second more for each 10,000 tokens of the prompt. Two things say how far that
time makes the run: the share of the trials' time in which a call was under way, and how much longer
a call took than the model did, which is where a busy processor shows. Memory is read from the
process all the time: in the last fifth of the run it may not be more than in the second fifth, but
for a tenth.

The last line is the figure. Exit code 1: less than 90 % of the time is the model's, or it grows.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
from bench_scale import Silent, growth_of, served_by, watch_memory

from harness import event_loop
from harness.benchmarks.longbench.benchmark import LongBench
from harness.benchmarks.longbench.generated import Writer, growth
from harness.benchmarks.longbench.grading import AnswerGrader
from harness.benchmarks.longbench.questions import LETTERS, MULTI_DOC
from harness.benchmarks.rows import load
from harness.board.sqlite.board import SqliteBoard
from harness.commands import compose
from harness.config import resolve
from harness.model.token_count import count
from harness.results import run_folder
from harness.results.run_folder import RunFolder
from harness.runner.run import Run
from harness.store.sqlite.store import SqliteStore

TOKENS = 200_000
SYSTEMS = ("base", "delm-documents")
LEAST = 0.9
GROWTH = 0.10
TOKENS_PER_S = 10_000  # of a prompt
SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from reading_script import ReadingScript

class Slow(ReadingScript):
    def __call__(self, request, n):
        written = sum(len(message.get("content") or "") for message in request["messages"])
        time.sleep({latency} + written / 4 / {rate})
        return super().__call__(request, n)

    def letter(self, request):
        return "A"

script = Slow({{}})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The trials of one system."""

    trials: int
    calls: int
    trial_s: float  # of all trials together
    called_s: float  # of them, with a call under way
    call_s: float  # a call's, mean
    model_s: float  # of it, the model's

    @property
    def model_share(self) -> float:
        """Of the trials' time, what the model's own takes."""
        return self.called_s / self.trial_s * self.model_s / self.call_s


def write_rows(path: Path, count_of: int, tokens: int) -> float:
    """Questions whose documents have so many tokens, as a file; tokens of one."""
    sample = "\n\n\n".join(growth(Writer(0), 100_000)[4])
    characters = round(tokens * len(sample) / count(sample))
    with path.open("w") as file:
        for number in range(count_of):
            writer = Writer(number)
            sub_domain, question, right, wrong, documents = growth(writer, characters)
            row = {
                "_id": f"long-{number:03}", "domain": MULTI_DOC, "sub_domain": sub_domain,
                "difficulty": "hard", "length": "long", "question": question,
                **{f"choice_{x}": c for x, c in zip(LETTERS, [right, *wrong], strict=True)},
                "answer": "A", "context": "\n\n\n".join(documents),
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return count(row["context"])


async def play(folder: Path, rows: Path, workers: int, memory: list[float]) -> tuple[Any, Any]:
    """One run; its trials and its calls."""
    layer = {
        "model": {"name": "openai/scripted", "concurrency": 4 * workers},
        "dataset": {"name": str(rows)},
        "systems": list(SYSTEMS),
        "budget": {"steps": 0, "cost_usd": 0},
    }
    config = resolve([layer])
    parts = compose.model_parts(config, print)
    items = load(str(rows), cache=folder / "cache").items
    os.environ["DELM_CACHE"] = str(folder / "cache")
    target = RunFolder(folder, "run")
    target.create()
    sandboxes = compose.sandboxes(config, LongBench(), items)
    with (
        closing(SqliteStore(target.path / "run.db")) as store,
        closing(SqliteBoard(target.path / "run.db")) as board,
    ):
        await store.describe(
            config=config.model_dump(mode="json"), model=parts.name, benchmark="longbench-v2"
        )
        run = Run(
            store=store,
            board=board,
            benchmark=LongBench(),
            items=items,
            run_systems=compose.load_systems(config, parts.backend),
            client=compose.client(parts, config, store, lambda trial, why: None, str),
            sandboxes=sandboxes,
            grader=AnswerGrader(),
            limits=config.budget.limits(),
            agent_tools=config.agent_tools,
            workers=workers,
            watcher=Silent(),
        )
        await parts.backend.warm_up()
        await run.plan()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch_memory, memory)
            await run.work()
            tasks.cancel_scope.cancel()
        await parts.backend.aclose()
        await run_folder.derive(target, store, board)
        return await store.trials(), [
            {
                key: call[key]
                for key in ("trial_id", "started_at", "ended_at", "paid_call", "prompt_tokens")
            }
            for call in await store.calls()
        ]


def outcome(
    trials: Sequence[Mapping[str, Any]], calls: Iterable[Mapping[str, Any]], latency_s: float
) -> Outcome:
    """Of the trials of one system that are done."""
    by_trial: dict[int, list[tuple[float, float]]] = {
        t["trial_id"]: [] for t in trials if t["state"] == "done"
    }
    model_s: list[float] = []
    for call in calls:
        if call["trial_id"] in by_trial and call["paid_call"] is None:
            by_trial[call["trial_id"]].append((at(call["started_at"]), at(call["ended_at"])))
            model_s.append(latency_s + call["prompt_tokens"] / TOKENS_PER_S)
    lasted = [end - start for spans in by_trial.values() for start, end in spans]
    return Outcome(
        trials=len(by_trial),
        calls=len(lasted),
        trial_s=sum(t["seconds"] for t in trials if t["trial_id"] in by_trial),
        called_s=sum(map(covered, by_trial.values())),
        call_s=sum(lasted) / len(lasted),
        model_s=sum(model_s) / len(model_s),
    )


def at(moment: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of the spans lasts."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def show(rows: Mapping[str, Outcome]) -> None:
    """One row a system."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="questions over long documents", title_justify="left")
    for column in ("system", "trials", "calls", "a trial s", "with a call", "a call s",
                   "of it the model", "the model's in all"):  # fmt: skip
        table.add_column(column, justify="left" if column == "system" else "right")
    for name, row in rows.items():
        table.add_row(
            name,
            str(row.trials),
            f"{row.calls:,}",
            f"{row.trial_s / row.trials:.1f}",
            f"{100 * row.called_s / row.trial_s:.1f} %",
            f"{row.call_s:.2f}",
            f"{100 * row.model_s / row.call_s:.1f} %",
            f"{100 * row.model_share:.1f} %",
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the harness costs over long documents.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    options = parser.parse_args()
    wanted, latency_s, workers = (3, 1.0, 3) if options.quick else (125, 4.0, 16)
    size = TOKENS // 3 if options.quick else TOKENS
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = folder / "rows.jsonl"
        tokens = write_rows(rows, wanted, size)
        print(f"{wanted} documents of about {tokens:,} tokens, {rows.stat().st_size / 1e6:.0f} MB")
        os.environ["OPENAI_API_KEY"] = "none"
        tests = str(Path(__file__).parents[1] / "tests" / "helpers")
        script = SCRIPT.format(tests=tests, latency=latency_s, rate=TOKENS_PER_S)
        began = time.monotonic()
        with served_by(folder, script) as os.environ["OPENAI_API_BASE"]:
            trials, calls = event_loop.run(play, folder, rows, workers, memory)
        took_s = time.monotonic() - began
    outcomes = {
        name: outcome([t for t in trials if t["system"] == name], calls, latency_s)
        for name in SYSTEMS
    }
    show(outcomes)
    least, growth_ = min(row.model_share for row in outcomes.values()), growth_of(memory)
    print(
        f"{100 * least:.1f} % of the time is the model's at {wanted} questions in {took_s:.0f} s; "
        f"memory {max(memory):.0f} MB at most, {100 * growth_:+.1f} %"
    )
    whole = all(row.trials == wanted for row in outcomes.values())
    sys.exit(not (whole and least >= LEAST and growth_ < GROWTH))


if __name__ == "__main__":
    main()
