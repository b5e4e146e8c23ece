"""The claims in the README of a leaderboard submission, each with the fact that supports it.

A line of the checklist is ticked only if its fact was checked and holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.rows import Aside
from harness.exports import prompt_leaks
from harness.store.rows import CallRow, TrialRow

PASS_AT_1, TEST_KNOWLEDGE, HINTS, BROWSING = CHECKLIST = (
    "Is a pass@1 submission (does not attempt the same task instance more than once)",
    "Does not use SWE-bench test knowledge (`PASS_TO_PASS`, `FAIL_TO_PASS`)",
    "Does not use the `hints` field in SWE-bench",
    "Does not have web-browsing OR has taken steps to prevent lookup of SWE-bench solutions via "
    "web-browsing",
)
NAMED = 5  # instances that a sentence names; of more, the rest is counted


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRows:
    """The instances of the dataset; `asides` is empty if rows have no further fields."""

    items: Mapping[str, IssueItem]
    asides: Mapping[str, Aside]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistLine:
    """A line of the checklist, whether it holds, and why."""

    line: str
    holds: bool
    because: str


def claims(
    trials: Mapping[str, TrialRow],
    documents: Mapping[str, Mapping[str, Any]],
    begun_again: Sequence[str],
    dataset: DatasetRows | None,
    *,
    network: bool,
) -> list[ChecklistLine]:
    """The checklist of what was shipped, in its order.

    By instance, `trials` are the trials whose submissions are shipped, and `documents` their
    trajectories; `begun_again` are the instances that `answered_twice` names; `dataset` is None
    where its rows cannot be had.
    """
    return [
        _pass_at_1(begun_again),
        _test_knowledge(documents, dataset),
        _hints(documents, dataset),
        _browsing(trials, network=network),
    ]


def answered_twice(trials: Sequence[TrialRow], calls: Sequence[CallRow]) -> list[str]:
    """Instances with a second attempt that discarded answers of the first.

    An attempt that resumes from all earlier answers does not count.
    """
    answered: dict[int, set[int]] = {}
    taken: dict[tuple[str, str, int], set[int]] = {}
    place = {row["trial_id"]: (row["system"], row["instance_id"], row["number"]) for row in trials}
    for call in calls:
        if call["outcome"] == "ok":
            key = call["trial_id"]
            if (paid := call.get("paid_call")) is not None:
                taken.setdefault(place[key], set()).add(paid)
            else:
                answered.setdefault(key, set()).add(call["call_id"])
    last = {place[row["trial_id"]]: row["trial_id"] for row in
            sorted(trials, key=lambda row: int(row["attempt"]))}  # fmt: skip
    return sorted(
        row["instance_id"]
        for row in trials
        if row["trial_id"] != last[place[row["trial_id"]]]
        and answered.get(row["trial_id"], set()) - taken.get(place[row["trial_id"]], set())
    )


def _pass_at_1(begun_again: Sequence[str]) -> ChecklistLine:
    because = "One prediction an instance, of the first trial there, whatever others came to."
    if begun_again:
        because = (
            "Trials that had failed for infrastructure were begun again, though a model had "
            f"answered in them: {named(begun_again)}."
        )
    return ChecklistLine(line=PASS_AT_1, holds=not begun_again, because=because)


def _test_knowledge(documents: Mapping[str, Any], dataset: DatasetRows | None) -> ChecklistLine:
    if dataset is None or documents.keys() - dataset.items.keys():
        return ChecklistLine(line=TEST_KNOWLEDGE, holds=False, because=_unread("hidden tests"))
    found = []
    for name, document in documents.items():
        item = dataset.items[name]
        patch, statement = item.reference.test_patch, item.instance.problem_statement
        if prompt_leaks.tests_in(
            prompt_leaks.texts(document), item.reference.fail_to_pass, patch, statement
        ):
            found.append(name)
    because = (
        f"Prompts name hidden tests: {named(found)}."
        if found
        else "Only the grader is given the tests, after the last submission of a trial; no prompt "
        "opens with the name of a hidden one."
    )
    return ChecklistLine(line=TEST_KNOWLEDGE, holds=not found, because=because)


def _hints(documents: Mapping[str, Any], dataset: DatasetRows | None) -> ChecklistLine:
    if dataset is None:
        return ChecklistLine(line=HINTS, holds=False, because=_unread("hints"))
    found = []
    for name, document in documents.items():
        hints = dataset.asides[name].hints_text if name in dataset.asides else ""
        statement = dataset.items[name].instance.problem_statement if name in dataset.items else ""
        if prompt_leaks.hints_in(prompt_leaks.texts(document), hints, statement):
            found.append(name)
    some = any(aside.hints_text for aside in dataset.asides.values())
    because = "No prompt holds a piece of them." if some else "The dataset's rows carry none."
    if found:
        because = f"Prompts hold pieces of them: {named(found)}."
    return ChecklistLine(line=HINTS, holds=not found, because=because)


def _browsing(trials: Mapping[str, TrialRow], *, network: bool) -> ChecklistLine:
    if network:
        return ChecklistLine(line=BROWSING, holds=False, because="Sandboxes have the network.")
    leaky = [name for name, trial in trials.items() if trial["audit"] != "ok"]
    because = (
        "Sandboxes have no network. The history after the base commit, tags, remotes and reflogs "
        "are removed, and an audit looked for them at the start of every trial; "
    )
    because += f"it does not say ok of {named(leaky)}." if leaky else "it found nothing."
    return ChecklistLine(line=BROWSING, holds=not leaky, because=because)


def _unread(what: str) -> str:
    return f"Not looked for: the dataset's rows, which hold the {what}, cannot be had."


def named(instances: Sequence[str]) -> str:
    """The instances, or the first few and the number of the others."""
    more = len(instances) - NAMED
    listed = ", ".join(f"`{name}`" for name in instances[:NAMED])
    return f"{listed} and {more} more" if more > 0 else listed
