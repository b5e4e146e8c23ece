"""What kind of work each call of a trial was part of. Pure functions over rows."""

import re
from collections.abc import Sequence
from datetime import datetime

from harness.board.records import EventRow, TaskRow
from harness.board.vocabulary import EventKind, task_of
from harness.store.rows import CallRow

STAMP_S = 0.001  # how exactly the ledger says when a call began
_NUMBER = re.compile(r"(?:-[0-9a-f]{12})?-\d+$")  # behind the name of a conversation


def kinds_of(
    calls: Sequence[CallRow], tasks: Sequence[TaskRow], events: Sequence[EventRow]
) -> dict[int, str]:
    """The kind of work of each call, by `call_id`.

    That is the kind of the task that the conversation is about; where it is about none, the name
    of the conversation without its number (`agent`, `main`, `sub`, `gist check`). A task that has
    no conversation of its own belongs to the one in which its holder was when it claimed the task.
    """
    kinds = {task["label"]: task["kind"] for task in tasks}
    own = {task_of(call["conversation"]) for call in calls}
    claims = [
        (event["at"], event["actor"], event["subject"])
        for event in events
        if event["what"] == EventKind.CLAIMED
    ]
    found: dict[int, str] = {}
    for call in calls:
        label = task_of(call["conversation"])
        carried = _carried(call, label, claims, own) if label in kinds else label
        found[call["call_id"]] = kinds.get(carried) or _plain(carried)
    return found


def _carried(
    call: CallRow, label: str, claims: Sequence[tuple[float, str, str]], own: set[str]
) -> str:
    """The task that the speaker of a call claimed last in this conversation, or `label`."""
    began = datetime.fromisoformat(call["started_at"]).timestamp() + STAMP_S
    mine = [(at, task) for at, actor, task in claims if actor == call["agent"] and at <= began]
    since = max((at for at, task in mine if task == label), default=float("inf"))
    later = [(at, task) for at, task in mine if at > since and task not in own]
    return max(later)[1] if later else label


def _plain(label: str) -> str:
    return _NUMBER.sub("", label).replace("-", " ")
