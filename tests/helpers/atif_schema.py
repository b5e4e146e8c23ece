"""The published rules of ATIF 1.7, so strict that what they pass Harbor passes too.

Written from the format's document: fields, types, and what its models check beyond them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0)]
Extra = dict[str, Any]
OF_AGENTS = ("model_name", "reasoning_effort", "reasoning_content", "tool_calls", "metrics")


def _moment(text: str) -> str:
    assert datetime.fromisoformat(text).tzinfo is not None, f"{text} has no time zone"
    return text


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Agent(Part):
    name: str
    version: str
    model_name: str | None = None
    tool_definitions: list[Extra] | None = None
    extra: Extra | None = None


class Metrics(Part):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    cached_tokens: Count | None = None
    cost_usd: float | None = None
    extra: Extra | None = None


class Totals(Part):
    total_prompt_tokens: Count | None = None
    total_completion_tokens: Count | None = None
    total_cached_tokens: Count | None = None
    total_cost_usd: float | None = None
    total_steps: Count | None = None
    extra: Extra | None = None


class ToolCall(Part):
    tool_call_id: str
    function_name: str
    arguments: Extra
    extra: Extra | None = None


class Reference(Part):
    trajectory_id: str
    session_id: str | None = None
    extra: Extra | None = None


class Result(Part):
    source_call_id: str | None = None
    content: str | None = None
    subagent_trajectory_ref: list[Reference] | None = None
    extra: Extra | None = None


class Observation(Part):
    results: list[Result]


class Step(Part):
    step_id: int
    timestamp: Annotated[str, AfterValidator(_moment)] | None = None
    source: Literal["system", "user", "agent"]
    model_name: str | None = None
    message: str
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    observation: Observation | None = None
    metrics: Metrics | None = None
    llm_call_count: Count | None = None
    is_copied_context: bool | None = None
    extra: Extra | None = None

    @model_validator(mode="after")
    def who_may_say_what(self) -> "Step":
        said = self.model_fields_set
        assert self.source == "agent" or not said & {*OF_AGENTS}, "only an agent's step has that"
        if self.llm_call_count == 0:
            assert not said & {"metrics", "reasoning_content"}, "no model was asked"
        asked = {call.tool_call_id for call in self.tool_calls or ()}
        for result in self.observation.results if self.observation else ():
            assert result.source_call_id is None or result.source_call_id in asked
        return self


class Trajectory(Part):
    schema_version: Literal["ATIF-v1.7"]
    session_id: str
    trajectory_id: str
    agent: Agent
    steps: Annotated[list[Step], Field(min_length=1)]
    notes: str | None = None
    final_metrics: Totals | None = None
    extra: Extra | None = None
    subagent_trajectories: Annotated[list["Trajectory"], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def names_are_right(self) -> "Trajectory":
        ids = [step.step_id for step in self.steps]
        assert ids == list(range(1, len(ids) + 1)), "steps count from 1"
        within = [part.trajectory_id for part in self.subagent_trajectories or ()]
        assert len(within) == len(set(within)), "sub-agent trajectories have names of their own"
        for step in self.steps:
            for result in step.observation.results if step.observation else ():
                for to in result.subagent_trajectory_ref or ():
                    assert to.trajectory_id in within, "what is referred to is embedded"
        return self
