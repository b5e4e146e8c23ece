"""One scripted run that several machines, or one, work on; and what came of it."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
    """A command of delm on a host of its own, that works on a run."""

    def __init__(
        self, host: Sequence[str], words: Sequence[str], place: Path, run: str = "far", *,
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`place`: its results, which is made. `env`: of its process; None: this one's."""
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
        self,
        host: Sequence[str],
        words: Sequence[str],
        place: Path,
        env: Mapping[str, str] | None = None,
        *,
        run: str = "far",
    ) -> None:
        """`place`: its results, which is made. `env`: of its process; None: this one's."""
        place.mkdir()
        self.said = place / "said"
        self.folder = place / run
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [*host, DELM, *words, "-o", str(place)], cwd=place, stdin=subprocess.DEVNULL,
        return self.process.pid in at_work(self.folder)
            )  # fmt: skip

    def at_work(self) -> bool:
        """Whether it has paid for a call of a trial that it still has."""
        assert self.process.poll() is None, self.said.read_text()
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



    def kill(self) -> None:
        """Kill it with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


