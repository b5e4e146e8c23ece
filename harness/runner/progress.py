"""What a person sees while a run goes on: a live table on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.store.sqlite import Row
from harness.terminal import console as console
from harness.terminal import one_line
from harness.text.counted import counted

NAMED = 3  # trials
LOOK_S = 1.0  # between two looks at what other processes have done
FINAL = ("done", "failed", "error", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a run is: trials that are over, those among them that are not done, and the dollars
    that count against its budget."""

    ended: int
    failed: int
    usd: float


class Progress:
    """A `harness.runner.services.Watcher`. `priced` False: what calls cost is unknown: a dash."""

    def __init__(self, console: Console, total: int, *, priced: bool = True) -> None:
        self._console = console
        self._priced = priced
        self._total = total
        self._started = time.monotonic()
        self._live: Live | None = None
        self._running: dict[int, dict[str, Any]] = {}
        self._counts = dict.fromkeys(FINAL, 0)
        self._steps: dict[int, tuple[int, float]] = {}
        self._spent = 0.0
        self._standing: Callable[[], Standing] | None = None
        self._stood = Standing(ended=0, failed=0, usd=0.0)
        self._looked = -math.inf

    def follow(self, standing: Callable[[], Standing]) -> None:
        """Count the trials and the dollars of the whole run, of earlier starts and other processes
        too, each once. `standing` is called in this thread alone."""
        self._standing = standing
        self._look()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show the live table inside this block, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True
        ) as self._live:
            yield
        self._live = None

    def trial(self, row: Row, state: str, note: str = "") -> None:
        """See `harness.runner.services.Watcher`."""
        key = row["trial_id"]
        mine = self._running.setdefault(key, {"row": row, "since": time.monotonic()})
        mine["state"] = state
        mine.pop("waiting", None)
        if state in FINAL:
            self._counts[state] += 1
            self._running.pop(key)
            steps, usd = self._steps.pop(key, (0, 0.0))
            self._spent += usd
            seconds = time.monotonic() - mine["since"]
            self._look()
            self.say(
                f"{row['system']} {row['instance_id']} #{row['number'] + 1}: {state}"
                f"{f' ({note})' if note else ''}, {counted(steps, 'step')}, "
                f"${self._usd(usd)}, {seconds:.0f} s  [{self._stood.ended}/{self._total}]"
            )

    def step(self, row: Row, steps: int, usd: float) -> None:
        """See `harness.runner.services.Watcher`."""
        self._steps[row["trial_id"]] = (steps, usd)
        if time.monotonic() - self._looked > LOOK_S:
            self._look()
        if row["trial_id"] in self._running:
            self._running[row["trial_id"]].pop("waiting", None)

    def waiting(self, trial_id: int, why: str) -> None:
        """A call of a trial is not answered yet and will be sent again: which attempt, and why."""
        mine = self._running.get(trial_id)
        if mine is None:
            return
        mine["waiting"] = f"waiting: {why}"
        if self._live is None:
            row = mine["row"]
            self.say(f"{row['system']} {row['instance_id']} #{row['number'] + 1}: waiting: {why}")

    def under_way(self) -> str:
        """The trials that are not over yet, in words; empty where there is none."""
        rows = [mine["row"] for mine in self._running.values()]
        named = [f"{r['system']} on {r['instance_id']} #{r['number'] + 1}" for r in rows[:NAMED]]
        more = [f"{len(rows) - NAMED} more"] if len(rows) > NAMED else []
        return " and ".join([", ".join(named), *more])

    def say(self, line: str) -> None:
        """One line, above the live table where there is one, without control characters."""
        self._console.print(Text(one_line(line)), highlight=False, soft_wrap=True)

    def _usd(self, amount: float) -> str:
        return f"{amount:.4f}" if self._priced else "–"

    def _look(self) -> None:
        self._looked = time.monotonic()
        ended = sum(self._counts.values())
        mine = Standing(ended=ended, failed=ended - self._counts["done"], usd=self._spent)
        self._stood = self._standing() if self._standing else mine

    def _under_way_usd(self) -> float:
        return sum(usd for _, usd in list(self._steps.values()))

    def _render(self) -> Table:
        """Called in a thread of the live table, which may not ask the store."""
        table = Table(box=None, pad_edge=False)
        for title in ("instance", "system", "state", "step", "$", "elapsed"):
            table.add_column(title, justify="left" if title in {"instance", "system"} else "right")
        clock = time.monotonic()
        for key, mine in list(self._running.items()):  # they come and go meanwhile
            steps, usd = self._steps.get(key, (0, 0.0))
            row = mine["row"]
            table.add_row(
                Text(row["instance_id"]), Text(row["system"]),
                Text(mine.get("waiting", mine["state"])), str(steps), self._usd(usd),
                _span(clock - mine["since"]),
            )  # fmt: skip
        ended = sum(self._counts.values())
        elapsed = clock - self._started
        now = self._stood
        spent = now.usd if self._standing else self._spent + self._under_way_usd()
        eta = _span(elapsed / ended * (self._total - now.ended)) if ended else "?"
        table.caption = (
            f"{now.ended}/{counted(self._total, 'trial')}, {now.failed} failed or cut short, "
            f"${self._usd(spent)}, {_span(elapsed)}, about {eta} to go"
        )
        return table


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
