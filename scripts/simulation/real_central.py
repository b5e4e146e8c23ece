"""The real `centralized-parallel`, whose models only take time. Run by `calibration.py`.

The main agent delegates a round of one subtask an agent, waits for all, reads all reports, and so
on; a call takes longer the more it writes and reads. Sandboxes are files in memory.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import simpy

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers"))

from played_central import PlayedModel, PlayedTrial, back, said, several

from agents.centralized import CentralizedParallel
from agents.centralized.sequential import CentralizedOptions
from harness.types import Message, Reply
from simulation.stations import Processors

SUB = "sub-"
INSTRUCTION = "Find out what part {} begins with, mend it where it is one too low, and run it."
REPORT = "Part {0} was one too low. What calls {0} passes now as it did before. " * 4


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """What a run does, and what its model calls take."""

    agents: int
    rounds: int = 2
    turns: int = 3  # calls of a subagent in a round
    base_s: float = 0.2  # of a call
    subtask_s: float = 0.002  # of the main agent's calls, for each subtask that it writes
    report_s: float = 0.001  # the same, for each report in its prompt

    def main_s(self, subtasks: int, reports: int) -> float:
        """Seconds of a call of the main agent."""
        return self.base_s + subtasks * self.subtask_s + reports * self.report_s


class CheapTrial(PlayedTrial):
    """Keeps no prompts: what is measured is the system, not its stand-ins."""

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> PlayedModel:
        """One conversation."""
        return CheapModel(self, conversation)

    async def say(self, conversation: str, *messages: Message) -> None:
        """Not kept."""


@dataclass
class CheapModel(PlayedModel):
    """Answers without looking at more than the number of turns."""

    turn: int = -1

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        """The next answer, after its time."""
        self.turn += 1
        return await self.trial.say_what(self.conversation, self.turn, list(messages))


def player(given: Rounds) -> Any:
    """What every conversation says."""

    async def say(conversation: str, turn: int, prompt: list[Message]) -> Reply:
        if conversation.startswith(SUB):
            await asyncio.sleep(given.base_s)
            if turn < given.turns - 1:
                return said(("bash", {"command": "look"}))
            return said(back(REPORT.format(conversation)))
        last = turn >= given.rounds
        writes = 0 if last else given.agents
        await asyncio.sleep(given.main_s(writes, turn * given.agents))
        if last:
            return said(("submit", {"summary": "All is well."}))
        return said(several(*(INSTRUCTION.format(n) for n in range(given.agents))))

    return say


async def play(given: Rounds) -> float:
    """The wall clock in seconds."""
    trial = CheapTrial(player(given), agents=given.agents)
    trial.workspace.files["core.py"] = "mended"  # so that there is something to submit
    options = CentralizedOptions(attempts=given.rounds + 1)
    began = time.monotonic()
    await CentralizedParallel(options).run(trial)
    took_s = time.monotonic() - began
    assert [each[2] for each in trial.submitted] == ["finished"], trial.submitted
    return took_s


def predict(given: Rounds, own_s: float) -> float:
    """The wall clock in seconds of `play`; `own_s` is the system's own time for each sub-call.

    The main agent writes a round and reads the reports of all before it, one call after another. A
    round ends with its last subagent. What the system does for one it does for no other meanwhile.
    """
    env = simpy.Environment()
    interpreter = Processors(env, 1)

    def subagent() -> Iterator[Any]:
        for _ in range(given.turns):
            yield env.timeout(interpreter.take(own_s) + given.base_s)

    def main() -> Iterator[Any]:
        for number in range(given.rounds):
            yield env.timeout(given.main_s(given.agents, number * given.agents))
            yield env.all_of([env.process(subagent()) for _ in range(given.agents)])
        yield env.timeout(given.main_s(0, given.rounds * given.agents))

    env.process(main())
    env.run()
    return env.now
