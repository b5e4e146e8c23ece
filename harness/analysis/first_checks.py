"""Where a run executed the checks whose results it later took from the check cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.narrative import TrialRecord
from harness.board.evidence import Patch, state_of
from harness.board.records import Boards, EntryRow, ProposalRow
from harness.board.vocabulary import BASE
from harness.store.protocol import Store
from harness.store.rows import TrialRow

Question = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCheck:
    """A proposal whose check was executed, and its trial."""

    trial: TrialRow
    proposal: ProposalRow


async def first_checks(
    store: Store, boards: Boards, trial: TrialRow, record: TrialRecord
) -> dict[int, FirstCheck]:
    """By the number of each proposal of `trial` whose check was remembered: the first proposal of
    the run whose check was executed and is equal. Without one, an earlier run executed it."""
    asked = [each for each in record.proposals if each["remembered"]]
    if not asked:
        return {}
    executed: dict[Question, FirstCheck] = {}
    for other in await store.trials():
        if other["instance_id"] != trial["instance_id"]:
            continue
        proposals: Sequence[ProposalRow] = record.proposals
        entries: Sequence[EntryRow] = record.entries
        if other["trial_id"] != trial["trial_id"]:
            proposals = await boards.proposals(other["trial_id"])
            entries = await boards.entries(other["trial_id"]) if proposals else []
        patches = _patches(entries)
        for row in proposals:
            if row["remembered"] == 0 and row["settled_at"] is not None and not row["unverified"]:
                question = _question(row, patches)
                if _at(row) < _at(executed[question].proposal if question in executed else None):
                    executed[question] = FirstCheck(trial=other, proposal=row)
    patches = _patches(record.entries)
    found = ((row, executed.get(_question(row, patches))) for row in asked)
    return {
        row["number"]: first for row, first in found if first and _at(first.proposal) < _at(row)
    }


def _at(row: ProposalRow | None) -> float:
    """When it was settled; never, for none."""
    at = row["settled_at"] if row else None
    return float("inf") if at is None else at


def _patches(entries: Sequence[EntryRow]) -> Mapping[str, str]:
    return {
        each["label"]: each["evidence"].diff
        for each in entries
        if isinstance(each["evidence"], Patch)
    }


def _question(row: ProposalRow, patches: Mapping[str, str]) -> Question:
    """What the check was about: equal for two that are equal."""
    state = state_of(row["evidence"])
    diff = "" if state == BASE else patches.get(state, f"unknown: {row['trial_id']}")
    return row["kind"], row["evidence"].model_dump_json(), diff
