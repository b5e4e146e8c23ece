"""The bundled split on several machines, one of which dies, against one machine.

    python scripts/check_machines.py [--quick] [--no-guard] [--only netns|ray]
        [--split replay|provider]

Each split is run on one machine with SQLite, and then twice on several with one PostgreSQL server,
reached over TCP with a password:

netns   four network namespaces. Three processes begin; one is killed with SIGKILL when three
        trials are done and it has a call of another one answered; a fourth joins then.
ray     a Ray cluster of three nodes on this machine. The node of such a process is killed.

Each machine has a cache of its own, and so sandboxes, checks and gradings of its own; what is
built and downloaded is shared. The splits:

replay    the bundled recording, as `make eval` replays it: 24 trials. A replay buys nothing, so a
          trial that was cut off is replayed from its beginning: what was answered again is shown.
provider  the same systems on three bundled instances and a scripted model behind HTTP, 12 trials,
          without the guard. It counts what it answers.

Must hold: trials, submissions with their patches, and verdicts are those of one machine; of the
replay also calls with answers and costs, and the tables, apart from times and what an attempt that
was cut off has cost (the scripted model numbers its answers, and agents of `delm` that are not
replayed meet at other moments each time, and so ask more or less often); one attempt was cut off,
and nobody's trials but the dead one's were run again; the ledger has every answer of the provider
once, but for the calls that were under way in what died. The last line is the figure. Exit code 1:
something does not hold; 2: it needs root, `ip` and PostgreSQL, and Ray for `ray`.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from machine_results import Line, answered_again, compare, paid
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from console import UNGUARDED, own_cache, quickly, variables
from network_namespaces import HERE, hosts
from postgres_servers import Server, programs
from ray_cluster import RayCluster, ray_cluster
from scripted_model import ScriptedModel
from several_machines import Machine, at_work, begun, rows_of
from table_script import ISSUES, TableScript

from harness.store.addresses import VARIABLE, without_password

WAYS, SPLITS = ("netns", "ray"), ("replay", "provider")
QUICK = ("pallets__flask-injected-3", "psf__requests-6028")
SYSTEMS = ("single", "independent", "centralized", "delm")
BOXES = ("--sandbox", "bubblewrap")
UNDER_WAY = 4  # calls of one trial, at most, that a kill can cut
LATENCY_S = (0.3, 0.6)
PATIENCE_S = 7200.0
LOOK_S = 1.0


@dataclass(frozen=True)
class Split:
    """What is to be run: words of `delm eval`, variables, and how often the model has answered."""

    name: str
    words: Sequence[str]
    variables: Mapping[str, str]
    answers: Callable[[], int]
    done: int  # trials, before one of those that work on it is killed


@contextlib.contextmanager
def split(name: str, *, quick: bool, guard: bool) -> Iterator[Split]:
    """A split, and the model behind it."""
    done = 1 if quick else 3
    few = [word for each in SYSTEMS[::3] for word in ("-s", each)] if quick else []
    if name == "replay":
        few += [word for each in QUICK for word in ("-i", each)] if quick else []
        words = [*few, *BOXES, *(() if guard else UNGUARDED)]
        yield Split(name, words, {}, lambda: 0, done)
        return
    script = TableScript({})

    def slowly(request: Any, n: int) -> Any:
        time.sleep(random.Random(n).uniform(*LATENCY_S))
        return script(request, n)

    words = [
        "-m",
        "openai/scripted",
        "-d",
        "bundled-offline",
        "-c",
        "submissions=2",
        *UNGUARDED,
        *BOXES,
    ]
    words += [word for each in list(ISSUES)[: 2 if quick else 3] for word in ("-i", each)]
    words += few or [word for each in SYSTEMS for word in ("-s", each)]
    with ScriptedModel(slowly, host=HERE) as model:
        key = {"OPENAI_API_BASE": model.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
        yield Split(name, [*words, "-n", "2", "-k", "1", "--yes"], key, lambda: model.answers, done)


class Machines:
    """What runs a split: hosts, a server, and a folder for what comes of it."""

    def __init__(self, hosts: Sequence[Sequence[str]], server: Server, place: Path) -> None:
        self._hosts, self._server, self._place = hosts, server, place
        self._caches = 0

    def cache(self) -> dict[str, str]:
        """A cache for another machine."""
        self._caches += 1
        return {"DELM_CACHE": str(own_cache(self._place / f"cache-{self._caches}"))}

    def alone(self, split: Split) -> Path:
        """Run it on one machine; the run's folder."""
        words = ["eval", "--run-id", "far", "-w", "2", *split.words]
        machine = self._start([], words, split, f"{split.name}-alone")
        try:
            _finished(machine)
        finally:
            machine.kill()
        lost = [trial for trial in rows_of(machine.folder).trials if trial["state"] != "done"]
        if lost:
            sys.exit(f"already on one machine {len(lost)} trials do not end as done, such as that "
                     f"of {lost[0]['system']} on {lost[0]['instance_id']}: {lost[0]['reason']}; "
                     "a busy machine runs into time limits of checks")  # fmt: skip
        return machine.folder

    def netns(self, split: Split) -> Path:
        """Run it in network namespaces, of which the second is killed."""
        run = f"{split.name}-netns"
        work = ["work", "--run", run, "--wait", "600", "-w", "1"]
        words = self._eval(split, run, "-w", "1")
        machines = [self._start(self._hosts[0], words, split, run, "0")]
        try:
            machines += [self._start(self._hosts[n], work, split, run, str(n)) for n in (1, 2)]
            _wait_for(lambda: _some_done(machines[0], split) and _killed(machines[1:]), machines)
            machines.append(self._start(self._hosts[3], work, split, run, "3"))
            for machine in machines:
                if machine.process.poll() != -signal.SIGKILL:
                    _finished(machine)
        finally:
            for machine in machines:
                machine.kill()
        return machines[0].folder

    def ray(self, split: Split) -> Path:
        """Run it on a Ray cluster, one of whose nodes is killed."""
        run = f"{split.name}-ray"
        own = {VARIABLE: self._server.remote_url, **split.variables}
        nodes = [{**own, **self.cache()} for _ in range(3)]
        with ray_cluster(nodes) as cluster:
            words = self._eval(split, run, "--executor", "ray", "--ray-address", cluster.address)
            machine = self._start([], words, split, run, "0")
            try:
                _wait_for(lambda: _some_done(machine, split) and _lost(machine, cluster), [machine])
                _finished(machine)
            finally:
                machine.kill()
        return machine.folder

    def _eval(self, split: Split, run: str, *more: str) -> list[str]:
        url = without_password(self._server.remote_url)
        return ["eval", "--store", url, "--run-id", run, *split.words, *more]

    def _start(
        self, host: Sequence[str], words: Sequence[str], split: Split, run: str, name: str = ""
    ) -> Machine:
        env = variables(
            **split.variables, **self.cache(), **{VARIABLE: self._server.remote_url if name else ""}
        )
        folder = run if name else "far"
        return Machine(host, quickly(words), self._place / f"{run}{name}", folder, env=env)


