"""Why a trial cost what it did: the dollars and seconds of its system beside those of the others on
the same instance, by activity. The dollars are those of `delm cost RUN -i INSTANCE`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.cost_breakdown import ACTIVITY, KIND, OTHER, OUTPUT, OVERHEAD, PROMPT, SYSTEM
from harness.analysis.turn_activities import TurnActivity
from harness.pages.activity_bars import (
    ORDER,
    USD,
    Bar,
    Made,
    made_here,
    mark,
    mean_times,
    money_bars,
    time_bars,
    time_legend,
)
from harness.pages.cost_words import part_words
from harness.pages.rendering import usd as dollars
from harness.pages.trial_data import TrialData
from harness.score import InstanceScore
from harness.score.cost import Spent, spent
from harness.score.rows import TableRow
from harness.store.rows import CallRow
from harness.text.counted import counted

MOST_CALLS = 200
MOST_WORDS = 3  # differences that the sentence names
LEAST = 5e-5  # USD; what is less is not named: it is shown as $0.0000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a table: by system, then how much more the trial's system spent than the other;
    None where neither spent anything, and where the two are not comparable."""

    name: str
    cells: Sequence[TableRow | None]
    more: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A table of dollars by system."""

    title: str
    lines: Sequence[Line]

    @property
    def compared(self) -> bool:
        """Whether there is a line with a difference."""
        return any(line.more is not None for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLine:
    """A model call of the trial. `activities`: of its tool calls, with their shares."""

    row: CallRow
    kind: str
    activities: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySection:
    """See the template."""

    sentences: Sequence[str]
    told: int  # how many of them the head of the trial has
    made: Mapping[str, Made]  # by system
    systems: Sequence[TableRow]  # the row of each system, the baseline's first, then this one's
    other: str  # the system that the trial's is compared with; empty: there is none
    replay: bool  # no time is a model's
    money: Sequence[Bar]
    money_legend: Sequence[tuple[str, str]]  # class, name
    time: Sequence[Bar]
    time_legend: Sequence[tuple[str, str]]
    activities: Part
    parts: Sequence[Part]
    own: Sequence[tuple[str, float, float]]  # of the trial alone: activity, share, dollars
    own_cost: Spent
    calls: Sequence[CallLine]  # the dearest first
    calls_left_out: int


def section(data: TrialData) -> ActivitySection | None:
    """The section of a trial; None if there was no call on its instance."""
    if not data.calls and not any(row["calls"] for row in data.costs_here):
        return None
    systems = _in_order(data)
    other = _compared_with(data, systems)
    names = [row["system"] for row in systems]
    table = _Table(data.costs_here, names, data.trial["system"], other)
    present = [name for name in ORDER if any(table.row(each, ACTIVITY, name) for each in names)]
    times = mean_times(data.times_here, names)
    made = {row["system"]: made_here(row, data.scores_here) for row in systems}
    lines = _calls(data)
    return ActivitySection(
        sentences=_sentences(data, systems, other, table),
        told=1 if cost_sentence(data) else 0,
        made=made,
        systems=systems,
        other=other,
        replay=bool(data.facts.get("replay")),
        money=money_bars(systems, data.costs_here, made, data.trial["system"]),
        money_legend=[(mark(name), part_words(name)) for name in present],
        time=time_bars(times, data.trial["system"]),
        time_legend=time_legend(times),
        activities=table.part("Dollars per submission by activity", (ACTIVITY,)),
        parts=[
            table.part("By kind of work", (KIND,)),
            table.part("Prompts by cause", (PROMPT,)),
            table.part("Answers by tool", (OUTPUT, OTHER)),
            table.part("Overheads, which overlap", (OVERHEAD,)),
        ],
        own=_own(data),
        own_cost=spent(call for call in data.calls if call["paid_call"] is None),
        calls=lines[:MOST_CALLS],
        calls_left_out=max(0, len(lines) - MOST_CALLS),
    )


def cost_sentence(data: TrialData) -> str:
    """What the trial's system spent on the instance, beside the system it is compared with."""
    systems = _in_order(data)
    mine = next((row for row in systems if row["system"] == data.trial["system"]), None)
    if mine is None or not mine["calls"] or mine["cost_usd"] is None or not mine["submissions"]:
        return ""
    return _spent(mine, _compared_with(data, systems), systems, data.scores_here)


