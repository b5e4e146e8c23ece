"""Export predictions: submissions in the form that the benchmark's own scoring reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmarks.registry import of_run
from harness.score.rows import by_trial
from harness.score.submission_rank import in_order, model_name
from harness.store.rows import SubmissionRow, TrialRow


def prediction_files(
    submissions: Sequence[SubmissionRow], trials: Sequence[TrialRow], description: Mapping[str, Any]
) -> dict[str, str]:
    """The text of each file by its name; each has one row an instance and one model name.

    `<system>.jsonl` holds of every instance what the first trial of a system ships, where it ships
    anything, `<system>.2.jsonl` the next of its submissions, and so on over its trials, as
    `in_order` ranks those of one. Only trials that are done count.
    """
    made = by_trial(submissions)
    benchmark = of_run(description)
    files: dict[str, list[str]] = {}
    for trial in trials:
        mine = made.get(trial["trial_id"], []) if trial["state"] == "done" else []
        for within, row in enumerate(in_order(mine)):
            index = trial["number"] * trial["wanted"] + within
            name = f"{row['system']}.{index + 1}.jsonl" if index else f"{row['system']}.jsonl"
            model = model_name(row["system"], description["model"], index)
            line = benchmark.prediction_line(trial, row, model)
            files.setdefault(name, []).append(line)
    return {name: "".join(lines) for name, lines in files.items()}
