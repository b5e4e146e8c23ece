"""The grid: instances × systems, chosen, sorted and cut into pages.

The live page chooses here, from the query of its address; the report holds all rows, and
`assets/grid.js` does the same with the same words in the fragment of its address.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode

from markupsafe import Markup

from harness.analysis.outcome_grid import Cell, Grid, Mark, Row, Sums, Tag, TrialMarks, total
from harness.labels.rows import by_trial, standing
from harness.pages.links import Links
from harness.pages.rendering import render, seconds, usd
from harness.store.rows import LabelRow
from harness.text.counted import counted
from harness.text.digest import digest

PER_PAGE: Final = 50
NAMED: Final = 200  # characters of a name in an attribute
SORTS: Final = {
    "differ": "systems differ most",
    "position": "order of the run",
    "instance": "instance",
    "repo": "repository",
    "difficulty": "difficulty",
    "-resolved": "most resolved",
    "resolved": "fewest resolved",
    "-cost": "most dollars",
    "cost": "fewest dollars",
    "-seconds": "most seconds",
    "seconds": "fewest seconds",
}
OUTCOMES: Final[Mapping[Tag, str]] = {
    "differ": "systems differ",
    "all": "all resolved",
    "none": "none resolved",
    "error": "with errors",
    "flagged": "with flags",
    "unfinished": "not finished",
}
LETTERS: Final = {"copy": "c", "salvaged": "s", "unchecked": "u"}
"""What stands beside the sign of a submission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridQuery:
    """What is chosen. Its fields are the words of the address."""

    sort: str = "differ"
    of: str = ""  # the system whose numbers are sorted by; empty: all together
    repo: str = ""
    difficulty: str = ""
    length: str = ""
    outcome: str = ""
    find: str = ""
    page: int = 1

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "GridQuery":
        """From the parameters of an address. What is no choice is left at its default."""
        known = {field.name for field in fields(cls)}
        told: dict[str, Any] = {name: value for name, value in given.items() if name in known}
        page = told.pop("page", "1")
        told["page"] = max(1, int(page)) if page.isdecimal() and len(page) < 7 else 1
        if told.get("sort") not in SORTS:
            told.pop("sort", None)
        if told.get("outcome") not in OUTCOMES:
            told.pop("outcome", None)
        return cls(**told)

    def address(self, **changes: Any) -> str:
        """The query of the address, with `changes`; without what is at its default."""
        wanted, plain = replace(self, **changes), GridQuery()
        told = {field.name: getattr(wanted, field.name) for field in fields(self)}
        return "?" + urlencode({k: v for k, v in told.items() if v != getattr(plain, k)})


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPage:
    """What `grid.html.j2` shows."""

    systems: Sequence[str]
    wanted: Mapping[str, str]  # by system, what it was asked for on an instance
    rows: Sequence[Row]  # of this page
    ranks: Mapping[str, int]  # of difficulties, by which they are sorted
    columns: Sequence[Sums]  # of each system, over all rows that were chosen
    sums: Sums
    query: GridQuery
    pages: int
    chosen: int
    instances: int  # chosen or not
    repos: Sequence[str]
    difficulties: Sequence[str]
    lengths: Sequence[str]
    questions: bool  # a benchmark of questions has domains, not repositories
    labels: Mapping[int, Sequence[str]]  # that stand, each once, by trial
    live: bool  # whether the server chooses; else all rows are there, and the script does


