"""A file of predictions: JSON Lines, a JSON list, or an object keyed by instance."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmarks.checked_row import LONGEST_NAME
from harness.benchmarks.longbench.questions import LETTERS
from harness.config import nearest
from harness.errors import UserError
from harness.text import json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One row that can be graded."""

    instance_id: str
    model_name: str
    patch: str  # of a question the letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a file holds. Refused rows are of instances that were asked for; they count."""

    rows: tuple[Prediction, ...]
    refused: dict[str, str]  # by instance why its row cannot be graded
    left_out: int = 0  # rows of instances that were not asked for
    missing: tuple[str, ...] = ()  # instances that were asked for by name and have no row


def read_predictions(path: Path, known: Collection[str], wanted: Sequence[str] = ()) -> Predictions:
    """The predictions of `wanted` instances, or of all of the dataset, which are `known`.

    Of questions they are rows as LongBench-v2's own code writes them, with `_id` and `pred`. A
    patch with half a surrogate pair refuses its row alone.

    Raises `UserError`: missing, malformed (with its line), a row without a field, a row twice, an
    instance that the dataset does not have (with the nearest), none that was asked for.
    """
    rows: dict[str, Prediction] = {}
    refused: dict[str, str] = {}
    left_out = 0
    for place, row in _rows(path):
        where = f"{path}: {place}"
        key = _instance(where, row, known)
        if wanted and key not in wanted:
            left_out += 1
            continue
        if key in rows or key in refused:
            raise UserError(f"{where}: {key} is there twice")
        prediction = _prediction(f"{where} ({key})", key, row)
        if (at := json_text.half_pair(prediction.patch)) >= 0:
            refused[key] = f"{place}: its patch is no valid text, from character {at + 1} on"
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


def _rows(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Each row with the words that say where it stands."""
    if path.suffix.lower() == ".jsonl":
        found = [(f"line {number}", row) for number, row in json_text.read_lines(path)]
    else:
        content = json_text.read(path)
        if isinstance(content, dict) and "model_patch" in content:
            content = [content]  # one prediction
        if isinstance(content, dict):
            found = [(f"row {key}", _keyed(path, key, row)) for key, row in content.items()]
        elif isinstance(content, list):
            found = [(f"row {number}", row) for number, row in enumerate(content, start=1)]
        else:
            found = []
    for place, row in found:
        if not isinstance(row, dict):
            raise UserError(f"{path}: {place} is no prediction: it is not an object")
    return found


def _keyed(path: Path, key: str, row: Any) -> Any:
    """A row of an object, with its key as the id where it has none of its own."""
    if not isinstance(row, dict):
        return row
    field = "_id" if "pred" in row and "model_patch" not in row else "instance_id"
    if row.get(field, key) != key:
        raise UserError(f"{path}: row {key}: its {field} is another: {row[field]!r}")
    return {**row, field: key}


def _instance(where: str, row: dict[str, Any], known: Collection[str]) -> str:
    """The instance that a row is of, checked."""
    field = "_id" if "pred" in row and "instance_id" not in row else "instance_id"
    key = row.get(field)
    if not isinstance(key, str):
        raise UserError(f"{where} has no instance_id")
    if key not in known:
        raise UserError(
            f"{where}: no instance {key!r} in the dataset"
            f"{nearest(key, known) or '; -d names another dataset'}"
        )
    return key


def _prediction(where: str, key: str, row: dict[str, Any]) -> Prediction:
    if "pred" in row and "instance_id" not in row:
        if row["pred"] not in (*LETTERS, None):
            raise UserError(f"{where}: pred is {', '.join(LETTERS)} or null")
        return Prediction(instance_id=key, model_name="answers", patch=row["pred"] or "")
    if "model_patch" not in row or not isinstance(row["model_patch"], str | None):
        raise UserError(f"{where} has no model_patch")
    name = str(row.get("model_name_or_path") or "None")
    if not name.isprintable() or name in {".", ".."} or len(name.encode()) > LONGEST_NAME:
        raise UserError(
            f"{where}: its model_name_or_path cannot name a folder; take printable text of at most "
            f"{LONGEST_NAME} bytes"
        )
    return Prediction(instance_id=key, model_name=name, patch=row["model_patch"] or "")
