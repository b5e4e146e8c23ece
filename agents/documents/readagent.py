"""`readagent`: gists of all pages, a few of them looked up, an answer (arXiv 2402.09727).

With the published limits: gists of 100 tokens, one to six pages looked up. Pages are the parts that
every other system has here; its authors let a model choose where they end. As `independent` it is
N readers that know nothing of each other, each with an answer of its own; what prepares the gists
is bought once, as the trials of a run share it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Self

import anyio
from pydantic import model_validator

from agents.concurrency import together
from agents.documents.full_context import asked, choose
from agents.documents.summaries import Note, context_of, prepare_all
from agents.documents.tool_names import no_call
from agents.loop import Ending, converse, ended_by
from agents.options import Natural, Options
from agents.prompts import enclosed, render
from agents.tools import Arguments, BadCall, ListOf, Tool, Toolbox
from harness.board.vocabulary import ToolName, agent_name
from harness.errors import AgentLimitReached, LimitReached, ModelError
from harness.protocols import Trial
from harness.types import Message

TURNS = 12


class ReadAgentOptions(Options):
    """The least and the largest number of pages that an agent looks up."""

    least: Natural = 1
    most: Natural = 6

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least is at most `most`, not {self.least} of {self.most}")
        return self


class ReadAgent:
    """Each agent looks up `least` to `most` pages, and answers."""

    Options = ReadAgentOptions

    def __init__(self, options: ReadAgentOptions | None = None) -> None:
        self.options = options or ReadAgentOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        text = await trial.document()
        authors = [agent_name(number + 1) for number in range(trial.agents)]
        endings: dict[str, Ending] = {}
        reason = "interrupted"
        try:
            notes = await prepare_all(trial, text, agent="")
            await together(
                partial(self._answer, trial, text, notes, author, endings) for author in authors
            )
        except (LimitReached, ModelError) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                for author in authors:
                    ending = endings.get(author, Ending(reason=reason, summary="", messages=()))
                    salvaged = ending.reason != "finished"
                    await trial.submit(
                        author, ending.summary, reason=ending.reason, salvaged=salvaged
                    )

    async def _answer(
        self,
        trial: Trial,
        text: str,
        notes: Sequence[Note],
        author: str,
        endings: dict[str, Ending],
    ) -> None:
        least, most = self.options.least, self.options.most
        looked: set[int] = set()
        opening: list[Message] = [
            {"role": "user", "content": render("reading_parts", lines=context_of(notes))},
            {"role": "user", "content": render("reading_question", **asked(trial))},
        ]

        async def against(because: str) -> str:
            return "" if len(looked) >= least else "Look up a page first."

        box = Toolbox(look_up(text, notes, looked, most), choose(trial, against, because="Why."))
        task = render("look_up", least=least, most=most, tools=box.listed)
        opening.append({"role": "user", "content": task})
        try:
            endings[author] = await converse(
                trial, author, opening, box, agent=author, turns=TURNS, no_call=no_call(box)
            )
        except AgentLimitReached as limit:
            endings[author] = Ending(reason=limit.limit, summary="", messages=())  # of it alone


def look_up(text: str, notes: Sequence[Note], looked: set[int], most: int) -> Tool:
    """The tool that shows pages, at most `most` in all. It adds their numbers to `looked`."""

    async def act(arguments: Arguments) -> str:
        names = [name.strip().lstrip("Pp") for name in arguments["pages"]]
        wrong = [n for n in names if not n.isdecimal() or not 1 <= int(n) <= len(notes)]
        if wrong or not names:
            raise BadCall(f"The pages are P1 to P{len(notes)}: name those that you want.")
        wanted = [int(name) for name in dict.fromkeys(names)]
        new = [number for number in wanted if number not in looked]
        if len(looked) + len(new) > most:
            left = most - len(looked)
            raise BadCall(f"At most {most} pages may be looked up; {left} are left.")
        looked.update(new)
        return "\n".join(
            enclosed("page", f"P{n}\n\n{text[notes[n - 1].piece.start : notes[n - 1].piece.end]}")
            for n in wanted
        )

    return Tool(
        name=ToolName.LOOK_UP,
        description="Show the text of pages.",
        parameters={},
        lists={"pages": ListOf(meaning="Their labels, such as P3.")},
        act=act,
        activity=None,
    )
