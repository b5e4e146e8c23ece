"""What the official grader alone resolves, what is flagged, and scores without unstable tests."""

from typing import Any

import pytest
from score_rows import Rows

from harness.score import flags_of, only_unstable, table

FLAKY = "tests/test_a.py::test_flaky"
OTHER = "tests/test_a.py::test_other"


def report(*failing: str, instance: str = "a__a-1") -> dict:
    status = {
        "FAIL_TO_PASS": {"success": [], "failure": []},
        "PASS_TO_PASS": {"success": [], "failure": list(failing)},
    }
    return {instance: {"resolved": not failing, "tests_status": status}}


def three() -> Rows:
    """Three trials: one resolved, one flagged, one that fails an unstable test and no other."""
    rows = Rows()
    rows.add(outcomes=("resolved",))
    rows.add(outcomes=("unresolved",), number=1)
    rows.add(outcomes=("unresolved",), number=2)
    rows.submissions[1] |= {"official": "resolved", "flags": ["forged-result"]}
    rows.submissions[2] |= {"report": report(FLAKY)}
    return rows


def row_of(rows: Rows, **more: Any) -> dict[str, Any]:
    (row,) = table(rows.rows(), rows.scores(), **more)
    return dict(row)


def test_a_flagged_submission_counts_for_the_official_grader_and_not_for_us():
    row = row_of(three())
    assert (row["resolved"], row["official_resolved"], row["flagged"]) == (1, 2, 1)
    assert row["avg_at_1"] == pytest.approx(1 / 3)
    assert row["avg_at_1_official"] == pytest.approx(2 / 3)


def test_without_a_calibration_nothing_is_adjusted():
    row = row_of(three())
    assert (row["flake_adjusted_resolved"], row["avg_at_1_flake_adjusted"]) == (None, None)


def test_with_one_a_submission_that_fails_only_unstable_tests_counts_beside_the_strict_score():
    row = row_of(three(), unstable={"a__a-1": [FLAKY]})
    assert (row["resolved"], row["flake_adjusted_resolved"]) == (1, 2)
    assert row["avg_at_1_flake_adjusted"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("change", "adjusted"),
    [
        ({}, True),
        ({"report": report(FLAKY, OTHER)}, False),
        ({"report": report()}, False),
        ({"report": {}}, False),
        ({"report": None, "flags": None, "outcome": None}, False),
        ({"flags": ["forged-result"]}, False),
        ({"outcome": "error"}, False),
        ({"instance_id": "b__b-2", "report": report(FLAKY, instance="b__b-2")}, False),
    ],
)
def test_only_a_failure_of_unstable_tests_of_the_instance_and_no_other_is_forgiven(
    change, adjusted
):
    row = three().submissions[2] | change
    assert only_unstable(row, {"a__a-1": [FLAKY]}) == adjusted


def test_a_submission_that_was_not_graded_has_no_flags():
    assert flags_of({"flags": None, "outcome": None}) == []


def test_a_patch_that_passes_no_fail_to_pass_test_never_counts_however_unstable_they_are():
    def told(success: list[str], failure: list[str], others: list[str]) -> dict[str, Any]:
        status = {"FAIL_TO_PASS": {"success": success, "failure": failure},
                  "PASS_TO_PASS": {"success": [], "failure": others}}  # fmt: skip
        report = {"a__a-1": {"resolved": False, "tests_status": status}}
        rows = Rows().add(outcomes=("unresolved",))
        rows.submissions[0]["report"] = report
        return row_of(rows, unstable={"a__a-1": [FLAKY, OTHER]})

    assert told([], [OTHER], [])["flake_adjusted_resolved"] == 0
    assert told([], [OTHER], [FLAKY])["flake_adjusted_resolved"] == 0
    assert told(["t"], [OTHER], [])["flake_adjusted_resolved"] == 1
    assert told(["t"], [], [FLAKY])["flake_adjusted_resolved"] == 1
