"""The three designs, each as simulated agents that do the work of `work.py`.

`times`: a simulated agent stands for so many that do the same at the same moment, each in units of
its own. What they ask of the board, of a lock or of the main agent is asked so often; 1 is exact.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import simpy

from simulation.costs import Costs, Seconds
from simulation.stations import Processors, Slots, TrialLock
from simulation.work import LOCALIZE, Outcome, Tally, Task, Work, prompt

POOL = 8  # connections of a process: MOST_CONNECTIONS of harness/store/postgres/database.py
TRIPS = 13  # of a finding: 5 to propose it, 8 to admit it
OPENING = 0.75  # of the context's tokens, that the opening may fill: agents/board/session.py
MAIN = -1  # the main agent's number


@dataclass
class Sizes:
    """What is simulated."""

    costs: Costs
    agents: int
    units: int
    times: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        self.env = simpy.Environment()
        self.work = Work(self.costs, self.units // self.times, self.seed, self.times)
        self.tally = Tally(self.costs, self.seed, self.times)
        self.waiting: deque[simpy.Event] = deque()

    @property
    def simulated(self) -> int:
        """How many agents are."""
        return self.agents // self.times

    def outcome(self, design: str, busy_s: float, lock_s: float = 0.0) -> Outcome:
        """What came of it, where `busy_s` seconds the busiest part was at work."""
        env, tally, work = self.env, self.tally, self.work
        assert not work.left, "work is left"
        wall_s = env.now or 1.0
        return Outcome(
            design=design, agents=self.agents, units=self.units, tasks=work.done,
            again=work.again * self.times, wall_s=env.now, messages=tally.messages,
            busiest_tokens=round(max(tally.tokens.values())), found_again=tally.found_again,
            misled=work.misled, calls=tally.calls, dollars=tally.dollars,
            board_busy=busy_s / wall_s, lock_busy=lock_s / wall_s,
        )  # fmt: skip

    def run(self, agent: Callable[[int], Iterator[Any]]) -> None:
        """Let all agents work to the end."""
        for number in range(self.simulated):
            self.env.process(agent(number))
        self.env.run()

    def claimed(self) -> Iterator[Any]:
        """The next task, when there is one; None when no work is left."""
        while not self.work.open:
            if not self.work.left:
                return None
            event = self.env.event()
            self.waiting.append(event)
            yield event
        return self.work.open.popleft()

    def ended(self, task: Task) -> None:
        """End a task; who waits for one is woken."""
        self.work.finish(task)
        while self.waiting and (self.work.open or not self.work.left):
            self.waiting.popleft().succeed()
            if self.work.left:
                break


class Board:
    """The PostgreSQL server of one trial and its connections."""

    def __init__(self, given: Sizes) -> None:
        self._given = given
        costs = given.costs
        self.processors = Processors(given.env, costs.cores)
        self.lock = TrialLock(given.env)
        processes = ceil(given.agents / costs.agents_a_process)
        pool = min(processes * POOL, costs.connections)
        self._pool = Slots(given.env, max(pool // given.times, 1))
        self._loops = [Processors(given.env, 1) for _ in range(processes)]
        self.alone_s = 0.0

    def loop_of(self, number: int) -> Processors:
        """The process of an agent, of which one thing at a time runs."""
        return self._loops[number * self._given.times // self._given.costs.agents_a_process]

    def step(self, number: int) -> Iterator[Any]:
        """Finish a task and claim the next."""
        return self._request(number, self._given.costs.step, locked=True)

    def read(self, number: int, rows: int) -> Iterator[Any]:
        """Read so many new entries."""
        one, row = self._given.costs.read, self._given.costs.row
        cost = Seconds(one.server + rows * row.server, one.client + rows * row.client)
        return self._request(number, cost)

    def publish(self, number: int) -> Iterator[Any]:
        """Propose and admit: all under the trial's lock."""
        return self._request(number, self._given.costs.publish, locked=True, trips=TRIPS)

    def _request(
        self, number: int, cost: Seconds, *, locked: bool = False, trips: int = 1
    ) -> Iterator[Any]:
        env, times, alone = self._given.env, self._given.times, trips > 1
        self._given.tally.messages += times * (2 if alone else 1)
        if (event := self._pool.take()) is not None:
            yield event
        if locked and (event := self.lock.take(alone)) is not None:
            yield event
        way_s = trips * self._given.costs.way_s
        client_s = self.loop_of(number).take(cost.client, times)
        server_s = self.processors.take(cost.server, times)
        if alone:  # one after another, on the way and in the server too
            took_s = client_s + times * way_s + max(server_s, times * cost.server)
            self.alone_s += took_s
        else:
            took_s = client_s + server_s + way_s
        if took_s:
            yield env.timeout(took_s)
        if locked:
            self.lock.give(alone)
        self._pool.give()


