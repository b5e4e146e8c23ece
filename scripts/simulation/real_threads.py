"""Real threads of one process around one lock, as in the published code's shared notes.

The lock guards the queue and the notes. Before each model call an agent writes out all notes anew,
under the lock; what it finds goes in unchecked. Run by `calibration.py`.
"""

import random
import threading
import time
from dataclasses import dataclass

from simulation.workload import LEAST, MOST, Workload

STACK = 256 * 1024
GIST = "Part {} begins with what the caller expects to be there already, which is one too low."


@dataclass(frozen=True, slots=True)
class Note:
    """What one agent tells the others."""

    number: int
    author: str
    text: str


class Shared:
    """Queue and notes; `lock` guards both."""

    def __init__(self, tasks: int) -> None:
        self.lock = threading.Lock()
        self.notes: list[Note] = []
        self._left = iter(range(tasks))
        self.done = 0

    def claim(self) -> int | None:
        """The next task; None: there is none."""
        with self.lock:
            return next(self._left, None)

    def history(self) -> str:
        """All notes, as they stand in a prompt."""
        with self.lock:
            return "\n".join(f"[{n.number}] FACT by {n.author}: {n.text}" for n in self.notes)

    def add(self, author: str, task: int) -> None:
        """A note."""
        with self.lock:
            self.notes.append(Note(len(self.notes) + 1, author, GIST.format(task)))

    def end(self) -> None:
        """A task is done."""
        with self.lock:
            self.done += 1


def agent(shared: Shared, number: int, given: Workload, begin: threading.Event) -> None:
    """Work until nothing is left."""
    draw, name = random.Random(number), f"agent-{number}"
    begin.wait()
    time.sleep(draw.uniform(0, given.latency_s))
    while (task := shared.claim()) is not None:
        for _ in range(given.turns):
            shared.history()
            time.sleep(draw.uniform(LEAST, MOST) * given.latency_s)
        if given.publishes(task):
            shared.add(name, task)
        shared.end()


def play(given: Workload) -> tuple[float, int]:
    """The wall clock in seconds, and the notes at the end."""
    shared, begin = Shared(given.tasks), threading.Event()
    threading.stack_size(STACK)
    threads = [threading.Thread(target=agent, args=(shared, number, given, begin))
               for number in range(given.agents)]  # fmt: skip
    for thread in threads:
        thread.start()
    began = time.monotonic()
    begin.set()
    for thread in threads:
        thread.join()
    assert shared.done == given.tasks, "not every task was done once"
    return time.monotonic() - began, len(shared.notes)


def task_seconds(count: int = 4000) -> float:
    """Processor seconds of a task with one model call where there are no notes; one thread."""
    shared, began = Shared(count), time.thread_time()
    for _ in range(count):
        shared.claim()
        shared.history()
        time.sleep(0)
        shared.end()
    return (time.thread_time() - began) / count
