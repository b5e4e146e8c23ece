"""The conversations of a trial as a list."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.vocabulary import CARRIED, GIST_CHECK, task_of
from harness.pages.trial_inside import TrialInside
from harness.score.cost import Spent, spent
from harness.store.rows import CallRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A conversation in a list: who speaks about what, and what its calls took."""

    name: str
    agent: str
    task: str
    messages: int
    calls: Sequence[CallRow]

    @property
    def cost(self) -> Spent:
        """What its calls cost."""
        return spent(self.calls)

    @property
    def prompt_tokens(self) -> int:
        """All tokens of its prompts."""
        return sum(call["prompt_tokens"] for call in self.calls)

    @property
    def cached_tokens(self) -> int:
        """Those of them that the provider served from its cache."""
        return sum(call["cached_tokens"] for call in self.calls)

    @property
    def completion_tokens(self) -> int:
        """All tokens of its answers."""
        return sum(call["completion_tokens"] for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """All conversations of a trial."""

    conversations: Sequence[Heading]


def section(data: TrialInside) -> Conversations | None:
    """The conversations of a trial; None if nothing was said in it."""
    found = headings(data)
    return Conversations(conversations=found) if found else None


def headings(data: TrialInside) -> list[Heading]:
    """Every conversation of a trial, in the order in which they began; checks of gists are last."""
    calls: dict[str, list[CallRow]] = {name: [] for name in data.messages}
    for call in data.calls:
        calls.setdefault(call["conversation"], []).append(call)
    tasks = {task["label"] for task in data.record.tasks}
    found = [
        Heading(
            name=name,
            agent=next((call["agent"] for call in mine if call["agent"]), ""),
            task=task_of(name) if task_of(name) in tasks else "",
            messages=sum(not m.get(CARRIED) for m in data.messages.get(name, ())),
            calls=mine,
        )
        for name, mine in calls.items()
    ]
    return sorted(found, key=lambda heading: heading.name.startswith(f"{GIST_CHECK}."))