def _finished(machine: Machine) -> None:
    code = machine.process.wait(timeout=PATIENCE_S)
    if code:
        sys.exit(f"a process ended with exit code {code}:\n{machine.said.read_text()[-2000:]}")


def _wait_for(condition: Callable[[], bool], machines: Sequence[Machine]) -> None:
    """Wait until somebody is killed. Exits if the run ends before."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        ended = [machine for machine in machines if machine.process.poll() is not None]
        if ended or time.monotonic() > deadline:
            sys.exit(f"nobody could be killed in time:\n{machines[0].said.read_text()[-2000:]}")
        time.sleep(LOOK_S)


def _some_done(machine: Machine, split: Split) -> bool:
    rows = begun(machine.folder)
    return sum(trial["state"] == "done" for trial in (rows.trials if rows else ())) >= split.done


def _killed(machines: Sequence[Machine]) -> bool:
    """Kill one that has a trial, if there is one."""
    for machine in machines:
        if machine.at_work():
            machine.kill()
            return True
    return False


def _lost(machine: Machine, cluster: RayCluster) -> bool:
    """Kill a node that has a trial, if there is one that may be killed."""
    return any(cluster.lose_node_of(process) for process in at_work(machine.folder))


def check(split: Split, way: str, machines: Machines, one: Path, answers: int) -> list[Line]:
    """Run a split on several machines and compare. `answers` of the model on one machine."""
    before = split.answers()
    several = getattr(machines, way)(split)
    rows, others = rows_of(one), rows_of(several)
    lines = compare(rows, others, (one, several), timed=split.name == "provider")
    again = answered_again(others)
    if split.name == "replay":
        return [*lines, Line(what="replayed again", one="0", several=str(again), same=None)]
    given = split.answers() - before
    return [
        *lines,
        Line(what="bought twice", one=str(answered_again(rows)), several=str(again),
             same=again == 0),
        Line(what="answered, and not in the ledger", one=str(answers - paid(rows)),
             several=str(given - paid(others)),
             same=answers == paid(rows) and 0 <= given - paid(others) <= UNDER_WAY),
    ]  # fmt: skip


def shown(split: Split, way: str, lines: Sequence[Line], seconds: float) -> Table:
    """The table of one comparison."""
    title = f"{split.name} · {way} · {seconds:.0f} s"
    table = Table("", "one machine", "several", "", title=title, title_justify="left")
    for line in lines:
        verdict = {True: "same", False: "DIFFERS", None: ""}[line.same]
        if line.what in {"attempts cut off", "bought twice", "answered, and not in the ledger"}:
            verdict = verdict.replace("same", "right").replace("DIFFERS", "WRONG")
        table.add_row(line.what, line.one, line.several, verdict)
    return table


def checked(options: argparse.Namespace, found: Path) -> tuple[list[str], int]:
    """All that was asked for: what is wrong, and how much was compared."""
    console, wrong, count = Console(), list[str](), 0
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="machines-"))
        network = stack.enter_context(hosts(4))
        server = Server(found, host=HERE)
        stack.callback(server.remove)
        os.environ[VARIABLE] = server.remote_url  # this process looks, too
        machines = Machines(network, server, Path(folder))
        for name in [options.split] if options.split else SPLITS:
            with split(name, quick=options.quick, guard=not options.no_guard) as given:
                one = machines.alone(given)
                answers = given.answers()
                for way in [options.only] if options.only else WAYS:
                    began = time.monotonic()
                    lines = check(given, way, machines, one, answers)
                    console.print(shown(given, way, lines, time.monotonic() - began))
                    wrong += [
                        f"{name} · {way} · {line.what}: {line.differs}"
                        for line in lines
                        if line.same is False
                    ]
                    count += len(lines)
    return wrong, count


def main() -> None:
    parser = argparse.ArgumentParser(description="The bundled split on several machines.")
    parser.add_argument("--quick", action="store_true",
                        help="two systems on two instances")  # fmt: skip
    parser.add_argument("--no-guard", action="store_true",
                        help="grade the replay without the guard, which takes longest")  # fmt: skip
    parser.add_argument("--only", choices=WAYS, help="the machines, instead of both")
    parser.add_argument("--split", choices=SPLITS, help="the split, instead of both")
    options = parser.parse_args()
    found = programs()
    if os.getuid() != 0 or found is None:
        print("error: this needs root and PostgreSQL: apt-get install postgresql", file=sys.stderr)
        sys.exit(2)
    try:
        wrong, count = checked(options, found)
    except pytest.skip.Exception as why:
        print(f"error: {why}", file=sys.stderr)
        sys.exit(2)
    for line in wrong:
        print(line)
    print(f"{len(wrong)} of {count} differ from one machine")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
