"""Show the progress of a run: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.score.cost import NOTHING, Spent, in_words
from harness.store.rows import ClaimedTrial, Standing
from harness.terminal import console as console
from harness.terminal import one_line
from harness.text.counted import counted

NAMED = 3  # trials
FINAL = ("done", "failed", "error", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """The steps of a trial so far; `resumed` of them were made before the run was interrupted."""

    count: int = 0
    resumed: int = 0
    cost: Spent = NOTHING


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
        self._steps: dict[int, _Steps] = {}
        self._spent = 0.0  # USD of the trials that ended, at most
        self._unsure = False  # whether a request of a trial may or may not be billed
        self._standing: Standing | None = None

    def stands(self, standing: Standing) -> None:
        """See `harness.runner.run.Watcher`."""
        self._standing = standing

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show the live table during this block, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True
        ) as self._live:
            yield
        self._live = None

    def trial(self, row: ClaimedTrial, state: str, note: str = "") -> None:
        """See `harness.runner.services.Watcher`."""
        key = row["trial_id"]
        mine = self._running.setdefault(key, {"row": row, "since": time.monotonic()})
        mine["state"] = state
        mine.pop("waiting", None)
        if state in FINAL:
            self._counts[state] += 1
            self._running.pop(key)
            made = self._steps.pop(key, _Steps())
            self._spent += _most(made.cost)
            seconds = time.monotonic() - mine["since"]
            self.say(
                f"{row['system']} {row['instance_id']} #{row['number'] + 1}: {state}"
                f"{f' ({note})' if note else ''}, {self._made(row, made)}, "
                f"{seconds:.0f} s  [{self._now().ended}/{self._total}]"
            )

    def step(self, row: ClaimedTrial, steps: int, cost: Spent, *, resumed: int = 0) -> None:
        """See `harness.runner.services.Watcher`."""
        self._steps[row["trial_id"]] = _Steps(count=steps, resumed=resumed, cost=cost)
        self._unsure = self._unsure or bool(cost.unsure_usd)
        if row["trial_id"] in self._running:
            self._running[row["trial_id"]].pop("waiting", None)

    def waiting(self, trial_id: int, why: str) -> None:
        """Report that a call of a trial will be retried: which attempt, and why."""
        mine = self._running.get(trial_id)
        if mine is None:
            return
        mine["waiting"] = f"waiting: {why}"
        if self._live is None:
            row = mine["row"]
            self.say(f"{row['system']} {row['instance_id']} #{row['number'] + 1}: waiting: {why}")

    def under_way(self) -> str:
        """The unfinished trials in words; empty if there are none."""
        rows = [mine["row"] for mine in self._running.values()]
        named = [f"{r['system']} on {r['instance_id']} #{r['number'] + 1}" for r in rows[:NAMED]]
        more = [f"{len(rows) - NAMED} more"] if len(rows) > NAMED else []
        return " and ".join([", ".join(named), *more])

    def say(self, line: str) -> None:
        """Print one line, above the live table if there is one, without control characters."""
        self._console.print(Text(one_line(line)), highlight=False, soft_wrap=True)

    def _made(self, row: ClaimedTrial, made: "_Steps") -> str:
        """The steps and cost of a trial that ended; what was made before a resume is told apart."""
        if row.get("state") == "grading":
            return "only graded now: its agents had ended before the run was interrupted"
        before = f" ({made.resumed} of them before the run was interrupted)" if made.resumed else ""
        return f"{counted(made.count, 'step')}{before}, {self._cost(made.cost)}"

    def _cost(self, cost: Spent) -> str:
        return in_words(cost) if self._priced else "$–"

    def _now(self) -> Standing:
        """The progress of the run; until the first report, that of this process."""
        ended = sum(self._counts.values())
        usd = self._spent + self._under_way_usd()
        mine = Standing(ended=ended, failed=ended - self._counts["done"], usd=usd)
        return self._standing or mine

    def _under_way_usd(self) -> float:
        return sum(_most(made.cost) for made in list(self._steps.values()))

    def _render(self) -> Table:
        """Render the live table; called from its thread."""
        table = Table(box=None, pad_edge=False)
        for title in ("instance", "system", "state", "step", "$", "elapsed"):
            table.add_column(title, justify="left" if title in {"instance", "system"} else "right")
        clock = time.monotonic()
        for key, mine in list(self._running.items()):  # they come and go meanwhile
            made = self._steps.get(key, _Steps())
            row = mine["row"]
            table.add_row(
                Text(row["instance_id"]), Text(row["system"]),
                Text(mine.get("waiting", mine["state"])), str(made.count), self._cost(made.cost),
                _span(clock - mine["since"]),
            )  # fmt: skip
        ended = sum(self._counts.values())
        elapsed = clock - self._started
        now = self._now()
        eta = _span(elapsed / ended * (self._total - now.ended)) if ended else "?"
        whole = self._cost(Spent(usd=now.usd, unsure_usd=0.0))
        table.caption = (
            f"{now.ended}/{counted(self._total, 'trial')}, {now.failed} failed or cut short, "
            f"{'at most ' if self._unsure else ''}{whole}, {_span(elapsed)}, about {eta} to go"
        )
        return table


def _most(cost: Spent) -> float:
    return (cost.usd or 0.0) + (cost.unsure_usd or 0.0)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
