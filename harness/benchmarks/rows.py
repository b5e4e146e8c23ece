"""Load a dataset: rows of a file or of the hub, or what only one benchmark can read.

Rows are checked here, once; whoever has an `Item` need not look again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.benchmarks.checked_row import FILE_NAME, LONGEST_NAME, BadRow, CheckedRow, faults_of
from harness.benchmarks.protocol import Benchmark, Reader
from harness.benchmarks.registry import BENCHMARKS, find, of_row
from harness.benchmarks.row_files import BUNDLED, Row, is_row_file, read_hub, read_rows
from harness.benchmarks.swebench.rows import VERIFIED
from harness.errors import UserError
from harness.text.user_paths import user_path
from harness.types import Item

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
NOT_DATASETS = {".csv", ".tsv", ".txt", ".gz", ".zip", ".arrow", ".toml", ".xml", ".py"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The items of a dataset, and their benchmark."""

    benchmark: Benchmark[Any]
    items: list[Item]


def load(name: str, *, cache: Path, split: str = "test", benchmark: str = "") -> Dataset:
    """All items of a dataset, in its own order. Blocking; it may download, each thing once.

    `name` is a `.jsonl`, `.json`, `.parquet` or `.yaml` file, the name of a bundled dataset, or
    `owner/name` on the dataset hub, of which `split` is read. `benchmark` is a name or an import
    string (see `registry.find`); empty: the first row says whose they are. Raises `UserError`, one
    line.
    """
    whose, rows = check_rows(name, cache=cache, split=split, benchmark=benchmark)
    items = []
    for row in rows:
        if row.faults:
            raise UserError(f"{row.where} {row.faults[0]}")
        items += [row.item] if row.item else []
    if not items:
        raise UserError(f"{name} has no rows {whose.asked}".rstrip())
    return Dataset(benchmark=whose, items=items)


def check_rows(
    name: str, *, cache: Path, split: str = "test", benchmark: str = ""
) -> tuple[Benchmark[Any], Iterator[CheckedRow]]:
    """Whose a dataset is that `load` takes, and every row of it with all that is wrong with it.

    Raises `UserError`, one line: there is no such dataset, or nothing in it can be read as a row.
    """
    given = find(benchmark) if benchmark else None
    for each in (given,) if given else BENCHMARKS:
        own = each.own_dataset(name, cache)
        if own is not None:
            return each, own
    source = _source(name)
    rows = iter(_raw(source, split))
    first = next(rows, None)
    if first is None:
        raise UserError(f"{source} has no rows")
    whose = given or of_row(first[1])
    every = chain([first], rows)
    return whose, _checked(every, whose, given=given is not None, source=str(source), cache=cache)


def raw_rows(name: str, *, cache: Path, split: str = "test") -> Iterable[tuple[str, Row]]:
    """The rows as a file or the hub has them, each with the words that say where it stands.

    There are none where only one benchmark can read the dataset. Raises `UserError` as `load` does.
    """
    own = any(each.own_dataset(name, cache) is not None for each in BENCHMARKS)
    return () if own else _raw(_source(name), split)


def _raw(source: Path | str, split: str) -> Iterable[tuple[str, Row]]:
    if isinstance(source, Path):
        return read_rows(source)
    return read_hub(source, split)


def _source(name: str) -> Path | str:
    """The file of a dataset, or its name on the hub. Raises `UserError` if there is none."""
    path = user_path(name)
    if is_row_file(path):
        return path
    if path.is_file() or path.suffix in NOT_DATASETS or name.startswith((".", "/", "~")):
        raise UserError(
            f"{name} is not a dataset: a file must end in .jsonl, .json, .parquet or .yaml"
        )
    if HUB_NAME.fullmatch(name):
        return name
    bundled = sorted(file.stem for file in BUNDLED.glob("*.yaml"))
    raise UserError(
        f"no dataset {name!r}: give a file, a hub name such as {VERIFIED}, "
        f"or one of {', '.join(bundled)}"
    )


def public_name(name: str) -> str:
    """A name of the dataset without local paths: its hub name, or the file's name."""
    return name if HUB_NAME.fullmatch(name) else Path(name).name


def _checked(
    rows: Iterable[tuple[str, Row]],
    benchmark: Benchmark[Any],
    *,
    given: bool,
    source: str,
    cache: Path,
) -> Iterator[CheckedRow]:
    """Check rows that come with the words that say where each stands.

    All are of one benchmark. Where that was `given`, no row is looked at for whose it is.
    """
    seen = set[str]()
    read = benchmark.reader(cache)
    for place, raw in rows:
        whose = benchmark if given else of_row(raw)
        named = raw.get(whose.id_field)
        where = f"{source}: {place}" + (f" ({named})" if isinstance(named, str) else "")
        if whose is not benchmark:
            yield CheckedRow(where=where, faults=("is of another benchmark than the rows before",))
            continue
        row = _check_row(where, raw, read)
        key = row.item.instance.instance_id if row.item else ""
        if key in seen:
            row = CheckedRow(where=where, faults=("is there twice: instance_ids are unique",))
        seen |= {key} if key else set()
        yield row


def _check_row(where: str, raw: Row, read: Reader[Any]) -> CheckedRow:
    """The item of a row, or the faults of the row."""
    try:
        return CheckedRow(where=where, item=_named_well(read(raw)))
    except KeyError as missing:
        return CheckedRow(where=where, faults=(f"has no field {missing.args[0]}",))
    except BadRow as bad:
        return CheckedRow(where=where, faults=bad.faults)
    except ValidationError as error:
        return CheckedRow(where=where, faults=faults_of(error))
    except UserError as error:
        return CheckedRow(where=where, faults=(str(error),))


def _named_well(item: Item | None) -> Item | None:
    """Check the instance id, which becomes a folder name. Raises `BadRow`."""
    name = item.instance.instance_id if item else "none"
    if not (isinstance(name, str) and re.match(FILE_NAME, name) and len(name) <= LONGEST_NAME):
        raise BadRow(
            "has a bad instance_id: it is letters, digits, dot, dash and underscore, at most "
            f"{LONGEST_NAME}"
        )
    return item
