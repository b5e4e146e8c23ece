"""`delm` over documents: N equal readers, a queue, and a context of gists and checked findings.

The published mechanism (arXiv 2606.10662, section 4.2) on the board that issues have, too. Each
part of the document is a task and becomes an entry; one reader plans; readers unfold what they
need and publish findings with quotations; where the queue is empty one of them decides whether
more is to be found out, and answers.
"""

from functools import partial
from typing import Any

import anyio

from agents.admission.gate import Gate
from agents.admission.gist_check import gist_checker
from agents.board.session import BoardSession, finish_task
from agents.board.task_loop import TaskLoop, result_of
from agents.concurrency import together
from agents.documents.chunking import Headings, split
from agents.documents.evidence import PartCheck, QuotationCheck
from agents.documents.full_context import asked, choose
from agents.documents.summaries import UNKNOWN, Note, prepare
from agents.documents.tools import add_task, publish, uncited, unfold
from agents.loop import Ending, converse, ended_by
from agents.options import Natural, Options, Seconds
from agents.prompts import render
from agents.tools import Toolbox
from harness.board.evidence import Part, Quotations
from harness.board.protocols import Claim, NewTask, Proposal, Task
from harness.board.vocabulary import (
    EntryKind,
    ResultKey,
    TaskKind,
    agent_name,
    conversation_name,
    numbered_label,
)
from harness.errors import LimitReached, ModelError
from harness.protocols import Trial
from harness.types import Message

READ, PLAN = 30, 20  # priorities
AUTHOR = "answer"


class DocumentOptions(Options):
    """The switches of the system; each is a line of its configuration."""

    verification: bool = True  # places, gists and findings are checked
    hierarchy: bool = True  # parts have claims between gist and text
    rounds: Natural = 2  # times that an empty queue is thought about before the answer
    turns: Natural = 24  # of a task
    neighbours: Natural = 1  # parts on either side that come with an unfolded one
    lease_s: Seconds = 60.0


class DelmDocuments:
    """The system."""

    Options = DocumentOptions

    def __init__(self, options: DocumentOptions | None = None) -> None:
        self.options = options or DocumentOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        team = DocumentsTrial(trial, self.options, await trial.document())
        reason = "interrupted"
        await team.seed()
        try:
            names = [agent_name(number + 1) for number in range(trial.agents)]
            task_loops = [
                TaskLoop(trial, n, lease_s=self.options.lease_s, work=team.work) for n in names
            ]
            await together(task_loop.live for task_loop in task_loops)
            reason = "finished" if team.letter else team.unanswered
        except (LimitReached, ModelError) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await trial.queue.close(by="", reason=reason)
                await trial.submit(
                    AUTHOR,
                    team.letter,
                    reason=reason,
                    salvaged=reason != "finished",
                    agent=team.answered_by,
                )


