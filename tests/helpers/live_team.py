"""A trial of `delm` in this process, or in one of its own: real sandboxes, a real board, real HTTP.

python live_team.py FOLDER BASE_URL AGENT     # one agent's whole life, in a process of its own
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from agents.delm.options import DelmOptions
from agents.delm.system import Delm
from agents.delm.team import DelmTrial
from agents.delm.worker import Worker
from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.grading import PatchGrader
from harness.board.sqlite.board import SqliteBoard
from harness.cache import cache_dir
from harness.commands import compose, configure
from harness.model.budget import TrialBudget, times
from harness.runner.progress import Progress, console
from harness.runner.run import Run
from harness.runner.trial import LiveTrial
from harness.sandbox.providers import choose
from harness.store.sqlite.store import SqliteStore

FLASK = "pallets__flask-5014"
LEASE_S = 3.0


@asynccontextmanager
async def live_team(folder: Path, base_url: str, *, agents: int) -> AsyncIterator[DelmTrial]:
    """The team of the one trial in `folder`, which the first to come plans and claims."""
    os.environ.update(OPENAI_API_BASE=base_url, OPENAI_API_KEY="sk-not-a-key")
    config = configure.configure(
        model="openai/scripted",
        dataset="verified-offline",
        specs=["model.timeout_s=60"],
        flags={"instances": [FLASK], "systems": ["delm"], "agents": agents},
    )
    parts = compose.model_parts(config, print)
    run_systems = compose.load_systems(config, parts.backend)
    items = compose.dataset_of(config, parts.backend, run_systems, print).items
    sandboxes = choose(config.sandbox, cache_dir(), items, labels={}, grading_network=False)
    await sandboxes.prepare(items, print)
    store, board = SqliteStore(folder / "run.db"), SqliteBoard(folder / "run.db")
    client = compose.client(parts, config, store, lambda *_: None, str)
    limits = config.budget.limits()
    run = Run(
        store=store,
        board=board,
        benchmark=SweBench(),
        items=items,
        run_systems=run_systems,
        client=client,
        sandboxes=sandboxes,
        grader=PatchGrader(sandboxes, folder / "logs", None, config.grading),
        limits=limits,
        agent_tools=config.agent_tools,
        workers=1,
        watcher=Progress(console(), total=1),
    )
    if not await store.trials():
        await run.plan()
        await store.claim_trial()
    trial = LiveTrial(
        run.services,
        (await store.trials())[0],
        items[0],
        TrialBudget(times(limits, agents)),
    )
    try:
        yield await Delm(DelmOptions(lease_s=LEASE_S)).assemble(trial)
    finally:
        with anyio.CancelScope(shield=True):
            await trial.close()
            await parts.backend.aclose()
        board.close()
        store.close()


async def alone(folder: Path, base_url: str, agent: str) -> None:
    """One agent of a team that another process has seeded."""
    async with live_team(folder, base_url, agents=2) as team:
        await Worker(team, agent).live()


if __name__ == "__main__":
    anyio.run(alone, Path(sys.argv[1]), sys.argv[2], sys.argv[3])
