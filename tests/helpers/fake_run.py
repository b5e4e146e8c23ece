"""A run of six systems on many instances, with random outcomes, dollars and time lines."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from planted import System, plant

from harness.results.run_folder import RunFolder

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TEAM = {  # agents, how they submit, the chance that one is resolved, dollars an instance
    "single": (1, "one", 0.45, 0.20),
    "mini-swe-agent": (1, "one", 0.5, 0.26),
    "independent": (4, "independent", 0.46, 0.85),
    "centralized-parallel": (4, "one", 0.52, 0.31),
    "delm-n2": (2, "shared", 0.6, 0.24),
    "delm": (4, "shared", 0.64, 0.50),
}


async def fake_run(
    output: Path, *, instances: int = 20, systems: int = 6, priced: bool = True, seed: int = 1
) -> RunFolder:
    """The run; every number in it is from `seed`."""
    rng = random.Random(seed)
    names = [f"project__repo-{1000 + n}" for n in range(instances)]
    hard = {name: rng.uniform(-0.3, 0.3) for name in names}
    matrix = {}
    for name, (agents, submits, chance, _) in list(TEAM.items())[:systems]:
        wanted = 1 if submits == "one" else agents
        matrix[name] = System(agents, submits, {
            instance: [
                "".join("R" if rng.random() < chance + hard[instance] else "U"
                        for _ in range(wanted))
                for _ in range(4 // wanted)
            ]
            for instance in names
        })  # fmt: skip
    items = [
        {"instance_id": n, "repo": "project/repo", "difficulty": "", "length": ""} for n in names
    ]
    folder = await plant(output, "fake", matrix, instances=items,
                         model="gemini/gemini-3-flash-preview",
                         prices={"gemini/gemini-3-flash-preview": {}})  # fmt: skip
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        for trial, name, agents in database.execute(
            "SELECT trial_id, system, agents FROM trial"
        ).fetchall():
            cost = TEAM[name][3] * rng.lognormvariate(0, 0.5) / (4 if agents == 1 else 4 / agents)
            database.execute(
                "UPDATE call SET cost_usd = ?, started_at = ?, ended_at = ? WHERE trial_id = ?",
                (cost if priced else None, BEGAN.isoformat(), BEGAN.isoformat(), trial),
            )
            _lanes(database, rng, trial, agents)
    return folder


def _lanes(database: sqlite3.Connection, rng: random.Random, trial: int, agents: int) -> None:
    """Calls and spans, one after another, of each agent."""
    for agent in range(1, agents + 1):
        at = rng.uniform(0, 2)
        for position in range(1, 15):
            took = rng.uniform(1, 9)
            began, ended = (BEGAN + timedelta(seconds=s) for s in (at, at + took))
            database.execute(
                "INSERT INTO call (trial_id, conversation, agent, position, model, prompt_sha256,"
                " repeated, outcome, cost_usd, latency_s, began, started_at, ended_at)"
                " VALUES (?, ?, ?, ?, 'm', '', 0, 'ok', 0, ?, 1, ?, ?)",
                (trial, f"c{agent}", f"agent-{agent}", position, took, began.isoformat(),
                 ended.isoformat()),
            )  # fmt: skip
            at += took
            what = rng.choice(["command"] * 6 + ["admission", "peer", "barrier", "main"])
            span = rng.uniform(0.2, 4)
            database.execute(
                "INSERT INTO span (trial_id, agent, what, started_at, seconds)"
                " VALUES (?, ?, ?, ?, ?)",
                (trial, f"agent-{agent}", what, (BEGAN + timedelta(seconds=at)).isoformat(), span),
            )
            at += span + rng.uniform(0, 1)
