"""What the systems of a run scored, read from its store and its boards."""

import contextlib
from dataclasses import dataclass

from harness import score
from harness.benchmarks.registry import of_run
from harness.board.sqlite.board import SqliteBoard
from harness.store.sqlite import Row, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Rows of three CSVs, with the columns that `harness.score` names."""

    table: list[Row]  # table.csv
    breakdowns: list[Row]  # breakdown.csv
    comparisons: list[Row]  # comparisons.csv


def scored(store: Store, trials: list[Row], calls: list[Row], submissions: list[Row]) -> Scored:
    """The rows of a run; `trials`, `calls` and `submissions` are all that `store` has."""
    description = store.description()
    benchmark = of_run(description)
    with contextlib.closing(SqliteBoard(store.path)) as board:
        stories = {
            key: score.Story(tasks=board.tasks(key), events=board.events(key))
            for key in (trial["trial_id"] for trial in trials)
        }
    rows = score.table(
        trials,
        calls,
        submissions,
        description=description,
        stories=stories,
        unstable=benchmark.unstable(store.path.parent.parent),
    )
    scores = score.instance_scores(trials, calls, submissions)
    systems = score.sides(scores, score.allowance_of(description))
    return Scored(
        table=[dict(row) for row in rows],
        breakdowns=[dict(row) for row in score.breakdowns(scores, benchmark.levels)],
        comparisons=[dict(row) for row in score.comparisons(systems)],
    )
