"""What coordination costs and brings, by trial and by system: pure functions over rows.

The measures are those of Kim et al. (arXiv 2512.08296: overhead, message density, redundancy,
efficiency, error amplification) and the second DeLM paper's "bubbles" (redundant work, waits at
barriers and for relays), as far as they can be computed from the store; `results/README.md` has
each definition. Undefined is None, never 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.findings import agents_by_conversation, readers
from harness.analysis.narrative import TrialRecord
from harness.analysis.overlap import (
    Message,
    commands_run,
    files_opened,
    lines_patched,
    mean_overlap,
)
from harness.analysis.timeline import WHAT, Interval, present_s, seconds_by_cause
from harness.board.vocabulary import MAIN, LinkKind
from harness.score import counted_attempts, ended
from harness.score.rows import TableRow
from harness.store.rows import CallRow, SubmissionRow, TrialRow
from harness.types import Activity

WAITS = (Activity.PEER, Activity.BARRIER, Activity.MAIN)  # waiting for other agents
KEYS = ("system", "instance_id", "trial", "attempt", "state", "agents")
MEASURES = (
    "turns", "tokens", "overhead_turns", "overhead_tokens", "submission_overhead_turns",
    "submission_overhead_tokens", "resolved_share", "efficiency", "submission_efficiency",
    "error_amplification", "redundancy_files", "redundancy_commands", "redundancy_lines",
    "entries", "message_density", "refuted", "false_read", "agent_s",
    *(f"{what}_s" for what in WHAT), *(f"{what}_share" for what in WHAT), "waiting_share",
)  # fmt: skip
COLUMNS = (*KEYS, *MEASURES)
SYSTEM_COLUMNS = ("system", "agents", "trials", "compared", *MEASURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """The results of the baseline on one instance."""

    turns: float | None  # mean over its trials that are done; None without any
    tokens: float | None
    failures: float | None  # share of the submissions that are not resolved; None: nothing ran


def alone(
    trials: Sequence[TrialRow],
    calls: Sequence[CallRow],
    submissions: Sequence[SubmissionRow],
    *,
    baseline: str,
) -> dict[str, Alone]:
    """The baseline's results by instance; empty if the run does not have that system."""
    used, good = _used(calls), _resolved(submissions)
    mine: dict[str, list[TrialRow]] = {}
    for trial in counted_attempts(trials):
        if trial["system"] == baseline:
            mine.setdefault(trial["instance_id"], []).append(trial)
    return {instance: _alone(each, used, good) for instance, each in mine.items()}


def measures(
    trial: TrialRow,
    material: TrialRecord,
    intervals: Sequence[Interval],
    spoken: Mapping[str, Sequence[Message]],
    reference: Alone | None,
) -> dict[str, Any]:
    """The row of a trial, with `COLUMNS`.

    `material` are its rows, `intervals` its time line, `spoken` the messages of each conversation,
    `reference` what the baseline does on its instance. A trial that is not done has no comparison.
    """
    turns, tokens = _used(material.calls).get(trial["trial_id"], (0, 0))
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    about: Mapping[str, Any] = {**trial, "trial": trial["number"]}
    row |= {key: about[key] for key in KEYS} | {"turns": turns, "tokens": tokens}
    if trial["state"] == "done":
        good = _resolved(material.submissions).get(trial["trial_id"], 0)
        row |= _compared(trial, turns, tokens, good, reference)
    row |= _redundancy(material, spoken)
    row |= _messages(trial, material, turns)
    return row | _times(intervals)


def systems(
    trials: Sequence[TrialRow],
    submissions: Sequence[SubmissionRow],
    rows: Sequence[TableRow],
    references: Mapping[str, Alone],
) -> list[dict[str, Any]]:
    """One row a system, with `SYSTEM_COLUMNS`; `rows` are those of `measures`.

    The mean over instances of the mean over trials that are done and have the measure. Efficiency
    and error amplification are no means of quotients, but quotients of such means: of the resolved
    share by turns relative to the baseline, and of failure rates, in which trials that failed for
    infrastructure count as failures.
    """
    found = []
    for system in dict.fromkeys(trial["system"] for trial in trials):
        asked = [trial for trial in counted_attempts(trials) if trial["system"] == system]
        mine = [row for row in rows if row["system"] == system and row["state"] == "done"]
        found.append(
            {"system": system, "agents": asked[0]["agents"], "trials": len(mine),
             "compared": sum(row["overhead_turns"] is not None for row in mine)}
            | {measure: _mean_of_means(mine, measure) for measure in MEASURES}
            | _efficiency(mine, asked, references)
            | {"error_amplification": _amplification(asked, _resolved(submissions), references)}
        )  # fmt: skip
    return found


