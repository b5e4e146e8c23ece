"""`delm export`: write a run in the format of another tool."""

import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analysis.interventions import touched
from harness.benchmarks.registry import of_run, require
from harness.benchmarks.rows import load, raw_rows
from harness.benchmarks.swebench.rows import asides
from harness.cache import cache_dir, write_beside
from harness.commands.locate import find
from harness.commands.tracing import export_traces
from harness.errors import UserError
from harness.exports.atif import sessions_of, trial_files
from harness.exports.experiments import cautions, write_experiment
from harness.exports.predictions import prediction_files
from harness.exports.recording import record
from harness.exports.shipped_submissions import shipped
from harness.exports.submission_claims import CHECKLIST, DatasetRows
from harness.exports.trajectories import trajectory_files
from harness.results.run_folder import RunFolder, check_target
from harness.runner.progress import console
from harness.score import flags_of
from harness.score.rows import by_trial
from harness.store.protocol import Store
from harness.store.rows import CallRow, RunRows, SubmissionRow, TrialRow
from harness.text.counted import counted

SENT = "otlp"  # to an endpoint, where no file is named
FILES = ("predictions", "recording", SENT)
FOLDERS = ("trajectories", "atif", "experiments")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A run and the chosen systems, in the order in which they ran, and what to write of them."""

    folder: RunFolder
    store: Store
    rows: RunRows
    systems: tuple[str, ...]
    content: bool = False  # of traces: what was said, too

    def trials(self) -> Iterator[tuple[TrialRow, list[CallRow], list[SubmissionRow]]]:
        """Each started trial, with its calls and submissions."""
        calls, submissions = by_trial(self.rows.calls), by_trial(self.rows.submissions)
        for trial in self.rows.trials:
            if trial["system"] in self.systems and trial["started_at"]:
                key = trial["trial_id"]
                yield trial, calls.get(key, []), submissions.get(key, [])


async def export_run(
    run: str, output: Path, form: str, system: str, target: Path | None, content: bool = False
) -> None:
    """Write the run to `target`, a file or a folder, and print what was written.

    `form` is one of `FILES` and `FOLDERS`. `predictions` and `experiments` are of one system, the
    first where none is named. `otlp` without a target sends to the configured endpoint, and takes
    `content` for what was said, too.
    """
    if form not in FILES + FOLDERS:
        raise UserError(f"unknown format {form!r}; there are: {', '.join(FILES + FOLDERS)}")
    if target is None and form != SENT:
        raise UserError(f"{form} needs a {'file' if form in FILES else 'folder'} to write")
    if content and form != SENT:
        raise UserError(f"--content is for {SENT}: {form} always has it")
    folder = await find(run, output)
    if target and form in FILES:
        check_target(target)
    elif target:
        _check_folder(target)
    async with folder.open() as store:
        rows = await store.read()
        systems = tuple(dict.fromkeys(trial["system"] for trial in rows.trials))
        if system and system not in systems:
            raise UserError(f"{system!r} is not in this run; there are: {', '.join(systems)}")
        wanted = (system,) if system else systems
        chosen = _Chosen(folder=folder, store=store, rows=rows, systems=wanted, content=content)
        if form == SENT:
            told = await export_traces(store, wanted, target, content=content)
        elif target:
            told = await EXPORTS[form](chosen, target)
    console().print(told, highlight=False, markup=False)


async def _predictions(chosen: _Chosen, target: Path) -> str:
    rows = chosen.rows
    files = prediction_files(rows.submissions, rows.trials, rows.facts)
    made = [name for name in chosen.systems if f"{name}.jsonl" in files]
    if not made:
        there = ", ".join(name.removesuffix(".jsonl") for name in files)
        raise UserError(f"no predictions of {' or '.join(chosen.systems)}; there are: "
                        f"{there or 'none'}")  # fmt: skip
    write_beside(target, files[f"{made[0]}.jsonl"].encode())
    which = "what the first trial ships; preds/ of the run has all"
    return f"wrote {target}{_left_out(chosen, made[0], which)}"


async def _recording(chosen: _Chosen, target: Path) -> str:
    return f"recorded {counted(record(chosen.rows, target), 'call')} in {target}"


async def _trajectories(chosen: _Chosen, target: Path) -> str:
    description, count = chosen.rows.facts, 0
    for trial, calls, submissions in chosen.trials():
        spoken = await chosen.store.messages(trial["trial_id"])
        files = trajectory_files(trial, spoken, calls, submissions, description)
        for name, text in files.items():
            write_beside(target / name, text.encode())
        count += len(files)
    return f"wrote {count} conversations to {target}"


async def _atif(chosen: _Chosen, target: Path) -> str:
    description, count = chosen.rows.facts, 0
    sources = sessions_of(chosen.rows.calls, description)
    for trial, calls, submissions in chosen.trials():
        spoken = await chosen.store.messages(trial["trial_id"])
        documents = trial_files(trial, spoken, calls, submissions, description, sources)
        for name, document in documents.items():
            path = target / trial["system"] / trial["instance_id"] / name
            write_beside(path, json.dumps(document, indent=1).encode())
        count += 1
    return f"wrote {counted(count, 'trial')} to {target}"


async def _experiments(chosen: _Chosen, target: Path) -> str:
    rows, description, system = chosen.rows, chosen.rows.facts, chosen.systems[0]
    require(of_run(description), "leaderboard", "a submission to the leaderboard")
    dataset, notes = _dataset(description)
    asides = dataset.asides if dataset else {}
    years = {key: row.created_at[:4] for key, row in asides.items() if row.created_at[:4].isdigit()}
    ships = shipped(rows, system)
    keys = [one.trial["trial_id"] for one in ships.values()]
    spoken = {key: await chosen.store.messages(key) for key in keys}
    logs = chosen.folder.logs(str(description.get("id", "")))
    folder = write_experiment(rows, spoken, system, logs, years, target, dataset=dataset)
    asked = {row["instance_id"] for row in rows.trials if row["system"] == system}
    total = len(dataset.items) if dataset else 0
    notes += cautions(description, len(asked), total, touched=touched(rows, system))
    for name, one in ships.items():
        if one.submission["official"] == "resolved" and (flags := flags_of(one.submission)):
            notes.append(f"{name} is resolved and flagged: {', '.join(flags)}")
    written = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    unticked = [line for line in CHECKLIST if f"- [ ] {line}" in written]
    notes += [f"README.md does not tick: {line}" for line in unticked]
    left_out = _left_out(chosen, system, "the one that the first trial ships")
    return f"wrote {folder}{left_out}{''.join(f'{chr(10)}note: {line}' for line in notes)}"


def _dataset(description: Mapping[str, Any]) -> tuple[DatasetRows | None, list[str]]:
    """The rows of the run's dataset, or the reason why they cannot be loaded."""
    name, split = (description["config"]["dataset"][key] for key in ("name", "split"))
    try:
        items: list[Any] = load(name, cache=cache_dir(), split=split).items
        carried = asides(raw_rows(name, cache=cache_dir(), split=split))
    except UserError as error:
        return None, [f"the dataset's rows cannot be had, and prompts were not searched: {error}"]
    return DatasetRows(
        items={item.instance.instance_id: item for item in items}, asides=carried
    ), []


def _left_out(chosen: _Chosen, system: str, which: str) -> str:
    """Lines that say which part of the run was not exported, if any."""
    made = Counter(row["instance_id"] for row in chosen.rows.submissions if row["system"] == system)
    most, others = max(made.values(), default=0), [s for s in chosen.systems if s != system]
    told = f"\nnote: this is {system}; with -s there is: {', '.join(others)}" if others else ""
    if most > 1:
        told += f"\nnote: of the submissions on an instance, up to {most}, it has {which}"
    return told


EXPORTS: Mapping[str, Callable[[_Chosen, Path], Awaitable[str]]] = {
    "predictions": _predictions,
    "recording": _recording,
    "trajectories": _trajectories,
    "atif": _atif,
    "experiments": _experiments,
}


def _check_folder(path: Path) -> None:
    """Raise `UserError` if files cannot be written into the folder. It need not exist."""
    there = next(parent for parent in (path.absolute(), *path.absolute().parents)
                 if parent.exists())  # fmt: skip
    if not there.is_dir():
        raise UserError(f"{there} is a file; name a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(f"{there} cannot be written ({error.strerror}); choose another") from None
