"""Memory, database connections and file handles of one process, by agents and by trials at a time.

    python scripts/bench_memory.py [--quick]

`delm eval` runs `delm` on a bundled instance with a scripted model behind HTTP, on SQLite and on
PostgreSQL. The model answers until every agent of every trial has run a command in a sandbox of its
own and asks again; then it keeps all of them waiting, and the process is looked at: its resident
memory (VmRSS), its open handles, and the connections to its run (of PostgreSQL as the server counts
them, of SQLite open handles of `run.db`). litellm is loaded, as with a real model. What runs in
sandboxes is not counted, apart from the number of processes below this one.

The last line is the figure: what an agent more, and a trial more, comes to on PostgreSQL. Exit code
1: a process has more connections than docs/scaling.md says.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from console import DATASET, DELM, FLASK, UNGUARDED, descendants, variables
from postgres_servers import Server, programs
from scripted_model import ScriptedModel
from team_script import FACT, calls, finish, localize, task_of, turn_of

MOST_CONNECTIONS = 26  # as docs/scaling.md says
SHAPES = ((1, 1), (4, 1), (16, 1), (1, 2), (1, 4))  # agents of a trial, trials at a time
QUICK = ((1, 1), (4, 1), (1, 2))
LOOKS, LOOK_S = 5, 0.2
PATIENCE_S = 300.0
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A process, at its largest."""

    megabytes: float
    handles: int
    connections: int
    processes: int  # below it


class Waiting:
    """A script whose agents all come to wait: each looks once, works once, and asks again."""

    def __init__(self) -> None:
        self.here = 0
        self.released = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, request: Any, n: int) -> Any:
        """What the model says."""
        label, turn = task_of(request), turn_of(request)
        if label.startswith("localize"):
            return (localize(label)[0], FACT, finish("F1."))[min(turn, 2)]
        if not turn:
            return calls(("bash", {"command": f"echo {label} >> README.rst; git diff --stat"}))
        with self._lock:
            self.here += 1
        self.released.wait(PATIENCE_S)
        return finish("done")


@contextlib.contextmanager
def evaluating(agents: int, trials: int, store: str, model: str, folder: Path) -> Iterator[int]:
    """A run that works; the id of its process. It is killed in the end."""
    words = ["eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", "delm", "--yes"]
    words += ["-n", str(agents), "-k", str(trials), "-w", str(trials), *UNGUARDED]
    words += ["-c", "plots=false", "-c", "report=false", "-c", "model.concurrency=64"]
    words += ["-o", str(folder), "--run-id", folder.name, *(("--store", store) if store else ())]
    process = subprocess.Popen(
        [DELM, *words], env=variables(OPENAI_API_BASE=model, OPENAI_API_KEY="sk-not-a-key"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process.pid
        if process.poll() is not None:
            sys.exit(f"the run of {agents} agents ended with exit code {process.returncode}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measured(agents: int, trials: int, server: Server | None) -> Seen:
    """What one process comes to when all of its agents wait for the model."""
    script = Waiting()
    with tempfile.TemporaryDirectory(prefix="memory-") as folder, ScriptedModel(script) as model:
        try:
            store = server.url if server else ""
            place = Path(folder)
            with evaluating(agents, trials, store, model.base_url, place) as process:
                deadline = time.monotonic() + PATIENCE_S
                while script.here < agents * trials:
                    if time.monotonic() > deadline:
                        sys.exit(f"only {script.here} of {agents * trials} agents came to wait")
                    time.sleep(LOOK_S)
                return _largest(process, server)
        finally:
            script.released.set()


def _largest(process: int, server: Server | None) -> Seen:
    looks = []
    for _ in range(LOOKS):
        time.sleep(LOOK_S)
        handles = [_target(path) for path in Path(f"/proc/{process}/fd").iterdir()]
        status = Path(f"/proc/{process}/status").read_text()
        kilobytes = int(status.partition("VmRSS:")[2].split()[0])
        connections = sum(handle.endswith("/run.db") for handle in handles)
        if server:
            connections = _connections(server)
        looks.append((kilobytes / 1024, len(handles), connections, len(descendants(process))))
    most = [max(each) for each in zip(*looks, strict=True)]
    return Seen(megabytes=most[0], handles=int(most[1]), connections=int(most[2]),
                processes=int(most[3]))  # fmt: skip


def _connections(server: Server) -> int:
    """How many the server has beside the one that asks."""
    place = ["-h", str(server.folder), "-U", "delm", "postgres"]
    asked = subprocess.run(
        [server.programs / "psql", *place, "-tAc", COUNT],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(asked.stdout) - 1


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return ""  # it was closed


def per(seen: dict[tuple[int, int], Seen], few: tuple[int, int], many: tuple[int, int]) -> str:
    """What one more comes to, from the smaller to the larger shape."""
    more = many[0] * many[1] - few[0] * few[1]
    one, other = seen[few], seen[many]
    megabytes, handles, connections = (
        (getattr(other, name) - getattr(one, name)) / more
        for name in ("megabytes", "handles", "connections")
    )
    return f"{megabytes:.1f} MB, {handles:.1f} handles, {connections:.1f} connections"


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory, connections and handles of a process.")
    parser.add_argument("--quick", action="store_true", help="at most 4 agents and 2 trials")
    options = parser.parse_args()
    found = programs()
    if found is None:
        print("error: this needs PostgreSQL: apt-get install postgresql", file=sys.stderr)
        sys.exit(2)
    shapes = QUICK if options.quick else SHAPES
    columns = ("store", "agents of a trial", "trials at a time", "memory MB", "handles",
               "connections", "processes below it")  # fmt: skip
    table = Table(*columns, title="one process of delm eval", title_justify="left")
    server = Server(found)
    seen: dict[tuple[int, int], Seen] = {}
    try:
        for store in (None, server):
            for agents, trials in shapes:
                each = seen[agents, trials] = measured(agents, trials, store)
                table.add_row("PostgreSQL" if store else "SQLite", str(agents), str(trials),
                              f"{each.megabytes:.0f}", str(each.handles), str(each.connections),
                              str(each.processes))  # fmt: skip
    finally:
        server.remove()
    Console().print(table)
    most = max(each.connections for each in seen.values())
    agents, trials = max(a for a, _ in shapes), max(t for _, t in shapes)
    print(
        f"an agent more: {per(seen, (1, 1), (agents, 1))}; a trial more: "
        f"{per(seen, (1, 1), (1, trials))}; at most {most} connections, {MOST_CONNECTIONS} allowed"
    )
    sys.exit(most > MOST_CONNECTIONS)


if __name__ == "__main__":
    main()
