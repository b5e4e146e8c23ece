"""`delm runs`: list the runs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness.results.run_list import RunLine, run_lines
from harness.runner.progress import console
from harness.terminal import widened

WIDE = 10_000  # columns: what is to be pasted is not wrapped


async def list_runs(output: Path, *, as_json: bool) -> None:
    """Print the runs in `output`, the newest first."""
    lines = sorted(await run_lines(output), key=lambda line: line.begun, reverse=True)
    if as_json:
        rows = [asdict(line) | {"state": line.state} for line in lines]
        print(json.dumps(rows, indent=1))
        return
    if not lines:
        console().print(f"no runs in {output}")
        return
    _print(lines)


def _print(lines: Sequence[RunLine]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("run", "begun (UTC)", "dataset", "model", "Avg.@1", "cost", "state"):
        table.add_column(title, no_wrap=True)
    for line in lines:
        scores = ", ".join(
            f"{name} {'–' if value is None else f'{100 * value:.1f} %'}"
            for name, value in line.systems.items()
        )
        model = f"{line.model} (replay)" if line.replay else line.model
        begun = line.begun[:16].replace("T", " ")
        table.add_row(line.run, begun, line.dataset, model, scores, line.cost, line.state)
    widened(console(), WIDE).print(table)
