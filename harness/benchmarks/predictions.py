"""Read a file of predictions: JSON Lines, a JSON list, or an object by instance."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmarks.checked_row import LONGEST_NAME
from harness.benchmarks.protocol import Benchmark, PredictionForm
from harness.config import nearest
from harness.errors import UserError
from harness.text import json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One row that can be graded."""

    instance_id: str
    model_name: str
    submission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The content of a predictions file. Refused rows of requested instances count as failed."""

    rows: tuple[Prediction, ...]
    refused: dict[str, str]  # by instance why its row cannot be graded
    left_out: int = 0  # rows of instances that were not asked for
    missing: tuple[str, ...] = ()  # instances that were asked for by name and have no row


def read_predictions(
    path: Path,
    known: Collection[str],
    wanted: Sequence[str] = (),
    *,
    benchmark: Benchmark[Any],
) -> Predictions:
    """The predictions of `wanted` instances, or of all of the dataset, which are `known`.

    Their rows have one of the `benchmark`'s forms. A submission with half a surrogate pair refuses
    its row alone.

    Raises `UserError`: missing, malformed (with its line), a row without a field, a row twice, an
    instance that the dataset does not have (with the nearest), none that was asked for.
    """
    rows: dict[str, Prediction] = {}
    refused: dict[str, str] = {}
    left_out = 0
    for place, row in _rows(path, benchmark):
        where = f"{path}: {place}"
        form = _form(row, benchmark)
        key = _instance(where, row, form, known)
        if wanted and key not in wanted:
            left_out += 1
            continue
        if key in rows or key in refused:
            raise UserError(f"{where}: {key} is there twice")
        prediction = _prediction(f"{where} ({key})", key, row, form, benchmark)
        if (at := json_text.half_pair(prediction.submission)) >= 0:
            what = benchmark.submission
            refused[key] = f"{place}: its {what} is no valid text, from character {at + 1} on"
        else:
            rows[key] = prediction
    if not rows and not refused:
        others = f" of the instances asked for, and {left_out} of others" if left_out else ""
        raise UserError(f"{path}: it holds no predictions{others}")
    return Predictions(
        rows=tuple(rows.values()),
        refused=refused,
        left_out=left_out,
        missing=tuple(key for key in wanted if key not in rows and key not in refused),
    )


def _form(row: Any, benchmark: Benchmark[Any]) -> PredictionForm:
    """The form of the row, one of the benchmark's."""
    *others, last = benchmark.prediction_forms
    return next((form for form in others if form.submission in row), last)


def _rows(path: Path, benchmark: Benchmark[Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Each row with its position for error messages."""
    if path.suffix.lower() == ".jsonl":
        found = [(f"line {number}", row) for number, row in json_text.read_lines(path)]
    else:
        content = json_text.read(path)
        fields = {form.submission for form in benchmark.prediction_forms}
        if isinstance(content, dict) and fields.intersection(content):
            content = [content]  # one prediction
        if isinstance(content, dict):
            found = [
                (f"row {key}", _keyed(path, key, row, benchmark)) for key, row in content.items()
            ]
        elif isinstance(content, list):
            found = [(f"row {number}", row) for number, row in enumerate(content, start=1)]
        else:
            found = []
    for place, row in found:
        if not isinstance(row, dict):
            raise UserError(f"{path}: {place} is no prediction: it is not an object")
    return found


def _keyed(path: Path, key: str, row: Any, benchmark: Benchmark[Any]) -> Any:
    """A row of an object, with its key as instance id if it has none."""
    if not isinstance(row, dict):
        return row
    field = _form(row, benchmark).instance
    if row.get(field, key) != key:
        raise UserError(f"{path}: row {key}: its {field} is another: {row[field]!r}")
    return {**row, field: key}


def _instance(where: str, row: dict[str, Any], form: PredictionForm, known: Collection[str]) -> str:
    """The instance id of a row, checked."""
    key = row.get(form.instance)
    if not isinstance(key, str):
        raise UserError(f"{where} has no {form.instance}")
    if key not in known:
        raise UserError(
            f"{where}: no instance {key!r} in the dataset"
            f"{nearest(key, known) or '; -d names another dataset'}"
        )
    return key


def _prediction(
    where: str, key: str, row: dict[str, Any], form: PredictionForm, benchmark: Benchmark[Any]
) -> Prediction:
    submission = row.get(form.submission, 0)
    if not isinstance(submission, str | None):
        raise UserError(f"{where} has no {form.submission}")
    if benchmark.choices and submission and submission not in benchmark.choices:
        raise UserError(f"{where}: {form.submission} is {', '.join(benchmark.choices)} or null")
    name = str(row.get(form.model) or "None") if form.model else f"{benchmark.submission}s"
    if not name.isprintable() or name in {".", ".."} or len(name.encode()) > LONGEST_NAME:
        raise UserError(
            f"{where}: its {form.model} cannot name a folder; take printable text of at most "
            f"{LONGEST_NAME} bytes"
        )
    return Prediction(instance_id=key, model_name=name, submission=submission or "")
