"""Runs that many tests look at, made once by the real `delm eval` for all workers of pytest.

They must not be changed: a test that writes takes a copy.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from console import DATASET, DELM, FLASK, QUESTIONS, bash
from filelock import FileLock
from scripted_model import ScriptedModel

INSTANCE = "pallets__flask-injected-3"
REPLAYED, QUESTIONED, SCRIPTED = "replayed", "questions", "scripted"
WORDS = {
    # the bundled replay, as `make eval` makes it, of its quickest instance
    REPLAYED: ("-i", INSTANCE, "-s", "single", "-s", "delm"),
    # questions, whose teams have a board
    QUESTIONED: ("-m", f"replay:{QUESTIONS}", "-i", "offline-1", "-c", "plots=false"),
    # the systems that the recording does not hold; each agent looks around until its steps end
    SCRIPTED: ("-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", "mini-swe-agent",
               "-s", "centralized-parallel", "-s", "centralized", "-s", "independent",
               "-c", "budget.steps=3", "-c", "plots=false", "--yes"),
}  # fmt: skip


def shared_run(factory: pytest.TempPathFactory, name: str) -> Path:
    """The folder of the run `name`; the first test that asks waits until it is made."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / f"shared-{name}"
    with FileLock(f"{folder}.lock"):
        if not (folder / name / "run.db").exists():
            folder.mkdir(exist_ok=True)
            _make(folder, name)
    return folder / name


def copied(run: Path, to: Path) -> Path:
    """A copy of a run in the folder `to`, which may be changed."""
    return shutil.copytree(run, to / run.name)


def _make(folder: Path, name: str) -> None:
    words = [DELM, "eval", *WORDS[name], "--run-id", name, "-o", folder]
    with ScriptedModel(lambda request, n: bash("ls")) as server:
        own = {"OPENAI_API_BASE": server.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
        done = subprocess.run(words, env=os.environ | own, capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    if done.returncode:
        shutil.rmtree(folder / name, ignore_errors=True)
        sys.stderr.write(done.stdout + done.stderr)
        raise RuntimeError(f"the shared run {name} ended with {done.returncode}")
