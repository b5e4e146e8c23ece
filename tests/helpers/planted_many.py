"""A run of 50 instances and four systems in a real store, with everything that goes wrong in one:
retries, trials that wait, run, were cut or killed, flags, unstable tests, unknown costs.

All times are whole seconds or halves, so that they can be counted on a grid.
"""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from planted import START, ZERO, plant, plant_board

from harness.board.protocols import Link
from harness.board.sqlite.board import SqliteBoard
from harness.results.run_folder import RunFolder

BEGAN = datetime.fromisoformat(START)
INSTANCES = [f"p__p-{n:02}" for n in range(50)]
REPOS = ("p/one", "p/two", "p/three", "p/four", "p/five")
DIFFICULTIES = ("<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours", "")
UNSTABLE = ("t::one", "t::two")
ENDS = {  # what becomes of a trial, an attempt a word, and how often
    "done": 70, "error done": 6, "error error": 4, "cancelled done": 5, "killed done": 4,
    "waiting": 3, "cancelled waiting": 3, "error waiting": 2, "error cancelled": 2, "running": 1,
    "killed error done": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Team:
    """A system."""

    agents: int
    submits: str
    trials: int
    skill: float

    @property
    def wanted(self) -> int:
        return 1 if self.submits == "one" else self.agents


TEAMS = {
    "single": Team(1, "one", 4, 0.4),
    "independent": Team(2, "independent", 2, 0.4),
    "centralized": Team(1, "one", 2, 0.5),  # half of what the others are asked for
    "delm": Team(4, "shared", 1, 0.6),
}
UNPRICED = "centralized"  # one of its answers has no known cost, and no tokens that were counted
NOT_BEGUN = {"p__p-48": set(TEAMS), "p__p-49": {"delm", "single"}}


class Planter:
    """Writes rows; every random choice is from one seed."""

    def __init__(self, database: sqlite3.Connection, seed: int) -> None:
        self._database = database
        self._rng = random.Random(seed)
        self._served: dict[tuple[str, str, int], int] = {}  # by trial, a call that was paid for

    def plant(self) -> list[int]:
        """Everything but the boards; the `trial_id` of what `delm` has done."""
        rng = self._rng
        for position, name in enumerate(INSTANCES):
            self._put("instance", instance_id=name, repo=rng.choice(REPOS), position=position,
                      difficulty=rng.choice(DIFFICULTIES), length="")  # fmt: skip
        with_board = []
        for instance in INSTANCES:
            for system, team in TEAMS.items():
                for number in range(team.trials):
                    ends = rng.choices([*ENDS], [*ENDS.values()])[0]
                    if system in NOT_BEGUN.get(instance, ()):
                        ends = "waiting"
                    for attempt, end in enumerate(ends.split()):
                        trial = self._attempt(system, instance, number, attempt, end)
                        with_board += [trial] if (system, end) == ("delm", "done") else []
        self._database.execute(
            "UPDATE call SET cost_usd = NULL, charged_usd = NULL, prompt_tokens = 0, cached_tokens"
            " = 0, cache_write_tokens = 0, completion_tokens = 0, reasoning_tokens = 0"
            " WHERE call_id = (SELECT min(call_id) FROM call JOIN trial USING (trial_id)"
            " WHERE system = ? AND outcome = 'ok' AND state = 'done')", (UNPRICED,),
        )  # fmt: skip
        return with_board

    def _put(self, table: str, **row: Any) -> int:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        found = self._database.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())
        )
        return int(found.lastrowid or 0)

    def _attempt(self, system: str, instance: str, number: int, attempt: int, end: str) -> int:
        team, rng = TEAMS[system], self._rng
        state = {"killed": "cancelled"}.get(end, end)
        started = None if state == "waiting" else START
        known = state in {"done", "error"} or end == "cancelled"
        trial = self._put(
            "trial", system=system, instance_id=instance, number=number, attempt=attempt,
            agents=team.agents, wanted=team.wanted, submits=team.submits, state=state,
            reason="the process ended" if end == "killed" else "", started_at=started,
            finished_at=started and at(200), seconds=rng.randint(20, 120) * 0.5 if known else None,
        )  # fmt: skip
        if started:
            self._work(system, trial, cut=not known)
            place = (system, instance, number)
            if place in self._served:
                self._call(trial, "patch-1", "agent-1", 90, 0.0, paid=self._served[place])
            self._served[place] = self._call(trial, "patch-1", "agent-1", 91, 1.0)
        if state in {"done", "cancelled"}:
            self._submissions(trial, team, graded=state == "done")
        return trial

    def _work(self, system: str, trial: int, *, cut: bool) -> None:
        """The calls, messages and spans of every agent."""
        rng, led = self._rng, system == "centralized"
        for conversation, agent in conversations(system, rng):
            moment = rng.randint(0, 6) * 0.5
            for position in range(rng.randint(1, 4)):
                took = rng.randint(1, 12) * 0.5
                self._call(trial, conversation, agent, position, moment, took=took)
                moment += took
                what = rng.choice(["command", "command", "admission", "turn"])
                waits = ("peer",) if agent == "main" else ("main",) if led else ("peer", "barrier")
                for kind in (what, rng.choice(waits)):
                    span = rng.randint(1, 10) * 0.5
                    self._put("span", trial_id=trial, agent=agent, what=kind,
                              started_at=at(moment), seconds=span)  # fmt: skip
                    moment += span - rng.choice((0, 0, 0.5))  # some overlap
            for message in said(rng):
                self._put("message", trial_id=trial, conversation=conversation,
                          content=json.dumps(message))  # fmt: skip
        if cut:
            left = {"conversation": "cut", "agent": "agent-1", "cost": None}
            self._call(trial, position=0, moment=30.0, outcome="cancelled", charged=0.05, **left)
            self._call(trial, position=1, moment=31.0, outcome="started", **left)

    def _call(
        self,
        trial: int,
        conversation: str,
        agent: str,
        position: int,
        moment: float,
        *,
        took: float = 0.5,
        outcome: str = "",
        cost: float | None = 0.0,
        charged: float | None = None,
        paid: int | None = None,
    ) -> int:
        rng = self._rng
        outcome = outcome or rng.choices(["ok", "failed"], [9, 1])[0] if paid is None else "ok"
        prompt, known = rng.randint(50, 5000), cost is not None
        cost = round(rng.lognormvariate(-5, 1), 6) if known else None
        return self._put(
            "call", trial_id=trial, conversation=conversation, agent=agent, position=position,
            model="m", prompt_sha256="", repeated=rng.random(), outcome=outcome, reserved_usd=0.2,
            cost_usd=cost, charged_usd=cost if known else charged, prompt_tokens=prompt,
            cached_tokens=prompt // 3, cache_write_tokens=prompt // 7,
            completion_tokens=rng.randint(1, 400), reasoning_tokens=1, attempts=rng.randint(1, 3),
            started_at=at(moment), ended_at=None if outcome == "started" else at(moment + took),
            began=1, paid_call=paid,
        )  # fmt: skip

    def _submissions(self, trial: int, team: Team, *, graded: bool) -> None:
        rng, made = self._rng, []
        for seat in range(team.wanted - (rng.random() < 0.05)):
            patch = "".join(
                f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
                f"@@ -{line},1 +{line},1 @@\n-old\n+new\n"
                for path, line in {(rng.choice("xyz") + ".py", rng.randint(1, 3)) for _ in "ab"}
            )
            made.append(self._put(
                "submission", trial_id=trial, author=f"patch-{seat + 1}", agent=f"agent-{seat + 1}",
                patch=patch, patch_sha256="", reason="finished", salvaged=0,
                created_at=at(rng.randint(20, 200) * 0.5),
            ))  # fmt: skip
        for one in made if graded else ():
            self._grade(one, rng.random() < team.skill)
        if team.submits == "shared" and made and rng.random() < 0.9:
            self._put("selection", trial_id=trial, submission_id=rng.choice(made), reasons="[]")

    def _grade(self, submission: int, good: bool) -> None:
        rng, (instance,) = self._rng, self._database.execute(
            "SELECT instance_id FROM trial JOIN submission USING (trial_id)"
            " WHERE submission_id = ?", (submission,),
        ).fetchone()  # fmt: skip
        flagged = good and rng.random() < 0.15
        failing = [] if good else rng.sample([*UNSTABLE, "t::other"], rng.randint(1, 2))
        mended = good or rng.random() < 0.5
        report = {instance: {"tests_status": {
            "FAIL_TO_PASS": {"success": ["t::mended"] if mended else [],
                             "failure": [] if mended else failing[:1]},
            "PASS_TO_PASS": {"success": [], "failure": failing if mended else failing[1:]},
        }}}  # fmt: skip
        self._put(
            "grade", submission_id=submission, reason="", cached=0, seconds=1.0, graded_at=START,
            outcome="resolved" if good and not flagged else "unresolved",
            official="resolved" if good else "unresolved", report=json.dumps(report),
            flags=json.dumps(["forged-result"] if flagged else []), unchecked="[]",
        )  # fmt: skip


