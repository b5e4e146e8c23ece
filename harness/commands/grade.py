"""`delm grade`: grade a file of predictions, the gold patches, or empty ones."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console

from harness.benchmarks.calibrate import NOTHING
from harness.benchmarks.guard import FLAGS
from harness.benchmarks.questions import LETTERS
from harness.benchmarks.rows import load
from harness.benchmarks.select import neighbours, select
from harness.cache import cache_dir
from harness.commands import compose
from harness.commands.evaluate import until_signal
from harness.config import Config, dataset_layer, layer, nearest, resolve
from harness.errors import SandboxUnavailable, UserError
from harness.progress import Progress, console
from harness.protocols import Grader, Sandboxes
from harness.results import RunFolder, fresh_run_id, write
from harness.types import Item, Verdict

LONGEST_NAME = 200  # bytes; model names become folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `delm grade` was asked."""

    predictions: Path | None
    gold: bool
    empty: bool
    dataset: str
    specs: Sequence[str]
    flags: Mapping[str, Any]
    run_id: str
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One row of a predictions file."""

    instance_id: str
    model_name: str
    patch: str


def grade_predictions(request: Request) -> int:
    """Grade; exit code 0, 1 where infrastructure failed, 130 when it was stopped."""
    if sum((request.gold, request.empty, request.predictions is not None)) != 1:
        raise UserError("give one of: a predictions file, --gold, --empty, --calibrate")
    config, items = configured(request)
    predictions = _predictions(request, items)
    name = predictions[0].model_name.replace("/", "__")
    run_id = request.run_id or fresh_run_id(f"grade-{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}")
    folder = RunFolder(request.output, run_id)
    folder.create()
    compose.check_disk(config, folder.path, cache_dir())
    with folder.lock():
        return anyio.run(_grade, console(), config, items, predictions, folder)


def configured(request: Request) -> tuple[Config, list[Item]]:
    """The configuration that was asked for, and the instances."""
    config = resolve(
        [
            dataset_layer(request.dataset or "verified-offline"),
            *(layer(spec) for spec in request.specs),
            request.flags,
        ]
    )
    return config, select(
        load(config.dataset.name, cache=cache_dir(), split=config.dataset.split),
        ids=config.instances,
    )


async def _grade(
    out: Console,
    config: Config,
    items: Sequence[Item],
    predictions: Sequence[Prediction],
    folder: RunFolder,
) -> int:
    by_id = {item.instance.instance_id: item for item in items}
    wanted = neighbours([by_id[p.instance_id] for p in predictions])
    sandboxes = compose.sandboxes(config, wanted, folder.run_id)
    progress = Progress(out, total=len(predictions))
    grader = compose.grader(config, wanted, sandboxes, folder)
    verdicts: dict[str, Verdict] = {}

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
        of = {prediction.instance_id: prediction for prediction in predictions}
        limiter = anyio.CapacityLimiter(config.workers)
        async with anyio.create_task_group() as tasks:
            for item in wanted:
                tasks.start_soon(one, of[item.instance.instance_id], limiter)

    await sandboxes.prepare(wanted, progress.say)
    stopped = await until_signal(work, progress.say)
    _tell(out, folder, verdicts, len(predictions))
    if stopped:
        return 130
    return int(any(v.outcome == "error" for v in verdicts.values()))


async def _verdict(
    sandboxes: Sandboxes, grader: Grader, item: Item, prediction: Prediction
) -> Verdict:
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(sandboxes.holding(item))
        except SandboxUnavailable as error:
            return Verdict(
                outcome="error", reason=f"infrastructure: {error}", report={}, seconds=0.0
            )
        return await grader.grade(item, prediction.patch, model_name=prediction.model_name)


def _tell(out: Console, folder: RunFolder, verdicts: Mapping[str, Verdict], asked: int) -> None:
    resolved = sum(v.outcome == "resolved" for v in verdicts.values())
    rows = {
        key: {
            "outcome": v.outcome,
            "official": v.official,
            "flags": v.flags,
            "reason": v.reason,
            "seconds": v.seconds,
            "cached": v.cached,
        }
        for key, v in sorted(verdicts.items())
    }
    write(folder.path / "grades.json", json.dumps(rows, indent=1) + "\n")
    if folder.logs.exists():  # letters leave none
        out.print(f"logs: {folder.logs}", highlight=False, markup=False)
    flagged = {key: v for key, v in sorted(verdicts.items()) if v.flags}
    for key, verdict in flagged.items():
        for flag in verdict.flags:
            out.print(f"{key}: {flag}: {FLAGS[flag]}", highlight=False, markup=False)
    if flagged:
        official = sum(v.official == "resolved" for v in verdicts.values())
        out.print(f"the official grader alone: {official}, flagged {len(flagged)}", highlight=False)
    out.print(f"resolved {resolved} of {asked}", highlight=False)


def _predictions(request: Request, items: Sequence[Item]) -> list[Prediction]:
    if request.gold or request.empty:
        return [
            Prediction(
                instance_id=item.instance.instance_id,
                model_name="gold" if request.gold else "empty",
                patch=_right(item) if request.gold else _wrong(item),
            )
            for item in items
        ]
    path = request.predictions
    assert path is not None
    return read_predictions(path, [item.instance.instance_id for item in items])


def _right(item: Item) -> str:
    return item.reference.answer if item.instance.question else item.reference.patch


def _wrong(item: Item) -> str:
    """What changes nothing, or no answer."""
    return "" if item.instance.question else NOTHING


def read_predictions(path: Path, known: Sequence[str]) -> list[Prediction]:
    """The predictions of a .jsonl, or of a .json list or object keyed by instance.

    Of questions they are rows as LongBench-v2's own code writes them, with `_id` and `pred`.

    Raises `UserError`: missing, malformed (with its line), a row without a field, a row twice, an
    instance that the dataset does not have (with the nearest).
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _jsonl(path, text) if path.suffix == ".jsonl" else json.loads(text)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    if isinstance(rows, dict):
        rows = list(rows.values())
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: it holds no predictions")
    found: dict[str, Prediction] = {}
    for number, row in enumerate(rows, start=1):
        prediction = _prediction(path, number, row)
        if prediction.instance_id not in known:
            hint = nearest(prediction.instance_id, known)
            raise UserError(
                f"{path}: row {number}: no instance {prediction.instance_id!r} in the dataset"
                f"{hint or '; -d names another dataset'}"
            )
        if prediction.instance_id in found:
            raise UserError(f"{path}: row {number}: {prediction.instance_id} is there twice")
        found[prediction.instance_id] = prediction
    return list(found.values())


