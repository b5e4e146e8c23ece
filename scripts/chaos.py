"""A scripted evaluation under attack, and what has to hold in the end.

    python scripts/chaos.py [--seeds 20] [--quick] [--first N]

Under each seed the same run (three systems on two bundled instances, a scripted model behind real
HTTP) is started again and again, alone or by two processes at once. While it works they are killed
with -9 (the process group, or only what runs in the sandboxes), interrupted, started with a clock
that is hours wrong (where `faketime` is installed), or their results lie on a disk that is full (a
small tmpfs, where this may be mounted); the model answers late, with 429 and 500, with garbage, or
not at all. As root on a machine with Docker every fourth seed runs in Docker, with a daemon of its
own, which is restarted, and whose containers are killed; the others run in bubblewrap. Then the
run is left alone until it is done, and checked:

* every trial is done, and every submission of it is graded exactly once, the same ones each time;
* the ledger's dollars are the server's, to the cent, but for calls that were cut off with their
  process: of these the ledger has a row each, and the worst case of each counts as spent;
* no agent buys more than one call twice for each time that it was cut off, on average under 0.2;
* no process, container, image, sandbox, member or temporary file is left over, and `run.db` is
  whole.

The last line is the figure. Exit code 1: something did not hold.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from chaos_boxes import Boxes, Namespaces, engine, full_disk
from console import DATASET, DELM, bundled, own_cache, query, variables
from scripted_model import Cut, Garbage, Hang, ScriptedModel, Status
from table_script import TableScript

from harness.config import resolve
from harness.model.prices import find_price
from harness.model_entries import parse_overrides

MODEL = "openai/scripted"
INSTANCES = ("pallets__flask-5014", "psf__requests-6028")
SYSTEMS = {"single": 1, "centralized": 2, "delm-n2": 2}  # agents that may have a call under way
SUBMISSIONS = len(INSTANCES) * 2 * len(SYSTEMS)
ROUNDS = 6  # attacks of a seed at most
PATIENCE_S = 240.0
MOST_TWICE = 0.2  # calls bought twice, an agent and a cut
IN_DOCKER = 2  # of every four seeds
FULL_KB = 700  # of the disk that is full: room for the database to begin


@dataclass
class Found:
    """What came of one seed."""

    seed: int
    kind: str  # of sandbox
    attacks: list[str] = field(default_factory=list)
    cut: int = 0  # agents that were at work when their process was cut off
    served: int = 0  # answers that the server billed
    twice: int = 0  # answers beyond those that the finished trials rest on
    ledger_usd: float = 0.0
    server_usd: float = 0.0
    unknown_usd: float = 0.0  # the worst case of calls of which nobody can tell
    wrong: list[str] = field(default_factory=list)


class Weather:
    """A script that answers late, or not as it should, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.bad = 0.15
        self._chance = chance
        self._script = TableScript({})
        self._lock = threading.Lock()

    def __call__(self, request: dict[str, Any], n: int) -> Any:
        """The answer to a request."""
        with self._lock:
            luck, seconds = self._chance.random(), self._chance.uniform(0.005, 0.06)
            fault = self._chance.choice(
                [Status(429, retry_after=0), Status(500), Garbage(), Cut(), Hang(0.2)]
            )
        time.sleep(seconds)
        return fault if luck < self.bad else self._script(request, n)


# -- one seed ------------------------------------------------------------------------------------


