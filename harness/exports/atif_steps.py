"""The ATIF steps of one conversation: its messages with the ledger rows of its calls."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.board.vocabulary import CARRIED, NO_ANSWER
from harness.model.response_body import readable_thoughts
from harness.store.rows import CallRow
from harness.types import Message


def conversation_steps(
    messages: Sequence[Message], calls: Sequence[CallRow], sources: Mapping[int, str] | None = None
) -> list[dict[str, Any]]:
    """The steps of one conversation: its messages, each answer with its row of the ledger.

    What a tool said stands in the step of the call that it answers. An answer that left no message
    (a call that failed, or one that a system took for unusable) is a step of its own. An answer
    that was served, and not bought (`paid_call` of store/sqlite/store.sql) asked no model: it has
    no metrics, and `extra.served` names the call that has them. `sources` has the session of each
    call by its id. What an earlier conversation holds is marked as copied context, without metrics.
    """
    steps: list[dict[str, Any]] = []
    waiting: dict[str, list[tuple[dict[str, Any], str]]] = {}  # by id, calls that nothing answered
    left = sorted(calls, key=lambda row: row["position"])
    for message in messages:
        role = message.get("role")
        copied = {"is_copied_context": True} if message.get(CARRIED) else {}
        if role == "assistant" and copied:
            step = _answer(message, None, sources) | copied
            waiting |= _asked(message, step)
            steps.append(step)
        elif role == "assistant":
            at = next((i for i, row in enumerate(left) if answers(row, message)), None)
            steps += [_unsaid(row, sources) for row in left[: at or 0]]
            step = _answer(message, None if at is None else left[at], sources)
            left = left if at is None else left[at + 1 :]
            waiting |= _asked(message, step)
            steps.append(step)
        elif role == "tool" and (asked := waiting.get(message.get("tool_call_id", ""))):
            found, name = asked.pop(0) if len(asked) > 1 else asked[0]
            result = {"source_call_id": name, "content": text_of(message.get("content"))}
            found.setdefault("observation", {"results": []})["results"].append(result)
        else:
            source = "system" if role == "system" else "user"
            steps.append({"source": source, "message": text_of(message.get("content"))} | copied)
    steps += [_unsaid(row, sources) for row in left]
    return [{"step_id": number} | step for number, step in enumerate(steps, start=1)]


def counted(row: Mapping[str, Any]) -> bool:
    """Whether the tokens of a call are known. An answer with 0 tokens was not counted."""
    return row["outcome"] != "ok" or bool(row["prompt_tokens"] or row["completion_tokens"])


def _asked(message: Message, step: dict[str, Any]) -> dict[str, list[tuple[dict[str, Any], str]]]:
    """The step and the id of each tool call, by the id in the messages."""
    found: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for call, made in zip(message.get("tool_calls") or (), step.get("tool_calls", ()), strict=True):
        found.setdefault(call["id"], []).append((step, made["tool_call_id"]))
    return found


def answers(row: CallRow, message: Message) -> bool:
    """Whether `message` is the answer of the call `row`."""
    reply = row["reply"]
    if row["outcome"] != "ok" or not reply:
        return False
    said = message.get("content") or ""
    mine = [call["function"]["name"] for call in message.get("tool_calls") or ()]
    theirs = [call["name"] or "unnamed" for call in reply["tool_calls"]]
    content = reply["content"] or (NO_ANSWER if said == NO_ANSWER else "")
    return bool(said == content and mine == theirs)


def _answer(
    message: Message, row: CallRow | None, sources: Mapping[int, str] | None
) -> dict[str, Any]:
    step: dict[str, Any] = {"source": "agent", "message": text_of(message.get("content"))}
    if calls := message.get("tool_calls"):
        step |= _called(
            (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls
        )
    thoughts = readable_thoughts(message.get("opaque") or {})
    reasoning = thoughts or text_of(message.get("reasoning_content"))
    if row is None:
        return step | ({"reasoning_content": reasoning} if reasoning else {})
    return _stamp(row) | step | _measured(row, sources, reasoning)


def _unsaid(row: CallRow, sources: Mapping[int, str] | None) -> dict[str, Any]:
    reply = row["reply"] or {}
    step: dict[str, Any] = {"source": "agent", "message": reply.get("content") or ""}
    if calls := reply.get("tool_calls"):
        step |= _called(
            (call["id"] or f"call_{row['call_id']}", call["name"] or "unnamed", call["arguments"])
            for call in calls
        )
    return _stamp(row) | step | _measured(row, sources)


def _called(calls: Iterable[tuple[str, str, object]]) -> dict[str, Any]:
    """The tool calls of a step, with unique ids."""
    made: dict[str, dict[str, Any]] = {}
    for key, name, arguments in calls:
        unique, number = key, 2
        while unique in made:
            unique, number = f"{key}#{number}", number + 1
        made[unique] = {
            "tool_call_id": unique,
            "function_name": name,
            "arguments": _arguments(arguments),
        }
    return {"tool_calls": list(made.values())}


def _stamp(row: CallRow) -> dict[str, Any]:
    """The time of the answer, or the time of sending if there is no answer."""
    return {"timestamp": row["ended_at"] or row["started_at"]}


def _measured(
    row: CallRow, sources: Mapping[int, str] | None, reasoning: str = ""
) -> dict[str, Any]:
    """Tokens and cost of every billed attempt, and the other ledger facts of the call."""
    extra = {
        "agent": row["agent"],
        "position": row["position"],
        "outcome": row["outcome"],
        "asked_at": row["started_at"],
        "latency_s": row["latency_s"],
        "attempts": row["attempts"],
        "error": row["error"] or None,
    }
    named = known({"model_name": row.get("model")})
    if (paid := row.get("paid_call")) is not None:  # the format: no model, no metrics or reasoning
        served = known({"call_id": paid, "session_id": (sources or {}).get(paid)})
        extra |= {"served": served, "reasoning_content": reasoning or None}
        return named | {"llm_call_count": 0, "extra": known(extra)}
    tokens = {
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": row["completion_tokens"],
        "cached_tokens": row["cached_tokens"],
    }
    more = {  # called as importers read them: the format has no names for them
        "cache_write_input_tokens": row["cache_write_tokens"],
        "reasoning_output_tokens": row["reasoning_tokens"],
    }
    metrics = known({"cost_usd": row["cost_usd"]})
    if counted(row):
        metrics |= tokens | {"extra": more}
    thought = {"reasoning_content": reasoning} if reasoning else {}
    return named | thought | {"llm_call_count": 1, "metrics": metrics, "extra": known(extra)}


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """The `values` that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _arguments(raw: object) -> dict[str, Any]:
    """The arguments as an object; other values are under `not_json`."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw or "{}")
        except ValueError:
            return {"not_json": raw}
    return raw if isinstance(raw, dict) else {"not_json": json.dumps(raw)}


def text_of(content: object) -> str:
    """The content of a message as text, parts joined by line breaks."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(text_of(part.get("text")) for part in content if isinstance(part, dict))
    return str(content)
