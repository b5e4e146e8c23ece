"""Predictions: patches as `swebench eval` takes them, answers as LongBench-v2's scoring does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmarks.longbench.questions import MULTI_DOC, NAME
from harness.runner.run import model_name
from harness.score.submission_rank import in_order
from harness.store.sqlite import Row


def prediction_files(
    submissions: Sequence[Row], trials: Sequence[Row], description: Mapping[str, Any]
) -> dict[str, str]:
    """The text of each file by its name; each has one row an instance and one model name.

    `<system>.jsonl` holds of every instance what the first trial of a system ships, where it ships
    anything, `<system>.2.jsonl` the next of its submissions, and so on over its trials, as
    `in_order` ranks those of one. Only trials that are done count.
    """
    made: dict[int, list[Row]] = {}
    for row in submissions:
        made.setdefault(row["trial_id"], []).append(row)
    questions = description.get("benchmark") == NAME
    files: dict[str, list[str]] = {}
    for trial in trials:
        mine = made.get(trial["trial_id"], []) if trial["state"] == "done" else []
        for within, row in enumerate(in_order(mine)):
            index = trial["number"] * trial["wanted"] + within
            name = f"{row['system']}.{index + 1}.jsonl" if index else f"{row['system']}.jsonl"
            model = model_name(row["system"], description["model"], index)
            line = (
                answer_line(trial, row)
                if questions
                else prediction_line(row["instance_id"], model, row["patch"])
            )
            files.setdefault(name, []).append(line)
    return {name: "".join(lines) for name, lines in files.items()}


def prediction_line(instance_id: str, model: str, patch: str) -> str:
    """One prediction as a line of JSON."""
    prediction = {
        "instance_id": instance_id,
        "model_name_or_path": model,
        "model_patch": patch,
    }
    return json.dumps(prediction) + "\n"


def answer_line(trial: Row, submission: Row) -> str:
    """One answer as a line of JSON, with the fields that LongBench-v2's own scoring reads.

    `pred` is the letter, null where none was given; `judge` whether it is right.
    """
    answer = {
        "_id": trial["instance_id"],
        "domain": MULTI_DOC,
        "sub_domain": trial["repo"],
        "difficulty": trial["difficulty"],
        "length": trial["length"],
        "answer": json.loads(submission["report"]).get("right"),
        "pred": submission["patch"] or None,
        "judge": submission["outcome"] == "resolved",
    }
    return json.dumps(answer) + "\n"
