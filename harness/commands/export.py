"""`delm export`: a run in the form of another tool."""

import shutil
from pathlib import Path

from harness import results
from harness.commands.show import find
from harness.errors import UserError
from harness.exports.recording import record
from harness.progress import console


def export_run(run: str, output: Path, kind: str, system: str, target: Path) -> None:
    """Write the run's predictions of one system, or a recording of its answers."""
    folder = find(run, output)
    results.check_target(target)
    store = folder.open()
    if kind == "recording":
        count = record(store, target)
        console().print(f"recorded {count} calls in {target}", highlight=False, markup=False)
    elif kind == "predictions":
        results.derive(folder, store)
        files = {path.stem: path for path in sorted((folder.path / "preds").glob("*.jsonl"))}
        made = (trial["system"] for trial in store.trials() if trial["system"] in files)
        chosen = system or next(made, "")
        if chosen not in files:
            raise UserError(
                f"no predictions of {chosen!r}; there are: {', '.join(files) or 'none'}"
            )
        shutil.copyfile(files[chosen], target)
        console().print(f"wrote {target}", highlight=False, markup=False)
    else:
        raise UserError(f"unknown format {kind!r}; there are: predictions, recording")
    store.close()
