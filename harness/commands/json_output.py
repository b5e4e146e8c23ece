"""The JSON documents of `--json`: one per command on standard output.

results/README.md documents them. Numbers are numbers, and unknown values are null.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from harness.results.run_folder import rounded
from harness.runner.progress import console
from harness.score import Comparison, InstanceScore, Side
from harness.score.compare import comparison_row
from harness.score.rows import TableRow


def notes_console(*, as_json: bool) -> Console:
    """The console for messages; standard error if standard output holds the document."""
    return console(sys.stderr) if as_json else console()


def print_json(document: Mapping[str, Any]) -> None:
    """Print the document, with terminal control characters escaped."""
    sys.stdout.write(json.dumps(_plain(document), indent=1, allow_nan=False) + "\n")


def scored_run(
    run_id: str, path: str, facts: Mapping[str, Any], rows: Sequence[TableRow]
) -> dict[str, Any]:
    """A run with its rows of `table.csv`; `facts` is `Store.description`."""
    return {"run": run_id, "path": path} | run_facts(facts) | {"systems": list(map(numbers, rows))}


def run_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader must know before comparing the run's figures with another run's."""
    return {
        "dataset": facts.get("dataset"),
        "model": facts.get("model"),
        "replay": bool(facts.get("replay")),
    }


def comparison(found: Comparison) -> dict[str, Any]:
    """A row of `comparisons.csv`, and the number of instances that only one side has."""
    return numbers(comparison_row(found)) | {"left_out": found.left_out}


def compared_instances(chosen: Sequence[Side]) -> list[dict[str, Any]]:
    """The result of each system on each instance; null if it was not requested there."""
    names = dict.fromkeys(name for side in chosen for name in side.scores)
    return [
        {
            "instance_id": name,
            "systems": {side.name: _score(side.scores.get(name)) for side in chosen},
        }
        for name in names
    ]


def numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """A CSV row with rounded numbers; text stays as it is."""
    return {
        column: rounded(value, column) if isinstance(value, float) else value
        for column, value in row.items()
    }


def _score(found: InstanceScore | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "resolved": found.resolved,
        "wanted": found.wanted,
        "asked": found.asked,
        "ships": found.ships,
        "cost_usd": found.cost_usd,
    }


def _plain(value: Any) -> Any:
    """None for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
