"""The run folder. Everything in it except `run.db` and the logs can be derived again."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from harness import score
from harness.analysis import coordination, findings
from harness.analysis.run_rows import coordination_rows
from harness.analysis.run_scores import ScoredRun, score_run
from harness.benchmarks.registry import of_run
from harness.board.opening import open_boards
from harness.board.records import Boards
from harness.cache import write_beside
from harness.config import RECORD
from harness.errors import UserError
from harness.exports.predictions import prediction_files
from harness.exports.trajectories import trajectory_files
from harness.labels import rows as label_rows
from harness.locks import lock
from harness.results import csv_rows
from harness.results.server_file import SERVER, address_in, noted
from harness.runner.processes import processes
from harness.score import cost_accuracy
from harness.score.rows import by_trial
from harness.store.opening import open_store, runs_at
from harness.store.protocol import Store
from harness.store.rows import TrialRow
from harness.terminal import plain
from harness.text.digest import digest
from harness.types import Message

# Beginnings of a cell that a spreadsheet calculates; some take the wide forms for the others.
FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
DIGITS = 10  # of a number in a CSV that count
NOISE = 1e-15  # what is smaller, p values aside, is what rounding left of nothing
DATABASE = "run.db"  # in a run's folder
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PART = 26  # characters of one part of a run id that was not chosen
BEGUN = re.compile(
    r"\.lock|\.members|\.ranges|run\.yaml|store\.url|run\.db(-open|-wal|-shm)?"
)  # before any trial


class RunFolder:
    """The folder `results/<run_id>/`.

    A run's folder may be renamed to any valid folder name; `run_id` is the current name. Where its
    store is in a PostgreSQL server, each machine that works on it has such a folder, and the run is
    in the server under the name that it was begun with.
    """

    def __init__(self, output: Path, run_id: str, *, store: str = "") -> None:
        """`store`: the URL of a PostgreSQL server that has the run, or will have it.

        `UserError` for a run id that is no plain file name.
        """
        self.run_id = run_id
        self.path = output / run_id
        self._store = store
        self._found = False  # in the server, though no file here says so
        renamed = "/" not in run_id and self.exists
        if not (renamed or RUN_ID.fullmatch(run_id)):
            raise UserError(
                f"{run_id!r} cannot be a run id; use letters, digits, dot, dash and underscore"
            )
        if self.path.is_file():
            raise UserError(f"{self.path} is a file, and a run is a folder; name another run")

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        files = (self.path / SERVER, self.path / DATABASE)
        return self._found or any(file.exists() for file in files)

    @property
    def on_server(self) -> bool:
        """Whether its store is in a PostgreSQL server."""
        return bool(self._store) or (self.path / SERVER).exists()

    @property
    def file(self) -> Path:
        """The file that holds its store, or says where it is."""
        return self.path / (SERVER if self.on_server else DATABASE)

    @property
    def address(self) -> str:
        """The address of its store, for `open_store` and `open_boards`.

        A password stands in no file of the run: it comes from the variable `DELM_STORE`, or from
        those of PostgreSQL.
        """
        if not self.on_server:
            return str(self.path / DATABASE)
        if (self.path / SERVER).exists():
            return address_in(self.path, self._store)
        return f"{self._store}#{self.run_id}"

    def logs(self, begun: str = "") -> Path:
        """The folder of its grading logs, named by the run's original id (the fact `id` of its
        store)."""
        return self.path / "logs" / "run_evaluation" / (begun or self.run_id)

    def create(self, *, new: bool = False) -> "RunFolder":
        """Create the folder if it is missing, and return it. Raises `UserError` if that is not
        allowed.

        A `new` one was not there: where this name is taken, it gets a number at its end. Of
        processes that do so at the same moment each has another.
        """
        number, folder = 1, self
        while not folder._make(exist_ok=not new):
            number += 1
            name = f"{self.run_id}-{number}"
            folder = RunFolder(self.path.parent, name, store=self._store)
        if self._store:
            noted(folder.path, self._store, folder.run_id)
        return folder

    async def look_on_server(self) -> None:
        """Find out whether the server of `store` has a run of this id. Nothing is written.

        `UserError`: the folder holds a run that is elsewhere, or the server cannot be asked.
        """
        if not self._store:
            return
        if (self.path / DATABASE).exists():
            raise UserError(
                f"the run {self.run_id} is in {self.path / DATABASE}, a file that one machine can "
                "reach; leave --store out, or begin a new run (another --run-id)"
            )
        if (self.path / SERVER).exists():
            noted(self.path, self._store, self.run_id)
        else:
            self._found = self.run_id in await runs_at(self._store)

    def _make(self, *, exist_ok: bool) -> bool:
        """Create the folder; False if it exists and may not. Raises `UserError` if it is not
        writable."""
        try:
            self.path.mkdir(parents=True, exist_ok=exist_ok)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            if isinstance(error, FileExistsError) and self.path.is_dir():
                return False
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}); choose another folder with "
                "--output"
            ) from None
        return True

    async def remove_if_empty(self) -> None:
        """Remove the folder of a run without a trial.

        Keeps it while another process works on it, or if it holds any file that a start does not
        create.
        """
        if not self.path.is_dir() or self._holds_more():
            return
        with suppress(UserError), self.lock():
            if not await self._has_trials():
                shutil.rmtree(self.path, ignore_errors=True)

    def _holds_more(self) -> bool:
        return not all(BEGUN.fullmatch(path.name) for path in self.path.iterdir())

    async def _has_trials(self) -> bool:
        if not self.exists:
            return False
        async with self.open() as store:
            return bool(await store.trials())

    @asynccontextmanager
    async def open(self, *, read_only: bool = False) -> AsyncIterator[Store]:
        """The store of an existing run. Raises `UserError` with the nearest name if there is
        none."""
        self.refuse_grading()
        if not self.exists:
            from harness.config import nearest

            there = [folder.run_id for folder in run_folders(self.path.parent)]
            raise UserError(f"there is no run {self.path}{nearest(self.run_id, there)}")
        async with aclosing(await open_store(self.address, read_only=read_only)) as store:
            yield store

    @asynccontextmanager
    async def boards(self, *, read_only: bool = False) -> AsyncIterator[Boards]:
        """The boards of its trials."""
        async with aclosing(await open_boards(self.address, read_only=read_only)) as boards:
            yield boards

    def refuse_grading(self) -> None:
        """Raise `UserError` if `delm grade` created the folder, because that is not a run."""
        if (self.path / "grades.json").exists() and not self.exists:
            raise UserError(
                f"{self.path} was made by delm grade and is no run: its verdicts are in grades.json"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for this process alone. Raises `UserError` while another process works on
        it."""
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not lock(handle, fcntl.LOCK_EX):
                named = f" ({', '.join(processes(self.path))})".replace(" ()", "")
                raise UserError(
                    f"another process{named} is working on the run {self.run_id}; wait for it, or "
                    "choose another --run-id"
                )
            yield
        finally:
            os.close(handle)


