"""One scripted run that several machines, or one, work on; and what came of it."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from console import DATASET, DELM, FLASK, UNGUARDED
from team_script import team

from harness.errors import StoreUnavailable
from harness.results.run_folder import RunFolder
from harness.store.rows import RunRows, TrialRow

WORDS = ["-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", "delm", "-n", "2", "-k", "4",
         "-w", "1", "--yes", *UNGUARDED, "-c", "plots=false", "-c", "report=false"]  # fmt: skip


class Machine:
    """A command of delm on a host of its own, that works on a run."""

    def __init__(
        self, host: Sequence[str], words: Sequence[str], place: Path, run: str = "far", *,
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`place`: its results, which is made. `env`: of its process; None: this one's."""
        place.mkdir()
        self.said = place / "said"
        self.folder = place / run
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [*host, DELM, *words, "-o", str(place)], cwd=place, stdin=subprocess.DEVNULL,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True, env=env,
            )  # fmt: skip

    def at_work(self) -> bool:
        """Whether it has paid for a call of a trial that it still has."""
        assert self.process.poll() is None, self.said.read_text()
        return self.process.pid in at_work(self.folder)

    def kill(self) -> None:
        """Kill it with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def at_work(folder: Path) -> set[int]:
    """The processes that have an answer to a call of a trial which they still have."""
    rows = begun(folder)
    answered = {call["trial_id"] for call in rows.calls if call["outcome"] == "ok"} if rows else ()
    return {
        int(trial["owner"].partition("-")[0])
        for trial in (rows.trials if rows else ())
        if trial["state"] == "running" and trial["trial_id"] in answered
    }


def begun(folder: Path) -> RunRows | None:
    """All rows of a run on a server; None while it is being made."""
    if not (folder / "store.url").exists():
        return None
    try:
        return rows_of(folder)
    except StoreUnavailable:
        return None  # its tables are being made


def rows_of(folder: Path) -> RunRows:
    """All rows of the run in a folder."""

    async def read() -> RunRows:
        async with RunFolder(folder.parent, folder.name).open(read_only=True) as store:
            return await store.read()

    return anyio.run(read)


def outcomes(rows: RunRows) -> Counter[tuple[Any, ...]]:
    """What each trial submitted, and what became of it."""
    of = {trial["trial_id"]: trial for trial in rows.trials}
    return Counter(
        (
            *_trial(of[made["trial_id"]]), made["author"], made["patch_sha256"],
            made["outcome"], *(made["flags"] or ()),
        )
        for made in rows.submissions
        if of[made["trial_id"]]["state"] == "done"
    )  # fmt: skip


def bought(rows: RunRows) -> Counter[tuple[Any, ...]]:
    """How often each call of each trial was paid for, whatever attempt made it."""
    of = {trial["trial_id"]: trial for trial in rows.trials}
    return Counter(
        (*_trial(of[call["trial_id"]]), call["conversation"], call["position"])
        for call in rows.calls
        if call["paid_call"] is None and call["outcome"] == "ok"
    )


def _trial(row: TrialRow) -> tuple[Any, ...]:
    return row["system"], row["instance_id"], row["number"]


def slow_team() -> Any:
    """A team whose answers take as long as a quick model's."""
    says = team()

    def script(request: Any, n: int) -> Any:
        time.sleep(random.Random(n).uniform(0.3, 0.6))
        return says(request, n)

    return script
