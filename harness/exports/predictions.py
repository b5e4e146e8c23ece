"""Predictions as `swebench eval` and `delm grade` take them."""

import json
from collections.abc import Sequence

from harness.run import model_name
from harness.store import Row


def prediction_files(
    submissions: Sequence[Row], trials: Sequence[Row], model: str
) -> dict[str, str]:
    """The text of each file by its name; each has one row an instance and one model name.

    `<system>.jsonl` holds the first submission of a system on every instance, `<system>.2.jsonl`
    the second, counted over its trials. Only trials that are done count.
    """
    done = {trial["trial_id"]: trial for trial in trials if trial["state"] == "done"}
    files: dict[str, str] = {}
    seen: dict[int, int] = {}
    for row in submissions:
        trial = done.get(row["trial_id"])
        if trial is None:
            continue
        within = seen[row["trial_id"]] = seen.get(row["trial_id"], -1) + 1
        index = trial["number"] * trial["wanted"] + within
        name = f"{row['system']}.{index + 1}.jsonl" if index else f"{row['system']}.jsonl"
        line = prediction_line(
            row["instance_id"], model_name(row["system"], model, index), row["patch"]
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
