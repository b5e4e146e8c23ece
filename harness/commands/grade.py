"""`delm grade`: grade a file of predictions, the gold patches, or empty patches."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from harness import event_loop
from harness.benchmarks.predictions import Prediction, Predictions, read_predictions
from harness.benchmarks.protocol import Benchmark
from harness.benchmarks.rows import Dataset
from harness.benchmarks.selection import neighbours, select
from harness.cache import cache_dir
from harness.commands import compose
from harness.commands.dataset_layer import dataset_layer
from harness.commands.json_output import notes_console, print_json
from harness.config import Config, layer, resolve
from harness.errors import SandboxUnavailable, UserError
from harness.protocols import Grader, Sandboxes
from harness.results.run_folder import RunFolder, fresh_run_id, write
from harness.runner.progress import Progress
from harness.runner.signals import STOPPED, until_signal
from harness.text.counted import counted
from harness.types import Item, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of `delm grade`."""

    predictions: Path | None
    gold: bool
    empty: bool
    dataset: str
    specs: Sequence[str]
    flags: Mapping[str, Any]
    run_id: str
    output: Path
    as_json: bool = False


def grade_predictions(request: Request) -> int:
    """Grade; return 0, 1 after infrastructure failures, or 130 if stopped."""
    if sum((request.gold, request.empty, request.predictions is not None)) != 1:
        raise UserError("give one of: a predictions file, --gold, --empty, --calibrate")
    config, dataset = _loaded(request)
    items = select(dataset.items, ids=config.instances)
    predictions = _predictions(request, dataset, items)
    name = next((row.model_name for row in predictions.rows), "none").replace("/", "__")
    new = fresh_run_id(f"grade-{datetime.now(UTC):%Y%m%d-%H%M%S}", name)
    folder = RunFolder(request.output, request.run_id or new).create(new=not request.run_id)
    compose.check_disk(config, folder.path, cache_dir())
    with folder.lock():
        out = notes_console(as_json=request.as_json)
        code, graded = event_loop.run(
            _grade, out, config, dataset.benchmark, items, predictions, folder
        )
    if request.as_json:
        print_json(graded | {"stopped": code == STOPPED})
    return code


def configured(request: Request) -> tuple[Config, Dataset]:
    """The configuration and the selected instances."""
    config, dataset = _loaded(request)
    chosen = select(dataset.items, ids=config.instances)
    return config, Dataset(benchmark=dataset.benchmark, items=chosen)


def _loaded(request: Request) -> tuple[Config, Dataset]:
    """The configuration and the whole dataset."""
    config = resolve(
        [
            dataset_layer(request.dataset or "verified-offline"),
            *(layer(spec) for spec in request.specs),
            request.flags,
        ]
    )
    return config, compose.dataset(config)


