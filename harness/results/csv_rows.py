"""Columns and rows of the CSVs that list what is in the store."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.benchmarks.protocol import Benchmark
from harness.score import flags_of, repeated_tokens
from harness.score.cost import spent
from harness.score.rows import TableRow, by_trial, sent
from harness.store.rows import CallRow, SubmissionRow, TrialRow

SUBMISSION_COLUMNS = (
    "system", "instance_id", "trial", "attempt", "author", "agent", "submission", "outcome",
    "official", "flags", "looks", "unchecked", "reason", "ended", "salvaged", "built_on", "copy_of",
    "selected", "selection_reasons", "answer", "patch_sha256", "patch_files", "lines_added",
    "lines_removed", "grade_seconds", "grade_cached", "created_at",
)  # fmt: skip
INSTANCE_COLUMNS = (
    "system", "instance_id", "repo", "difficulty", "length", "trial", "attempt", "state", "reason",
    "agents", "submissions", "resolved", "official", "flags", "steps", "cost_usd",
    "cost_unsure_usd", "seconds", "sandbox", "image", "audit", "started_at", "finished_at",
)  # fmt: skip
LEDGER_COLUMNS = (
    "call_id", "system", "instance_id", "trial", "attempt", "conversation", "position", "model",
    "outcome", "prompt_tokens", "repeated_tokens", "cached_tokens", "cache_write_tokens",
    "completion_tokens", "reasoning_tokens", "cost_usd", "charged_usd", "reserved_usd", "latency_s",
    "attempts", "error", "prompt_sha256", "paid_call", "started_at",
)  # fmt: skip


def instances(
    trials: Sequence[TrialRow], calls: Sequence[CallRow], submissions: Sequence[SubmissionRow]
) -> list[TableRow]:
    """The rows of `instances.csv`, one for each attempt at a trial."""
    rows: list[TableRow] = []
    calls_of, submissions_of = by_trial(calls), by_trial(submissions)
    for trial in trials:
        mine = calls_of.get(trial["trial_id"], [])
        made = submissions_of.get(trial["trial_id"], [])
        cost = spent(sent(mine))
        rows.append(
            {
                **trial,
                "trial": trial["number"],
                "submissions": len(made),
                "resolved": sum(row["outcome"] == "resolved" for row in made),
                "official": sum(row["official"] == "resolved" for row in made),
                "flags": " ".join(sorted({flag for row in made for flag in flags_of(row)})),
                "steps": len(mine),
                "cost_usd": cost.usd,
                "cost_unsure_usd": cost.unsure_usd,
            }
        )
    return rows


def _json(reasons: Sequence[str] | None) -> str | None:
    return None if reasons is None else json.dumps(reasons)


def submissions(made: Sequence[SubmissionRow], benchmark: Benchmark[Any]) -> list[TableRow]:
    """The rows of `submissions.csv`."""
    return [
        {
            **row,
            "submission": row["submission_id"],
            "reason": row["grade_reason"],
            "flags": " ".join(row["flags"] or ()),
            "looks": "\n".join(row["looks"] or ()),
            "unchecked": " ".join(row["unchecked"] or ()),
            "selection_reasons": _json(row["selection_reasons"]),
            "ended": row["reason"],
            **asdict(benchmark.submission_facts(row)),
        }
        for row in made
    ]


def ledger(calls: Sequence[CallRow]) -> list[TableRow]:
    """The rows of `ledger.csv`."""
    return [{**row, "repeated_tokens": repeated_tokens(row)} for row in calls]
