"""Trials in the Agent Trajectory Interchange Format 1.7 (ATIF), which Harbor and others read.

A trial of one conversation is that conversation. Of any other the root has no model: it is the
control flow that opened the conversations, which are its sub-agent trajectories, in the document or
in files of their own. What is not known is left out, as the format wants it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.benchmarks.registry import of_run
from harness.benchmarks.rows import public_name
from harness.exports.atif_steps import conversation_steps, counted, known
from harness.score import flags_of
from harness.score.cost import spent
from harness.score.rows import sent
from harness.store.rows import CallRow, SubmissionRow, TrialRow
from harness.types import Message

VERSION = "ATIF-v1.7"
Document = dict[str, Any]


def trial_document(
    trial: TrialRow,
    spoken: Mapping[str, Sequence[Message]],
    calls: Sequence[CallRow],
    submissions: Sequence[SubmissionRow],
    description: Mapping[str, Any],
    sources: Mapping[int, str] | None = None,
) -> Document:
    """The trial in one document; `calls` and `submissions` are those of the trial.

    Every row of the ledger is a step of the agent, failed ones too, so that the metrics of the
    steps add up to the totals. A total is left out as soon as one of its parts is unknown.
    `sources` are `sessions_of` the run.
    """
    root, parts = _documents(trial, spoken, calls, submissions, description, sources)
    return root | ({"subagent_trajectories": list(parts.values())} if parts else {})


def trial_files(
    trial: TrialRow,
    spoken: Mapping[str, Sequence[Message]],
    calls: Sequence[CallRow],
    submissions: Sequence[SubmissionRow],
    description: Mapping[str, Any],
    sources: Mapping[int, str] | None = None,
) -> dict[str, Document]:
    """The trial as `trial_document` has it, in a file a conversation: documents by file name.

    Several importers read no trajectory that is embedded in another. The root is first, by name
    too, and refers to the others by path and by id.
    """
    name = f"{trial['number']}.{trial['attempt']}"
    root, parts = _documents(trial, spoken, calls, submissions, description, sources)
    files = {f"{name}.json": root}
    for conversation, part in parts.items():
        path = f"{name}.subagents/{_file_name(conversation)}.json"
        while path in files:
            path = path.replace(".json", "_.json")
        files[path] = part
    paths = {part["trajectory_id"]: path for path, part in files.items()}
    for step in root["steps"] if parts else ():
        for result in step.get("observation", {}).get("results", ()):
            for to in result["subagent_trajectory_ref"]:
                to["trajectory_path"] = paths[to["trajectory_id"]]
    return files


def sessions_of(calls: Iterable[CallRow], description: Mapping[str, Any]) -> dict[int, str]:
    """The session of each sent call of a run, by call id."""
    return {
        row["call_id"]: _session(description, row["system"], row["instance_id"],
                                 row["trial"], row["attempt"])
        for row in sent(calls)
    }  # fmt: skip


def _session(
    description: Mapping[str, Any], system: str, instance_id: str, number: int, attempt: int
) -> str:
    return f"{description['id']}/{system}/{instance_id}/{number}.{attempt}"


def _documents(
    trial: TrialRow,
    spoken: Mapping[str, Sequence[Message]],
    calls: Sequence[CallRow],
    submissions: Sequence[SubmissionRow],
    description: Mapping[str, Any],
    sources: Mapping[int, str] | None,
) -> tuple[Document, dict[str, Document]]:
    """The root, and by its conversation each sub-agent trajectory: none where there is but one."""
    session = _session(
        description, trial["system"], trial["instance_id"], trial["number"], trial["attempt"]
    )
    agent = {
        "name": trial["system"],
        "version": description["version"],
        "model_name": description["model"],
    }
    head = {"schema_version": VERSION, "session_id": session, "trajectory_id": session}
    parts: dict[str, Document] = {}
    for name in _conversations(spoken, calls):
        mine = [row for row in calls if row["conversation"] == name]
        steps = conversation_steps(spoken.get(name, ()), mine, sources)
        parts[name] = _conversation(head, agent, name, steps, mine)
    facts = {"extra": _facts(trial, submissions, description)}
    if len(parts) == 1:
        (only,) = parts.values()
        return only | {"steps": _began(only["steps"], trial["started_at"])} | facts, {}
    for name, part in parts.items():
        part["trajectory_id"] = f"{session}/{name}"
        part["agent"] = part["agent"] | {"name": f"{trial['system']} {name}"}
    root = _root_steps(trial, parts)
    about = {
        "agent": agent,
        "steps": root,
        "notes": "The root opens the conversations; they are its sub-agent trajectories. Its "
        "totals are sums over them, total_steps its own.",
        "final_metrics": _totals(calls, len(root)),
    }
    return head | about | facts, parts


def _conversation(
    head: Document, agent: Document, name: str, steps: list[Document], calls: Sequence[CallRow]
) -> Document:
    """The document of one conversation."""
    who = sorted({row["agent"] for row in calls}) or [name]
    asked = min((row["started_at"] for row in calls), default=None)
    return head | {
        "agent": agent | {"extra": {"conversation": name, "agents": who}},
        "steps": _began(steps, asked),
        "final_metrics": _totals(calls, len(steps)),
    }


def _began(steps: list[Document], moment: str | None) -> list[Document]:
    """The steps; the opening step gets the timestamp `moment`, unless it is an answer."""
    if not steps or moment is None or steps[0]["source"] == "agent":
        return steps
    return [steps[0] | {"timestamp": moment}, *steps[1:]]


def _file_name(conversation: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "-", conversation).lstrip(".") or "conversation"


def _conversations(spoken: Mapping[str, Any], calls: Sequence[CallRow]) -> list[str]:
    """Every conversation with a step, in the order of their start."""
    found = [name for name, messages in spoken.items() if messages]
    return list(dict.fromkeys([*found, *(row["conversation"] for row in calls)]))


def _totals(calls: Sequence[CallRow], steps: int) -> dict[str, Any]:
    """Totals of the calls that were sent; calls answered from the ledger are counted separately."""
    mine = sent(calls)
    cost = spent(mine)
    totals: dict[str, Any] = {"total_cost_usd": cost.usd, "total_steps": steps}
    if all(map(counted, mine)):
        totals |= {
            "total_prompt_tokens": sum(row["prompt_tokens"] for row in mine),
            "total_completion_tokens": sum(row["completion_tokens"] for row in mine),
            "total_cached_tokens": sum(row["cached_tokens"] for row in mine),
        }
    more = {
        "calls": len(mine),
        "served_calls": len(calls) - len(mine),
        "cost_unsure_usd": cost.unsure_usd or None,
    }
    return known(totals) | {"extra": known(more)}


def _root_steps(trial: TrialRow, parts: Mapping[str, Document]) -> list[dict[str, Any]]:
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


def _references(parts: Mapping[str, Document]) -> Iterator[dict[str, Any]]:
    for conversation, part in parts.items():
        yield {
            "content": conversation,
            "subagent_trajectory_ref": [
                {"trajectory_id": part["trajectory_id"], "session_id": part["session_id"]}
            ],
        }


def _facts(
    trial: TrialRow, submissions: Sequence[SubmissionRow], description: Mapping[str, Any]
) -> dict[str, Any]:
    submission = of_run(description).submission  # patch, answer, …
    made = [
        {
            "author": row["author"],
            "agent": row["agent"],
            "ended": row["reason"],
            "salvaged": bool(row["salvaged"]),
            "selected": bool(row["selected"]),
            "outcome": row["outcome"],
            "official": row["official"],
            "flags": None if row["flags"] is None else flags_of(row),
            submission: row["patch"],
            **{name: row[name] for name in ("built_on", "copy_of") if row[name]},
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
