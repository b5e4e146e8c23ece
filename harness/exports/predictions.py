"""Predictions: patches as `swebench eval` takes them, answers as LongBench-v2's scoring does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmarks.questions import MULTI_DOC, NAME
from harness.run import model_name
from harness.store import Row


def prediction_files(
    submissions: Sequence[Row], trials: Sequence[Row], description: Mapping[str, Any]
) -> dict[str, str]:
    """The text of each file by its name; each has one row an instance and one model name.

    `<system>.jsonl` holds the first submission of a system on every instance, `<system>.2.jsonl`
    the second, counted over its trials. Only trials that are done count.
    """
    done = {trial["trial_id"]: trial for trial in trials if trial["state"] == "done"}
    questions = description.get("benchmark") == NAME
    files: dict[str, str] = {}
    seen: dict[int, int] = {}
    for row in submissions:
        trial = done.get(row["trial_id"])
        if trial is None:
            continue
        within = seen[row["trial_id"]] = seen.get(row["trial_id"], -1) + 1
        index = trial["number"] * trial["wanted"] + within
        name = f"{row['system']}.{index + 1}.jsonl" if index else f"{row['system']}.jsonl"
        model = model_name(row["system"], description["model"], index)
        line = (
            answer_line(trial, row)
            if questions
            else prediction_line(row["instance_id"], model, row["patch"])
        )
        files[name] = files.get(name, "") + line
    return files


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
