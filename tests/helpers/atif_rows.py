"""Rows of one trial as an ATIF document is made of them."""

FACTS = {"id": "r", "version": "0.1", "model": "p/m", "dataset": "/home/somebody/rows.jsonl"}

TRIAL = {
    "trial_id": 1, "system": "delm", "instance_id": "a__a-1", "number": 0, "attempt": 1,
    "agents": 2, "state": "done", "reason": "finished",
    "started_at": "2026-01-01T00:00:00.000+00:00",
}  # fmt: skip


def call(position: int, conversation: str = "patch-1", **more):
    """A row of the ledger; `says` and `calls` are what the model answered."""
    reply = {
        "content": more.pop("says", ""),
        "tool_calls": [
            {"id": f"c{position}_{i}", "name": name, "arguments": arguments}
            for i, (name, arguments) in enumerate(more.pop("calls", ()))
        ],
    }
    return {
        "call_id": position, "conversation": conversation, "agent": "agent-1",
        "position": position, "outcome": "ok", "error": "", "attempts": 1, "latency_s": 1.5,
        "prompt_tokens": 100, "completion_tokens": 10, "cached_tokens": 60,
        "cache_write_tokens": 5, "reasoning_tokens": 3, "cost_usd": 0.01,
        "started_at": f"2026-01-01T00:00:{position:02}.000+00:00",
        "ended_at": f"2026-01-01T00:01:{position:02}.000+00:00",
        "reply": reply,
    } | more  # fmt: skip


def answer(*calls: tuple[str, str, str], says: str | None = None):
    message = {"role": "assistant", "content": says}
    if calls:
        message["tool_calls"] = [
            {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}
            for key, name, arguments in calls
        ]
    return message


SPOKEN = {
    "patch-1": [
        {"role": "system", "content": "You are one of two."},
        {"role": "user", "content": "Mend it."},
        answer(("c0_0", "bash", '{"command": "ls"}'), ("c0_1", "bash", "[1]"), says="Look."),
        {"role": "tool", "tool_call_id": "c0_0", "content": "a.py"},
        {"role": "tool", "tool_call_id": "c0_1", "content": "<error>"},
        answer(says="(no answer)"),
        {"role": "user", "content": "Call a tool."},
        answer(("c3_0", "finish", "{not json")),
    ],
    "silent": [],
    "test-1": [{"role": "user", "content": [{"type": "text", "text": "Try it."}]}],
}

CALLS = [
    call(0, says="Look.", calls=[("bash", '{"command": "ls"}'), ("bash", "[1]")]),
    call(1),
    call(2, outcome="failed", reply=None, error="ModelUnavailable: away", cost_usd=0.5),
    call(3, calls=[("finish", "{not json")]),
    call(0, "gist-1", agent="agent-2", says="It says no more."),
]