def _in_order(data: TrialData) -> list[TableRow]:
    """The rows of the systems: the baseline, the trial's own, then the others as they stand."""
    rows = [row for row in data.costs_here if row["part"] == SYSTEM]
    baseline = next((row["baseline"] for row in rows if row["baseline"]), "")
    first = [baseline, data.trial["system"]]
    return sorted(
        rows, key=lambda row: first.index(row["system"]) if row["system"] in first else len(first)
    )


def _compared_with(data: TrialData, systems: Sequence[TableRow]) -> str:
    """The baseline; for a trial of the baseline, the first system whose agents share a context,
    else the first other one. It has ended trials; empty: none has."""
    mine = data.trial["system"]
    others = [row["system"] for row in systems if row["system"] != mine and row["calls"]]
    if any(row["baseline"] == mine for row in systems):
        shared = {each["system"] for each in data.trials_here if each["submits"] == "shared"}
        others.sort(key=lambda system: system not in shared)
    return str(others[0]) if others else ""


class _Table:
    """Rows of `cost_breakdown.csv` by system."""

    def __init__(
        self, rows: Sequence[TableRow], names: Sequence[str], mine: str, other: str
    ) -> None:
        self._rows = {(row["system"], row["part"], row["name"]): row for row in rows}
        self._names, self._mine, self._other = names, mine, other

    def row(self, system: str, part: str, name: str) -> TableRow | None:
        return self._rows.get((system, part, name))

    def usd(self, system: str, part: str, name: str) -> float:
        row = self.row(system, part, name)
        return (row and row[USD]) or 0.0

    def more(self, part: str, name: str) -> float | None:
        """How much more the trial's system spent per submission than the other one."""
        wholes = [self.row(system, SYSTEM, "all") for system in (self._mine, self._other)]
        if any(whole is None or whole[USD] is None for whole in wholes):
            return None
        return self.usd(self._mine, part, name) - self.usd(self._other, part, name)

    def part(self, title: str, parts: Sequence[str]) -> Part:
        """The lines of these parts: the largest difference first, else as the rows have them."""
        keys = dict.fromkeys((part, name) for _, part, name in self._rows if part in parts)
        lines = [
            Line(
                name=part_words(name),
                cells=[self.row(system, part, name) for system in self._names],
                more=self._difference(part, name),
            )
            for part, name in keys
        ]
        shown = [line for line in lines if any(cell and _says(cell) for cell in line.cells)]
        return Part(title=title, lines=sorted(shown, key=lambda line: -abs(line.more or 0.0)))

    def _difference(self, part: str, name: str) -> float | None:
        """What a line shows of `more`. Kinds of work are each system's own."""
        neither = not any(self.usd(each, part, name) for each in (self._mine, self._other))
        return None if neither or part == KIND else self.more(part, name)


def _says(row: TableRow) -> bool:
    columns = ("prompt_tokens", "output_tokens", "count", "seconds", "cost_usd")
    return any(row[column] for column in columns)


# -- in words ----------------------------------------------------------------------------------


def _sentences(
    data: TrialData, systems: Sequence[TableRow], other: str, table: _Table
) -> list[str]:
    mine = next((row for row in systems if row["system"] == data.trial["system"]), None)
    if mine is None or not mine["calls"]:
        return ["No trial of this system on this instance has ended: what it cost so far is below."]
    if mine["cost_usd"] is None:
        return ["The price of a call is not known, so there are tokens and no dollars."]
    if not mine["submissions"]:
        return [f"{mine['system']} spent {dollars(mine['cost_usd'])} and made no submission."]
    told = _spent(mine, other, systems, data.scores_here)
    if table.more(SYSTEM, "all") is None:
        return [told]
    return [told, *_why(data.trial["system"], other, table)]