def _jsonl(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):  # JSON may hold other separators
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise UserError(f"{path}: line {number} is not valid JSON: {error}") from None
    return rows


def _prediction(path: Path, number: int, row: Any) -> Prediction:
    if isinstance(row, dict) and isinstance(row.get("_id"), str) and "pred" in row:
        if row["pred"] not in (*LETTERS, None):
            raise UserError(
                f"{path}: row {number} ({row['_id']}): pred is {', '.join(LETTERS)} or null"
            )
        return Prediction(instance_id=row["_id"], model_name="answers", patch=row["pred"] or "")
    if not isinstance(row, dict) or not isinstance(row.get("instance_id"), str):
        raise UserError(f"{path}: row {number} has no instance_id")
    if "model_patch" not in row or not isinstance(row["model_patch"], str | None):
        raise UserError(f"{path}: row {number} ({row['instance_id']}) has no model_patch")
    patch = row["model_patch"] or ""
    if not patch.isascii() and patch.encode(errors="replace").decode() != patch:
        raise UserError(f"{path}: row {number} ({row['instance_id']}): its patch is no valid text")
    name = str(row.get("model_name_or_path") or "None")
    if not name.isprintable() or name in {".", ".."} or len(name.encode()) > LONGEST_NAME:
        raise UserError(
            f"{path}: row {number} ({row['instance_id']}): its model_name_or_path cannot name a "
            f"folder; take printable text of at most {LONGEST_NAME} bytes"
        )
    return Prediction(instance_id=row["instance_id"], model_name=name, patch=patch)