# -- compared with one agent alone -------------------------------------------------------------


def _alone(
    trials: Sequence[TrialRow], used: Mapping[int, tuple[int, int]], good: Mapping[int, int]
) -> Alone:
    done = [used.get(t["trial_id"], (0, 0)) for t in trials if t["state"] == "done"]
    return Alone(
        turns=_mean(turns for turns, _ in done),
        tokens=_mean(tokens for _, tokens in done),
        failures=_failures(trials, good),
    )


def _compared(
    trial: TrialRow, turns: int, tokens: int, good: int, reference: Alone | None
) -> dict[str, float | None]:
    """`(T − T_single) / T_single` and what is divided by `T / T_single`; also for T by submission.

    The latter because a trial of N submissions does the work of N, and has the budget of N.
    """
    wanted, share = trial["wanted"], _ratio(good, trial["wanted"])
    found = {"resolved_share": share}
    if reference is None:
        return found
    relative = _ratio(turns, reference.turns)
    relative_tokens = _ratio(tokens, reference.tokens)
    efficiency = None if share is None else _ratio(share, relative)
    failures = None if share is None else 1 - share
    return found | {
        "overhead_turns": None if relative is None else relative - 1,
        "overhead_tokens": None if relative_tokens is None else relative_tokens - 1,
        "submission_overhead_turns": None if relative is None else relative / wanted - 1,
        "submission_overhead_tokens": None
        if relative_tokens is None
        else relative_tokens / wanted - 1,
        "efficiency": efficiency,
        "submission_efficiency": None if efficiency is None else efficiency * wanted,
        "error_amplification": _ratio(failures, reference.failures),
    }


def _efficiency(
    rows: Sequence[TableRow], trials: Sequence[TrialRow], references: Mapping[str, Alone]
) -> dict[str, float | None]:
    """The mean resolved share by mean turns, these by those of the baseline on the same.

    A mean of the quotients would be ruled by the few instances on which turns are few.
    """
    compared = [row for row in rows if row["overhead_turns"] is not None]
    alone = _mean(
        references[instance].turns or 0.0
        for instance in dict.fromkeys(row["instance_id"] for row in compared)
    )
    wanted = {(trial["instance_id"], trial["number"]): trial["wanted"] for trial in trials}
    shared = [
        row | {"turns": row["turns"] / wanted[row["instance_id"], row["trial"]]}
        for row in map(dict, compared)
    ]
    share = _mean_of_means(compared, "resolved_share")

    def by_turns(of: Sequence[TableRow]) -> float | None:
        relative = _ratio(_mean_of_means(of, "turns"), alone)
        return None if share is None else _ratio(share, relative)

    return {"efficiency": by_turns(compared), "submission_efficiency": by_turns(shared)}


def _amplification(
    trials: Sequence[TrialRow], good: Mapping[int, int], references: Mapping[str, Alone]
) -> float | None:
    """The error amplification, on instances on which both systems ran."""
    mine: dict[str, list[TrialRow]] = {}
    for trial in trials:
        mine.setdefault(trial["instance_id"], []).append(trial)
    rates = [
        (_failures(each, good), references[instance].failures)
        for instance, each in mine.items()
        if instance in references
    ]
    both = [(ours, alone) for ours, alone in rates if ours is not None and alone is not None]
    return _ratio(_mean(ours for ours, _ in both), _mean(alone for _, alone in both))


def _failures(trials: Sequence[TrialRow], good: Mapping[int, int]) -> float | None:
    """The share of unresolved submissions in trials that ran; None if none ran."""
    wanted: int = sum(trial["wanted"] for trial in trials if ended(trial))
    done = [trial["trial_id"] for trial in trials if trial["state"] == "done"]
    resolved = sum(good.get(trial_id, 0) for trial_id in done)
    return 1 - resolved / wanted if wanted else None


