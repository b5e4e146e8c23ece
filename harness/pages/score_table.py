"""The scores of the systems of a run, and what more trials or instances would buy, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.footnotes import (
    REPLAY,
    allowed,
    distinct_usd,
    in_doubt,
    notes,
    odd_budgets,
    worth,
)
from harness.analysis.interventions import sentences
from harness.pages.run_data import RunData
from harness.score import InstanceScore
from harness.score.published import counterpart
from harness.score.repeats import HalfWidths, half_widths, paired_spread, spread
from harness.score.rows import TableRow
from harness.text.counted import counted

SCORES = (("avg_at_1", "Avg.@1"), ("pass_at_2", "Pass@2"), ("pass_at_4", "Pass@4"),
          ("selected_at_1", "Sel.@1"))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A share or an amount with its interval. None: unknown."""

    value: float | None
    low: float | None
    high: float | None
    shared: bool = False  # any of N: not comparable with the others
    at_least: bool = False  # a lower bound


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """A system."""

    system: str
    agents: str
    resolved: str
    scores: Sequence[Figure]  # as `ScoreTable.names`
    cost: Figure
    distinct_usd: float | None  # dollars of a patch that is no copy, where any system made copies
    latency_s: float | None
    infra_errors: int
    budget: str
    odd_budget: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Half of the width of an interval: of a system's score, or of its difference from the
    baseline (`against`)."""

    system: str
    against: str
    widths: HalfWidths


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """What `scores.html.j2` and `gains.html.j2` show."""

    names: Sequence[str]  # of the scores that any system has
    rows: Sequence[ScoreRow]
    each: str  # the submissions of which the costs are
    notes: Sequence[str]
    gains: Sequence[Gain]

    @property
    def budgets_differ(self) -> bool:
        """Whether the systems had different budgets."""
        return any(row.odd_budget for row in self.rows)

    @property
    def any_infra(self) -> bool:
        """Whether a trial failed for infrastructure."""
        return any(row.infra_errors for row in self.rows)

    @property
    def gains_known(self) -> bool:
        """Whether anything is known of more trials or instances."""
        return any(
            gain.widths.more_trials is not None or gain.widths.more_instances is not None
            for gain in self.gains
        )


def score_table(run: RunData) -> ScoreTable:
    """The table of a run."""
    rows = run.scored.table
    odd = odd_budgets(rows)
    told = [each for each in SCORES if any(row[each[0]] is not None for row in rows)] or SCORES[:1]
    copies = any(row.get("copies") for row in rows)
    submissions = next((row["equal_submissions"] for row in rows), 0)
    return ScoreTable(
        names=[name for _, name in told],
        rows=[_row(row, told, odd=row["system"] in odd, copies=copies) for row in rows],
        each=counted(submissions, "submission"),
        notes=_notes(run),
        gains=gains(run),
    )


def gains(run: RunData) -> list[Gain]:
    """The half-widths of each system's score, then of its difference from the baseline."""
    of: dict[str, list[InstanceScore]] = {}
    for each in run.scored.scores:
        of.setdefault(each.system, []).append(each)
    found = [
        Gain(
            system=row["system"],
            against="",
            widths=half_widths(
                row["avg_at_1_low"], row["avg_at_1_high"], spread(of[row["system"]])
            ),
        )
        for row in run.scored.table
    ]
    for row in run.scored.comparisons:
        names = (row["system_a"], row["system_b"])
        if run.baseline in names:
            low, high = row["avg_at_1_difference_low"], row["avg_at_1_difference_high"]
            other = next(name for name in names if name != run.baseline)
            apart = paired_spread(of[other], of[run.baseline])
            found.append(
                Gain(system=other, against=run.baseline, widths=half_widths(low, high, apart))
            )
    return found


def _notes(run: RunData) -> list[str]:
    """The footnotes of the printed table, without what stands elsewhere on the page: budgets, and
    that the run is a replay."""
    rows, facts, benchmark = run.scored.table, run.facts, run.benchmark
    model = str(facts.get("model", ""))
    beside = [
        counterpart(row["system"], row["agents"], model, benchmark=benchmark.published)
        for row in rows
    ]
    known = [each for each in beside if each]
    return [
        *notes(rows, facts, sentences(run.rows), budgets=False),
        *benchmark.footnotes(rows, known, facts),
        *(line for line in worth(facts)[1:] if line != REPLAY),
    ]


def _row(row: TableRow, told: Sequence[tuple[str, str]], *, odd: bool, copies: bool) -> ScoreRow:
    leaders, lacking = row["main_agents"], row["wanted"] - row["wanted_run"]
    resolved = f"{row['resolved']} of {row['wanted_run']}" if row["wanted_run"] else "–"
    return ScoreRow(
        system=row["system"],
        agents=f"{leaders}+{row['agents']}" if leaders else str(row["agents"]),
        resolved=f"{resolved}, {lacking} not run" if lacking else resolved,
        scores=[_figure(row, name, shared=row.get(f"{name}_kind") == "shared") for name, _ in told],
        cost=_figure(row, "cost_per_instance_usd", at_least=in_doubt(row) > 0),
        distinct_usd=distinct_usd(row) if copies else None,
        latency_s=row["latency_mean_s"],
        infra_errors=row["infra_errors"],
        budget=allowed(row),
        odd_budget=odd,
    )


def _figure(row: Mapping[str, Any], name: str, **marks: bool) -> Figure:
    value = row[name]
    return Figure(
        value=value,
        low=row[f"{name}_low"],
        high=row[f"{name}_high"],
        **{mark: held and value is not None for mark, held in marks.items()},
    )
