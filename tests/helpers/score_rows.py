"""Rows of trials, calls and submissions as the store gives them, for tests of the scores."""

from collections.abc import Sequence
from typing import Any

from harness.score import InstanceScore, instance_scores, table
from harness.store.rows import RunRows

START = "2026-01-01T00:00:00.000+00:00"
END = "2026-01-01T00:00:08.000+00:00"


class Rows:
    """Rows as the store gives them, made one trial at a time."""

    def __init__(self) -> None:
        self.trials: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.submissions: list[dict[str, Any]] = []

    def add(
        self,
        instance: str = "a__a-1",
        outcomes: Sequence[str | None] = ("resolved",),
        *,
        system: str = "single",
        number: int = 0,
        attempt: int = 0,
        state: str = "done",
        costs: Sequence[float | None] = (0.25,),
        call_outcome: str = "ok",
        wanted: int = 1,
        agents: int = 1,
        seconds: float | None = 10.0,
        selected: int | None = None,
        prompts: tuple[int, float] = (100, 0.25),
        submits: str = "one",
        repo: str = "a/a",
        difficulty: str = "",
        length: str = "",
        agent: str = "agent-1",
        built_on: str = "",
        copy_of: str = "",
    ) -> "Rows":
        key = len(self.trials)
        common = {"trial_id": key, "system": system, "instance_id": instance, "attempt": attempt}
        self.trials.append(
            common
            | {"number": number, "agents": agents, "wanted": wanted, "state": state,
               "seconds": seconds, "submits": submits, "repo": repo, "difficulty": difficulty,
               "length": length,
               "started_at": None if state == "waiting" else START}
        )  # fmt: skip
        said = {"agent": agent, "outcome": call_outcome, "prompt_tokens": prompts[0],
                "repeated": prompts[1], "cached_tokens": 0, "cache_write_tokens": 0,
                "completion_tokens": 5, "reasoning_tokens": 0, "attempts": 1}  # fmt: skip
        self.calls += [common | said | {"cost_usd": cost} for cost in costs]
        self.submissions += [
            common
            | {"outcome": outcome, "selected": index == selected, "created_at": END,
               "built_on": built_on, "copy_of": copy_of,
               "official": outcome, "flags": [], "report": {},
               "author": f"agent-{index + 1}"}
            for index, outcome in enumerate(outcomes)
        ]  # fmt: skip
        return self

    def table(self) -> list[dict[str, Any]]:
        return [dict(row) for row in table(self.rows(), self.scores())]

    def rows(self) -> RunRows:
        return RunRows(facts={}, trials=self.trials, calls=self.calls,
                       submissions=self.submissions, spans=[])  # fmt: skip

    def scores(self) -> list[InstanceScore]:
        return instance_scores(self.trials, self.calls, self.submissions)

    def row(self) -> dict[str, Any]:
        (row,) = self.table()
        return row
