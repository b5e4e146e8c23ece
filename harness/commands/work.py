"""`delm work`: be one more process of a run that a PostgreSQL server has, on any machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from harness import event_loop
from harness.commands import configure
from harness.commands.eval_options import Options
from harness.commands.evaluate import evaluate
from harness.config import nearest
from harness.errors import UserError
from harness.runner.progress import console
from harness.store.addresses import VARIABLE, server_url
from harness.store.opening import runs_at

LOOK_S = 1.0  # between two looks whether the run is there


def work_on(
    store: str,
    run_id: str,
    flags: Mapping[str, Any],
    output: Path,
    *,
    wait_s: float = 0.0,
    most: int = 0,
    trial: str = "",
    joining_agents: int = 1,
) -> int:
    """Work on the trials of the run until none is left; the exit code: 0 also where trials failed,
    130 stopped, 2 for lack of what the machine has to have.

    `wait_s`: for so long the run may have no trials yet. `most`: end after so many trials, and wait
    for none; 0: all. `trial`: let agents join that one, which another process runs, until it ends,
    and work on no other. `UserError`: the server has no such run.
    """
    given = store or os.environ.get(VARIABLE, "")
    if not given:
        raise UserError(
            f"name the PostgreSQL server that has the run: --store postgresql://…, or {VARIABLE}; "
            "a run in a file is worked on by its own machine alone: delm eval --run-id"
        )
    url = server_url(given)
    event_loop.run(_there, url, run_id, wait_s)
    kept = event_loop.run(configure.stored, output, run_id, url)
    config = configure.configure(
        model="",
        dataset="",
        specs=[],
        flags={**flags, "report": False, "plots": False},
        stored=kept,
    )
    return evaluate(
        Options(
            config=config,
            output=output,
            run_id=run_id,
            store=url,
            yes=True,
            joins=True,
            most=most,
            trial=trial,
            joining_agents=joining_agents,
        )
    )


async def _there(url: str, run_id: str, wait_s: float) -> None:
    waited = False
    with anyio.move_on_after(wait_s):
        while run_id not in await runs_at(url):
            if not waited:
                waited = True
                console().print(f"waiting for the run {run_id} to begin", markup=False)
            await anyio.sleep(LOOK_S)
        return
    there = await runs_at(url)
    if run_id not in there:
        raise UserError(
            f"the server has no run {run_id!r} with trials{nearest(run_id, there)}; delm eval "
            "--store begins one, and --wait SECONDS waits for it"
        )