def _used(calls: Iterable[CallRow]) -> dict[int, tuple[int, int]]:
    """Turns (answered calls) and tokens of each trial."""
    found: dict[int, tuple[int, int]] = {}
    for call in calls:
        turns, tokens = found.get(call["trial_id"], (0, 0))
        tokens += call["prompt_tokens"] + call["completion_tokens"]
        found[call["trial_id"]] = (turns + (call["outcome"] == "ok"), tokens)
    return found


def _resolved(submissions: Iterable[SubmissionRow]) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in submissions:
        known = found.get(row["trial_id"], 0)
        found[row["trial_id"]] = known + (row["outcome"] == "resolved")
    return found


# -- among the agents --------------------------------------------------------------------------


def _redundancy(
    material: TrialRecord, spoken: Mapping[str, Sequence[Message]]
) -> dict[str, float | None]:
    """The mean Jaccard index over pairs of workers; for lines, over pairs of submitting agents."""
    workers = workers_by_conversation(material.calls)
    patched: dict[str, set[tuple[str, int]]] = {}
    for row in material.submissions:
        lines = lines_patched(row["patch"])
        if lines is not None:
            patched.setdefault(row["agent"], set()).update(lines)

    def of_each(kind: Callable[[Iterable[Message]], set[str]]) -> list[set[str]]:
        found: dict[str, set[str]] = {worker: set() for worker in workers.values()}
        for conversation, messages in spoken.items():
            if len(found) > 1 and conversation in workers:
                found[workers[conversation]] |= kind(messages)
        return list(found.values())

    return {
        "redundancy_files": mean_overlap(of_each(files_opened)),
        "redundancy_commands": mean_overlap(of_each(commands_run)),
        "redundancy_lines": mean_overlap(list(patched.values())),
    }


def workers_by_conversation(calls: Iterable[CallRow]) -> dict[str, str]:
    """Who works in each conversation: its agent.

    Where a main agent leads, each conversation that is not its own is a sub-agent that knows
    nothing of the one before it, though it bears the same name; the main agent, who is not counted
    among the agents, opens nothing itself.
    """
    speakers = agents_by_conversation(calls)
    if MAIN not in speakers.values():
        return speakers
    return {name: name for name, agent in speakers.items() if agent != MAIN}


def _messages(trial: TrialRow, material: TrialRecord, turns: int) -> dict[str, float | None]:
    """Messages per turn of a trial with a board; only entries that others could read count."""
    if not material.tasks:
        return {}
    refuted = _refuted_at(material)
    found: dict[str, float | None] = {"entries": len(material.entries), "refuted": len(refuted)}
    if trial["agents"] < 2:
        return found
    speakers = agents_by_conversation(material.calls)
    false_read = sum(
        any(
            row["agent"] != entry["author"] and row["at"] < refuted[entry["label"]]
            for row in readers(entry, material.shown, speakers)
        )
        for entry in material.entries
        if entry["label"] in refuted
    )
    density = _ratio(len(material.entries), turns)
    return found | {"message_density": density, "false_read": false_read}


def _refuted_at(material: TrialRecord) -> dict[str, float]:
    """The time at which an admitted entry first refuted each refuted entry."""
    admitted = {entry["label"] for entry in material.entries}
    found: dict[str, float] = {}
    for link in material.links:
        if link["kind"] == LinkKind.REFUTES and link["source"] in admitted:
            found[link["target"]] = min(link["at"], found.get(link["target"], link["at"]))
    return found


def _times(intervals: Sequence[Interval]) -> dict[str, float | None]:
    if not intervals:
        return {}
    spent = seconds_by_cause(intervals).values()
    total = round(present_s(intervals), 6)
    seconds = {what: round(sum(each.get(what, 0.0) for each in spent), 6) for what in WHAT}
    return (
        {"agent_s": total, "waiting_share": _ratio(sum(seconds[what] for what in WAITS), total)}
        | {f"{what}_s": seconds[what] for what in WHAT}
        | {f"{what}_share": _ratio(seconds[what], total) for what in WHAT}
    )


# -- numbers -----------------------------------------------------------------------------------


def _mean_of_means(rows: Sequence[TableRow], measure: str) -> float | None:
    by_instance: dict[str, list[float]] = {}
    for row in rows:
        if row[measure] is not None:
            by_instance.setdefault(row["instance_id"], []).append(row[measure])
    return _mean(sum(each) / len(each) for each in by_instance.values())


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None


def _ratio(amount: float | None, of: float | None) -> float | None:
    return None if amount is None or not of else amount / of
