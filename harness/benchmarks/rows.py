"""Load a dataset: rows of the hub's form, from the hub or a file, or a dataset file of facts.

Rows are checked here, once; whoever has an `Item` need not look again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    StringConstraints,
    ValidationError,
)

from harness.benchmarks.checked_row import (
    LONGEST_NAME,
    CheckedRow,
    LogParser,
    RowFields,
    faults_of,
    names_of,
    some,
)
from harness.benchmarks.longbench import generated, questions
from harness.benchmarks.row_files import Row, is_row_file, read_hub, read_rows
from harness.benchmarks.swebench.dataset_facts import check_factsheet
from harness.benchmarks.swebench.row_forms import FIELDS_OF_5, Completion, is_classic, refusal
from harness.errors import UserError
from harness.text.user_paths import user_path
from harness.types import Instance, Item, Reference

VERIFIED = "SWE-bench/SWE-bench_Verified"
BUNDLED = Path(__file__).parents[2] / "configs" / "datasets"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
YAML = {".yaml", ".yml"}
NOT_DATASETS = {".csv", ".tsv", ".txt", ".gz", ".zip", ".arrow", ".toml", ".xml", ".py"}


class HubRow(RowFields):
    """The fields of a swebench 5.x row that are read; `hints_text` and the rest are not."""

    # it becomes the name of folders and images
    instance_id: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME)
    ]
    repo: str
    base_commit: str
    problem_statement: str
    version: str
    patch: str
    test_patch: str
    FAIL_TO_PASS: Annotated[tuple[str, ...], BeforeValidator(names_of), AfterValidator(some)]
    PASS_TO_PASS: Annotated[tuple[str, ...], BeforeValidator(names_of)]
    eval_script: Annotated[str, StringConstraints(min_length=1)]
    log_parser: LogParser
    eval_type: Literal["pass_and_fail", "fail_only"]
    image: str | None = None
    difficulty: str | None = None


def load(name: str, *, cache: Path, split: str = "test") -> list[Item]:
    """All items of a dataset, in its own order. Blocking; it may download, each thing once.

    `name` is a `.jsonl`, `.json`, `.parquet` or `.yaml` file, the name of a bundled dataset, or
    `owner/name` on the dataset hub, of which `split` is read. Raises `UserError`, one line.
    """
    items = []
    for row in check_rows(name, cache=cache, split=split):
        if row.faults:
            raise UserError(f"{row.where} {row.faults[0]}")
        items += [row.item] if row.item else []
    if not items:
        raise UserError(f"{name} has no rows of the domain {questions.MULTI_DOC}")
    return items


def check_rows(name: str, *, cache: Path, split: str = "test") -> Iterator[CheckedRow]:
    """Every row of a dataset that `load` takes, with all that is wrong with it.

    Raises `UserError`, one line: there is no such dataset, or nothing in it can be read as a row.
    """
    source = _source(name)
    if isinstance(source, Path) and source.suffix in YAML:
        return check_factsheet(source, cache)
    if isinstance(source, Path):
        rows = read_rows(source)
    else:
        rows = generated.rows() if source == generated.NAME else read_hub(source, split)
    return _checked(rows, source=str(source), cache=cache)


def _source(name: str) -> Path | str:
    """The file of a dataset, or its name on the hub or among the generated. `UserError`: none."""
    path = user_path(name)
    if name == generated.NAME:
        return name
    if path.suffix in YAML or is_row_file(path):
        return path
    if path.is_file() or path.suffix in NOT_DATASETS or name.startswith((".", "/", "~")):
        raise UserError(
            f"{name} is not a dataset: a file must end in .jsonl, .json, .parquet or .yaml"
        )
    if HUB_NAME.fullmatch(name):
        return name
    bundled = sorted(file.stem for file in BUNDLED.glob("*.yaml"))
    if name in bundled:
        return BUNDLED / f"{name}.yaml"
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
    source = _source(name)
    if source == generated.NAME or (isinstance(source, Path) and source.suffix in YAML):
        return {}
    rows = read_rows(source) if isinstance(source, Path) else read_hub(source, split)
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


def _checked(rows: Iterable[tuple[str, Row]], *, source: str, cache: Path) -> Iterator[CheckedRow]:
    """Check rows that come with the words that say where each stands.

    They are issues or questions, not both; of questions, those of another domain are left out.
    """
    seen = set[str]()
    questioned: bool | None = None
    completion = Completion()
    for place, raw in rows:
        named = raw.get("instance_id", raw.get("_id"))
        where = f"{source}: {place}" + (f" ({named})" if isinstance(named, str) else "")
        asks = questions.asks(raw)
        questioned = asks if questioned is None else questioned
        row = _check_row(where, raw, completion, cache)
        key = row.item.instance.instance_id if row.item else ""
        if asks != questioned:
            row = CheckedRow(where=where, faults=("is of another benchmark than the rows before",))
        elif key in seen:
            row = CheckedRow(where=where, faults=("is there twice: instance_ids are unique",))
        seen |= {key} if key else set()
        yield row
    if questioned is None:
        raise UserError(f"{source} has no rows")


def _check_row(where: str, raw: Row, completion: Completion, cache: Path) -> CheckedRow:
    """What a row stands for, or what is wrong with it."""
    try:
        if questions.asks(raw):
            return CheckedRow(where=where, item=_question(raw, cache))
        if against := refusal(raw):
            return CheckedRow(where=where, faults=(against,))
        if is_classic(raw):
            raw = completion.complete(raw)
        return CheckedRow(where=where, item=item_of(HubRow.model_validate(raw)))
    except ValidationError as error:
        return CheckedRow(where=where, faults=_with_advice(faults_of(error)))
    except UserError as error:
        return CheckedRow(where=where, faults=(str(error),))


def _question(raw: Row, cache: Path) -> Item | None:
    """What a question stands for; None: it is of a domain that is not asked."""
    row = questions.QuestionRow.model_validate(raw)
    return questions.item_of(row, cache) if row.domain == questions.MULTI_DOC else None


def _with_advice(faults: tuple[str, ...]) -> tuple[str, ...]:
    """`faults`, the first that is of a field of swebench 5.x with a hint to that."""
    of_5 = [f"field {field}" for field in FIELDS_OF_5]
    first = next((n for n, fault in enumerate(faults) if any(f in fault for f in of_5)), None)
    advice = "; rows of swebench 5.x are needed, which carry " + ", ".join(FIELDS_OF_5)
    return tuple(fault + advice * (n == first) for n, fault in enumerate(faults))
