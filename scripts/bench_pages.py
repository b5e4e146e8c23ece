"""How long the pages of a large run take, and how large its report is.

    python scripts/bench_pages.py [--quick] [--run FOLDER]

A synthetic run of 500 instances × 4 systems × 4 submissions (`make_big_run.py`) is served by
`delm view`, a process of its own, and every kind of page is asked for over HTTP: as the first page
after the server's start (which also imports what it needs), after the run has changed (nothing that
was made before is of use; the faster of three), and again (the median of three). Then `delm report`
writes the report of a run of 50 instances.

The page of a large run comes with its grid; verdict, plot and tables follow when they are made, and
how long that takes is told and not bounded.

The last line is the figure. Exit code 1: a page takes more than a second after a change or again,
is missing, or the report of 50 instances is larger than 10 MB. Where others keep the processors
busy, what counts is the processor time of the server. `--quick` takes 200 instances, and a report
of 5, which may have a tenth of that size.
"""

import argparse
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from make_big_run import Size, make
from rich.console import Console
from rich.table import Table

from harness.pages.links import ViewLinks

LATER = "run, its verdict"
MOST_S = 1.0
MOST_MB = 10.0
REPORTED = 50  # instances that the bound of the report is for
DELM = [sys.executable, "-m", "harness.cli"]


@dataclass(kw_only=True)
class Timed:
    """A page and its times."""

    name: str
    path: str
    status: int = 0
    size: int = 0
    first_s: float = 0.0
    changed_s: float = 0.0
    again_s: float = 0.0
    processor_s: float = 0.0  # of the server, for the faster page after a change
    again_processor_s: float = 0.0
    bounded: bool = True

    @property
    def slower_s(self) -> float:
        """The slower of the times that are bounded."""
        if not self.bounded:
            return 0.0
        busy = os.getloadavg()[0] > (os.cpu_count() or 1)
        times = (self.processor_s, self.again_processor_s) if busy else ()
        return max(times or (self.changed_s, self.again_s))

    @property
    def holds(self) -> bool:
        """Whether it is there, and fast enough."""
        return self.status == 200 and self.slower_s <= MOST_S


def pages(run_id: str, database: Path) -> list[Timed]:
    """A page of each kind."""
    links = ViewLinks(run_id)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:

        def one(sql: str) -> tuple[str, ...]:
            return tuple(rows.execute(sql).fetchone())

        (trial,) = one("SELECT max(trial_id) FROM trial WHERE system = 'delm'")
        (alone,) = one("SELECT max(trial_id) FROM trial WHERE system = 'single'")
        name, call = one(f"SELECT conversation, call_id FROM call WHERE trial_id = {trial}")
        (label,) = one(f"SELECT label FROM board_entry WHERE trial_id = {trial}")
        (instance,) = one(f"SELECT instance_id FROM trial WHERE trial_id = {trial}")
    found = {
        "runs": "/",
        "run": links.run(),
        LATER: f"{links.run()}?whole=yes",
        "run, sorted": f"{links.run()}?sort=-cost&of=delm&page=2",
        "run, chosen": f"{links.run()}?outcome=differ&repo=django%2Fdjango&find=1",
        "trial of delm": links.trial(int(trial)),
        "trial of single": links.trial(int(alone)),
        "conversation": links.conversation(int(trial), name),
        "call": links.call(int(trial), int(call)),
        "entry": links.entry(int(trial), label),
        "proposal": links.proposal(int(trial), 1),
        "rows of calls": links.rows("calls"),
        "calls of a cell": links.rows("calls", system="delm", instance_id=instance),
        "rows of submissions": links.rows("submissions", system="delm"),
        "rows of trials": links.rows("trials"),
        "compare": links.compare("single", "delm"),
    }
    return [Timed(name=name, path=path, bounded=name != LATER) for name, path in found.items()]


@contextmanager
def serving(output: Path) -> Iterator[tuple[str, int]]:
    """The address of a server of the runs in `output`, and its process."""
    server = subprocess.Popen(
        [*DELM, "view", "--output", str(output)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.match(r"page: (http://[^/]+)", line):
                yield found[1], server.pid
                break
        else:
            raise SystemExit("delm view did not start")
    finally:
        server.terminate()
        server.wait(20)


def seconds(client: httpx.Client, page: Timed) -> float:
    """How long the page takes now."""
    began = time.perf_counter()
    answer = client.get(page.path)
    took = time.perf_counter() - began
    page.status, page.size = answer.status_code, len(answer.content)
    return took


def processor(process: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(client: httpx.Client, page: Timed, process: int) -> tuple[float, float]:
    """How long the page takes now, and of that the server's processor."""
    before = processor(process)
    took = seconds(client, page)
    return took, processor(process) - before


def change(database: Path) -> None:
    """Write to the run, so that its pages have to be made again."""
    with closing(sqlite3.connect(database)) as rows, rows:
        (trial,) = rows.execute("SELECT min(trial_id) FROM trial").fetchone()
        rows.execute("UPDATE trial SET detail = detail || ' ' WHERE trial_id = ?", (trial,))
    time.sleep(0.1)  # files that changed this moment are taken for changing still


def measure(found: list[Timed], output: Path, database: Path) -> None:
    """The times of every page."""
    with (
        serving(output) as (address, process),
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        for page in found:
            page.first_s = seconds(client, page)
        for page in found:
            taken = []
            for _ in range(3):
                change(database)
                taken.append(timed(client, page, process))
            page.changed_s, page.processor_s = min(taken)
            again = sorted(timed(client, page, process) for _ in range(3))
            page.again_s, page.again_processor_s = again[1]


def report(output: Path, instances: int) -> tuple[float, float]:
    """Make the report of a run of so many instances: its megabytes, and the seconds it took."""
    folder = make(output, "reported", Size(instances=instances))
    began = time.perf_counter()
    subprocess.run([*DELM, "report", str(folder.path)], check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    return (folder.path / "report.html").stat().st_size / 1e6, took


def shown(found: list[Timed]) -> Table:
    """The times as a table."""
    table = Table(
        "page", "status", "kB", "first s", "after a change s", "of a processor s", "again s"
    )
    for page in found:
        times = (page.first_s, page.changed_s, page.processor_s, page.again_s)
        table.add_row(
            page.name, str(page.status), f"{page.size / 1e3:.0f}",
            *(f"{taken:.2f}" for taken in times), style="" if page.holds else "bold",
        )  # fmt: skip
    return table


def main() -> int:
    """Measure, and say whether the bounds hold."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="smaller runs")
    parser.add_argument("--run", type=Path, help="a run of make_big_run.py, made before")
    given = parser.parse_args()
    instances, reported = (200, REPORTED // 10) if given.quick else (500, REPORTED)
    with tempfile.TemporaryDirectory(prefix="delm-bench-") as folder:
        output = Path(folder)
        run = given.run or make(output, "big", Size(instances=instances)).path
        found = pages(run.name, run / "run.db")
        measure(found, run.parent, run / "run.db")
        Console(width=110).print(shown(found))
        megabytes, took = report(output, reported)
    most = MOST_MB * reported / REPORTED
    print(f"report of {reported} instances: {megabytes:.2f} MB in {took:.1f} s")
    slowest = max(found, key=lambda page: page.slower_s)
    holds = all(page.holds for page in found) and megabytes <= most
    print(
        f"slowest page {slowest.slower_s:.2f} s ({slowest.name}; at most {MOST_S:.0f} s), report of"
        f" {reported} instances {megabytes:.2f} MB (at most {most:.0f} MB):"
        f" {'holds' if holds else 'does not hold'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
