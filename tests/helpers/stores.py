"""The store of a run folder, as commands use it."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import anyio

from harness.analysis.run_scores import ScoredRun
from harness.exports.experiments import write_experiment
from harness.exports.shipped_submissions import shipped
from harness.exports.submission_claims import DatasetRows
from harness.results.run_folder import RunFolder, derive
from harness.store.rows import RunRows
from harness.store.sqlite.store import SqliteStore


async def read(database: Path) -> RunRows:
    """All rows of the store in a file."""
    with closing(SqliteStore(database)) as store:
        return await store.read()


def rows_of(database: Path) -> RunRows:
    """The same, for a test that is not asynchronous."""
    return anyio.run(read, database)


async def derived(folder: RunFolder) -> ScoredRun:
    """Write every derived file of a run; what they are made of."""
    async with folder.open() as store, folder.boards() as boards:
        return await derive(folder, store, boards)


async def handed_in(
    folder: RunFolder,
    system: str,
    target: Path,
    years: Mapping[str, str] | None = None,
    dataset: DatasetRows | None = None,
) -> Path:
    """The folder that `write_experiment` makes of a run."""
    async with folder.open() as store:
        run = await store.read()
        trials = [one.trial["trial_id"] for one in shipped(run, system).values()]
        spoken = {key: await store.messages(key) for key in trials}
    logs = folder.logs(run.facts["id"])
    return write_experiment(run, spoken, system, logs, years or {}, target, dataset=dataset)
