"""The ablation floor is the baseline: `delm` without sharing, checks and queue is `independent`.

Same instance, same script, same budget, over real HTTP and in real sandboxes. The script answers
whoever asks by who asked first, whatever the prompt says.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from console import DATASET, FINISH, FLASK, SOLVE, bash, bundled, delm_here, query
from scripted_model import ScriptedModel, Status

pytestmark = pytest.mark.slow(seconds=8)

SYSTEMS = ("independent", "delm-floor")
LOOK = bash("git status --short")
WRONG = bash("echo '# a comment' >> src/flask/blueprints.py")
MORE = bash("echo '# more of it' >> src/flask/blueprints.py")


@pytest.fixture(scope="module", autouse=True)
def _flask() -> None:
    bundled(FLASK)


class ByArrival:
    """The first that asks is told by the first plan, the second by the second, turn by turn.

    The last turn of a plan answers all the rest. Who somebody is, is told by its first answer.
    """

    def __init__(self, plans: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        self.plans = plans
        self.arrived = 0
        self.lock = threading.Lock()

    def __call__(self, request: Mapping[str, Any], n: int) -> Any:
        said = [m for m in request["messages"] if m["role"] == "assistant"]
        if said:
            number = int(said[0]["content"].removeprefix("I am number "))
        else:
            with self.lock:
                number, self.arrived = self.arrived, self.arrived + 1
        if number >= len(self.plans):
            return Status(400, "nobody begins anew")
        plan = self.plans[number]
        answer = dict(plan[min(len(said), len(plan) - 1)])
        return answer if said else answer | {"content": f"I am number {number}"}


def outcomes(folder: Path, system: str, plans: Sequence[Any], *words: str) -> list[dict[str, Any]]:
    """What the submissions of a trial of two agents came to, by patch; and how much they asked."""
    script = ByArrival(plans)
    with ScriptedModel(script) as server:
        told = delm_here(
            *("eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", system, "-n", "2"),
            *("--yes", "--run-id", system, "-o", folder, *words),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
        )
        assert told.code == 0, told.text
        assert script.arrived == 2
    return query(
        folder / system,
        """SELECT patch, outcome, submission.reason, salvaged,
            (SELECT count(*) FROM call WHERE call.trial_id = submission.trial_id
                AND call.agent = submission.agent) AS steps
        FROM submission LEFT JOIN grade USING (submission_id) ORDER BY patch""",
    )


@pytest.mark.parametrize(
    ("plans", "words", "expected"),
    [
        (
            [[LOOK, SOLVE, FINISH], [LOOK, WRONG, FINISH]],
            (),
            [("unresolved", "finished", 0), ("resolved", "finished", 0)],
        ),
        (
            [[SOLVE, LOOK], [WRONG, MORE, LOOK]],
            ("-c", "budget.steps=4"),
            [("unresolved", "agent_steps", 1), ("resolved", "agent_steps", 1)],
        ),
        (
            [[SOLVE, FINISH], [WRONG, LOOK]],
            ("-c", "budget.steps=7"),
            [("unresolved", "agent_steps", 1), ("resolved", "finished", 0)],
        ),
        (
            [[{"content": "", "tool_calls": SOLVE["tool_calls"]}, {"content": "well"}],
             [WRONG, LOOK]],
            ("-c", "budget.steps=9"),
            [("unresolved", "agent_steps", 1), ("resolved", "no_tool_calls", 1)],
        ),
    ],
    ids=["both finish", "the limit cuts both", "the limit cuts one", "one falls silent"],
)  # fmt: skip
def test_the_floor_of_delm_comes_to_what_independent_comes_to(tmp_path, plans, words, expected):
    made = {system: outcomes(tmp_path, system, plans, *words) for system in SYSTEMS}
    for system, rows in made.items():
        told = sorted((row["outcome"], row["reason"], row["salvaged"]) for row in rows)
        assert told == sorted(expected), system
    assert made["delm-floor"] == made["independent"]
