"""A trial as the spans of one trace. Pure functions over rows of the store.

    trial                  invoke_workflow SYSTEM, with an event for each grade
      agent                invoke_agent AGENT, from its first activity to its last
        model call         chat MODEL
        command            execute_tool TOOL
        other activity     the check of a finding, or what it waited for

Trace and span ids are hashes of what a span is about: who exports a trial again, or a trial that
another process has exported, sends the same spans. Nothing that a model, a command or a person
wrote is in a span, unless `content` is asked for.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from harness.analysis.tool_times import tools_of
from harness.exports import otel_names as names
from harness.exports.atif_steps import counted
from harness.exports.otel_content import Content, SaidInTrial
from harness.model.provider_keys import provider_of
from harness.score import flags_of
from harness.store.rows import CallRow, RunRows, SpanRow, TrialRow
from harness.types import Activity

Value = str | int | float | bool | Sequence[str]
_WAITS = {
    Activity.ADMISSION: "check of a finding",
    Activity.PEER: "wait for another agent",
    Activity.BARRIER: "wait for all others",
    Activity.MAIN: "wait for the main agent",
    Activity.TURN: "wait for the recorded turn",
    Activity.PAUSED: "wait until the run is resumed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at one moment of a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span of a trace. `parent` 0: it is the root; `error`: it failed."""

    trace: int
    number: int
    parent: int
    name: str
    kind: Literal["internal", "client"]
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    events: Sequence[Event] = ()
    error: bool = False


def trial_spans(rows: RunRows, trial: TrialRow, content: Content | None = None) -> list[Span]:
    """The spans of `trial`, the root first; none if it never started.

    `rows` may hold other trials, too. With `content`, calls and commands say what was said.
    """
    if trial["started_at"] is None:
        return []
    return _Trace(rows, trial, content).spans()


