"""What a trial of `delm` would have cost with a switch turned: pure functions over its calls.

Each gives the dollars that it would have cost more; below zero: less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from harness.board.vocabulary import COORDINATING, EntryKind, TaskKind, ToolName

ANSWER = 40  # tokens of an answer that only unfolds or only finishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Dollars of a token."""

    fresh: float
    cached: float
    output: float

    def usd(self, *, fresh: float = 0, cached: float = 0, output: float = 0) -> float:
        """What so many tokens cost."""
        return fresh * self.fresh + cached * self.cached + output * self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: its tokens, its dollars, and what its answer did."""

    prompt: int
    cached: int
    output: int
    usd: float
    tools: Sequence[tuple[str, Mapping[str, Any]]] = ()  # what its answer called, with what
    read: int = 0  # tokens of observations in its prompt
    brought: int = 0  # tokens of the observations that its answer brought
    telling: int = 0  # tokens of its answer but for commands, changes and PATCHes


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The calls about a task, in order."""

    kind: str
    calls: Sequence[Call]
    admitted: frozenset[str] = frozenset()  # what its admitted findings said, as `words`
    opens_with_patch: bool = False  # its opening shows a PATCH
    diff: int = 0  # tokens of diffs in its opening
    goes_on: bool = False  # with an earlier conversation

    def published(self, kind: EntryKind) -> list[int]:
        """The places of its calls whose answers published an admitted finding of a kind."""
        return [
            at
            for at, call in enumerate(self.calls)
            for name, given in call.tools
            if name == ToolName.PUBLISH
            and str(given.get("kind", "")).strip().upper() == kind
            and words(given.get("gist", "")) in self.admitted
        ]

    def finding(self) -> int | None:
        """The place of the call whose answer published its first admitted FACT."""
        return next(iter(self.published(EntryKind.FACT)), None)

    def calls_tool(self, name: str) -> bool:
        """Whether any of its answers called a tool."""
        return any(each == name for call in self.calls for each, _ in call.tools)

    def takes_over(self) -> bool:
        """Whether it ended with the PATCH of another seat as its own."""
        last = self.calls[-1].tools
        return any(name == ToolName.FINISH and given.get("same") for name, given in last)

    def ends_by_patch(self) -> bool:
        """Whether an admitted PATCH ended its task."""
        last = len(self.calls) - 1
        told = any(name == ToolName.FINISH for name, _ in self.calls[last].tools)
        return last in self.published(EntryKind.PATCH) and not told

    def asks_for_the_end(self) -> bool:
        """Whether its last answer said that what it published was to end the task."""
        last = self.calls[-1].tools
        return any(str(given.get("finish", "")).strip().lower() == "true" for _, given in last)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedTrial:
    """A trial that came to an end."""

    agents: int
    submissions: int
    candidates: int  # submissions that are no copies
    conversations: Sequence[Conversation]
    gist_checks: Sequence[Call] = ()
    held_back_s: float = 0.0  # from the first FACT to the release of the seats
    released_s: float = 0.0  # from there to the end of localizing
    early: bool = False  # seats were released with no PATCH of the scout
    checked_s: float = 0.0  # the longest check of each answer, of what is no PATCH
    equal: int = 0  # patches that equal another
    refused: int = 0  # PATCHes
    news: int = 0  # findings of others that were shown in the middle of a task

    @property
    def usd(self) -> float:
        """What all its calls cost."""
        talks = (talk.calls for talk in self.conversations)
        return sum(call.usd for calls in (*talks, self.gist_checks) for call in calls)

    def scouts(self) -> list[Conversation]:
        """The conversations that look for the fault."""
        return [talk for talk in self.conversations if talk.kind == TaskKind.LOCALIZE]

    def seats(self) -> list[Conversation]:
        """The conversations that make a submission and go on with no other."""
        return [t for t in self.conversations if t.kind == TaskKind.PATCH and not t.goes_on]


