"""What agents were busy with when they asked the model. Pure functions.

Each call of the ledger is shared out equally among the tool calls of its answer, and each of these
is of one activity, so that the activities of a trial sum to all its calls, tokens and dollars.
What of an observation was read or run before, by another agent or before a restart, is of the
activity `REPEATED`. What a shell command does is told from its words: an estimate.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.analysis.call_costs import CallCost
from harness.analysis.cost_overheads import Overheads, arguments_of, coordinating_tools, tool_calls
from harness.board.records import ProposalRow
from harness.board.vocabulary import GIST_CHECK, ToolName, Word, task_of


class TurnActivity(Word):
    """What a tool call, or an answer without one, is counted as."""

    SEARCH = "search and read"
    EDIT = "edit"
    TEST = "test and run"
    ANSWER = "answer"  # a question
    COORDINATE = "coordinate"  # publish, finish, delegate, …
    REFUSED = "refused proposals"
    CHECK = "check findings"  # by a model, with their evidence: no agent, or one on its behalf
    REPEATED = "repeated"
    OTHER = "other tools"
    TALK = "no tool call"
    UNANSWERED = "no answer"


Shares = Mapping[TurnActivity, float]
"""Of one call, its part of each activity: they sum to 1."""

READ = 2_000  # characters at the beginning of a command, in which its first word is looked for
SEARCHED = 50_000  # the same, in which the name of a test runner is
_START = (
    r"(?:^|[;&|\n(]|\b(?:env|time|timeout|exec|then|do)\b|\s[A-Za-z_]\w*=\S*\s)[^\S\n]*"
    r"(?:(?:[A-Za-z_]\w*=|[-\d])\S*[^\S\n]+)*"
)
_RUNNERS = re.compile(
    r"\b(?:pytest|py\.test|tox|nox|nosetests|unittest|runtests|manage\.py\s+test|bin/test|doctest)\b"
)
_WRITES = re.compile(
    rf"{_START}(?:sed\s+(?:-\w+\s+)*-i|perl\s+-\S*i|git\s+(?:apply|checkout|restore|stash|revert)"
    r"|patch\s+-|ed\s|mv\s|cp\s|rm\s|touch\s|mkdir\s)"
)
_READS = re.compile(
    rf"{_START}(?:(?:cat|head|tail)\s+(?!>)|sed\s|nl\s|less\s|grep\s|rg\s|awk\s|find\s|ls\b|tree\b"
    r"|wc\s|diff\s|pip\s+(?:list|show|freeze)|git\s+(?:log|show|diff|status|blame|grep|ls-files))"
)
_RUNS = re.compile(rf"{_START}(?:\S*/)?(?:python[\d.]*|node|ruby|go|cargo|make|bash|sh|\./\S+)\s")
_OF_TOOLS: Mapping[str, TurnActivity] = {
    ToolName.VIEW: TurnActivity.SEARCH,
    ToolName.LOOK_UP: TurnActivity.SEARCH,
    ToolName.UNFOLD: TurnActivity.SEARCH,  # of a document; else it coordinates
    ToolName.GIST: TurnActivity.SEARCH,
    ToolName.REPORT: TurnActivity.SEARCH,
    ToolName.EDIT: TurnActivity.EDIT,
    ToolName.APPLY: TurnActivity.EDIT,
    ToolName.CHECK: TurnActivity.TEST,
    ToolName.ANSWER: TurnActivity.ANSWER,
}


def turn_activities(
    costs: Sequence[CallCost], proposals: Sequence[ProposalRow], found: Overheads
) -> dict[int, Shares]:
    """The activities of each call of one trial, by `call_id`. `found` are its overheads."""
    coordinating = coordinating_tools(proposals)
    return {cost.row["call_id"]: _shares(cost, coordinating, found) for cost in costs}


def activity_of_command(command: str) -> TurnActivity:
    """What a shell command is counted as, from its words."""
    if _RUNNERS.search(command[:SEARCHED]):
        return TurnActivity.TEST
    command = command[:READ]
    kinds = {
        TurnActivity.EDIT: _WRITES,
        TurnActivity.SEARCH: _READS,
        TurnActivity.TEST: _RUNS,
    }
    places = {kind: at.start() for kind, words in kinds.items() if (at := words.search(command))}
    return min(places, key=lambda kind: places[kind], default=TurnActivity.SEARCH)


def _shares(cost: CallCost, coordinating: frozenset[str], found: Overheads) -> Shares:
    if cost.row["reply"] is None:
        return {TurnActivity.UNANSWERED: 1.0}
    if not cost.row["agent"] or task_of(cost.row["conversation"]) == GIST_CHECK:
        return {TurnActivity.CHECK: 1.0}
    calls = tool_calls(cost)
    if not calls:
        return {TurnActivity.TALK: 1.0}
    shares: dict[TurnActivity, float] = {}
    for number in range(len(calls)):
        for activity, part in _of_use(cost, number, coordinating, found):
            shares[activity] = shares.get(activity, 0.0) + part / len(calls)
    return shares


def _of_use(
    cost: CallCost, number: int, coordinating: frozenset[str], found: Overheads
) -> Iterator[tuple[TurnActivity, float]]:
    """The activities of one tool call, with parts that sum to 1."""
    call, use = tool_calls(cost)[number], (cost.row["call_id"], number)
    name = call["name"]
    if name in coordinating:
        yield TurnActivity.REFUSED if use in found.refused else TurnActivity.COORDINATE, 1.0
        return
    if name == ToolName.BASH:
        activity = activity_of_command(str(arguments_of(call).get("command", "")))
    else:
        activity = _OF_TOOLS.get(name, TurnActivity.OTHER)
    again = found.again.get(use, 0.0)
    if again:
        yield TurnActivity.REPEATED, again
    if again < 1:
        yield activity, 1 - again
