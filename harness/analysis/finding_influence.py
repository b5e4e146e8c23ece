"""What the findings of a trial did for its submissions. Pure functions over rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.findings import findings
from harness.analysis.narrative import TrialRecord
from harness.board.records import ProposalRow
from harness.board.vocabulary import Settled
from harness.store.rows import SubmissionRow, TrialRow
from harness.text.counted import counted

RESOLVED, UNRESOLVED = "resolved", "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """An admitted finding and its use by others.

    `row` is its row of `findings.csv`. `helped`: the authors of resolved submissions that rest on
    it, and are no copies. `copies`: the authors of submissions that are this patch as it is.
    `misled`: who relied on it and should not have, each with the reason.
    """

    row: Mapping[str, Any]
    proposal: ProposalRow
    helped: Sequence[str]
    copies: Sequence[str]
    misled: Sequence[tuple[str, str]]

    @property
    def label(self) -> str:
        """The label of the entry."""
        return str(self.row["label"])

    @property
    def rewritten(self) -> bool:
        """Whether it says something else than its author proposed."""
        return bool(self.proposal["gist"] != self.row["gist"])


def influences(trial: TrialRow, record: TrialRecord) -> list[Influence]:
    """The admitted findings of a trial: what a resolved submission of another rests on comes first,
    then what any submission rests on, what was cited, unfolded, read, in the order of admission.

    A submission that is a copy of a patch was helped by nothing: it is that patch once more. Misled
    is an agent whose unresolved submission rests on a finding that no resolved one rests on, and
    one that read a finding before or after it was refuted.
    """
    outcomes = {row["author"]: row["outcome"] for row in record.submissions}
    copy_of = {row["author"]: row["copy_of"] for row in record.submissions if row["copy_of"]}
    by_number = {proposal["number"]: proposal for proposal in record.proposals}
    found = [
        _influence(row, by_number[row["proposal"]], outcomes, copy_of)
        for row in findings(trial, record)
        if row["settled"] == Settled.ADMITTED
    ]
    return sorted(found, key=_order)


def outcomes_of_agents(submissions: Sequence[SubmissionRow]) -> dict[str, str]:
    """By agent, and by author, the outcome of its submissions: `resolved` if one is, `unresolved`
    if one is not and none is; empty where none was graded."""
    found: dict[str, str] = {}
    for row in submissions:
        for name in (row["agent"], row["author"]):
            if found.get(name) != RESOLVED:
                found[name] = row["outcome"] or found.get(name, "")
    return found


def in_a_sentence(found: Sequence[Influence], submissions: Sequence[SubmissionRow]) -> str:
    """Which findings helped, and which misled; empty where nothing was admitted, or graded."""
    if not found or all(row["outcome"] is None for row in submissions):
        return ""
    rests = dict.fromkeys(name for each in found for name in each.helped)
    told = [f"{name}, which is resolved, rests on {_named(found, name)}" for name in rests]
    copies = [
        f"{name} is a copy of {each.label} of {each.row['author']}"
        for each in found
        for name in each.copies
    ]
    first = "No resolved submission rests on a finding from other work."
    if copies and not told:
        more = f", and {len(copies) - 2} more are copies" if len(copies) > 2 else ""
        first = (
            f"{'; '.join(copies[:2])}{more}. Besides copies, no resolved submission rests on a "
            "finding from other work."
        )
    if told:
        more = f"; and {len(told) - 2} more do" if len(told) > 2 else ""
        first = f"{'; '.join(told[:2])}{more}."
    misled = [each for each in found if each.misled]
    if not misled:
        return first
    names = ", ".join(each.label for each in misled[:5])
    return f"{first} {counted(len(misled), 'finding')} misled somebody: {names}."


def _named(found: Sequence[Influence], author: str) -> str:
    """The findings that a submission rests on, with who found them."""
    mine = [each for each in found if author in each.helped]
    words = [f"{each.label} of {each.row['author']}" for each in mine[:4]]
    if len(mine) > len(words):
        words.append(counted(len(mine) - len(words), "more finding"))
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _influence(
    row: Mapping[str, Any],
    proposal: ProposalRow,
    outcomes: Mapping[str, str | None],
    copy_of: Mapping[str, str],
) -> Influence:
    carriers = _names(row["carried_by"])
    resolved = [name for name in carriers if outcomes.get(name) == RESOLVED]
    misled: list[tuple[str, str]] = []
    if not resolved:
        misled += [
            (name, "its submission rests on it, and is unresolved")
            for name in carriers
            if outcomes.get(name) == UNRESOLVED
        ]
    if row["refutations"]:
        readers = dict.fromkeys([*_names(row["read_by"]), *_names(row["unfolded_by"])])
        misled += [(name, f"read it; {row['refuted_by']} refutes it") for name in readers]
    return Influence(
        row=row,
        proposal=proposal,
        helped=[name for name in resolved if name not in copy_of],
        copies=[name for name, label in copy_of.items() if label == row["label"]],
        misled=misled,
    )


def _order(each: Influence) -> tuple[int, ...]:
    row = each.row
    counts = ("submissions", "citations", "unfolders", "readers")
    return (-len(each.helped), *(-int(row[count] or 0) for count in counts), int(row["proposal"]))


def _names(joined: str | None) -> list[str]:
    return joined.split() if joined else []