class _Trace:
    def __init__(self, rows: RunRows, trial: TrialRow, content: Content | None) -> None:
        key = trial["trial_id"]
        self._run = str(rows.facts.get("id", ""))
        self._trial = trial
        self._calls = [row for row in rows.calls if row["trial_id"] == key]
        self._activities = [row for row in rows.spans if row["trial_id"] == key]
        self._submissions = [row for row in rows.submissions if row["trial_id"] == key]
        self._said = SaidInTrial(content, self._calls) if content else None
        place = f"{trial['system']}/{trial['instance_id']}/{trial['number']}.{trial['attempt']}"
        self._session = f"{self._run}/{place}"
        self._seed = f"{rows.facts.get('created_at', '')}/{self._session}"
        self._trace = _number(self._seed, 16)
        self._start = _nanoseconds(trial["started_at"] or "")
        ends = [_end(row) for row in self._activities]
        ends += [_nanoseconds(row["ended_at"] or row["started_at"]) for row in self._calls]
        done = trial["finished_at"]
        self._end = _nanoseconds(done) if done else max([self._start, *ends])

    def spans(self) -> list[Span]:
        """See `trial_spans`."""
        found = [self._root()]
        for agent in dict.fromkeys(row["agent"] for row in [*self._calls, *self._activities]):
            calls = [row for row in self._calls if row["agent"] == agent]
            activities = [row for row in self._activities if row["agent"] == agent]
            parent = found[0].number
            if agent:  # a call on nobody's behalf is the trial's own
                found.append(self._agent(agent, calls, activities))
                parent = found[-1].number
            found += [self._call(row, parent) for row in calls]
            tools = tools_of(calls, activities)
            found += [self._activity(row, parent, tools.get(row["span_id"])) for row in activities]
        return found

    def _span(self, key: str, parent: int, name: str, start: int, end: int, **more: Any) -> Span:
        more.setdefault("kind", "internal")
        return Span(trace=self._trace, number=_number(f"{self._seed}/{key}", 8), parent=parent,
                    name=name, start_ns=start, end_ns=max(start, end), **more)  # fmt: skip

    def _root(self) -> Span:
        trial = self._trial
        failed = trial["state"] in {"failed", "error"}
        attributes: dict[str, Value] = {
            names.OPERATION: names.WORKFLOW,
            names.WORKFLOW_NAME: trial["system"],
            names.RUN: self._run,
            names.INSTANCE: trial["instance_id"],
            names.TRIAL: trial["number"],
            names.ATTEMPT: trial["attempt"],
            names.AGENTS: trial["agents"],
            names.STATE: trial["state"],
            # behind a colon stands what a command or a provider said
            names.REASON: trial["reason"].partition(":")[0],
        }
        if failed:
            attributes[names.ERROR_TYPE] = trial["state"]
        return self._span(
            "trial", 0, f"{names.WORKFLOW} {trial['system']}", self._start, self._end,
            attributes=attributes, events=list(self._grades()), error=failed,
        )  # fmt: skip

    def _grades(self) -> Iterator[Event]:
        for row in self._submissions:
            if row["outcome"] is None:
                continue
            attributes: dict[str, Value] = {
                names.GRADE_NAME: "resolved",
                names.GRADE_LABEL: row["outcome"],
                names.AUTHOR: row["author"],
                names.SELECTED: bool(row["selected"]),
                names.SALVAGED: bool(row["salvaged"]),
            }
            if row["outcome"] != "error":
                attributes[names.GRADE_VALUE] = 1.0 if row["outcome"] == "resolved" else 0.0
            if flags := flags_of(row):
                attributes[names.FLAGS] = list(flags)
            yield Event(name=names.GRADE, at_ns=self._end, attributes=attributes)

    def _agent(self, agent: str, calls: Sequence[CallRow], activities: Sequence[SpanRow]) -> Span:
        starts = [_nanoseconds(row["started_at"]) for row in [*calls, *activities]]
        ends = [self._ended(row) for row in calls] + [_end(row) for row in activities]
        attributes = {
            names.OPERATION: names.INVOKE_AGENT,
            names.AGENT_NAME: agent,
            names.AGENT_ID: f"{self._session}/{agent}",
        }
        return self._span(
            f"agent/{agent}", _number(f"{self._seed}/trial", 8), f"{names.INVOKE_AGENT} {agent}",
            min(starts), max(ends), attributes=attributes,
        )  # fmt: skip

    def _ended(self, row: CallRow) -> int:
        """When a call ended; one that never did, with its trial."""
        return _nanoseconds(row["ended_at"]) if row["ended_at"] else self._end

    def _call(self, row: CallRow, parent: int) -> Span:
        attributes: dict[str, Value] = {
            names.OPERATION: names.CHAT,
            names.MODEL: row["model"],
            names.CONVERSATION: f"{self._session}/{row['conversation']}",
            names.POSITION: row["position"],
            names.OUTCOME: row["outcome"],
            names.ATTEMPTS_SENT: row["attempts"],
        }
        if provider := provider_of(row["model"]):
            attributes[names.PROVIDER] = names.PROVIDERS.get(provider, provider)
        if row["agent"]:
            attributes[names.AGENT_NAME] = row["agent"]
        if row["reply"] and row["reply"].get("finish_reason"):
            attributes[names.FINISH_REASONS] = [str(row["reply"]["finish_reason"])]
        if row["paid_call"] is not None:
            attributes[names.SERVED_BY] = row["paid_call"]
        else:
            attributes |= _usage(row)
        if failed := row["outcome"] != "ok":
            attributes[names.ERROR_TYPE] = row["error"].partition(":")[0] or row["outcome"]
        if self._said:
            attributes |= self._said.call(row)
        return self._span(
            f"call/{row['call_id']}", parent, f"{names.CHAT} {row['model']}",
            _nanoseconds(row["started_at"]), self._ended(row), kind="client",
            attributes=attributes, error=failed,
        )  # fmt: skip

    def _activity(self, row: SpanRow, parent: int, tool: tuple[CallRow, int] | None) -> Span:
        attributes: dict[str, Value] = {names.ACTIVITY: row["what"], names.AGENT_NAME: row["agent"]}
        name = _WAITS.get(row["what"], row["what"])
        if row["what"] == Activity.COMMAND:
            called = (tool[0]["reply"] or {})["tool_calls"][tool[1]] if tool else {}
            called_name = str(called.get("name") or "command")
            name = f"{names.EXECUTE_TOOL} {called_name}"
            attributes |= {
                names.OPERATION: names.EXECUTE_TOOL,
                names.TOOL_NAME: called_name,
                names.TOOL_TYPE: "function",
            }
            if called.get("id"):
                attributes[names.TOOL_CALL_ID] = str(called["id"])
            if self._said and tool:
                attributes |= self._said.tool(*tool)
        return self._span(
            f"activity/{row['span_id']}", parent, name, _nanoseconds(row["started_at"]), _end(row),
            attributes=attributes,
        )  # fmt: skip


def _usage(row: CallRow) -> dict[str, Value]:
    """Tokens and dollars of a call that was sent; what is not known is left out."""
    found: dict[str, Value] = {}
    if counted(row):
        found |= {
            names.INPUT_TOKENS: row["prompt_tokens"],
            names.OUTPUT_TOKENS: row["completion_tokens"],
            names.CACHE_READ_TOKENS: row["cached_tokens"],
            names.CACHE_WRITE_TOKENS: row["cache_write_tokens"],
            names.REASONING_TOKENS: row["reasoning_tokens"],
        }
    if row["cost_usd"] is not None:
        found[names.COST_USD] = row["cost_usd"]
    return found


def _end(row: SpanRow) -> int:
    return _nanoseconds(row["started_at"]) + round(row["seconds"] * 1e9)


def _nanoseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1e3) * 1_000_000


def _number(text: str, size: int) -> int:
    """A number of `size` bytes that is never 0."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size]) or 1
