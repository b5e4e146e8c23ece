"""What the guard could not check of a submission stands in its row."""

import csv
from contextlib import closing

import pytest
from stores import derived

from harness.results.run_folder import RunFolder
from harness.store.sqlite.store import SqliteStore
from harness.types import Verdict


@pytest.mark.parametrize(
    ("unchecked", "cell"), [((), ""), (("repeat", "broken-tests"), "repeat broken-tests")]
)
async def test_what_could_not_be_checked_is_a_column_of_submissions(tmp_path, unchecked, cell):
    folder = RunFolder(tmp_path, "r")
    folder.create()
    with closing(SqliteStore(folder.path / "run.db")) as store:
        await store.describe(dataset="d", model="m", replay=False, prices={}, prices_sha256="")
        instance = {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "", "length": ""}
        planned = {"system": "single", "instance_id": "a__a-1", "number": 0, "agents": 1,
                   "wanted": 1, "submits": "one"}  # fmt: skip
        await store.plan([instance], [planned])
        trial = await store.claim_trial()
        made = await store.submit(
            trial["trial_id"], "agent-1", "x\n", reason="finished", salvaged=False
        )
        verdict = Verdict(
            outcome="resolved", reason="", report={}, seconds=1, official="resolved",
            unchecked=unchecked,
        )  # fmt: skip
        await store.grade(made, verdict)
        await store.finish_trial(trial["trial_id"], "done", reason="finished", seconds=1)
    await derived(folder)
    with (folder.path / "submissions.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["outcome"], row["flags"], row["unchecked"]) == ("resolved", "", cell)
