"""The limits of what agents write on the board: forms and lengths, in characters."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from harness.board.protocols import BoardRefused, NewTask, Proposal
from harness.board.vocabulary import TASK_KIND, TASK_LABEL

MOST_TEXT = 20_000  # characters of a task's text, a reason
MOST_RESULT = 150_000_000
"""Characters of a task's result in JSON, against floods: above the largest patch of a sandbox, 20
million bytes, where each takes six (`\\u0001`)."""
MOST_PROPOSAL = 4_000_000
"""Characters of a proposal with its evidence in JSON, against floods. It is above all that findings
are bound to, `harness.board.evidence`, where each character takes six (`\\u0001`)."""
MOST_RAW = 200_000  # characters of what a check saw
MOST_NAME = 200  # characters of a name, label or key
MOST_PRIORITY = 1_000_000
MOST_EXCLUDED = 1_000  # agents of one task


def check_task(task: NewTask) -> None:
    """Raise `BoardRefused` if a field of `task` has a wrong form or is too long."""
    if not TASK_KIND.fullmatch(task.kind):
        raise BoardRefused(f"a kind is a-z, 0-9 and -, at most 48 of them, not {_shown(task.kind)}")
    if task.label and not TASK_LABEL.fullmatch(task.label):
        raise BoardRefused(
            f"a label is a-z, 0-9 and -, at most 64 of them, not {_shown(task.label)}"
        )
    if abs(task.priority) > MOST_PRIORITY:
        raise BoardRefused(f"a priority is at most {MOST_PRIORITY}")
    check_length("a task's text", task.text, MOST_TEXT)
    for what in ("preferred", "subject"):
        check_length(what, getattr(task, what), MOST_NAME)
    if len(task.excluded) > MOST_EXCLUDED:
        raise BoardRefused(f"a task excludes at most {MOST_EXCLUDED} agents")
    for agent in task.excluded:
        check_agent(agent)


def check_proposal(proposal: Proposal, evidence: str) -> None:
    """Raise `BoardRefused` if a text of `proposal` is too long. `evidence` is its JSON."""
    check_length("a proposal", proposal.gist + proposal.summary + evidence, MOST_PROPOSAL)
    for what in ("author", "task", "refutes"):
        check_length(what, getattr(proposal, what), MOST_NAME)


def check_agent(agent: str) -> None:
    """Raise `BoardRefused` if an agent's name is empty or too long."""
    if not agent:
        raise BoardRefused("an agent has a name")
    check_length("an agent's name", agent, MOST_NAME)


def check_length(what: str, text: str, most: int) -> None:
    """Raise `BoardRefused` if `text` has more than `most` characters. `what` names the text."""
    if len(text) > most:
        raise BoardRefused(f"{what} has at most {most:,} characters, this one {len(text):,}")


def result_in_json(result: Mapping[str, Any]) -> str:
    """A task's result as JSON text. Raises `BoardRefused` if it is longer than `MOST_RESULT`."""
    text = json.dumps(result)
    check_length("a result in JSON", text, MOST_RESULT)
    return text


def task_key(task: NewTask) -> str:
    """The key by which an equal task is recognized: its `key`, else its `label`, else a hash of its
    kind, subject and text."""
    if task.key or task.label:
        return short_key(task.key or task.label)
    said = json.dumps([task.kind, task.subject, task.text])
    return hashlib.sha256(said.encode()).hexdigest()


def short_key(key: str) -> str:
    """`key`, or its SHA-256 in hexadecimal if it has more than `MOST_NAME` characters."""
    if len(key) <= MOST_NAME:
        return key
    return hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest()


def cut(text: str, most: int) -> str:
    """The first `most` characters of `text`, then a note of how many more there were, if any."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n[{len(text) - most:,} more characters were cut]"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