def grid_page(
    grid: Grid,
    levels: Sequence[str] = (),
    query: GridQuery | None = None,
    labels: Sequence[LabelRow] = (),
) -> GridPage:
    """The rows that `query` chooses; all of them, for the script to choose from, without one.

    `levels`: difficulties in the benchmark's order. `labels`: of the run's trials.
    """
    asked = query or GridQuery()
    names = {row.difficulty for row in grid.rows}
    difficulties = sorted(names, key=lambda name: _level(name, levels))
    ranks = {name: rank for rank, name in enumerate(difficulties)}
    chosen = [row for row in grid.rows if _is_chosen(row, asked)]
    chosen.sort(key=_order(grid, asked, ranks))
    pages = max(1, -(-len(chosen) // PER_PAGE)) if query else 1
    page = min(asked.page, pages)
    return GridPage(
        systems=grid.systems,
        wanted={name: _wanted(grid.rows, at) for at, name in enumerate(grid.systems)},
        rows=chosen[(page - 1) * PER_PAGE : page * PER_PAGE] if query else chosen,
        ranks=ranks,
        columns=[
            total(cell.sums for row in chosen if (cell := row.cells[at]))
            for at in range(len(grid.systems))
        ],
        sums=total(row.sums for row in chosen),
        query=replace(asked, page=page),
        pages=pages,
        chosen=len(chosen),
        instances=len(grid.rows),
        repos=sorted({row.repo for row in grid.rows}),
        difficulties=difficulties,
        lengths=sorted({row.length for row in grid.rows}, key=lambda name: _level(name, levels)),
        questions=any(row.length for row in grid.rows),
        labels={
            trial_id: list(dict.fromkeys(row["label"] for row in rows))
            for trial_id, rows in by_trial(standing(labels)).items()
        },
        live=query is not None,
    )


def grid_html(page: GridPage, links: Links) -> Markup:
    """The grid as HTML, without the frame of a page: for the report and the live page."""
    words = SimpleNamespace(
        PER_PAGE=PER_PAGE, SORTS=SORTS, OUTCOMES=OUTCOMES, letters=letters, mark_text=mark_text,
        trial_text=trial_text, cost_text=cost_text, name=name,
    )  # fmt: skip
    return render("grid", grid=page, links=links, words=words)


def letters(mark: Mark) -> str:
    """What stands beside the sign of a submission: see `LETTERS`."""
    row = mark.submission
    if row is None:
        return ""
    told = {
        "copy": row["copy_of"],
        "salvaged": row["salvaged"],
        "unchecked": mark.place == "resolved" and row["unchecked"],
    }
    return "".join(letter for name, letter in LETTERS.items() if told[name])


def mark_text(mark: Mark) -> str:
    """A submission in words."""
    row = mark.submission
    if row is None:
        return "no submission made" if mark.place == "unresolved" else _WORDS[mark.place]
    parts = [f"{row['author']}: {_WORDS[mark.place]}"]
    parts += [f"a copy of {row['copy_of']}"] if row["copy_of"] else []
    parts += [f"built on {row['built_on']}"] if row["built_on"] else []
    parts += ["salvaged: not finished"] if row["salvaged"] else []
    parts += ["some checks could not be used"] if "u" in letters(mark) else []
    parts += ["selected"] if row["selected"] else []
    return "; ".join(parts)


def trial_text(cell: Cell, trial: TrialMarks, instance_id: str) -> str:
    """A trial in words: what a screen reader says of the link to it."""
    places = [mark.place for mark in trial.marks]
    told = ", ".join(f"{places.count(place)} {_WORDS[place]}" for place in dict.fromkeys(places))
    return f"{cell.system} on {instance_id}, trial #{trial.trial['number'] + 1}: {told}"


def cost_text(sums: Sums) -> str:
    """What stands over an amount of dollars."""
    if sums.cost_usd is None:
        return "cost unknown"
    more = f", and up to {usd(sums.unsure_usd)} that nobody can tell" if sums.unsure_usd else ""
    return f"{usd(sums.cost_usd)} in all{more}; {seconds(sums.seconds)} in all"


def name(value: str) -> str:
    """A name for an attribute: a very long one is cut, and told from others by its digest."""
    return value if len(value) <= NAMED else f"{value[:NAMED]}… {digest(value)[:12]}"


_WORDS = {
    "resolved": "resolved",
    "unresolved": "not resolved",
    "flagged": "flagged: its pass does not count",
    "error": "error",
    "ungraded": "not graded yet",
    "running": "running",
    "waiting": "not run yet",
    "cancelled": "cancelled",
}


def _wanted(rows: Iterable[Row], at: int) -> str:
    """What a system was asked for on an instance; empty where that differs."""
    shapes = {
        (len(cell.trials), len(cell.trials[0].marks)) for row in rows if (cell := row.cells[at])
    }
    if len(shapes) != 1:
        return ""
    trials, each = shapes.pop()
    many = counted(each, "submission")
    return many if trials == 1 else f"{counted(trials, 'trial')} of {many}"


def _level(name: str, levels: Sequence[str]) -> tuple[int, str]:
    return (levels.index(name) if name in levels else len(levels), name)


def _is_chosen(row: Row, query: GridQuery) -> bool:
    wanted = (
        (query.repo, row.repo),
        (query.difficulty, row.difficulty),
        (query.length, row.length),
    )
    if any(value and value not in {mine, name(mine)} for value, mine in wanted):
        return False
    if query.outcome and query.outcome not in row.tags:
        return False
    place = f"{row.instance_id} {row.repo} {row.difficulty}".casefold()
    return all(word in place for word in query.find.casefold().split())


def _order(
    grid: Grid, query: GridQuery, ranks: Mapping[str, int]
) -> Callable[[Row], tuple[Any, ...]]:
    """The key that rows are sorted by. What is unknown stands last; ties are in the run's order."""
    at = grid.systems.index(query.of) if query.of in grid.systems else None
    down = query.sort.startswith("-")
    sort = query.sort.removeprefix("-")

    def number(row: Row) -> float | None:
        cell = None if at is None else row.cells[at]
        if at is not None and cell is None:
            return None
        sums = cell.sums if cell else row.sums
        values = {"resolved": sums.share, "cost": sums.cost_usd, "seconds": sums.mean_seconds}
        return values[sort]

    def key(row: Row) -> tuple[Any, ...]:
        if sort == "differ":
            return (-row.spread, row.position)
        if sort == "position":
            return (row.position,)
        if sort in {"instance", "repo"}:
            return (row.instance_id if sort == "instance" else row.repo, row.position)
        if sort == "difficulty":
            return (ranks[row.difficulty], row.position)
        value = number(row)
        return (value is None, -(value or 0.0) if down else value or 0.0, row.position)

    return key
