"""Make a synthetic run of many instances, with calls, messages, boards and grades.

    python scripts/make_big_run.py FOLDER [--instances 500] [--systems 4] [--submissions 4]

A few instances are written through the public methods of the store and the board, as a run does;
the others are their rows again, with other ids, names, costs and outcomes. Nothing in it was ever
run. `bench_pages.py` measures pages with it.
"""

import argparse
import json
import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from template_trials import MODEL, PRICE, TEMPLATES, Team, template_run

from harness import event_loop
from harness.errors import DelmError
from harness.results.run_folder import RunFolder

REPOS = (
    "astropy/astropy", "django/django", "matplotlib/matplotlib", "mwaskom/seaborn",
    "pallets/flask", "psf/requests", "pydata/xarray", "pylint-dev/pylint", "pytest-dev/pytest",
    "scikit-learn/scikit-learn", "sphinx-doc/sphinx", "sympy/sympy",
)  # fmt: skip
DIFFICULTIES = ("<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours")
FLAGGED, FAILED = 0.01, 0.005  # shares of submissions and of trials
SKILL = {"single": 0.42, "independent": 0.44, "centralized": 0.46, "delm": 0.52}
MOVED = {  # columns that hold an id of these rows
    "trial_id": "trial", "call_id": "call", "paid_call": "call", "message_id": "message",
    "span_id": "span", "submission_id": "submission", "task_id": "task", "needed": "task",
}  # fmt: skip
WHICH = {  # of tables without the column trial_id: the rows of the trials of one template
    "instance": "instance_id = :template",
    "board_event": "event_id BETWEEN :low << 32 AND :high << 32 | 0xffffffff",
    "board_need": "task_id IN"
    " (SELECT task_id FROM board_task WHERE trial_id BETWEEN :low AND :high)",
    "grade": "submission_id IN"
    " (SELECT submission_id FROM submission WHERE trial_id BETWEEN :low AND :high)",
}
OWN = {"run", "money", "tool_list", "instance"}  # tables that are not copied by trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a run has."""

    instances: int = 500
    systems: int = 4
    submissions: int = 4  # of each system on an instance
    calls: int = 12  # of one submission

    @property
    def teams(self) -> list[Team]:
        """The systems."""
        each = self.submissions
        return [
            Team(name="single", agents=1, submits="one", trials=each),
            Team(name="independent", agents=each, submits="independent", trials=1),
            Team(name="centralized", agents=each, submits="one", trials=each),
            Team(name="delm", agents=each, submits="shared", trials=1),
        ][: self.systems]


