"""Load a dataset: rows of the hub's form, from the hub or a file, or a dataset file of facts.

Rows are checked here, once; whoever has an `Item` need not look again.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from harness.benchmarks import generated, questions
from harness.benchmarks.factsheet import items_of_factsheet
from harness.errors import UserError
from harness.types import Instance, Item, Reference

VERIFIED = "SWE-bench/SWE-bench_Verified"
BUNDLED = Path(__file__).parents[2] / "configs" / "datasets"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
NOT_DATASETS = {".csv", ".tsv", ".txt", ".gz", ".zip", ".arrow", ".toml", ".xml", ".py"}
FIELDS_OF_5 = ("eval_script", "log_parser", "eval_type")


def _names(value: object) -> object:
    """Test names are a list, or the JSON text of one."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is text but not JSON: {error}") from error
    return value


class HubRow(BaseModel):
    """The fields of a swebench 5.x row that are read; `hints_text` and the rest are not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    # it becomes the name of folders and images
    instance_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    repo: str
    base_commit: str
    problem_statement: str
    version: str
    patch: str
    test_patch: str
    FAIL_TO_PASS: Annotated[tuple[str, ...], BeforeValidator(_names)]
    PASS_TO_PASS: Annotated[tuple[str, ...], BeforeValidator(_names)]
    eval_script: Annotated[str, StringConstraints(min_length=1)]
    log_parser: Annotated[str, StringConstraints(min_length=1)]
    eval_type: Literal["pass_and_fail", "fail_only"]
    image: str | None = None
    difficulty: str | None = None


def load(name: str, *, cache: Path, split: str = "test") -> list[Item]:
    """All items of a dataset, in its own order. Blocking; at most one download.

    `name` is a `.jsonl`, `.json`, `.parquet` or `.yaml` file, the name of a bundled dataset, or
    `owner/name` on the dataset hub, of which `split` is read. Raises `UserError`, one line.
    """
    if name == generated.NAME:
        return _items(generated.rows(), source=name, cache=cache)
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        return items_of_factsheet(path, cache)
    if path.suffix in READERS:
        return _items(READERS[path.suffix](_existing(path)), source=str(path), cache=cache)
    if path.is_file() or path.suffix in NOT_DATASETS or name.startswith((".", "/", "~")):
        raise UserError(
            f"{name} is not a dataset: a file must end in .jsonl, .json, .parquet or .yaml"
        )
    if HUB_NAME.fullmatch(name):
        return _items(_read_hub(name, split), source=name, cache=cache)
    bundled = sorted(file.stem for file in BUNDLED.glob("*.yaml"))
    if name in bundled:
        return items_of_factsheet(BUNDLED / f"{name}.yaml", cache)
    raise UserError(
        f"no dataset {name!r}: give a file, a hub name such as {VERIFIED}, "
        f"or one of {', '.join(bundled)}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What a row may carry besides: no run reads it, and no system may see the hints."""

    hints_text: str = ""  # what was said under the issue before it was mended
    created_at: str = ""  # ISO 8601


def asides(name: str, *, split: str = "test") -> dict[str, Aside]:
    """By instance what the rows of a dataset that `load` accepts carry besides.

    Datasets of facts carry nothing, and are empty here. Blocking, as `load` is.
    """
    path = Path(name).expanduser()
    if path.suffix in READERS:
        rows = READERS[path.suffix](_existing(path))
    elif path.suffix not in (".yaml", ".yml") and HUB_NAME.fullmatch(name):
        rows = _read_hub(name, split)
    else:
        return {}
    return {
        str(row.get("instance_id")): Aside(
            hints_text=str(row.get("hints_text") or ""), created_at=str(row.get("created_at") or "")
        )
        for _, row in rows
    }


def public_name(name: str) -> str:
    """What may be told others of a dataset: its name on the hub, or that of its file alone."""
    return name if HUB_NAME.fullmatch(name) else Path(name).name


def official_image(instance_id: str) -> str:
    """The published image of an instance whose row names none."""
    return f"swebench/sweb.eval.x86_64.{instance_id.lower().replace('__', '_1776_')}:latest"


def item_of(row: HubRow) -> Item:
    """Split a row into what a system may know and what only grading may know."""
    image = row.image or official_image(row.instance_id)
    instance = Instance(
        instance_id=row.instance_id,
        repo=row.repo,
        base_commit=row.base_commit,
        problem_statement=row.problem_statement,
        version=row.version,
        image=image,
        difficulty=row.difficulty or "",
    )
    reference = Reference(
        instance_id=row.instance_id,
        repo=row.repo,
        version=row.version,
        image=image,
        patch=row.patch,
        test_patch=row.test_patch,
        fail_to_pass=row.FAIL_TO_PASS,
        pass_to_pass=row.PASS_TO_PASS,
        eval_script=row.eval_script,
        log_parser=row.log_parser,
        eval_type=row.eval_type,
    )
    return Item(instance=instance, reference=reference)


def _items(
    rows: Iterator[tuple[str, Mapping[str, Any]]], *, source: str, cache: Path
) -> list[Item]:
    """Check rows that come with the words that say where each stands.

    They are issues or questions, not both; of questions, those of another domain are left out.
    """
    items: dict[str, Item] = {}
    kinds = set()
    for place, raw in rows:
        named = raw.get("instance_id", raw.get("_id"))
        where = f"{source}: {place}" + (f" ({named})" if isinstance(named, str) else "")
        kinds.add(questions.asks(raw))
        if len(kinds) > 1:
            raise UserError(f"{where} is of another benchmark than the rows before it")
        try:
            item = _item(raw, cache)
        except ValidationError as error:
            raise UserError(f"{where} {_first_fault(error)}") from error
        if item is None:
            continue
        if item.instance.instance_id in items:
            raise UserError(f"{where} is there twice: every instance_id must be unique")
        items[item.instance.instance_id] = item
    if not items:
        of = f" of the domain {questions.MULTI_DOC}" if True in kinds else ""
        raise UserError(f"{source} has no rows{of}")
    return list(items.values())


def _item(raw: Mapping[str, Any], cache: Path) -> Item | None:
    """What a row stands for; None for a question of a domain that is not asked."""
    if not questions.asks(raw):
        return item_of(HubRow.model_validate(raw))
    row = questions.QuestionRow.model_validate(raw)
    return questions.item_of(row, cache) if row.domain == questions.MULTI_DOC else None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    advice = ""
    if field in FIELDS_OF_5:
        advice = "; rows of swebench 5.x are needed, which carry " + ", ".join(FIELDS_OF_5)
    if fault["type"] == "missing":
        return f"has no field {field}{advice}"
    return f"has a bad field {field}: {fault['msg']}{advice}"


def _existing(path: Path) -> Path:
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return path


def _read_jsonl(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # split at line feeds only: JSON text may hold other line separators as they are
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(
                f"{path}: line {number} is not JSON ({error}): was the file cut short?"
            ) from error
        yield f"line {number}", _mapping(row, f"{path}: line {number}")


def _read_json(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): was the file cut short?") from error
    if isinstance(content, dict):
        for key, row in content.items():
            yield f"row {key}", {"instance_id": key, **_mapping(row, f"{path}: row {key}")}
    elif isinstance(content, list):
        for number, row in enumerate(content, start=1):
            yield f"row {number}", _mapping(row, f"{path}: row {number}")
    else:
        raise UserError(f"{path} is neither a list of rows nor an object of rows by instance_id")


def _read_parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a parquet file ({reason})") from error
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, Mapping[str, Any]]]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def _mapping(row: object, where: str) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{where} is not an object")
    return row


def _read_hub(name: str, split: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
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
