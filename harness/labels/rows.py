"""Labels as rows: those that stand, counts by system, and `labels.csv`. Pure functions."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.labels.vocabulary import LABELS
from harness.store.rows import Label, LabelRow

COLUMNS = (
    "label_id", "system", "instance_id", "trial", "attempt", "submission", "label", "author",
    "by_model", "confidence", "comment", "evidence", "replaces", "replaced_by", "created_at",
)  # fmt: skip


def standing(labels: Iterable[LabelRow]) -> list[LabelRow]:
    """The labels that no other one has replaced, oldest first."""
    return [row for row in labels if row["replaced_by"] is None]


def by_trial(labels: Iterable[LabelRow]) -> dict[int, list[LabelRow]]:
    """The labels of each trial that has any, by its `trial_id`."""
    found: dict[int, list[LabelRow]] = {}
    for row in labels:
        found.setdefault(row["trial_id"], []).append(row)
    return found


def counts(labels: Iterable[LabelRow], systems: Sequence[str]) -> dict[str, dict[Label, int]]:
    """How many labels of each kind stand for each of `systems`; labels that nobody gave are 0."""
    found = Counter((row["system"], row["label"]) for row in standing(labels))
    return {name: {label: found[name, label] for label in LABELS} for name in systems}


def csv_rows(labels: Iterable[LabelRow]) -> list[Mapping[str, Any]]:
    """The rows of `labels.csv`: `COLUMNS`."""
    return [
        {
            **row,
            "submission": row["submission_id"],
            "evidence": json.dumps(row["evidence"], ensure_ascii=False),
        }
        for row in labels
    ]
