"""`delm validate`: check whether a submission folder would be accepted."""

from pathlib import Path
from typing import Any

from harness.benchmarks.registry import require
from harness.benchmarks.rows import load, raw_rows
from harness.benchmarks.swebench.rows import VERIFIED, asides
from harness.cache import cache_dir
from harness.exports import submission_check
from harness.exports.submission_claims import DatasetRows
from harness.runner.progress import console
from harness.terminal import one_line
from harness.text.counted import counted


def validate(folder: Path, dataset: str) -> int:
    """Print every problem of the folder; 0 if there is none, else 1."""
    name = dataset or VERIFIED
    inside = sorted(folder.glob("evaluation/*/*/all_preds.jsonl"))  # as `delm export` lays it out
    if len(inside) == 1 and not (folder / "all_preds.jsonl").exists():
        folder = inside[0].parent
    loaded = load(name, cache=cache_dir())
    require(loaded.benchmark, "leaderboard", "the leaderboard's checklist")
    items: dict[str, Any] = {item.instance.instance_id: item for item in loaded.items}
    known = DatasetRows(items=items, asides=asides(raw_rows(name, cache=cache_dir())))
    found = submission_check.problems(folder, known)
    out = console()
    for line in found:
        out.print(one_line(line), highlight=False, markup=False, soft_wrap=True)
    for line in submission_check.notes(folder, known):
        out.print(one_line(f"note: {line}"), highlight=False, markup=False, soft_wrap=True)
    out.print(
        counted(len(found), "problem") if found else "no problems", highlight=False, markup=False
    )
    return 1 if found else 0
