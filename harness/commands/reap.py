"""`delm doctor --reap`: remove only what killed runs left behind."""

import contextlib

from harness.cache import cache_dir
from harness.runner.progress import console
from harness.sandbox.docker import machine as docker_sandbox
from harness.sandbox.reaper import reap, sweep_cache
from harness.text.counted import counted


def reap_all() -> int:
    """Remove leftovers and print each one; return the exit code."""
    out = console()
    client = docker_sandbox.connect()
    if isinstance(client, str):
        told = "no Docker engine answers: what there may be in it stays"
        out.print(told, markup=False, highlight=False)
        gone = sweep_cache(cache_dir())
    else:
        with contextlib.closing(client):
            gone = reap(cache_dir(), client)
    for line in gone:
        out.print(f"removed {line}", markup=False, highlight=False, soft_wrap=True)
    end = counted(len(gone), "leftover") if gone else "nothing"
    out.print(f"reaped: {end} of dead owners", markup=False, highlight=False)
    return 0