def words(text: object) -> str:
    """A text without its line breaks and doubled blanks."""
    return " ".join(str(text).split())


def patch_goes_on(trial: PlayedTrial, rates: Rates) -> float:
    """One more call for each task that an admitted PATCH ended."""
    lasts = [talk.calls[-1] for talk in trial.conversations if talk.ends_by_patch()]
    return sum(
        rates.usd(fresh=last.output + last.brought, cached=last.prompt, output=ANSWER)
        for last in lasts
    )


def without_gist_check(trial: PlayedTrial) -> float:
    """Without the calls that compare findings with their evidence."""
    return -sum(call.usd for call in trial.gist_checks)


def without_diffs(trial: PlayedTrial, rates: Rates) -> float:
    """One more turn, which unfolds the PATCH, in each conversation that took over one whose diff
    was in its opening. The diff is sent fresh once either way, then it is part of the prompts."""
    found = 0.0
    for talk in trial.seats():
        if talk.takes_over() and talk.diff and not talk.calls_tool(ToolName.UNFOLD):
            opening = talk.calls[0].prompt - talk.diff
            later = ANSWER * (len(talk.calls) - 1)
            found += rates.usd(fresh=ANSWER, cached=opening + later, output=ANSWER)
    return found


def without_head_start(trial: PlayedTrial, rates: Rates, look_usd: float | None) -> float:
    """One more turn of looking for each seat that began with a PATCH and took it over.

    It costs `look_usd`; None: what the seat's own first turn cost, without the diff.
    """
    return sum(
        talk.calls[0].usd - rates.usd(fresh=talk.diff) if look_usd is None else look_usd
        for talk in trial.seats()
        if talk.opens_with_patch and talk.takes_over()
    )


def without_carrying(trial: PlayedTrial, rates: Rates) -> float:
    """The scout's seat in a new conversation: one call that looks again at all that the scout had
    read, then what the scout did after its FACT, on the shorter or longer prompt."""
    seats = [(t.calls[0].prompt - t.diff, t.calls[0].cached) for t in trial.seats()]
    found = 0.0
    for talk in trial.scouts():
        at = talk.finding()
        if at is None or not seats:
            continue
        fact, later = talk.calls[at], len(talk.calls) - at - 1
        works = _works(fact)
        if not works and not later:
            continue
        opening, cached = (mean(part) for part in zip(*seats, strict=True))
        looked = sum(call.output for call in talk.calls[:at])
        found += rates.usd(fresh=opening - cached, cached=cached, output=looked)
        found += rates.usd(fresh=looked + fact.read, cached=opening)
        if not works:  # then this is the scout's next call, on another prompt
            found -= rates.usd(cached=fact.prompt)
            later -= 1
        found += later * rates.usd(cached=opening + looked + fact.read - fact.prompt)
    return found


def with_more_scouts(trial: PlayedTrial, rates: Rates) -> float:
    """Every other agent localizes as the scout did, up to its first admitted FACT."""
    found = 0.0
    for talk in trial.scouts():
        at = talk.finding()
        if at is not None:
            fact = talk.calls[at]
            found += sum(call.usd for call in talk.calls[:at])
            found += fact.usd - rates.usd(output=fact.output - fact.telling)
    return (trial.agents - 1) * found


def without_scout(trial: PlayedTrial) -> float:
    """Every other seat costs what the scout's conversation did, instead of its own."""
    scouts = [sum(call.usd for call in talk.calls) for talk in trial.scouts()]
    others = [sum(call.usd for call in talk.calls) for talk in trial.seats()]
    return mean(scouts) * len(others) - sum(others) if scouts else 0.0


def _works(call: Call) -> bool:
    """Whether an answer does more than to tell of findings and to end."""
    return any(
        name not in COORDINATING or given.get("kind") == EntryKind.PATCH
        for name, given in call.tools
    )