def _spent(
    mine: TableRow, other: str, systems: Sequence[TableRow], scores: Sequence[InstanceScore]
) -> str:
    least = "at least " if mine["cost_unsure_usd"] else ""
    made = made_here(mine, scores)
    trials = f"in {made.trials} trials " if made.trials > 1 else ""
    told = f"{mine['system']} spent {least}{dollars(mine['cost_usd'])} here {trials}for "
    told += _made(mine)
    theirs = next((row for row in systems if row["system"] == other), None)
    if theirs is None or theirs[USD] is None:
        return f"{told}."
    if not theirs[USD]:
        return f"{told}; {other} spent nothing."
    told += f", {mine[USD] / theirs[USD]:.2f} of {other}'s {dollars(theirs[USD])}."
    return told + _distinct(made, other, made_here(theirs, scores))


def _distinct(made: Made, other: str, theirs: Made) -> str:
    """What a submission that is no copy costs, where there are copies; else nothing."""
    if not made.copies and not theirs.copies:
        return ""
    told = ""
    if made.copies:
        are = "is a copy" if made.copies == 1 else "are copies"
        told = f" {made.copies} of the {made.submissions} {are} of another agent's patch."
    if made.distinct_usd is None:
        return told
    told += f" A distinct patch costs {dollars(made.distinct_usd)}"
    if not theirs.distinct_usd:
        return f"{told}."
    ratio, usd = made.distinct_usd / theirs.distinct_usd, dollars(theirs.distinct_usd)
    whose = f"one of {other}'s ({usd})" if theirs.copies else f"{other}'s {usd}"
    return f"{told}, {ratio:.2f} times {whose}."


def _made(row: TableRow) -> str:
    made = counted(int(row["submissions"]), "submission")
    return made if row["submissions"] == 1 else f"{made}, {dollars(row[USD])} each"


def _why(mine: str, other: str, table: _Table) -> list[str]:
    """What the difference is made of, the largest first."""
    whole = table.more(SYSTEM, "all") or 0.0
    parts = [(name, table.more(ACTIVITY, name) or 0.0) for name in ORDER]
    named = sorted(
        (each for each in parts if abs(each[1]) >= LEAST), key=lambda each: -abs(each[1])
    )
    if abs(whole) < LEAST:
        return [f"Per submission that is as much as {other} spent."]
    words = [f"{dollars(abs(usd))} {_less(usd)} {_DOING[name]}" for name, usd in named[:MOST_WORDS]]
    told = f"Per submission {mine} spent {dollars(abs(whole))} {_less(whole)} than {other}"
    return [f"{told}: {'; '.join(words)}." if words else f"{told}."]


def _less(usd: float) -> str:
    return "more" if usd > 0 else "less"


_DOING: Mapping[TurnActivity, str] = {
    TurnActivity.SEARCH: "on searching and reading",
    TurnActivity.EDIT: "on editing",
    TurnActivity.TEST: "on testing and running code",
    TurnActivity.ANSWER: "on answering",
    TurnActivity.COORDINATE: "on coordinating or finishing (publish, finish, …)",
    TurnActivity.REFUSED: "on proposals that were refused",
    TurnActivity.CHECK: "on checks of findings by a model",
    TurnActivity.REPEATED: "on what had been read or run before",
    TurnActivity.OTHER: "on other tools",
    TurnActivity.TALK: "on answers without a tool call",
    TurnActivity.UNANSWERED: "on calls without an answer",
}


def _calls(data: TrialData) -> list[CallLine]:
    """The calls of the trial that were sent, the dearest first."""
    lines = [
        CallLine(
            row=call,
            kind=data.kinds[call["call_id"]],
            activities=[
                (part_words(n), share) for n, share in data.cost.activities[call["call_id"]].items()
            ],
        )
        for call in data.calls
        if call["paid_call"] is None
    ]
    return sorted(lines, key=lambda line: -(line.row["cost_usd"] or 0.0))


def _own(data: TrialData) -> list[tuple[str, float, float]]:
    found = data.cost.sums()
    rows = [
        (part_words(name), sum_.usd / found.whole.usd if found.whole.usd else 0.0, sum_.usd)
        for (part, name), sum_ in found.parts.items()
        if part == ACTIVITY
    ]
    return sorted(rows, key=lambda row: -row[2])
