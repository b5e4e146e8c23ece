"""What the systems of a run scored: computed once for everything that a command shows of it."""

from dataclasses import dataclass

from harness import score
from harness.benchmarks.registry import of_run
from harness.board.records import Boards
from harness.score.rows import TableRow
from harness.store.rows import RunRows


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRun:
    """A run's rows, its scores, and rows of three CSVs with the columns that `harness.score` names.

    `scores` are in the order of the run's trials.
    """

    rows: RunRows
    scores: list[score.InstanceScore]
    table: list[TableRow]  # table.csv
    breakdowns: list[TableRow]  # breakdown.csv
    comparisons: list[TableRow]  # comparisons.csv


async def score_run(
    rows: RunRows, boards: Boards, unstable: score.Unstable | None = None
) -> ScoredRun:
    """The scores of the run that `rows` and `boards` are of; `unstable`: see `score.table`."""
    stories = {
        key: score.BoardRows(tasks=await boards.tasks(key), events=await boards.events(key))
        for key in (trial["trial_id"] for trial in rows.trials)
    }
    scores = score.instance_scores(rows.trials, rows.calls, rows.submissions)
    sides = score.sides(scores, score.allowance_of(rows.facts))
    return ScoredRun(
        rows=rows,
        scores=scores,
        table=score.table(rows, scores, stories=stories, unstable=unstable),
        breakdowns=score.breakdowns(scores, of_run(rows.facts).levels),
        comparisons=score.comparisons(sides),
    )
