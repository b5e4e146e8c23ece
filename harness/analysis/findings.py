"""The outcome of each proposal of a trial, and its use by others. Pure functions over rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from harness.analysis.narrative import TrialRecord, cited_entries
from harness.board.records import ProposalRow, ShownRow
from harness.board.vocabulary import Level, LinkKind, Settled, task_of
from harness.score.cost import spent
from harness.store.rows import CallRow, TrialRow

OF_ENTRIES = (
    "found", "readers", "read_by", "unfolders", "unfolded_by", "citations", "cited_by",
    "refutations", "refuted_by", "submissions", "carried_by",
)  # fmt: skip
COLUMNS = (
    "system", "instance_id", "trial", "attempt", "proposal", "label", "author", "task", "kind",
    "gist", "settled", "reason", "check", "check_seconds", *OF_ENTRIES, "cost_usd",
)  # fmt: skip


class Found(TypedDict):
    """The origin of an entry: its label, agent and task."""

    label: str
    author: str
    task: str


class Reading(ShownRow):
    """One time an entry was shown to `agent`."""

    agent: str


def findings(trial: TrialRow, material: TrialRecord) -> list[dict[str, Any]]:
    """One row a proposal of `trial`, with the columns of `findings.csv`.

    What came of an entry stands in the row of the proposal that was admitted as it, and is None in
    the rows of proposals that were merged into it, refused or never settled.
    """
    speakers = agents_by_conversation(material.calls)
    carried = {row["author"]: {e["label"] for e in cited_entries(material, row["author"])}
               for row in material.submissions}  # fmt: skip
    says = {entry["label"]: entry["gist"] for entry in material.entries}
    rows = []
    for proposal in material.proposals:
        came_of_it: dict[str, Any] = dict.fromkeys(OF_ENTRIES)
        gist = proposal["gist"]
        if proposal["settled"] == Settled.ADMITTED:
            came_of_it = _came_of(proposal, material, speakers, carried)
            gist = says.get(str(proposal["entry"]), gist)
        rows.append(
            {
                "system": trial["system"],
                "instance_id": trial["instance_id"],
                "trial": trial["number"],
                "attempt": trial["attempt"],
                "proposal": proposal["number"],
                "label": proposal["entry"],
                "author": proposal["author"],
                "task": proposal["task"],
                "kind": proposal["kind"],
                "gist": gist,
                "settled": proposal["settled"],
                "reason": proposal["reason"] or None,
                "check": checked(proposal["unverified"], proposal["remembered"]),
                "check_seconds": proposal["seconds"],
                "cost_usd": cost_of(proposal, material),
            }
            | came_of_it
        )
    return rows


def checked(unverified: int, remembered: int | None) -> str | None:
    """How an admitted proposal was checked: `executed`, `remembered` or `none`. None: unknown."""
    if unverified:
        return "none"
    if remembered is None:
        return None
    return "remembered" if remembered else "executed"


def agents_by_conversation(calls: Iterable[CallRow]) -> dict[str, str]:
    """The agent of each conversation.

    Conversations without a call or an agent are left out: no model has read what was shown there.
    """
    return {call["conversation"]: call["agent"] for call in calls if call["agent"]}


def readers(entry: Found, shown: Iterable[ShownRow], speakers: Mapping[str, str]) -> list[Reading]:
    """The rows of `shown` in which `entry` was shown outside the work that found it, with their
    `agent`.

    That is: to another agent, or to its author at work on another task.
    """
    found: list[Reading] = []
    for row in shown:
        agent = speakers.get(row["conversation"], "")
        home = agent == entry["author"] and task_of(row["conversation"]) == entry["task"]
        if row["label"] == entry["label"] and agent and not home:
            found.append({**row, "agent": agent})
    return found


def cost_of(proposal: ProposalRow, material: TrialRecord) -> float | None:
    """USD of the author's conversations on the task, shared out equally among its proposals there.

    The least that it can be, as in `instances.csv`; None where it had no call there, or the cost of
    one is unknown.
    """
    author, task = proposal["author"], proposal["task"]
    calls = [
        call
        for call in material.calls
        if call["agent"] == author and task_of(call["conversation"]) == task
    ]
    cost = spent(calls).usd
    if not calls or cost is None:
        return None
    siblings = [p for p in material.proposals if p["author"] == author and p["task"] == task]
    return cost / len(siblings)


def _came_of(
    proposal: ProposalRow,
    material: TrialRecord,
    speakers: Mapping[str, str],
    carried: Mapping[str, set[str]],
) -> dict[str, Any]:
    label = str(proposal["entry"])
    entry: Found = {"label": label, "author": proposal["author"], "task": proposal["task"]}
    seen = readers(entry, material.shown, speakers)
    read = _names(row["agent"] for row in seen if row["level"] == Level.GIST)
    unfolded = _names(row["agent"] for row in seen if row["level"] != Level.GIST)
    sources = _sources(material, label, LinkKind.CITES)
    cited = [source for source in sources if source != entry["task"]]
    refuted = _sources(material, label, LinkKind.REFUTES)
    carriers = [author for author, labels in carried.items() if label in labels]
    return {
        "found": sum(other["entry"] == label for other in material.proposals),
        "readers": len(read),
        "read_by": _joined(read),
        "unfolders": len(unfolded),
        "unfolded_by": _joined(unfolded),
        "citations": len(cited),
        "cited_by": _joined(cited),
        "refutations": len(refuted),
        "refuted_by": _joined(refuted),
        "submissions": len(carriers),
        "carried_by": _joined(carriers),
    }


def _sources(material: TrialRecord, label: str, kind: str) -> list[str]:
    links = (link for link in material.links if link["target"] == label and link["kind"] == kind)
    return list(dict.fromkeys(link["source"] for link in links))


def _names(agents: Iterable[str]) -> list[str]:
    return sorted(set(agents))


def _joined(names: Sequence[str]) -> str | None:
    return " ".join(names) or None