def make(output: Path, run_id: str, size: Size, *, seed: int = 1) -> RunFolder:
    """Make the run `output/run_id` and return its folder."""
    folder = RunFolder(output, run_id).create(new=True)
    event_loop.run(template_run, folder, size.teams, size.calls)
    with closing(sqlite3.connect(folder.address, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("PRAGMA cache_size = -200000")
        Copies(database, random.Random(seed)).fill(size.instances)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


class Copies:
    """Writes the rows of the templates again."""

    def __init__(self, database: sqlite3.Connection, rng: random.Random) -> None:
        self._database = database
        self._rng = rng
        self._columns = dict(self._tables())
        self._names = self._instance_names()

    def fill(self, instances: int) -> None:
        """Copy the templates until there are so many instances, and take the templates away."""
        triggers = self._database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        self._database.execute("BEGIN")
        for name, _ in triggers:
            self._database.execute(f'DROP TRIGGER "{name}"')
        bounds, steps = self._bounds(), self._steps()
        for copy in range(1, -(-instances // TEMPLATES) + 1):
            offsets = {of: step * copy for of, step in steps.items()}
            for number in range(min(TEMPLATES, instances - (copy - 1) * TEMPLATES)):
                self._copy(number, bounds[number], offsets)
        self._remove(steps)
        self._vary()
        for _, sql in triggers:
            self._database.execute(sql)
        self._database.execute("COMMIT")

    def _tables(self) -> Iterator[tuple[str, list[str]]]:
        """Of each table, the columns that are written."""
        found = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in found.fetchall():
            told = self._database.execute(f'PRAGMA table_xinfo("{name}")').fetchall()
            yield name, [column[1] for column in told if not column[6]]

    def _instance_names(self) -> Iterator[tuple[str, str]]:
        """Names of instances, with their repositories."""
        number = 1000
        while True:
            number += self._rng.randint(1, 60)
            repo = self._rng.choice(REPOS)
            yield f"{repo.replace('/', '__')}-{number}", repo

    def _bounds(self) -> list[tuple[int, int]]:
        """The first and the last trial of each template."""
        return [
            self._database.execute(
                "SELECT min(trial_id), max(trial_id) FROM trial WHERE instance_id = ?",
                (f"template-{number}",),
            ).fetchone()
            for number in range(TEMPLATES)
        ]

    def _steps(self) -> dict[str, int]:
        """By how much the ids of a copy differ from those of the last one."""
        ids = {"trial": "trial", "call": "call", "message": "message", "span": "span",
               "submission": "submission", "task": "board_task"}  # fmt: skip
        return {
            of: self._database.execute(f"SELECT max({of}_id) FROM {table}").fetchone()[0] or 0
            for of, table in ids.items()
        }

    def _copy(self, number: int, bounds: tuple[int, int], offsets: dict[str, int]) -> None:
        """One instance more, like template `number`."""
        name, repo = next(self._names)
        given = {
            "name": name, "template": f"template-{number}", "repo": repo, "low": bounds[0],
            "high": bounds[1], "difficulty": self._rng.choices(DIFFICULTIES, (4, 5, 2, 1))[0],
            "position": offsets["trial"] * TEMPLATES + number,
            "factor": round(self._rng.lognormvariate(0, 0.6), 4),
            **offsets,
        }  # fmt: skip
        for table in ("instance", *(each for each in self._columns if each not in OWN)):
            self._write(table, given)

    def _write(self, table: str, given: dict[str, object]) -> None:
        changed = {
            "instance_id": ":name", "repo": ":repo", "difficulty": ":difficulty",
            "event_id": "event_id + (:trial << 32)", "report": "replace(report, :template, :name)",
            **{column: f"{column} + :{of}" for column, of in MOVED.items()},
            **{c: f"round({c} * :factor, 6)" for c in ("cost_usd", "charged_usd", "latency_s")},
        }  # fmt: skip
        if table == "instance":
            changed["position"] = ":position"
        if table == "trial":
            changed["seconds"] = "seconds * :factor"
        columns = self._columns[table]
        if (which := WHICH.get(table)) is None:
            if "trial_id" not in columns:
                return
            which = "trial_id BETWEEN :low AND :high"
        values = ", ".join(changed.get(column, column) for column in columns)
        self._database.execute(
            f"INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {values} FROM {table} WHERE {which}", given,
        )  # fmt: skip

    def _remove(self, steps: dict[str, int]) -> None:
        """The templates."""
        for table, columns in self._columns.items():
            if table in OWN:
                continue
            key = next((column for column in columns if column in MOVED), None)
            if "event_id" in columns:
                self._database.execute(
                    f"DELETE FROM {table} WHERE event_id < :trial + 1 << 32", steps
                )
            elif key:
                mine = "trial_id" if "trial_id" in columns else key
                self._database.execute(f"DELETE FROM {table} WHERE {mine} <= :{MOVED[mine]}", steps)
        self._database.execute("DELETE FROM instance WHERE instance_id LIKE 'template-%'")

    def _vary(self) -> None:
        """Other outcomes for each submission, some flags and errors; the money that was spent."""
        self._database.create_function("chance", 1, lambda share: self._rng.random() < share)
        skill = "CASE system " + "".join(f"WHEN '{s}' THEN {p} " for s, p in SKILL.items()) + "END"
        self._database.execute(
            "UPDATE grade SET outcome = iif(chance((SELECT " + skill + " - 0.1 * CASE difficulty"
            " WHEN '>4 hours' THEN 3 WHEN '1-4 hours' THEN 2 WHEN '<15 min fix' THEN -2 ELSE 0 END"
            " FROM submission JOIN trial USING (trial_id) JOIN instance USING (instance_id)"
            " WHERE submission.submission_id = grade.submission_id)), 'resolved', 'unresolved')"
        )
        self._database.execute("UPDATE grade SET official = outcome")
        self._database.execute(
            "UPDATE grade SET outcome = 'unresolved', flags = ?"
            " WHERE outcome = 'resolved' AND chance(?)", (json.dumps(["forged-result"]), FLAGGED),
        )  # fmt: skip
        self._database.execute(
            "UPDATE trial SET state = 'error', reason = 'the sandbox did not start'"
            " WHERE chance(?)", (FAILED,),
        )  # fmt: skip
        self._database.execute(
            "UPDATE money SET reserved = 0,"
            " spent = (SELECT sum(charged_usd) FROM call WHERE paid_call IS NULL)"
        )


def main() -> int:
    """Make the run that the command line asks for."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="of the new run: results/NAME")
    parser.add_argument("--instances", type=int, default=500)
    parser.add_argument("--systems", type=int, default=4, choices=range(1, 5))
    parser.add_argument("--submissions", type=int, default=4)
    parser.add_argument("--calls", type=int, default=12, help="of one submission")
    given = parser.parse_args()
    size = Size(instances=given.instances, systems=given.systems,
                submissions=given.submissions, calls=given.calls)  # fmt: skip
    began = time.monotonic()
    try:
        folder = make(given.folder.parent, given.folder.name, size)
    except DelmError as error:
        print(error, file=sys.stderr)
        return 2
    megabytes = Path(folder.address).stat().st_size / 1e6
    print(f"{folder.path}: {given.instances} instances × {given.systems} systems ×"
          f" {given.submissions} submissions of {MODEL}, priced as {PRICE.source},"
          f" {megabytes:.0f} MB, in {time.monotonic() - began:.1f} s")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
