"""What a run of `real_board.py` takes, predicted from costs that other runs have measured."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import simpy

from simulation.stations import Processors, Slots, TrialLock
from simulation.workload import LEAST, MOST, Workload

POOL = 8  # connections of a process: MOST_CONNECTIONS of harness/store/postgres/database.py
TRIPS = 13  # to the server and back, of a finding that is proposed and admitted
CORES = 2


@dataclass(frozen=True, kw_only=True)
class Request:
    """Seconds of one kind of request."""

    cpu_s: float  # of a processor, of both sides together
    wait_s: float = 0.0  # besides: the disk, the way there and back


@dataclass(frozen=True, kw_only=True)
class BoardCosts:
    """Of the board on one machine, as `calibration.py` fits them."""

    step: Request  # finish a task and claim the next
    read: Request  # of what is new, where nothing is
    row: Request  # more for each new entry
    publish: Request  # propose and admit
    cores: float = CORES

    def slower(self, factor: float) -> "BoardCosts":
        """The same where everything takes `factor` as long."""

        def longer(one: Request) -> Request:
            return Request(cpu_s=one.cpu_s * factor, wait_s=one.wait_s * factor)

        return BoardCosts(step=longer(self.step), read=longer(self.read), row=longer(self.row),
                          publish=longer(self.publish), cores=self.cores)  # fmt: skip


class Board:
    """The board as a network of queues."""

    def __init__(self, env: simpy.Environment, costs: BoardCosts, processes: int) -> None:
        self._env = env
        self.costs = costs
        self.processors = Processors(env, costs.cores)
        self._lock = TrialLock(env)
        self._pools = [Slots(env, POOL) for _ in range(processes)]
        self.entries = 0

    def step(self, process: int) -> Iterator[Any]:
        """Finish and claim."""
        yield from self._request(process, self.costs.step, locked=True)

    def read(self, process: int, read_to: int) -> Iterator[Any]:
        """Read what is new; up to which entry."""
        news = self.entries
        rows, one, row = news - read_to, self.costs.read, self.costs.row
        cost = Request(cpu_s=one.cpu_s + rows * row.cpu_s, wait_s=one.wait_s + rows * row.wait_s)
        yield from self._request(process, cost)
        return news

    def publish(self, process: int) -> Iterator[Any]:
        """Propose and admit, in two transactions that hold the trial's lock alone."""
        for trips in (5, TRIPS - 5):
            yield from self._request(process, self.costs.publish, locked=True, trips=trips)
        self.entries += 1

    def _request(
        self, process: int, cost: Request, *, locked: bool = False, trips: int = 0
    ) -> Iterator[Any]:
        pool, alone = self._pools[process], bool(trips)
        if (event := pool.take()) is not None:
            yield event
        if locked and (event := self._lock.take(alone)) is not None:
            yield event
        share = 1 / TRIPS if alone else 1
        for _ in range(trips or 1):
            took_s = self.processors.take(cost.cpu_s * share) + cost.wait_s * share
            yield self._env.timeout(took_s)
        if locked:
            self._lock.give(alone)
        pool.give()


def predict(given: Workload, costs: BoardCosts) -> float:
    """The wall clock in seconds of a run that is as `real_board.agent` says."""
    env = simpy.Environment()
    board = Board(env, costs, given.processes)
    left = iter(range(given.tasks))

    def agent(number: int) -> Iterator[Any]:
        draw, read_to = random.Random(number), 0
        process = number * given.processes // given.agents
        yield env.timeout(draw.uniform(0, given.latency_s))
        yield from board.step(process)
        while (task := next(left, None)) is not None:
            for _ in range(given.turns):
                read_to = yield from board.read(process, read_to)
                yield env.timeout(draw.uniform(LEAST, MOST) * given.latency_s)
            if given.publishes(task):
                yield from board.publish(process)
            yield from board.step(process)

    for number in range(given.agents):
        env.process(agent(number))
    env.run()
    return env.now


def predict_threads(given: Workload, task_s: float, note_s: float) -> float:
    """The wall clock in seconds of `real_threads.play`, of which one thread at a time runs."""
    env = simpy.Environment()
    interpreter = Processors(env, 1)
    left, notes = iter(range(given.tasks)), 0

    def agent(number: int) -> Iterator[Any]:
        nonlocal notes
        draw = random.Random(number)
        yield env.timeout(draw.uniform(0, given.latency_s))
        while (task := next(left, None)) is not None:
            for _ in range(given.turns):
                yield env.timeout(interpreter.take(task_s / given.turns + notes * note_s))
                yield env.timeout(draw.uniform(LEAST, MOST) * given.latency_s)
            notes += given.publishes(task)

    for number in range(given.agents):
        env.process(agent(number))
    env.run()
    return env.now