def decentralized(given: Sizes, *, bounded: bool = False) -> Outcome:
    """Agents with a board whose findings are checked, and a share of them in each prompt.

    A conversation reads all entries that it has not read, from the first one on, as
    `agents/board/session.py` does; `bounded`: only as many as its prompts have room for.
    """
    env, costs, work, tally = given.env, given.costs, given.work, given.tally
    board = Board(given)
    room = costs.context_tokens // costs.entry_tokens

    def shown(entry: int, opened: int) -> bool:
        opening = int(OPENING * room)
        return 0 < entry <= opening or opened < entry <= opened + room - opening

    def publish(number: int, task: Task) -> Iterator[Any]:
        check = costs.gist_check
        which = task.number(work.calls(task).turns)
        called_s = tally.call(number, which, check.first, 0, check.output) if check.turns else 0.0
        yield env.timeout(costs.check_s + called_s)
        yield from board.publish(number)
        if not work.publish(task, checked=True):
            tally.found_again += given.times

    def do(number: int, task: Task) -> Iterator[Any]:
        read_to, opened = 0, work.entries
        calls = work.calls(task)
        for turn in range(calls.turns):
            news, read_to = work.entries - read_to, work.entries
            yield from board.read(number, min(news, room) if bounded else news)
            shared = min(read_to, room) * costs.entry_tokens
            entry = work.entry_of(task)
            spared = entry <= read_to and shown(entry, opened)
            sent = prompt(calls, turn, shared)
            called_s = tally.call(number, task.number(turn), *sent, calls.output)
            yield env.timeout(board.loop_of(number).take(costs.own_s, given.times) + called_s)
            if spared:
                work.use(task)
                return
        env.process(publish(number, task))

    def agent(number: int) -> Iterator[Any]:
        yield from board.step(number)
        while (task := (yield from given.claimed())) is not None:
            yield from do(number, task)
            given.ended(task)
            yield from board.step(number)

    given.run(agent)
    name = "bounded reads" if bounded else "decentralized"
    return given.outcome(name, board.processors.busy_s / costs.cores, board.alone_s)


def threads(given: Sizes) -> Outcome:
    """Threads of one process: one lock, findings unchecked, all of them in every prompt.

    One thread at a time runs, so what the harness does in a step is done one after another too. In
    its favour: a prompt's cache goes beyond notes that are new to it.
    """
    env, costs, work, tally = given.env, given.costs, given.work, given.tally
    interpreter = Processors(env, 1)

    def do(number: int, task: Task) -> Iterator[Any]:
        read_to, calls = 0, work.calls(task)
        for turn in range(calls.turns):
            tally.messages += given.times
            own_s = costs.own_s + work.entries * costs.note_s
            yield env.timeout(interpreter.take(own_s, given.times))
            own = calls.first + turn * calls.growth
            room = max(costs.window_tokens - own - calls.output, 0)
            read_to, news = work.entries, (work.entries - read_to) * costs.entry_tokens
            shared = min(read_to * costs.entry_tokens, room)
            spared = bool(work.entry_of(task))
            cached = max(shared - (news if turn else 0), 0) + (own - calls.growth if turn else 0)
            called_s = tally.call(number, task.number(turn), own + shared, cached, calls.output)
            yield env.timeout(called_s)
            if spared:
                work.use(task)
                return
        tally.messages += given.times
        if not work.publish(task, checked=False):
            tally.found_again += given.times

    def agent(number: int) -> Iterator[Any]:
        while (task := (yield from given.claimed())) is not None:
            yield env.timeout(interpreter.take(costs.task_s, given.times))
            tally.messages += 2 * given.times
            yield from do(number, task)
            given.ended(task)

    given.run(agent)
    return given.outcome("threads with locks", interpreter.busy_s)


def centralized(given: Sizes) -> Outcome:
    """A main agent hands out each task and reads each report, in rounds, as
    `agents/centralized/parallel.py` does.

    A round has as many tasks as there are agents, as one answer holds, and as the reports have room
    for. What it knows it tells; a context that is full becomes a summary.
    """
    env, costs, work, tally = given.env, given.costs, given.work, given.tally
    busy_s, mine = 0.0, Tally(costs, given.seed)  # of the main agent

    def subagent(number: int, task: Task, spared: bool) -> float:
        calls = work.calls(task)
        calls = calls._replace(first=calls.first + costs.instruction_tokens)
        return sum(
            costs.own_s
            + tally.call(number, task.number(turn), *prompt(calls, turn, 0), calls.output)
            for turn in range(1 if spared else calls.turns)
        )

    def learnt(task: Task, spared: bool) -> None:
        if spared:
            work.use(task)
        elif not work.publish(task, checked=False):
            tally.found_again += given.times
        work.finish(task)

    def main_call(context: int, seen: int, output: int) -> Iterator[Any]:
        nonlocal busy_s
        called_s = mine.call(MAIN, mine.calls, context, min(seen, context), output)
        busy_s += called_s
        yield env.timeout(called_s)

    def main() -> Iterator[Any]:
        each = costs.instruction_tokens + costs.report_tokens
        begin = context = seen = costs.tasks[LOCALIZE].first
        while work.left:
            room = (costs.window_tokens - context) // each
            if room < 1:
                yield from main_call(context, seen, costs.summary_tokens)
                context, seen = begin + costs.summary_tokens, 0
                continue
            most = min(room, costs.most_output_tokens // max(costs.instruction_tokens, 1))
            batch = [work.open.popleft()
                     for _ in range(min(given.simulated, most, len(work.open)))]  # fmt: skip
            yield from main_call(context, seen, len(batch) * costs.instruction_tokens)
            known = [bool(work.entry_of(task)) for task in batch]  # from the rounds before
            yield env.timeout(max(map(subagent, range(len(batch)), batch, known)))
            for task, spared in zip(batch, known, strict=True):
                learnt(task, spared)
            tally.messages += 2 * len(batch)
            seen, context = context, context + len(batch) * each

    env.process(main())
    env.run()
    tally.calls += mine.calls
    tally.dollars += mine.dollars
    tally.tokens |= mine.tokens
    return given.outcome("centralized", busy_s)


DESIGNS: dict[str, Callable[[Sizes], Outcome]] = {
    "decentralized": decentralized,
    "bounded": lambda given: decentralized(given, bounded=True),
    "threads": threads,
    "centralized": centralized,
}