async def _grade(
    out: Console,
    config: Config,
    benchmark: Benchmark[Any],
    items: Sequence[Item],
    predictions: Predictions,
    folder: RunFolder,
) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the document of `--json`."""
    by_id = {item.instance.instance_id: item for item in items}
    of = {prediction.instance_id: prediction for prediction in predictions.rows}
    wanted = neighbours([by_id[key] for key in of])
    sandboxes = compose.sandboxes(config, benchmark, wanted or items, folder.run_id)
    progress = Progress(out, total=len(of))
    grader = benchmark.grader(sandboxes, config, logs=folder.logs(), cache=cache_dir())
    verdicts = {key: _refused(why) for key, why in predictions.refused.items()}
    for line in _left_out(predictions):
        progress.say(line)

    async def one(prediction: Prediction, limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            verdict = await _verdict(sandboxes, grader, by_id[prediction.instance_id], prediction)
        verdicts[prediction.instance_id] = verdict
        why = f" ({verdict.reason})" if verdict.reason else ""
        cached = ", remembered" if verdict.cached else ""
        progress.say(
            f"{prediction.instance_id}: {verdict.outcome}{why}, {verdict.seconds:.1f} s{cached}"
        )

    async def work() -> None:
        await sandboxes.prepare(wanted, progress.say)
        limiter = anyio.CapacityLimiter(config.workers)
        async with anyio.create_task_group() as tasks:
            for item in wanted:
                tasks.start_soon(one, of[item.instance.instance_id], limiter)

    with closing(sandboxes):
        stopped = await until_signal(work, progress.say)
    graded = _tell(out, benchmark, folder, verdicts, len(of) + len(predictions.refused))
    if stopped:
        return STOPPED, graded
    return int(any(v.outcome == "error" for v in verdicts.values())), graded


def _refused(why: str) -> Verdict:
    return Verdict(outcome="error", reason=f"refused: {why}", report={}, seconds=0.0)


def _left_out(predictions: Predictions) -> Iterator[str]:
    """The predictions and instances that are not graded."""
    for key, why in predictions.refused.items():
        yield f"{key}: refused: {why}; it counts as not resolved"
    if predictions.left_out:
        yield f"{counted(predictions.left_out, 'prediction')} of other instances left out"
    if predictions.missing:
        yield (
            f"no prediction of {counted(len(predictions.missing), 'instance')} asked for: "
            f"{', '.join(predictions.missing)}"
        )


async def _verdict(
    sandboxes: Sandboxes, grader: Grader[Any], item: Item, prediction: Prediction
) -> Verdict:
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(sandboxes.holding(item))
        except SandboxUnavailable as error:
            return Verdict(
                outcome="error", reason=f"infrastructure: {error}", report={}, seconds=0.0
            )
        return await grader.grade(item, prediction.submission, model_name=prediction.model_name)


def _tell(
    out: Console,
    benchmark: Benchmark[Any],
    folder: RunFolder,
    verdicts: Mapping[str, Verdict],
    asked: int,
) -> dict[str, Any]:
    """Write and print the results; return the document of `--json`."""
    resolved = sum(v.outcome == "resolved" for v in verdicts.values())
    rows = {
        key: {
            "outcome": v.outcome,
            "official": v.official,
            "flags": v.flags,
            "unchecked": v.unchecked,
            "looks": v.looks,
            "reason": v.reason,
            "seconds": v.seconds,
            "cached": v.cached,
        }
        for key, v in sorted(verdicts.items())
    }
    write(folder.path / "grades.json", json.dumps(rows, indent=1) + "\n")
    if folder.logs().exists():
        out.print(f"logs: {folder.logs()}", highlight=False, markup=False)
    flagged = {key: v for key, v in sorted(verdicts.items()) if v.flags}
    for key, verdict in flagged.items():
        for flag in verdict.flags:
            out.print(f"{key}: {flag}: {benchmark.meaning(flag)}", highlight=False, markup=False)
        for look in verdict.looks:
            out.print(f"{key}: {look}", highlight=False, markup=False)
    for key, verdict in sorted(verdicts.items()):
        for check in verdict.unchecked:
            told = f"{key}: not checked: {check}: {benchmark.meaning(check)}"
            out.print(told, highlight=False, markup=False)
    official = sum(v.official == "resolved" for v in verdicts.values())
    if flagged:
        out.print(f"the official grader alone: {official}, flagged {len(flagged)}", highlight=False)
    out.print(f"resolved {resolved} of {asked}", highlight=False)
    return {
        "run": folder.run_id,
        "path": str(folder.path),
        "asked": asked,
        "graded": len(verdicts),
        "resolved": resolved,
        "official_resolved": official,
        "flagged": len(flagged),
        "grades": rows,
    }


def _predictions(request: Request, dataset: Dataset, items: Sequence[Item]) -> Predictions:
    benchmark = dataset.benchmark
    if request.predictions is not None:
        known = [item.instance.instance_id for item in dataset.items]
        chosen = [item.instance.instance_id for item in items]
        wanted = chosen if chosen != known else ()
        return read_predictions(request.predictions, known, wanted, benchmark=benchmark)
    rows = tuple(
        Prediction(
            instance_id=item.instance.instance_id,
            model_name="gold" if request.gold else "empty",
            submission=benchmark.gold(item) if request.gold else benchmark.empty(item),
        )
        for item in items
    )
    return Predictions(rows=rows, refused={})
