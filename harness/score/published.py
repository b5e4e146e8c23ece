"""Published results (`results/reference/published.csv`), and which of them belongs beside a
system."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import UserError
from harness.shipped import PUBLISHED
from harness.system_files import bundled_system

FILE = PUBLISHED
COLUMNS = (
    "source", "date", "table", "benchmark", "model", "method", "agents", "metric", "value", "sd",
    "unit", "budget", "note",
)  # fmt: skip
SWE_BENCH = "SWE-bench Verified"
LONGBENCH = "LongBench-v2 Multi-Doc QA"
MODEL = "Gemini 3 Flash"  # the one that both versions of the paper have
TEAMS = ("DeLM",)  # methods whose numbers depend on the number of agents
LEADERBOARD = "SWE-bench leaderboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published number."""

    source: str  # the paper with its version, or whose list
    date: str  # ISO; empty: unknown
    table: str  # where in the source
    benchmark: str
    model: str
    method: str
    agents: int | None  # None: the source does not say, or it has no fixed number
    metric: str
    value: float
    sd: float | None  # standard deviation over runs
    unit: str
    budget: str  # in words; empty: unknown
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """The published row beside one of our systems. `numbers` is by metric; scores are in
    percent."""

    method: str
    agents: int | None
    model: str
    numbers: Mapping[str, Published]

    @property
    def budget(self) -> str:
        """The budget in words; empty if the source does not give it."""
        return next((n.budget for n in self.numbers.values() if n.budget), "")

    @property
    def label(self) -> str:
        """A label such as `DeLM n=2, Gemini 3 Flash`."""
        team = self.method in TEAMS and self.agents
        return f"{self.method}{f' n={self.agents}' if team else ''}, {self.model}"

    @property
    def cost_per_task_usd(self) -> float | None:
        """The published cost of a trial.

        If only the cost of a submission was published: that times the agents of a team, or times
        one.
        """
        task, one = self.value("cost_per_task_usd"), self.value("cost_per_submission_usd")
        return task if task is not None or one is None else one * (self.agents or 1)

    def cost_usd(self, submissions: int) -> float | None:
        """The cost of `submissions` on one instance, from the published cost."""
        one, task = self.value("cost_per_submission_usd"), self.value("cost_per_task_usd")
        if one is None and task is not None:
            one = task / (self.agents or 1)
        return None if one is None else one * submissions

    def value(self, metric: str) -> float | None:
        """The number, or None if it was not published."""
        found = self.numbers.get(metric)
        return found.value if found else None

    def sd(self, metric: str) -> float | None:
        """The standard deviation over runs, or None."""
        found = self.numbers.get(metric)
        return found.sd if found else None


@cache
def published(path: Path = FILE) -> tuple[Published, ...]:
    """Every row of the file, in order. Raises `UserError` for a row that cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return tuple(_parsed(row, f"{path}, row {at}") for at, row in enumerate(rows, start=2))


def counterpart(
    system: str,
    agents: int,
    model: str,
    *,
    benchmark: str = SWE_BENCH,
    rows: Sequence[Published] | None = None,
) -> Counterpart | None:
    """The published row for our `system` with that many agents, or None.

    Of the same model where one was published, else of `MODEL`. Each number is from the newest
    source that has it, and of a team with as many agents; one for which the source names no number
    of agents stands in only where there is none with that number.
    """
    method = _method(system, benchmark)
    if not method:
        return None
    every = published() if rows is None else rows
    of_method = [row for row in every if row.method == method and row.benchmark == benchmark]
    known = dict.fromkeys(row.model for row in of_method)
    chosen = next((name for name in known if same_model(name, model)), MODEL)
    mine = [row for row in of_method if row.model == chosen]
    if method in TEAMS and benchmark == SWE_BENCH:  # elsewhere no number of agents is told
        exact = [row for row in mine if row.agents == agents]
        if not exact:
            return None
        mine = [*exact, *(row for row in mine if row.agents is None)]
    if not mine:
        return None
    numbers: dict[str, Published] = {}
    for row in sorted(mine, key=lambda row: (row.agents is None, _age(row))):
        numbers.setdefault(row.metric, row)
    return Counterpart(
        method=method,
        agents=agents if method in TEAMS and benchmark == SWE_BENCH else None,
        model=chosen,
        numbers=numbers,
    )


def _method(system: str, benchmark: str) -> str:
    """The published method that the system's file names for `benchmark`, or an empty string."""
    known = bundled_system(system)
    said = known.published if known else None
    return said.method if said and said.benchmark == benchmark else ""


def same_model(published_name: str, name: str) -> bool:
    """Whether `name`, as litellm has it, is the model that a paper calls `published_name`.

    A suffix that dates or previews it is passed over; any other one makes it another model.
    """
    wanted = re.sub(r"[^a-z0-9]+", "-", published_name.lower())
    plain = re.sub(r"[^a-z0-9/]+", "-", name.lower()).rpartition("/")[2]
    return re.fullmatch(rf"{re.escape(wanted)}(-preview|-latest|-\d{{6,8}})*", plain) is not None


def leaderboard(rows: Sequence[Published] | None = None) -> Published:
    """The official leaderboard's result of mini-SWE-agent with `MODEL`."""
    every = published() if rows is None else rows
    return next(row for row in every if row.source == LEADERBOARD)


def sources(counterparts: Iterable[Counterpart]) -> list[str]:
    """The sources of these rows, newest first."""
    found = {n.source: n for each in counterparts for n in each.numbers.values()}
    return sorted(found, key=lambda source: _age(found[source]))


def _age(row: Published) -> tuple[int, ...]:
    """A sort key: newer sources first."""
    return tuple(-int(part) for part in row.date.split("-") if part)


def _parsed(row: Mapping[str, str], where: str) -> Published:
    if tuple(row) != COLUMNS or None in row.values():
        raise UserError(f"{where}: its columns are not {', '.join(COLUMNS)}")
    try:
        return Published(
            source=row["source"],
            date=row["date"],
            table=row["table"],
            benchmark=row["benchmark"],
            model=row["model"],
            method=row["method"],
            agents=int(row["agents"]) if row["agents"] else None,
            metric=row["metric"],
            value=float(row["value"]),
            sd=float(row["sd"]) if row["sd"] else None,
            unit=row["unit"],
            budget=row["budget"],
            note=row["note"],
        )
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