class DocumentsTrial:
    """One trial."""

    def __init__(self, trial: Trial, options: DocumentOptions, text: str) -> None:
        self.trial = trial
        self.letter = ""
        self.answered_by = ""
        self.unanswered = "no choice"  # why there is no letter
        self._options = options
        self._text = text
        self._parts = split(text)
        self._notes: dict[tuple[str, str], Note] = {}  # by task and agent
        self._pieces: list[str] = []  # labels of the parts, once they are in the context
        self._entering = anyio.Lock()

        def check(name: str, template: str, *, shared: bool) -> Any:
            if not options.verification:
                return None
            return gist_checker(
                lambda conversation: trial.model(conversation, shared=shared),
                name=name,
                template=template,
            )

        self._gist_check = check("gist", "check_gist", shared=True)
        quotations = QuotationCheck(
            context=trial.context,
            count_tokens=trial.count_tokens,
            above=Headings(text).above,
            verify=options.verification,
        )
        self.gate = Gate(
            trial.context,
            {Quotations: quotations, Part: PartCheck(text=text, verify=options.verification)},
            checker=check("judge", "check_finding", shared=False),
        )

    async def seed(self) -> None:
        """A task for each part, and one to plan when all are read."""
        agents = self.trial.agents
        reads = [
            NewTask(
                kind=TaskKind.READ,
                text=f"Prepare part {number} of the document.",
                label=numbered_label(TaskKind.READ, number),
                priority=READ,
                preferred=agent_name((number - 1) % agents + 1),
            )
            for number in range(1, len(self._parts) + 1)
        ]
        plan = NewTask(
            kind=TaskKind.PLAN,
            text=render("task_plan"),
            label=numbered_label(TaskKind.PLAN, 1),
            priority=PLAN,
            after=tuple(task.label for task in reads),
        )
        await self.trial.queue.put(*reads, plan, by="")

    async def work(self, claim: Claim) -> Claim | None:
        """Do a task and hand it back."""
        task, queue = claim.task, self.trial.queue
        if task.kind == TaskKind.READ:
            number = int(task.label.rpartition("-")[2])
            note = Note(number=number, piece=self._parts[number - 1])
            await self._prepare(note, claim.agent)
            self._notes[task.label, claim.agent] = note
            await queue.finish(claim)
            return None
        await self._enter()
        if task.kind == TaskKind.DECIDE:
            await self._decide(claim)
            return None
        tools = (publish, add_task) if task.kind == TaskKind.FIND else (add_task,)
        session = self._session(claim)
        box = Toolbox(
            unfold(session, self._pieces, self._options.neighbours),
            *(tool(session) for tool in tools),
            finish_task(_nothing),
        )
        ending = await self._converse(session, task.text, box)
        await queue.finish(claim, result=result_of(ending))
        return None

    async def _prepare(self, note: Note, agent: str) -> None:
        await prepare(
            self.trial,
            self._text,
            note,
            agent=agent,
            verify=self._options.verification,
            hierarchy=self._options.hierarchy,
            checker=self._gist_check,
        )

    async def _enter(self) -> None:
        """Put the parts into the context, in the document's order, once."""
        async with self._entering:
            if self._pieces:
                return
            reads = [t for t in await self.trial.queue.tasks() if t.kind == TaskKind.READ]
            for read in reads:
                self._pieces.append(await self._enter_one(read))

    async def _enter_one(self, read: Task) -> str:
        note = self._notes[read.label, read.holder]
        title = f"{note.piece.title}: " if note.piece.title else ""
        part = Part(
            start=note.piece.start,
            end=note.piece.end,
            claims=len(note.claims),
            refused=note.refused,
        )
        ruling = await self.gate.submit(
            Proposal(
                kind=EntryKind.FACT,
                gist=f"{title}{note.gist or UNKNOWN}",
                summary=note.summary if self._options.hierarchy else "",
                evidence=part,
                author=read.holder,
                task=read.label,
            )
        )
        assert ruling.entry is not None
        return ruling.entry.label

    async def _decide(self, claim: Claim) -> None:
        """Think about an empty queue; where nothing is added, answer and end the trial."""
        queue, number = self.trial.queue, int(claim.task.label.rpartition("-")[2])
        if number <= self._options.rounds:
            session = self._session(claim)
            box = Toolbox(
                unfold(session, self._pieces, self._options.neighbours),
                add_task(session),
                finish_task(_nothing),
            )
            await self._converse(session, render("task_more"), box)
            if session.added:
                await queue.finish(
                    claim, result={ResultKey.SUMMARY: f"{session.added} tasks added"}
                )
                return
        session = self._session(claim, "answer" if number <= self._options.rounds else "")
        box = Toolbox(
            unfold(session, self._pieces, self._options.neighbours),
            choose(
                self.trial,
                partial(uncited, self.trial.context),
                because="Why, with the labels that it rests on.",
            ),
        )
        ending = await self._converse(session, render("task_answer"), box)
        self.letter, self.answered_by = ending.summary, claim.agent
        if ending.reason in {"context", "refused"}:
            self.unanswered = ending.reason
        await session.cite(list(ending.messages), source=AUTHOR)
        await queue.finish(claim, result=result_of(ending))
        await queue.close(by=claim.agent, reason="the question is answered")

    def _session(self, claim: Claim, part: str = "") -> BoardSession:
        return BoardSession(
            queue=self.trial.queue,
            context=self.trial.context,
            judge=self.gate.submit,
            claim=claim,
            conversation=conversation_name(claim.task.label, claim.fence, part),
        )

    async def _converse(self, session: BoardSession, text: str, box: Toolbox) -> Ending:
        """Work on a task, and note what it rests on."""
        parts = len(self._pieces)
        lines = await session.lines()
        opening: list[Message] = [
            {"role": "system", "content": render("reading_system")},
            {"role": "user", "content": render("reading_parts", lines=lines[:parts])},
            {"role": "user", "content": render("reading_question", **asked(self.trial))},
            {
                "role": "user",
                "content": render(
                    "delm_task",
                    lines=lines[parts:],
                    label=session.claim.task.label,
                    text=text,
                    turns=self._options.turns,
                ),
            },
        ]
        ending = await converse(
            self.trial,
            session.conversation,
            opening,
            box,
            news=session.news,
            agent=session.claim.agent,
            turns=self._options.turns,
            no_call="Your answer held no tool call. Go on with the tools that you have.",
        )
        await session.cite(list(ending.messages))
        return ending


async def _nothing() -> str:
    return ""
