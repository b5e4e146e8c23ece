"""`delm critique`: let a model label the trials of a run, on money of its own."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from harness import event_loop
from harness.analysis.paired_instances import differing
from harness.benchmarks.protocol import Benchmark
from harness.board.opening import open_boards
from harness.commands import compose
from harness.commands.confirm import agreed, check_limit
from harness.commands.locate import find
from harness.config import Config, layer, nearest, resolve
from harness.errors import UserError
from harness.labels.adding import material
from harness.labels.critique_material import item_texts, overview
from harness.labels.critique_run import Critiques, JudgedRun
from harness.locks import lock
from harness.model import prices
from harness.model.prices import Price
from harness.model.run_clock import RunClock
from harness.model.shared_cache import SharedCache
from harness.model.token_count import count
from harness.no_space import full
from harness.protocols import Sandboxes
from harness.results.label_file import FILE, write_labels
from harness.results.run_folder import RunFolder, fresh_run_id
from harness.runner.check_cache import NoCheckCache
from harness.runner.progress import console
from harness.runner.services import TrialServices
from harness.runner.signals import STOPPED, until_signal
from harness.runner.systems import make
from harness.score import counted_attempts, ended, flags_of
from harness.score.cost import Spent, in_words, spent
from harness.score.rows import by_trial
from harness.shipped import config_file
from harness.store.opening import open_store
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial, LabelRow, RunRows, Standing, TrialRow
from harness.system_files import system_config
from harness.text.counted import counted
from harness.types import Item, Usage

KEPT = ("dataset", "sandbox", "grading", "seed", "agent_tools")
"""What of a run's configuration its critiques have, too."""
ONLY = ("unresolved", "flagged", "differ")
TURNS, GROWTH, ANSWER = 10, 900, 250  # that an estimate assumes: turns, and tokens of each
RULES = 1_200  # tokens of the instructions and the tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of `delm critique`."""

    run: str
    model: str
    instances: Sequence[str]
    systems: Sequence[str]
    only: str
    specs: Sequence[str]
    sandbox: str
    workers: int
    turns: int
    cost_limit: float
    max_cost: float
    yes: bool
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    out: Console
    folder: RunFolder
    config: Config
    parts: compose.ModelParts
    benchmark: Benchmark[Any]
    items: Mapping[str, Item]
    trials: Sequence[TrialRow]
    sandboxes: Sandboxes
    workers: int

    @property
    def database(self) -> Path:
        """The store of the critiques by this model."""
        return self.folder.path / f"critique.{fresh_run_id(self.parts.name)}.db"


def critique(request: Request) -> int:
    """Label the trials; the exit code: 0 done, 1 some failed or were not begun, 130 stopped."""
    out = console()
    if request.only and request.only not in ONLY:
        raise UserError(f"--only takes {', '.join(ONLY)}, not {request.only!r}")
    folder = event_loop.run(find, request.run, request.output)
    rows, labels = event_loop.run(_read, folder)
    config = _config(rows.facts, request)
    parts = compose.model_parts(config, lambda _: None, say=partial(_note, out))
    if parts.replay:
        raise UserError("a critique needs a model (-m), not a recording")
    check_limit(config, parts)
    trials = chosen(rows, labels, request, parts.name)
    dataset = compose.dataset(config)
    items = _items(dataset.items, trials)
    bound = event_loop.run(_foresee, folder, rows, dataset.benchmark, items, trials, parts.price)
    for line in _plan(config, parts, folder, trials, bound):
        _say(out, line)
    if not trials:
        return 0
    if not (request.yes or agreed(out)):
        return 1
    sandboxes = compose.sandboxes(config, dataset.benchmark, list(items.values()), folder.run_id)
    job = _Job(
        out=out, folder=folder, config=config, parts=parts, benchmark=dataset.benchmark,
        items=items, trials=trials, sandboxes=sandboxes, workers=request.workers,
    )  # fmt: skip
    try:
        with _alone(job.database):
            return event_loop.run(_work, job)
    finally:
        sandboxes.close()


