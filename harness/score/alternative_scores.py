"""Alternative scores of the same submissions: the official grader alone, and without unstable
tests."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.score.estimators import mean
from harness.score.rows import InstanceScore, instance_scores, ran
from harness.store.rows import GradeOutcome, OutcomeRow, SubmissionRow, TrialRow

Unstable = Mapping[str, Collection[str]]  # by instance: tests that pass and fail on the same code


def flags_of(submission: OutcomeRow) -> list[str]:
    """Why a pass of the official grader does not count; empty if it counts (a person may have
    accepted it), or if there is no pass."""
    return [] if submission["outcome"] == "resolved" else list(submission["flags"] or ())


def only_unstable(submission: SubmissionRow, unstable: Unstable) -> bool:
    """Whether the submission fails only tests that are unstable on its instance.

    False for a patch that fails every test of FAIL_TO_PASS: it repaired nothing.
    """
    if submission["outcome"] != "unresolved" or flags_of(submission):
        return False
    report = (submission["report"] or {}).get(submission["instance_id"], {})
    status = report.get("tests_status", {})
    failed = {
        test
        for kind in ("FAIL_TO_PASS", "PASS_TO_PASS")
        for test in status.get(kind, {}).get("failure", ())
    }
    of_the_issue = status.get("FAIL_TO_PASS", {})
    if of_the_issue.get("failure") and not of_the_issue.get("success"):
        return False
    return bool(failed) and failed <= set(unstable.get(submission["instance_id"], ()))


def readings(
    trials: Sequence[TrialRow], submissions: Sequence[SubmissionRow], unstable: Unstable | None
) -> dict[str, dict[str, Any]]:
    """The scores by the official grader alone, the flagged submissions, and flake-adjusted scores.

    By system. Flake-adjusted columns are None without a calibration, and all are None for a system
    of which nothing ran.
    """
    official = [_with_outcome(row, row["official"] or None) for row in submissions]
    flagged: dict[str, int] = {}
    for row in submissions:
        flagged[row["system"]] = flagged.get(row["system"], 0) + bool(flags_of(row))
    lenient = {} if unstable is None else _flake_adjusted(trials, submissions, unstable)
    return {
        system: {
            "official_resolved": _resolved(mine),
            "avg_at_1_official": mean(score.average for score in mine),
            "flagged": flagged.get(system, 0) if mine else None,
            "flake_adjusted_resolved": _resolved(lenient.get(system, ())),
            "avg_at_1_flake_adjusted": mean(score.average for score in lenient.get(system, ())),
        }
        for system, mine in _by_system(trials, official).items()
    }


def _flake_adjusted(
    trials: Sequence[TrialRow], submissions: Sequence[SubmissionRow], unstable: Unstable
) -> dict[str, list[InstanceScore]]:
    """By system, with what fails nothing but unstable tests as resolved."""
    adjusted = [
        _with_outcome(row, "resolved") if only_unstable(row, unstable) else row
        for row in submissions
    ]
    return _by_system(trials, adjusted)


def _with_outcome(submission: SubmissionRow, outcome: GradeOutcome | None) -> SubmissionRow:
    changed = submission.copy()
    changed["outcome"] = outcome
    return changed


def _resolved(mine: Sequence[InstanceScore]) -> int | None:
    return sum(score.resolved for score in mine) if mine else None


def _by_system(
    trials: Sequence[TrialRow], submissions: Sequence[SubmissionRow]
) -> dict[str, list[InstanceScore]]:
    """What ran of each system."""
    found: dict[str, list[InstanceScore]] = {}
    for score in instance_scores(trials, [], submissions):
        found.setdefault(score.system, []).extend(ran([score]))
    return found