class Seed:
    """One run under attack."""

    def __init__(self, seed: int, folder: Path, cache: Path, boxes: Boxes) -> None:
        self.found = Found(seed=seed, kind=boxes.kind)
        self.boxes = boxes
        self.chance = random.Random(seed)
        self.output = folder / "results"
        self.run = self.output / "run"
        self.cache = cache
        self.output.mkdir()

    def play(self) -> Found:
        """Attack until there have been enough, leave it alone, look."""
        weather = Weather(random.Random(self.found.seed))
        with ScriptedModel(weather) as server:
            for _ in range(self.chance.randint(3, ROUNDS)):
                self._attack(server)
            weather.bad = 0.0
            self._to_the_end(server)
            self.found.served = server.answers
            price = find_price(MODEL, parse_overrides(resolve([]).models))
            assert price is not None
            self.found.server_usd = (
                server.prompt_tokens * price.input + server.completion_tokens * price.output
            )
        self._check()
        return self.found

    def _start(self, server: ScriptedModel, *before: str) -> subprocess.Popen[str]:
        words = ["eval", "-m", MODEL, "-d", DATASET, "--run-id", "run", "--yes"]
        words += [word for name in INSTANCES for word in ("-i", name)]
        words += [word for name in SYSTEMS for word in ("-s", name)]
        words += ["-c", "submissions=2", "-c", f"sandbox.kind={self.boxes.kind}"]
        words += ["-w", "2", "-o", str(self.output)]
        return subprocess.Popen(
            [*before, DELM, *words],
            env=variables(
                OPENAI_API_BASE=server.base_url,
                OPENAI_API_KEY="none",
                DELM_CACHE=str(self.cache),
                **self.boxes.variables,
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _attack(self, server: ScriptedModel) -> None:
        kinds = ["kill -9", "kill -9", "kill -9 of two", "ctrl-c", "left alone"]
        kinds += self.boxes.attacks
        kinds += ["clock"] * bool(shutil.which("faketime"))
        kinds += ["full disk"] * (os.geteuid() == 0 and not self.found.attacks)
        kind = self.chance.choice(kinds)
        self.found.attacks.append(kind)
        before = ("faketime", "-f", self.chance.choice(("+3h", "-3h"))) if kind == "clock" else ()
        with full_disk(self.output, FULL_KB) if kind == "full disk" else contextlib.nullcontext():
            processes = [self._start(server, *before)]
            if kind == "kill -9 of two":
                processes.append(self._start(server))
            asked, failed = len(server.requests), self._agents("error")
            self._wait(processes, 30.0, lambda: len(server.requests) > asked)
            self._wait(processes, self.chance.uniform(0.0, 3.0))
            struck = kind in self.boxes.attacks
            if struck:
                self.boxes.strike(kind, self.chance)
                self._wait(processes, 2.0)
            survives = kind == "left alone" or (struck and self.chance.random() < 0.5)
            self.found.cut += 0 if survives else self._agents("running")
            for process in () if survives else processes:
                number = signal.SIGINT if kind == "ctrl-c" else signal.SIGKILL
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            for process in processes:
                said, _ = process.communicate(timeout=PATIENCE_S)
                if "Traceback" in said:
                    self.found.wrong.append(f"a traceback after {kind}: {said[-300:]!r}")
            self.found.cut += self._agents("error") - failed

    def _wait(
        self,
        processes: list[subprocess.Popen[str]],
        seconds: float,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(p.poll() is None for p in processes):
            if until():
                return
            time.sleep(0.02)

    def _agents(self, state: str) -> int:
        """Of the trials in a state."""
        try:
            rows = query(self.run, "SELECT system FROM trial WHERE state = ?", state)
        except sqlite3.Error:
            return 0  # it has not begun
        return sum(SYSTEMS[row["system"]] for row in rows)

    def _to_the_end(self, server: ScriptedModel) -> None:
        for _ in range(3):  # what failed for a sandbox that was killed is run again by the next
            process = self._start(server)
            said, _ = process.communicate(timeout=PATIENCE_S)
            if process.returncode == 0:
                return
        self.found.wrong.append(f"it does not end: {said[-300:]!r}")

    # -- what has to hold ------------------------------------------------------------------------

    def _check(self) -> None:
        wrong, found = self.found.wrong, self.found
        (whole,) = query(self.run, "PRAGMA integrity_check")[0].values()
        if whole != "ok":
            wrong.append(f"run.db: {whole}")
        trials = query(self.run, "SELECT * FROM trial")
        live = [t for t in trials if t["state"] == "done"]
        if len({(t["system"], t["instance_id"], t["number"]) for t in live}) != len(live):
            wrong.append("a trial was done twice")
        graded = query(
            self.run,
            "SELECT system, instance_id, number, author FROM submission JOIN grade USING "
            "(submission_id) JOIN trial USING (trial_id) WHERE state = 'done'",
        )
        if len(graded) != SUBMISSIONS:
            wrong.append(f"{len(graded)} of {SUBMISSIONS} submissions are graded")
        if len({tuple(row.values()) for row in graded}) != len(graded):
            wrong.append("a submission was graded twice")
        self._check_money()
        found.twice = found.served - self._needed()
        if found.twice > found.cut:
            wrong.append(f"{found.twice} calls bought twice, and {found.cut} agents were cut off")
        wrong += [f"left over: {each}" for each in self._left()]

    def _needed(self) -> int:
        rows = query(
            self.run,
            "SELECT count(*) AS n FROM call JOIN trial USING (trial_id) "
            "WHERE state = 'done' AND outcome = 'ok'",
        )
        return int(rows[0]["n"])

    def _check_money(self) -> None:
        found = self.found
        (row,) = query(
            self.run,
            "SELECT coalesce(sum(cost_usd), 0) AS known, "
            "coalesce(sum(iif(cost_usd IS NOT NULL, 0, "
            "iif(outcome = 'started', reserved_usd, charged_usd))), 0) AS unknown "
            "FROM call WHERE paid_call IS NULL",
        )
        found.ledger_usd, found.unknown_usd = row["known"], row["unknown"]
        if not (
            found.ledger_usd - 1e-6
            <= found.server_usd
            <= found.ledger_usd + found.unknown_usd + 1e-6
        ):
            found.wrong.append(
                f"the server billed ${found.server_usd:.4f}, the ledger has "
                f"${found.ledger_usd:.4f} and ${found.unknown_usd:.4f} of calls that were cut off"
            )

    def _left(self) -> Iterator[str]:
        yield from self.boxes.left()
        members = self.run / ".members"
        if members.is_dir():
            yield from (str(path) for path in members.iterdir())
        yield from (str(path) for path in self.run.rglob("*.tmp*"))


# -- all of them ---------------------------------------------------------------------------------


def show(rows: list[Found]) -> None:
    """One row a seed."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="a run under attack", title_justify="left")
    for column in (
        "seed",
        "sandbox",
        "attacks",
        "agents cut",
        "served",
        "twice",
        "ledger $",
        "server $",
    ):
        table.add_column(column, justify="left" if column in {"sandbox", "attacks"} else "right")
    table.add_column("wrong", style="red")
    for row in rows:
        numbers = (str(row.cut), str(row.served), str(row.twice))
        money = (f"{row.ledger_usd:.4f}", f"{row.server_usd:.4f}")
        table.add_row(
            *(str(row.seed), row.kind, ", ".join(row.attacks)),
            *(*numbers, *money, "; ".join(row.wrong) or "–"),
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted evaluation under attack.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two seeds")
    options = parser.parse_args()
    bundled(*INSTANCES)
    rows = []
    seeds = range(options.first, options.first + (2 if options.quick else options.seeds))
    dockers = [seed for seed in seeds if seed % 4 == IN_DOCKER]
    with (
        tempfile.TemporaryDirectory(prefix="delm-chaos-") as place,
        engine(INSTANCES) if dockers else contextlib.nullcontext() as own,
    ):
        cache = own_cache(Path(place) / "cache")
        for seed in seeds:
            folder = Path(place) / f"seed-{seed}"
            folder.mkdir()
            began = time.monotonic()
            boxes = own if own and seed in dockers else Namespaces(cache)
            rows.append(Seed(seed, folder, cache, boxes).play())
            said = "; ".join(rows[-1].wrong) or "all holds"
            print(f"seed {seed} ({time.monotonic() - began:.0f} s): {said}", flush=True)
    show(rows)
    cut, twice = sum(row.cut for row in rows), sum(row.twice for row in rows)
    share = twice / cut if cut else 0.0
    bad = sum(bool(row.wrong) for row in rows)
    print(
        f"{bad} of {len(rows)} seeds with something wrong; {share:.2f} calls bought twice an agent "
        f"and cut ({twice} of {cut})"
    )
    sys.exit(bool(bad) or share >= MOST_TWICE)


if __name__ == "__main__":
    main()
