"""Trajectories in mini-swe-agent's form (`mini-swe-agent-1.1`), which its inspector opens."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.score.cost import spent
from harness.store.rows import CallRow, SubmissionRow, TrialRow
from harness.types import Message


def trajectory_files(
    trial: TrialRow,
    spoken: Mapping[str, Sequence[Message]],
    calls: Sequence[CallRow],
    submissions: Sequence[SubmissionRow],
    description: Mapping[str, Any],
) -> dict[str, str]:
    """One file per conversation of `trial`, by path below `trajectories/`.

    `calls` and `submissions` are those of the trial.
    """
    made = {row["author"]: row for row in submissions}
    files = {}
    for conversation, messages in spoken.items():
        mine = [row for row in calls if row["conversation"] == conversation]
        submission = made.get(conversation)
        content = {
            "info": {
                "exit_status": trial["reason"],
                "submission": submission["patch"] if submission else "",
                "model_stats": {
                    "instance_cost": spent(mine).usd,
                    "api_calls": len(mine),
                },
                "config": {"model": {"model_name": description["model"]}},
            },
            "instance_id": trial["instance_id"],
            "messages": [_message(message) for message in messages],
            "trajectory_format": "mini-swe-agent-1.1",
        }
        name = f"{trial['number']}.{trial['attempt']}.{conversation}.traj.json"
        files[f"{trial['system']}/{trial['instance_id']}/{name}"] = json.dumps(content, indent=1)
    return files


def _message(message: Message) -> Message:
    """The message in that package's form: fields outside the chat format go under `extra`."""
    if "opaque" not in message:
        return message
    said = {name: value for name, value in message.items() if name != "opaque"}
    return said | {"extra": {"opaque": message["opaque"]}}
