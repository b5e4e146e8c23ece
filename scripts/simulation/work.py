"""The work that all designs do, and what is counted while they do it.

A unit of work is a small issue: localize, patch, test, and repair now and then, one after another
and each a task that any agent may take. To localize is to find one fact, which a few units need;
who is shown it before has one call of the task left. A unit that used a false fact is repaired.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from simulation.costs import Calls, Costs

LOCALIZE, TEST, REPAIR = 0, 2, 3
MILLION = 1e6


DRAWS = 8191  # how many spreads of a latency are drawn; a call takes the one of its number


class Task(NamedTuple):
    """One stage of a unit."""

    unit: int
    stage: int

    def number(self, turn: int) -> int:
        """Of a model call: the same in every design, so that all have the same luck."""
        return 101 * self.unit + 11 * self.stage + turn


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a simulated run came to."""

    design: str
    agents: int
    units: int
    tasks: int  # that were done
    again: int  # of these, done more than once
    wall_s: float
    messages: int  # to the board, under the lock, or from and to the main agent
    busiest_tokens: int  # of prompts and answers of the agent that has most
    found_again: int  # facts that somebody had found already
    misled: int  # units that used a false fact
    calls: int
    dollars: float
    board_busy: (
        float  # share of the time; of the server's processors, the interpreter, the main agent
    )
    lock_busy: float  # share of the time that the trial's lock was held alone


@dataclass
class Tally:
    """Counts of a run. `times`: how many agents a simulated one stands for."""

    costs: Costs
    seed: int = 0
    times: int = 1
    messages: int = 0
    calls: int = 0
    found_again: int = 0
    dollars: float = 0.0
    tokens: dict[int, float] = field(default_factory=dict)  # by agent

    def __post_init__(self) -> None:
        draw, spread = random.Random(self.seed), self.costs.spread
        self._spreads = [
            draw.lognormvariate(-spread * spread / 2, spread) if spread else 1.0
            for _ in range(DRAWS)
        ]

    def call(self, agent: int, number: int, prompt: int, cached: int, output: int) -> float:
        """One model call of each; the seconds that it takes. `number`: see `Task.number`."""
        costs = self.costs
        self.calls += self.times
        self.tokens[agent] = self.tokens.get(agent, 0) + prompt + output
        fresh = prompt - cached
        price = fresh * costs.dollars_in + cached * costs.dollars_cached
        self.dollars += self.times * (price + output * costs.dollars_out) / MILLION
        seconds = costs.base_s + fresh / costs.read_tokens_s + output / costs.write_tokens_s
        return seconds * self._spreads[number % DRAWS]


class Work:
    """Units, their open tasks, and the facts that are known."""

    def __init__(self, costs: Costs, units: int, seed: int, times: int = 1) -> None:
        draw = random.Random(seed)
        self._costs = costs
        self._times = times
        self._facts = [draw.randrange(max(units // costs.needed_by, 1)) for _ in range(units)]
        self._repaired = [draw.random() < costs.repairs for _ in range(units)]
        self._true = [draw.random() >= costs.false_findings for _ in range(units)]
        self._known: dict[int, tuple[int, bool]] = {}  # by fact: its entry, and whether it is true
        self._misled: set[int] = set()
        self._finished: set[Task] = set()
        self.again = 0
        self.open = deque(Task(unit, LOCALIZE) for unit in range(units))
        self.left = units
        self.entries = 0  # of all agents that simulated ones stand for

    @property
    def done(self) -> int:
        """Tasks that were done."""
        return len(self._finished) * self._times

    def calls(self, task: Task) -> Calls:
        """The model calls of a task."""
        return self._costs.tasks[task.stage]

    def entry_of(self, task: Task) -> int:
        """The entry that spares a task its calls; 0: none does."""
        if task.stage != LOCALIZE:
            return 0
        return self._known.get(self._facts[task.unit], (0, True))[0]

    @property
    def misled(self) -> int:
        """Units that used a false fact."""
        return len(self._misled) * self._times

    def use(self, task: Task) -> None:
        """The unit relies on the known fact."""
        if not self._known[self._facts[task.unit]][1]:
            self._misled.add(task.unit)

    def publish(self, task: Task, *, checked: bool) -> bool:
        """Add what a task found; False: it was known, and nothing is added.

        What is `checked` is true: the gate would have refused it, and its author mends it.
        """
        fact = self._facts[task.unit]
        if task.stage == LOCALIZE and fact in self._known:
            return False
        self.entries += self._times
        if task.stage == LOCALIZE:
            self._known[fact] = (self.entries, checked or self._true[task.unit])
        return True

    def finish(self, task: Task) -> bool:
        """Whether another task of the unit is open now."""
        self.again += task in self._finished
        self._finished.add(task)
        repaired = task.unit in self._misled or self._repaired[task.unit]
        if task.stage < TEST or (task.stage == TEST and repaired):
            self.open.append(Task(task.unit, task.stage + 1))
            return True
        self.left -= 1
        return False


def prompt(calls: Calls, turn: int, shared: int) -> tuple[int, int]:
    """Tokens of a task's prompt in a turn, from 0, and how many of them a cache serves.

    The shared context stands in front and is the same for all; what a conversation sent before is
    cached too.
    """
    own = calls.first + turn * calls.growth
    return own + shared, shared + (own - calls.growth if turn else 0)