def chosen(
    rows: RunRows, labels: Sequence[LabelRow], request: Request, model: str
) -> list[TrialRow]:
    """The trials that are asked for, have ended, and have no label of this model.

    `UserError` for an instance or a system that the run does not have.
    """
    for what, column, asked in (
        ("instance", "instance_id", request.instances),
        ("system", "system", request.systems),
    ):
        names = dict.fromkeys(str(trial[column]) for trial in rows.trials)  # type: ignore[literal-required]
        if unknown := next((name for name in asked if name not in names), None):
            raise UserError(f"there is no {what} {unknown!r} in this run{nearest(unknown, names)}")
    done = {row["trial_id"] for row in labels if row["by_model"] and row["author"] == model}
    made = by_trial(rows.submissions)
    apart = differing(rows) if request.only == "differ" else set()
    return [
        trial
        for trial in counted_attempts(rows.trials)
        if ended(trial)
        and trial["trial_id"] not in done
        and (not request.instances or trial["instance_id"] in request.instances)
        and (not request.systems or trial["system"] in request.systems)
        and _is_wanted(trial, made.get(trial["trial_id"], []), request.only, apart)
    ]


def _is_wanted(trial: TrialRow, made: Sequence[Any], only: str, apart: set[str]) -> bool:
    if only == "unresolved":
        return not any(row["outcome"] == "resolved" for row in made)
    if only == "flagged":
        return any(flags_of(row) for row in made)
    return only != "differ" or trial["instance_id"] in apart


def _config(facts: Mapping[str, Any], request: Request) -> Config:
    stored = facts.get("config")
    if not stored:
        raise UserError("the run has no trials: there is nothing to label")
    budget = {
        "steps": request.turns, "cost_usd": request.cost_limit, "run_cost_usd": request.max_cost,
        "tokens": 0, "wall_clock_s": 1800,
    }  # fmt: skip
    said: dict[str, Any] = {"model": {"name": request.model}, "budget": budget}
    if request.sandbox:
        said["sandbox"] = {"kind": request.sandbox}
    kept = {key: stored[key] for key in KEPT if key in stored}
    return resolve([kept, *(layer(spec) for spec in request.specs), said])


def _items(items: Sequence[Item], trials: Sequence[TrialRow]) -> dict[str, Item]:
    known = {item.instance.instance_id: item for item in items}
    wanted = dict.fromkeys(trial["instance_id"] for trial in trials)
    if lost := next((name for name in wanted if name not in known), None):
        raise UserError(f"the dataset of the run does not have {lost} any more")
    return {name: known[name] for name in wanted}


def _plan(
    config: Config,
    parts: compose.ModelParts,
    folder: RunFolder,
    trials: Sequence[TrialRow],
    likely: float | None,
) -> Iterator[str]:
    if not trials:
        yield f"no trial of {folder.run_id} that is asked for waits for a label by {parts.name}"
        return
    budget = config.budget
    each = f"${budget.cost_usd:.2f}" if budget.cost_usd else "any dollars"
    bounds = [len(trials) * budget.cost_usd if budget.cost_usd else 0.0, budget.run_cost_usd]
    known = [bound for bound in bounds if bound]
    most = f"at most ${min(known):.2f} in all" if known else "no dollar limit"
    if parts.price is None:
        most = "the cost is unknown"
    yield (
        f"critique of {counted(len(trials), 'trial')} of {folder.run_id} by {parts.name}: at most "
        f"{each} and {counted(budget.steps, 'turn')} each; {most}"
    )
    if likely is not None:
        yield f"expected: about ${likely:.2f} in all, an estimate from {TURNS} turns a trial"
    yield f"its calls go to {parts.endpoint}"
    yield "labels change no score; the money is the critique's own, not the run's"


async def _read(folder: RunFolder) -> tuple[RunRows, list[LabelRow]]:
    async with folder.open() as store:
        return await store.read(), await store.labels()


