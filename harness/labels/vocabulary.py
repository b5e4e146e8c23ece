"""The labels of a trial, in the order in which they are listed, and what each means."""

from collections.abc import Mapping
from typing import get_args

from harness.store.rows import Label

LABELS: tuple[Label, ...] = get_args(Label)
MEANINGS: Mapping[Label, str] = {
    "legitimate": "the outcome is right, and was reached by solving the task",
    "cheated": "it passes, or tries to pass, without solving the task",
    "agent's fault": "the task was fair and the agents did not solve it",
    "unfair task": "what the tests ask for cannot be known from what the agents were shown",
    "broken verifier": "the grading is wrong: it refuses what is right, or passes what is wrong",
    "environment": "the sandbox, the model's endpoint or another part of the machinery failed",
    "incomplete": "the work was cut off at a limit before it came to its end",
    "unclear": "it cannot be told from what there is",
}
EXCUSES: frozenset[Label] = frozenset(
    {"legitimate", "unfair task", "broken verifier", "environment"}
)
"""Labels in favour of the agents: a model gives one only with evidence that no agent has written
(`harness.labels.places`)."""
