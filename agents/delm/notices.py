"""What an agent is told once: that its turns or its budget end, or that it repeats itself."""

from collections.abc import Callable, Sequence

from agents.admission.expected_output import normal
from agents.prompts import enclosed
from harness.types import Message

TURNS_LEFT, SHARE_LEFT, REPEATED = 3, 0.1, 3
LAST_TURNS = f"{TURNS_LEFT} turns are left for this task: publish what you have, and finish."
LITTLE_LEFT = f"Less than {SHARE_LEFT:.0%} of your budget is left: publish what you have."
AGAIN = "`{}` was called {} times with the same arguments and the same outcome. Do something else."


class Notices:
    """The notices of one task's conversation.

    `turns` is its limit (0: none), `left` says what share of the agent's budget is left. `told`
    holds what the conversation was told already, and is added to.
    """

    def __init__(self, *, turns: int, left: Callable[[], float], told: set[str]) -> None:
        self._turns = turns
        self._left = left
        self._told = told
        self._taken = 0
        self._calls: dict[tuple[str, str], tuple[str, int]] = {}  # outcome, times in a row

    def after(self, answer: Message, observations: Sequence[Message]) -> str:
        """The text for the end of a turn, mostly empty."""
        self._taken += 1
        due = []
        if self._turns > TURNS_LEFT and self._turns - self._taken == TURNS_LEFT:
            due.append(LAST_TURNS)
        if LITTLE_LEFT not in self._told and self._left() < SHARE_LEFT:
            self._told.add(LITTLE_LEFT)
            due.append(LITTLE_LEFT)
        due += self._repeated(answer, observations)
        return f"\n\n{enclosed('notice', chr(10).join(due))}" if due else ""

    def _repeated(self, answer: Message, observations: Sequence[Message]) -> list[str]:
        found = []
        for call, seen in zip(answer.get("tool_calls") or (), observations, strict=False):
            name = call["function"]["name"]
            asked, outcome = (name, call["function"]["arguments"]), normal(str(seen["content"]))
            before, times = self._calls.get(asked, ("", 0))
            self._calls[asked] = outcome, times + 1 if before == outcome else 1
            if self._calls[asked][1] == REPEATED and AGAIN not in self._told:
                self._told.add(AGAIN)
                found.append(AGAIN.format(name, REPEATED))
        return found
