"""`centralized-parallel` over documents: a main reader, sub-readers a round, a barrier.

The main reader sees the gists and never the text; sub-readers look pages up and report; it reads
all reports of a round before it goes on, and answers.
"""

from collections.abc import Sequence
from functools import partial

import anyio

from agents.concurrency import together
from agents.documents.full_context import asked, choose
from agents.documents.readagent import look_up
from agents.documents.summaries import Note, context_of, prepare_all
from agents.documents.tool_names import no_call
from agents.loop import converse, ended_by
from agents.options import Positive
from agents.prompts import enclosed, render
from agents.tools import Arguments, BadCall, Finished, ListOf, Tool, Toolbox
from harness.board.vocabulary import MAIN, ToolName
from harness.errors import AgentLimitReached, LimitReached, ModelError
from harness.protocols import Trial
from harness.types import Activity, Message

TURNS, SUB_TURNS = 20, 12


class ParallelReaders:
    """The main reader has `rounds` rounds of as many sub-readers as the trial has agents."""

    def __init__(self, rounds: Positive = 10, pages: Positive = 6) -> None:
        self.rounds, self.pages = rounds, pages

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        text = await trial.document()
        letter, reason = "", "interrupted"
        try:
            notes = await prepare_all(trial, text, agent=MAIN)
            lead = _Lead(self, trial, text, notes)
            box = lead.tools()
            opening = lead.opening("reading_main", box, rounds=self.rounds)
            ending = await converse(
                trial, MAIN, opening, box, agent=MAIN, turns=TURNS, no_call=no_call(box)
            )
            letter, reason = ending.summary, ending.reason
        except (LimitReached, ModelError) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                salvaged = reason != "finished"
                await trial.submit(MAIN, letter, reason=reason, salvaged=salvaged, agent=MAIN)


class _Lead:
    """The state of one trial."""

    def __init__(
        self, system: ParallelReaders, trial: Trial, text: str, notes: Sequence[Note]
    ) -> None:
        self._system = system
        self._trial = trial
        self._text = text
        self._notes = notes
        self._round = 0

    def opening(self, template: str, box: Toolbox, **more: object) -> list[Message]:
        """The first messages of a reader: the gists, the question, and its own instructions."""
        task = render(template, most=self._system.pages, tools=box.listed, **more)
        return [
            {"role": "user", "content": render("reading_parts", lines=context_of(self._notes))},
            {"role": "user", "content": render("reading_question", **asked(self._trial))},
            {"role": "user", "content": task},
        ]

    def tools(self) -> Toolbox:
        """The tools of the main reader."""

        async def nothing(because: str) -> str:
            return ""

        return Toolbox(self._delegate(), choose(self._trial, nothing, because="Why."))

    def _delegate(self) -> Tool:
        async def act(arguments: Arguments) -> str:
            asked_for = [text.strip() for text in arguments["tasks"] if text.strip()]
            most = self._trial.agents
            if not 1 <= len(asked_for) <= most:
                raise BadCall(f"Give 1 to {most} tasks, one for each reader.")
            if self._round >= self._system.rounds:
                raise BadCall("There are no more rounds: answer from what was reported.")
            self._round += 1
            reports = [""] * len(asked_for)
            await together(
                partial(self._sub, index, task, reports) for index, task in enumerate(asked_for)
            )
            return "\n".join(enclosed("report", report) for report in reports)

        return Tool(
            name=ToolName.DELEGATE,
            description="Give each reader one task; all of them report before you go on.",
            parameters={},
            lists={"tasks": ListOf(meaning="What each is to find out, complete in itself.")},
            act=act,
            activity=Activity.BARRIER,
        )

    async def _sub(self, index: int, task: str, reports: list[str]) -> None:
        name = f"reader-{index + 1}"
        conversation = f"round-{self._round}-{name}"
        looked: set[int] = set()
        box = Toolbox(look_up(self._text, self._notes, looked, self._system.pages), _report())
        try:
            ending = await converse(
                self._trial,
                conversation,
                self.opening("reading_sub", box, task=task),
                box,
                agent=name,
                turns=SUB_TURNS,
                no_call=no_call(box),
            )
        except AgentLimitReached as limit:
            reports[index] = f"Nothing was reported ({limit.limit})."
            return
        reports[index] = ending.summary or f"Nothing was reported ({ending.reason})."


def _report() -> Tool:
    async def act(arguments: Arguments) -> str:
        raise Finished(arguments["text"][:8_000])

    return Tool(
        name=ToolName.REPORT,
        description="Hand back what you found. It ends the task.",
        parameters={"text": "What you found, with the words of the document that show it."},
        act=act,
        activity=None,
    )
