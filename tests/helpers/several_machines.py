"""One scripted run that several machines, or one, work on; and what came of it."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from console import DATASET, DELM, FLASK, UNGUARDED
from team_script import team

from harness.errors import StoreUnavailable
from harness.results.run_folder import RunFolder
from harness.store.rows import RunRows

WORDS = ["-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", "delm", "-n", "2", "-k", "4",
         "-w", "1", "--yes", *UNGUARDED, "-c", "plots=false", "-c", "report=false"]  # fmt: skip


class Machine:
    """A command of delm on a host of its own."""

    def __init__(
        self, host: Sequence[str], words: Sequence[str], place: Path, run: str = "far"
    ) -> None:
        place.mkdir()
        self.said = place / "said"
        self.folder = place / run
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [*host, DELM, *words, "-o", str(place)], cwd=place, stdin=subprocess.DEVNULL,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def at_work(self) -> bool:
        """Whether it has paid for a call of a trial that it still has."""
        assert self.process.poll() is None, self.said.read_text()
        if not (self.folder / "store.url").exists():
            return False
        try:
            rows = rows_of(self.folder)
        except StoreUnavailable:
            return False  # its tables are being made
        mine = {
            trial["trial_id"]
            for trial in rows.trials
            if trial["state"] == "running" and trial["owner"].startswith(f"{self.process.pid}-")
        }
        return any(call["trial_id"] in mine and call["outcome"] == "ok" for call in rows.calls)

    def kill(self) -> None:
        """Kill it with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


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
        (of[made["trial_id"]]["number"], made["author"], made["patch_sha256"], made["outcome"])
        for made in rows.submissions
        if of[made["trial_id"]]["state"] == "done"
    )


def bought(rows: RunRows) -> Counter[tuple[Any, ...]]:
    """How often each call of each trial was paid for, whatever attempt made it."""
    of = {trial["trial_id"]: trial for trial in rows.trials}
    return Counter(
        (of[call["trial_id"]]["number"], call["conversation"], call["position"])
        for call in rows.calls
        if call["paid_call"] is None and call["outcome"] == "ok"
    )


def slow_team() -> Any:
    """A team whose answers take as long as a quick model's."""
    says = team()

    def script(request: Any, n: int) -> Any:
        time.sleep(random.Random(n).uniform(0.3, 0.6))
        return says(request, n)

    return script
