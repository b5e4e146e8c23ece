"""The tests of an instance by name, with what became of them under each submission; and where the
official grader, the guard and the counted verdict part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.benchmarks.registry import of_run
from harness.pages.submissions import outcome_of
from harness.pages.trial_data import TrialData
from harness.store.rows import SubmissionRow

MOST = 300  # tests of one kind that are listed
KINDS = ("FAIL_TO_PASS", "PASS_TO_PASS")
MEANINGS: Mapping[str, str] = {
    "FAIL_TO_PASS": "fail before the gold patch and pass after it",
    "PASS_TO_PASS": "pass before and after",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A submission. `passed` and `failed` by kind of test."""

    row: SubmissionRow
    outcome: str
    flags: Sequence[str]  # in words
    unchecked: Sequence[str]
    passed: Mapping[str, frozenset[str]]
    failed: Mapping[str, frozenset[str]]

    def of(self, kind: str, name: str) -> str:
        """What became of a test: passed, failed, or empty if it is not in the report."""
        if name in self.failed.get(kind, ()):
            return "failed"
        return "passed" if name in self.passed.get(kind, ()) else ""

    def count(self, kind: str) -> str:
        """How many of the tests of a kind passed, of how many."""
        passed, failed = self.passed.get(kind, ()), self.failed.get(kind, ())
        return f"{len(passed)} of {len(passed) + len(failed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """The tests of a kind: first those that failed under a submission, then the others."""

    kind: str
    meaning: str
    failing: Sequence[str]
    passing: Sequence[str]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsSection:
    """See the template."""

    columns: Sequence[Column]
    tests: Sequence[Tests]


def section(data: TrialData) -> TestsSection | None:
    """The tests of a trial's submissions; None where no report names tests and nothing is doubted,
    as with questions."""
    benchmark = of_run(data.facts)
    columns = [_column(row, benchmark) for row in data.submissions if row["outcome"] is not None]
    tests = [_tests(kind, columns) for kind in KINDS]
    named = any(each.failing or each.passing for each in tests)
    doubted = any(column.flags or column.unchecked for column in columns)
    return TestsSection(columns=columns, tests=tests) if named or doubted else None


def _column(row: SubmissionRow, benchmark: Any) -> Column:
    statuses = dict(_statuses(row))
    return Column(
        row=row,
        outcome=outcome_of(row),
        flags=[benchmark.meaning(key) for key in row["flags"] or ()],
        unchecked=[benchmark.meaning(key) for key in row["unchecked"] or ()],
        passed={kind: _names(statuses, kind, "success") for kind in KINDS},
        failed={kind: _names(statuses, kind, "failure") for kind in KINDS},
    )


def _statuses(row: SubmissionRow) -> Iterator[tuple[str, Any]]:
    """The tests of the official report by kind; nothing where it has another form."""
    for report in (row["report"] or {}).values():
        found = report.get("tests_status") if isinstance(report, Mapping) else None
        if isinstance(found, Mapping):
            yield from found.items()


def _names(statuses: Mapping[str, Any], kind: str, outcome: str) -> frozenset[str]:
    found = statuses.get(kind)
    names = found.get(outcome) if isinstance(found, Mapping) else None
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()


def _tests(kind: str, columns: Sequence[Column]) -> Tests:
    failing = sorted(set().union(*(column.failed[kind] for column in columns)))
    every = set().union(*(column.passed[kind] for column in columns))
    passing = sorted(every - set(failing))
    return Tests(
        kind=kind,
        meaning=MEANINGS[kind],
        failing=failing[:MOST],
        passing=passing[:MOST],
        left_out=max(0, len(failing) - MOST) + max(0, len(passing) - MOST),
    )
