"""The scores of a run, computed once for every output of a command."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from harness import score
from harness.benchmarks.registry import of_run
from harness.board.records import Boards
from harness.score.cost_accuracy import cost_accuracy
from harness.score.rows import TableRow, scores_from_sums
from harness.store.rows import OutcomeRows, RunRows, SubmissionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRun:
    """A run's rows, its scores, and rows of four CSVs with the columns that `harness.score` names.

    `scores` are in the order of the run's trials.
    """

    rows: RunRows
    scores: list[score.InstanceScore]
    table: list[TableRow]  # table.csv
    comparisons: list[TableRow]  # comparisons.csv
    points: Sequence[TableRow]  # cost_accuracy.csv

    def breakdowns(self) -> list[TableRow]:
        """The rows of breakdown.csv: many intervals, which no page shows."""
        return score.breakdowns(self.scores, of_run(self.rows.facts).levels)


async def score_run(
    rows: RunRows, boards: Boards, unstable: score.Unstable | None = None
) -> ScoredRun:
    """Compute the scores from `rows` and `boards`. `unstable`: see `score.table`."""
    stories = {
        key: score.BoardRows(tasks=await boards.tasks(key), events=await boards.events(key))
        for key in (trial["trial_id"] for trial in rows.trials)
    }
    scores = score.instance_scores(rows.trials, rows.calls, rows.submissions)
    table = score.table(rows, scores, stories=stories, unstable=unstable)
    benchmark, model = of_run(rows.facts), str(rows.facts.get("model", ""))
    sides = score.sides(scores, score.allowance_of(rows.facts))
    return ScoredRun(
        rows=rows,
        scores=scores,
        table=table,
        comparisons=score.comparisons(sides),
        points=cost_accuracy(table, model, benchmark.published),
    )


def score_outcomes(rows: OutcomeRows) -> ScoredRun:
    """The scores of each instance from `rows`, in a fraction of the time of `score_run`.

    The rows have no calls and no spans, the submissions no texts and no tests; there are no rows of
    CSVs.
    """
    made = cast("Sequence[SubmissionRow]", rows.submissions)
    return ScoredRun(
        rows=RunRows(facts=rows.facts, trials=rows.trials, calls=(), submissions=made, spans=()),
        scores=scores_from_sums(rows.trials, rows.sums, rows.submissions),
        table=[],
        comparisons=[],
        points=(),
    )
