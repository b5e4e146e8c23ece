"""Trials in the Agent Trajectory Interchange Format 1.7 (ATIF), which Harbor reads.

One document a trial. Its root has no model: it is the control flow that opened the conversations,
which are its sub-agent trajectories. What is not known is left out, as the format wants it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.benchmarks.rows import public_name
from harness.spending import spent
from harness.store import Row
from harness.types import Message

VERSION = "ATIF-v1.7"
NO_ANSWER = "(no answer)"  # what `agents.loop` says for an answer without text and calls


def trial_document(
    trial: Row,
    spoken: Mapping[str, Sequence[Message]],
    calls: Sequence[Row],
    submissions: Sequence[Row],
    description: Mapping[str, Any],
) -> dict[str, Any]:
    """The document of one trial; `calls` and `submissions` are those of the trial.

    Every row of the ledger is a step of the agent, failed ones too, so that the metrics of the
    steps add up to the totals. A total is left out as soon as one of its parts is unknown.
    """
    agent = {
        "name": trial["system"],
        "version": description["version"],
        "model_name": description["model"],
    }
    session = (
        f"{description['id']}/{trial['system']}/{trial['instance_id']}/"
        f"{trial['number']}.{trial['attempt']}"
    )
    parts = []
    for conversation in _conversations(spoken, calls):
        mine = [row for row in calls if row["conversation"] == conversation]
        steps = conversation_steps(spoken.get(conversation, ()), mine)
        who = sorted({row["agent"] for row in mine}) or [conversation]
        parts.append(
            {
                "schema_version": VERSION,
                "session_id": session,
                "trajectory_id": f"{session}/{conversation}",
                "agent": agent | {"extra": {"conversation": conversation, "agents": who}},
                "steps": steps,
                "final_metrics": _totals(mine, len(steps)),
            }
        )
    root = _root_steps(trial, parts)
    document = {
        "schema_version": VERSION,
        "session_id": session,
        "trajectory_id": session,
        "agent": agent,
        "steps": root,
        "notes": "The root opens the conversations; they are its sub-agent trajectories. Its "
        "totals are sums over them, total_steps its own.",
        "final_metrics": _totals(calls, len(root)),
        "extra": _facts(trial, submissions, description),
    }
    return document | ({"subagent_trajectories": parts} if parts else {})


def conversation_steps(messages: Sequence[Message], calls: Sequence[Row]) -> list[dict[str, Any]]:
    """The steps of one conversation: its messages, each answer with its row of the ledger.

    What a tool said stands in the step of the call that it answers. An answer that left no message
    (a call that failed, or one that a system took for unusable) is a step of its own.
    """
    steps: list[dict[str, Any]] = []
    asked: dict[str, dict[str, Any]] = {}  # the latest step of each tool call
    left = sorted(calls, key=lambda row: row["position"])
    for message in messages:
        role = message.get("role")
        if role == "assistant":
            at = next((i for i, row in enumerate(left) if _says(row, message)), None)
            steps += [_unsaid(row) for row in left[: at or 0]]
            step = _answer(message, None if at is None else left[at])
            left = left if at is None else left[at + 1 :]
            asked |= {call["tool_call_id"]: step for call in step.get("tool_calls", ())}
            steps.append(step)
        elif role == "tool" and (found := asked.get(message.get("tool_call_id", ""))):
            result = {
                "source_call_id": message["tool_call_id"],
                "content": _text(message.get("content")),
            }
            found.setdefault("observation", {"results": []})["results"].append(result)
        else:
            source = "system" if role == "system" else "user"
            steps.append({"source": source, "message": _text(message.get("content"))})
    steps += [_unsaid(row) for row in left]
    return [{"step_id": number} | step for number, step in enumerate(steps, start=1)]


def _conversations(spoken: Mapping[str, Any], calls: Sequence[Row]) -> list[str]:
    """Every conversation that has a step, in the order in which they began."""
    found = [name for name, messages in spoken.items() if messages]
    return list(dict.fromkeys([*found, *(row["conversation"] for row in calls)]))


def _says(row: Row, message: Message) -> bool:
    """Whether `message` is the answer of the call `row`."""
    if row["outcome"] != "ok" or not row["reply"]:
        return False
    reply = json.loads(row["reply"])
    said = message.get("content") or ""
    mine = [call["function"]["name"] for call in message.get("tool_calls") or ()]
    theirs = [call["name"] or "unnamed" for call in reply["tool_calls"]]
    content = reply["content"] or (NO_ANSWER if said == NO_ANSWER else "")
    return bool(said == content and mine == theirs)


def _answer(message: Message, row: Row | None) -> dict[str, Any]:
    step: dict[str, Any] = {"source": "agent", "message": _text(message.get("content"))}
    if reasoning := message.get("reasoning_content"):
        step["reasoning_content"] = _text(reasoning)
    if calls := message.get("tool_calls"):
        step["tool_calls"] = [
            {
                "tool_call_id": call["id"],
                "function_name": call["function"]["name"],
                "arguments": _arguments(call["function"]["arguments"]),
            }
            for call in calls
        ]
    return step if row is None else _stamp(row) | step | _measured(row)


def _unsaid(row: Row) -> dict[str, Any]:
    reply = json.loads(row["reply"]) if row["reply"] else {}
    step: dict[str, Any] = {"source": "agent", "message": reply.get("content") or ""}
    if calls := reply.get("tool_calls"):
        step["tool_calls"] = [
            {
                "tool_call_id": call["id"] or f"call_{row['call_id']}_{index}",
                "function_name": call["name"] or "unnamed",
                "arguments": _arguments(call["arguments"]),
            }
            for index, call in enumerate(calls)
        ]
    return _stamp(row) | step | _measured(row)


def _stamp(row: Row) -> dict[str, Any]:
    """When the answer was there; of a call that has no end, when it was sent."""
    return {"timestamp": row["ended_at"] or row["started_at"]}


def _measured(row: Row) -> dict[str, Any]:
    """Tokens and dollars of every billed attempt, and what else the ledger says of the call."""
    metrics = {
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": row["completion_tokens"],
        "cached_tokens": row["cached_tokens"],
        "cost_usd": row["cost_usd"],
        "extra": {
            "cache_write_tokens": row["cache_write_tokens"],
            "reasoning_tokens": row["reasoning_tokens"],
        },
    }
    extra = {
        "agent": row["agent"],
        "position": row["position"],
        "outcome": row["outcome"],
        "asked_at": row["started_at"],
        "latency_s": row["latency_s"],
        "attempts": row["attempts"],
        "error": row["error"] or None,
    }
    return {"llm_call_count": 1, "metrics": _known(metrics), "extra": _known(extra)}


def _totals(calls: Sequence[Row], steps: int) -> dict[str, Any]:
    cost = spent(calls)
    totals = {
        "total_prompt_tokens": sum(row["prompt_tokens"] for row in calls),
        "total_completion_tokens": sum(row["completion_tokens"] for row in calls),
        "total_cached_tokens": sum(row["cached_tokens"] for row in calls),
        "total_cost_usd": cost.usd,
        "total_steps": steps,
        "extra": _known({"calls": len(calls), "cost_unsure_usd": cost.unsure_usd or None}),
    }
    return _known(totals)


def _root_steps(trial: Row, parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {
            "source": "system",
            "message": f"{trial['system']} on {trial['instance_id']}, trial "
            f"#{trial['number'] + 1}, agents: {trial['agents']}.",
        }
    ]
    if trial["started_at"]:
        steps[0]["timestamp"] = trial["started_at"]
    if parts:
        steps.append(
            {
                "source": "agent",
                "message": "Conversations, in the order in which they began.",
                "llm_call_count": 0,
                "observation": {"results": list(_references(parts))},
            }
        )
    return [{"step_id": number} | step for number, step in enumerate(steps, start=1)]


def _references(parts: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for part in parts:
        yield {
            "content": part["agent"]["extra"]["conversation"],
            "subagent_trajectory_ref": [
                {"trajectory_id": part["trajectory_id"], "session_id": part["session_id"]}
            ],
        }


def _facts(
    trial: Row, submissions: Sequence[Row], description: Mapping[str, Any]
) -> dict[str, Any]:
    made = [
        {
            "author": row["author"],
            "agent": row["agent"],
            "ended": row["reason"],
            "salvaged": bool(row["salvaged"]),
            "selected": bool(row["selected"]),
            "outcome": row["outcome"],
            "patch": row["patch"],
        }
        for row in submissions
    ]
    facts = {name: trial[name] for name in ("instance_id", "system", "attempt", "agents", "state")}
    return facts | {
        "run": description["id"],
        "dataset": public_name(description["dataset"]),
        "trial": trial["number"],
        "reason": trial["reason"],
        "replay": bool(description.get("replay")),
        "packages": description.get("packages", {}),
        "submissions": made,
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _arguments(raw: object) -> dict[str, Any]:
    """The arguments as an object; what is none stands under `not_json`."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw or "{}")
        except ValueError:
            return {"not_json": raw}
    return raw if isinstance(raw, dict) else {"not_json": json.dumps(raw)}


def _text(content: object) -> str:
    """A message's content as text; parts are put one below the other."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return str(content)