def conversations(system: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Of one trial: the name of each conversation, and who speaks in it."""
    if system == "centralized":
        yield "main", "main"
        yield from ((f"sub-1.{n + 1}", "sub-1") for n in range(rng.randint(1, 3)))
        return
    for agent in range(TEAMS[system].agents):
        yield f"patch-{agent + 1}", f"agent-{agent + 1}"


def said(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Messages that view a file, and one that reads a file in a shell."""
    calls = [("view", {"path": f"/testbed/{rng.choice('abc')}.py"}) for _ in range(2)]
    for name, arguments in [*calls, ("bash", {"command": f"cat {rng.choice('abcd')}.py"})]:
        function = {"name": name, "arguments": json.dumps(arguments)}
        yield {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}


def at(second: float) -> str:
    """A stamp, so many seconds after the start."""
    return (BEGAN + timedelta(seconds=second)).isoformat(timespec="milliseconds")


async def plant_many(output: Path, seed: int = 13) -> RunFolder:
    """The run, with `calibration.json` beside it."""
    folder = await plant(output, "many", {})
    with (
        closing(SqliteBoard(folder.path / "run.db")),
        closing(sqlite3.connect(folder.path / "run.db")) as database,
        database,
    ):
        with_board = Planter(database, seed).plant()
    rng = random.Random(seed)
    for trial in with_board:
        verified = rng.choice([None, 3.0, 6.5, 9.0])
        await plant_board(folder, trial, verified_s=verified)
        await _refute(folder, trial, rng, verified is not None)
    unstable = {name: {"unstable": list(UNSTABLE)} for name in INSTANCES[::2]}
    (output / "calibration.json").write_text(json.dumps(unstable))
    return folder


async def _refute(folder: RunFolder, trial: int, rng: random.Random, patched: bool) -> None:
    """Show the first entry to some, and in some trials have a patch refute it later."""
    moment = [ZERO + 10]
    with closing(SqliteBoard(folder.path / "run.db", clock=lambda: moment[0])) as boards:
        context = boards.of(trial).context
        entries = [entry.label for entry in await context.entries()]
        for conversation in ("patch-1", "patch-2", "patch-3"):
            if rng.random() < 0.6:
                moment[0] = ZERO + rng.choice((10, 30))
                await context.note_shown(conversation, entries[:1], "gist")
        if patched and rng.random() < 0.7:
            moment[0] = ZERO + 20
            await context.link(Link(source=entries[-1], target=entries[0], kind="refutes"))
