"""The submissions of a trial: each diff or answer, where it comes from, its verdict, and what would
be right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.narrative import cited_entries, equal_patch
from harness.benchmarks.registry import of_run
from harness.board.vocabulary import ResultKey
from harness.pages.diff_view import same_change
from harness.pages.trial_data import TrialData
from harness.score import flags_of
from harness.store.rows import SubmissionRow

GRADED_LATER = "What is right is shown when the submissions are graded."
NOT_RECORDED = "Not recorded: an older delm planned this run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A submission as the page shows it."""

    row: SubmissionRow
    outcome: str  # a kind of `marks.html.j2`
    entry: str  # the label of the PATCH as which exactly it was admitted; empty: none
    equal: str  # the label of another seat's PATCH that makes the same change
    cites: Sequence[tuple[str, str]]  # entries of others: label, who found it on which task
    answer: str | None  # None: it is a patch
    diff: str | None  # None: it is none, or an earlier submission has it
    same_as: str  # the author of an earlier submission with the very same text; empty: none
    as_gold: bool  # it makes the change of the gold patch, or has the right answer
    flags: Sequence[str]  # in words
    unchecked: Sequence[str]

    @property
    def doubted(self) -> bool:
        """Whether the official grader says otherwise."""
        return bool(self.row["official"]) and self.row["official"] != self.row["outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionsSection:
    """See the template."""

    submissions: Sequence[Submission]
    word: str  # what a system hands in: patch, answer
    sentence: str  # how they relate to each other; empty: there is one
    gold: str | None  # a diff; None: not shown, or no patch
    right: str  # the right answer; empty where it is a patch, or not shown
    why_no_gold: str  # why neither is shown
    asked: str | None


def section(data: TrialData) -> SubmissionsSection | None:
    """The submissions of a trial; None if it was never started."""
    if not data.submissions and data.trial["state"] == "waiting":
        return None
    benchmark = of_run(data.facts)
    is_patch = benchmark.submission == "patch"
    graded = any(row["outcome"] is not None for row in data.submissions)
    gold = data.text["gold"] if data.text is not None and graded else None
    return SubmissionsSection(
        submissions=[_submission(data, row, gold, benchmark) for row in data.submissions],
        word=benchmark.submission,
        sentence=relation(data),
        gold=gold if is_patch else None,
        right=gold if gold is not None and not is_patch else "",
        why_no_gold="" if gold is not None else NOT_RECORDED if graded else GRADED_LATER,
        asked=None if data.text is None else data.text["asked"],
    )


def outcome_of(row: SubmissionRow) -> str:
    """The kind of mark of a submission."""
    return "flagged" if flags_of(row) else row["outcome"] or "ungraded"


def _submission(
    data: TrialData, row: SubmissionRow, gold: str | None, benchmark: Any
) -> Submission:
    is_patch = benchmark.submission == "patch"
    earlier = [each for each in data.submissions if each["submission_id"] < row["submission_id"]]
    same = (each for each in earlier if each["patch_sha256"] == row["patch_sha256"])
    first = next(same, None) if row["patch"].strip() else None
    cites = cited_entries(data.record, row["author"])
    return Submission(
        row=row,
        outcome=outcome_of(row),
        entry=_entry(data, row),
        equal="" if row["copy_of"] else equal_patch(data.record, row),
        cites=[(each["label"], f"{each['author']} on {each['task']}") for each in cites],
        answer=None if is_patch else row["patch"],
        diff=row["patch"] if is_patch and first is None else None,
        same_as=first["author"] if first else "",
        as_gold=gold is not None and _as_gold(row["patch"], gold, is_patch=is_patch),
        flags=[benchmark.meaning(key) for key in row["flags"] or ()],
        unchecked=[benchmark.meaning(key) for key in row["unchecked"] or ()],
    )


def _as_gold(patch: str, gold: str, *, is_patch: bool) -> bool:
    return same_change(patch, gold) if is_patch else patch == gold


def _entry(data: TrialData, row: SubmissionRow) -> str:
    """The label of the PATCH that is exactly the submission."""
    mine = [t["result"] for t in data.record.tasks if row["author"] in (t["label"], t["subject"])]
    same = (each for each in reversed(mine) if each.get(ResultKey.PATCH) == row["patch"])
    return str(next((each.get(ResultKey.ENTRY) or "" for each in same), ""))


def relation(data: TrialData) -> str:
    """Whether the submissions of a trial are the same, in words; empty where there is one."""
    rows, word = data.submissions, of_run(data.facts).submission
    if len(rows) < 2:
        return ""
    different = len({row["patch_sha256"] for row in rows})
    plural = f"{word}es" if word.endswith("ch") else f"{word}s"
    if different == 1:
        return f"{'Both' if len(rows) == 2 else f'All {len(rows)}'} {plural} are the same."
    if different == len(rows):
        return f"The {len(rows)} {plural} differ."
    return f"Of {len(rows)} {plural} {different} differ."