def run_folders(output: Path) -> list[RunFolder]:
    """The run folders in `output`, by name."""
    found = {path.parent.name for name in (DATABASE, SERVER) for path in output.glob(f"*/{name}")}
    return [RunFolder(output, name) for name in sorted(found)]


def fresh_run_id(*parts: str) -> str:
    """The `parts` joined by `_` as a run id; invalid characters become dashes."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part)[:PART].strip("-") for part in parts)


def check_target(path: Path) -> None:
    """Raise `UserError` if `path`, a file to be written at the end, cannot be written."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); choose another") from None


def write(path: Path, text: str) -> None:
    """Write a derived file to a temporary name, then rename it."""
    write_beside(path, text.encode("utf-8"))


async def derive(folder: RunFolder, store: Store, boards: Boards) -> ScoredRun:
    """Write every derived file again; return the scores that they are made of."""
    run = await store.read()
    benchmark = of_run(run.facts)
    scored = await score_run(run, boards, benchmark.unstable(folder.path.parent))
    mine, made = by_trial(run.calls), by_trial(run.submissions)

    def write_trajectories(trial: TrialRow, said: Mapping[str, Sequence[Message]]) -> None:
        key = trial["trial_id"]
        files = trajectory_files(trial, said, mine.get(key, []), made.get(key, []), run.facts)
        for file, text in files.items():
            write(folder.path / "trajectories" / file, text)

    found = await coordination_rows(run, store, boards, write_trajectories)
    instances = csv_rows.instances(run.trials, run.calls, run.submissions)
    submissions = csv_rows.submissions(run.submissions, benchmark)
    labels = label_rows.csv_rows(await store.labels())
    for name, rows, columns in (
        ("table", scored.table, score.COLUMNS),
        ("breakdown", scored.breakdowns(), score.BREAKDOWN_COLUMNS),
        ("comparisons", scored.comparisons, score.COMPARISON_COLUMNS),
        ("instances", instances, csv_rows.INSTANCE_COLUMNS),
        ("submissions", submissions, csv_rows.SUBMISSION_COLUMNS),
        ("ledger", csv_rows.ledger(run.calls), csv_rows.LEDGER_COLUMNS),
        ("coordination", found.trials, coordination.COLUMNS),
        ("coordination_systems", found.systems, coordination.SYSTEM_COLUMNS),
        ("findings", found.findings, findings.COLUMNS),
        ("labels", labels, label_rows.COLUMNS),
        ("cost_accuracy", scored.points, cost_accuracy.COLUMNS),
    ):
        write(folder.path / f"{name}.csv", csv_text(rows, columns))
    for file, text in prediction_files(run.submissions, run.trials, run.facts).items():
        write(folder.path / "preds" / file, text)
    return scored


def write_config(folder: RunFolder, config: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write `run.yaml`: the resolved configuration, and `record`: the systems and versions.

    The record has one hash for a system's code and one for its prompts.
    """
    systems = {
        name: [{key: _digest(value, key) for key, value in each.items()} for each in records]
        for name, records in record["systems"].items()
    }
    content = {**config, RECORD: {**record, "systems": systems}}
    write(folder.path / "run.yaml", yaml.safe_dump(content, sort_keys=False))


def _digest(value: Any, key: str) -> Any:
    if key not in {"code", "prompts"}:
        return value
    return digest(value)


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """The rows as CSV, with a header line."""
    import pandas as pd

    frame = pd.DataFrame(
        [[csv_cell(row[column], column) for column in columns] for row in rows],
        columns=list(columns),
        dtype=object,
    )
    return str(frame.to_csv(index=False))


def rounded(value: float, column: str) -> float:
    """The number rounded to `DIGITS` significant digits; noise around 0 becomes 0.

    p-values may be arbitrarily small.
    """
    nothing = abs(value) < NOISE and not column.endswith("_p")
    return 0.0 if nothing else float(f"{value:.{DIGITS}g}")


def csv_cell(value: Any, column: str) -> Any:
    """The text without control characters and without a formula for spreadsheets."""
    if isinstance(value, float):
        return rounded(value, column)
    if not isinstance(value, str):
        return value
    text = plain(value)
    calculated = text.lstrip().startswith(FORMULAS) or text.startswith("\t")
    return f"'{text}" if calculated else text
