"""What systems needed in the bundled recording (`results/reference/measured.csv`).

`scripts/measure_expected.py` makes the file.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from functools import cache
from io import StringIO
from pathlib import Path

from harness.errors import UserError
from harness.shipped import MEASURED


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One system's trials in a recording; means over them, tokens of one submission."""

    system: str
    agents: int
    date: str  # on which the recording was made, ISO
    recording: str  # the name of its file
    instances: int
    trials: int
    prompt_tokens: float  # cached ones included
    cached_tokens: float
    completion_tokens: float
    low_prompt_tokens: float  # of the trial with the fewest
    turns: float  # calls of a trial by number of agents: about how many follow each other


COLUMNS = tuple(field.name for field in fields(Measured))


@cache
def measured(path: Path = MEASURED) -> Mapping[str, Measured]:
    """The rows of the file by system. Raises `UserError` where it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [
                Measured(
                    system=row["system"],
                    agents=int(row["agents"]),
                    date=row["date"],
                    recording=row["recording"],
                    instances=int(row["instances"]),
                    trials=int(row["trials"]),
                    prompt_tokens=float(row["prompt_tokens"]),
                    cached_tokens=float(row["cached_tokens"]),
                    completion_tokens=float(row["completion_tokens"]),
                    low_prompt_tokens=float(row["low_prompt_tokens"]),
                    turns=float(row["turns"]),
                )
                for row in csv.DictReader(lines)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read ({error!r}); scripts/measure_expected.py makes it"
        ) from None
    return {row.system: row for row in rows}


def as_csv(rows: Iterable[Measured]) -> str:
    """The file's text."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()
