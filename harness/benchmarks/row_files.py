"""Read rows from a `.jsonl`, `.json` or `.parquet` file, or from the dataset hub.

Each row comes with its position for error messages. This module does not interpret rows.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.shipped import CONFIGS
from harness.text import json_text

Row = Mapping[str, Any]
BUNDLED = CONFIGS / "datasets"


def is_row_file(path: Path) -> bool:
    """Whether rows can be read from a file of that name."""
    return path.suffix.lower() in READERS


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file. Raises `UserError`, also during the iteration."""
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return READERS[path.suffix.lower()](path)


def _read_jsonl(path: Path) -> Iterator[tuple[str, Row]]:
    for number, row in json_text.read_lines(path):
        yield f"line {number}", _mapping(row, f"{path}: line {number}")


def _read_json(path: Path) -> Iterator[tuple[str, Row]]:
    content = json_text.read(path)
    if isinstance(content, dict):
        for key, row in content.items():
            yield f"row {key}", {"instance_id": key, **_mapping(row, f"{path}: row {key}")}
    elif isinstance(content, list):
        for number, row in enumerate(content, start=1):
            yield f"row {number}", _mapping(row, f"{path}: row {number}")
    else:
        raise UserError(f"{path} is neither a list of rows nor an object of rows by instance_id")


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError) as error:
        # the last two: text that is no UTF-8, dates and durations that Python does not have
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not a parquet file of rows ({reason})") from error
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, Row]]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def _mapping(row: object, where: str) -> Row:
    if not isinstance(row, dict):
        raise UserError(f"{where} is not an object")
    return row


def read_hub(name: str, split: str) -> Iterator[tuple[str, Row]]:
    """The rows of a dataset on the hub, or of a local folder of that name. Raises `UserError`."""
    import datasets

    # its warnings of every attempt are no message to a person; the last error is ours to tell
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        rows = datasets.load_dataset(name, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).strip().splitlines()
        raise UserError(
            f"cannot load {name} (split {split}) from the dataset hub "
            f"({reason[0] if reason else type(error).__name__}); "
            "give a local .jsonl or .parquet file, or -d verified-offline or longbench-offline"
        ) from error
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row