async def _foresee(
    folder: RunFolder,
    rows: RunRows,
    benchmark: Benchmark[Any],
    items: Mapping[str, Item],
    trials: Sequence[TrialRow],
    price: Price | None,
) -> float | None:
    """About what the critiques cost; None without a price."""
    if price is None:
        return None
    whole = 0.0
    async with folder.open() as store, folder.boards() as boards:
        for trial in trials:
            texts = item_texts(benchmark, items[trial["instance_id"]])
            found = await material(store, boards, rows, trial, texts)
            first = RULES + sum(count(text) for _, text in overview(found))
            prompts = TURNS * first + GROWTH * TURNS * (TURNS - 1) // 2
            usage = Usage(
                prompt_tokens=prompts,
                cached_tokens=prompts - first - GROWTH * (TURNS - 1),
                completion_tokens=TURNS * ANSWER,
            )
            whole += prices.cost(usage, price)
    return whole


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    """Hold the critiques by one model for this process. `UserError` while another has them."""
    handle = os.open(f"{database}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not lock(handle, fcntl.LOCK_EX):
            raise UserError(f"another process makes these critiques ({database.name}); wait for it")
        yield
    finally:
        os.close(handle)


async def _work(job: _Job) -> int:
    async with AsyncExitStack() as undo:
        run_store = await undo.enter_async_context(job.folder.open())
        run_boards = await undo.enter_async_context(job.folder.boards())
        cap = job.config.budget.run_cost_usd
        store = await open_store(str(job.database), owner="critique", cap_usd=cap)
        undo.push_async_callback(store.aclose)
        boards = await open_boards(str(job.database))
        undo.push_async_callback(boards.aclose)
        undo.push_async_callback(job.parts.backend.aclose)
        await store.describe(
            id=job.folder.run_id, model=job.parts.name, replay=False,
            config=job.config.model_dump(mode="json"),
        )  # fmt: skip
        rows = await run_store.read()
        critiques = Critiques(
            run=JudgedRun(store=run_store, boards=run_boards, rows=rows),
            services=_services(job, store, boards),
            critic=make(system_config(str(config_file("critic.yaml"))))[0],
            items=job.items, limits=job.config.budget.limits(), workers=job.workers,
            say=partial(_say, job.out),
        )  # fmt: skip

        async def work() -> None:
            await job.parts.backend.warm_up()
            await job.sandboxes.prepare(list(job.items.values()), partial(_say, job.out))
            await critiques.plan(job.trials)
            await critiques.work()

        stopped = await until_signal(work, partial(_say, job.out))
        with anyio.CancelScope(shield=True):
            await write_labels(job.folder, run_store)
            await _tell(job, critiques, store)
        if stopped:
            return STOPPED
        return int(bool(critiques.failed or critiques.stopped))


def _services(job: _Job, store: Store, boards: Any) -> TrialServices:
    client = compose.client(
        job.parts, job.config, store, lambda *_: None, lambda: full(job.folder.path)
    )
    return TrialServices(
        store=store, benchmark=job.benchmark, board=boards, client=client, verifier=client,
        sandboxes=job.sandboxes, check_cache=lambda _: NoCheckCache(),
        shared=SharedCache(partial(store.answered, client.model)), watcher=_Quiet(),
        clock=RunClock(), agent_tools=job.config.agent_tools,
    )  # fmt: skip


async def _tell(job: _Job, found: Critiques, store: Store) -> None:
    if found.stopped:
        _say(job.out, f"stopped: {found.stopped}")
    parts = [
        f"{found.given} labelled",
        *([f"{found.without} without a label"] if found.without else []),
        *([f"{found.failed} failed; the same command tries them again"] if found.failed else []),
    ]
    _say(job.out, f"{', '.join(parts)}; the critiques cost {in_words(spent(await store.costs()))}")
    _say(job.out, f"written: {job.folder.path / FILE}; what was said: {job.database}")


class _Quiet:
    """A `harness.runner.services.Watcher` that shows nothing."""

    def trial(self, row: ClaimedTrial, state: str, note: str = "") -> None:
        """Nothing."""

    def step(self, row: ClaimedTrial, steps: int, cost: Spent, *, resumed: int = 0) -> None:
        """Nothing."""

    def stands(self, standing: Standing) -> None:
        """Nothing."""


def _note(out: Console, line: str) -> None:
    _say(out, f"note: {line}")


def _say(out: Console, line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
