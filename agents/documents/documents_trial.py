"""One trial of `delm` over a document: its tasks, its context, and the conversations of readers."""

from functools import partial

import anyio

from agents.admission.gate import Gate
from agents.admission.gist_check import GistCheck, gist_checker, one_by_one
from agents.board.session import BoardSession
from agents.board.task_loop import result_of
from agents.documents.chunking import Headings, split
from agents.documents.evidence import PartCheck, QuotationCheck
from agents.documents.full_context import asked, choose, question_of
from agents.documents.options import DocumentOptions
from agents.documents.summaries import UNKNOWN, Note, prepare
from agents.documents.tool_names import no_call
from agents.documents.tools import add_task, hand_back, objection, publish, raw_of, unfold
from agents.loop import Ending, converse
from agents.prompts import render
from agents.tools import Toolbox
from harness.board.evidence import Part, Quotations
from harness.board.protocols import Claim, NewTask, Proposal, Task
from harness.board.vocabulary import (
    ENTRY_LABEL,
    EntryKind,
    Level,
    TaskKind,
    agent_name,
    conversation_name,
    numbered_label,
)
from harness.protocols import Trial
from harness.types import Message

READ, PLAN = 30, 20  # priorities
AUTHOR = "answer"
LAID_OUT = 2  # parts whose text a task begins with
NO_MORE = "No more tasks can be added. Give the answer."
UNDECIDED = "Give the answer; or add the task that is missing, then hand this one back."


class DocumentsTrial:
    """The state of one trial. `whole`: the document stands in every prompt and has no parts.

    Where the first prompt shows that it is too long for the model, it is cut into parts after all.
    """

    def __init__(self, trial: Trial, options: DocumentOptions, text: str, *, whole: bool) -> None:
        self.trial = trial
        self.letter = ""
        self.answered_by = ""
        self.unanswered = "no choice"  # why there is no letter
        self._options = options
        self._text = text
        self._whole = whole
        self._parts = [] if whole else split(text)
        self._notes: dict[tuple[str, str], Note] = {}  # by task and agent
        self._pieces: list[str] = []  # labels of the parts, once they are in the context
        self._entering = anyio.Lock()
        self._gist_check = self._checker("gist", "check_gist", shared=True)
        self.gate = self._gate()

    def _gate(self) -> Gate:
        options, question = self._options, question_of(self.trial)
        words = [question.problem_statement, *question.choices.values()]
        quotations = QuotationCheck(
            context=self.trial.context,
            count_tokens=self.trial.count_tokens,
            document=self._text,
            headings=Headings(self._text),
            question="\n".join(words) if options.checker_sees_question else "",
            nearby=options.nearby,
            verify=options.verification,
        )
        checker = self._checker("judge", "check_finding", values=self._asked())
        return Gate(
            self.trial.context,
            {
                Quotations: quotations,
                Part: PartCheck(text=self._text, verify=options.verification),
            },
            checker=one_by_one(checker) if checker else None,
        )

    def _asked(self) -> dict[str, object]:
        """The text about the question that the checker of findings is shown."""
        return asked(self.trial) if self._options.checker_sees_question else {"question": ""}

    def _checker(
        self,
        name: str,
        template: str,
        *,
        shared: bool = False,
        values: dict[str, object] | None = None,
    ) -> GistCheck | None:
        if not self._options.verification:
            return None
        return gist_checker(
            lambda conversation: self.trial.model(conversation, shared=shared),
            name=name,
            template=template,
            values=values,
        )

    async def seed(self) -> None:
        """Add a task for each part, and one to plan once all parts are read."""
        await self.trial.queue.put(*self._first_tasks(plan=1), by="")

    def _first_tasks(self, *, plan: int) -> list[NewTask]:
        """A task for each part, and the task of this number to plan once all parts are read."""
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
        planning = NewTask(
            kind=TaskKind.PLAN,
            text=render(
                "task_plan",
                whole=self._whole,
                by_part=self._options.by_part,
                laid_out=LAID_OUT,
                agents=agents,
            ),
            label=numbered_label(TaskKind.PLAN, plan),
            priority=PLAN,
            after=tuple(task.label for task in reads),
        )
        return [*reads, planning]

    async def work(self, claim: Claim) -> Claim | None:
        """Do the claimed task and finish it."""
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
        ending = await self._converse(self._session(claim), task.text, last=False)
        then: list[NewTask] = []
        if self._whole and task.kind == TaskKind.PLAN and ending.reason == "context":
            self._whole, self._parts = False, split(self._text)
            then = self._first_tasks(plan=2)
        await queue.finish(claim, result=result_of(ending), then=then)
        return None

    async def _prepare(self, note: Note, agent: str) -> None:
        await prepare(
            self.trial,
            self._text,
            note,
            agent=agent,
            verify=self._options.verification,
            hierarchy=self._options.hierarchy,
            nearby=self._options.nearby,
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
        """Decide about an empty queue: add tasks, or answer the question and end the trial."""
        queue, number = self.trial.queue, int(claim.task.label.rpartition("-")[2])
        session, last = self._session(claim), number > self._options.rounds
        ending = await self._converse(session, render("task_conclude", last=last), last=last)
        if not session.added:
            self.letter, self.answered_by = ending.summary, claim.agent
            if ending.reason in {"context", "refused"}:
                self.unanswered = ending.reason
            await session.cite(list(ending.messages), source=AUTHOR)
        await queue.finish(claim, result=result_of(ending))
        if not session.added:
            await queue.close(by=claim.agent, reason="the question is answered")

    def _session(self, claim: Claim) -> BoardSession:
        return BoardSession(
            queue=self.trial.queue,
            context=self.trial.context,
            judge=self.gate.submit,
            claim=claim,
            conversation=conversation_name(claim.task.label, claim.fence),
        )

    def _tools(self, session: BoardSession, *, last: bool) -> Toolbox:
        """The same on every task of every reader: providers' caches begin with the tools."""
        decides = session.claim.task.kind == TaskKind.DECIDE

        def missing() -> str:
            return UNDECIDED if decides and not session.added else ""

        unfolding = unfold(session, self._pieces, self._options.neighbours)
        return Toolbox(
            *([] if self._whole else [unfolding]),
            publish(session, whole=self._whole),
            add_task(session, NO_MORE if last else ""),
            choose(
                self.trial,
                partial(objection, session),
                because="Why, with the labels that it rests on.",
                when=", when your task is to decide",
            ),
            hand_back(missing),
        )

    async def _laid_out(self, session: BoardSession) -> list[str]:
        """The text of the parts that a task names first, where tasks are cut by part."""
        task = session.claim.task
        if task.kind != TaskKind.FIND or not self._options.by_part:
            return []
        named = dict.fromkeys(ENTRY_LABEL.findall(task.text))
        there = [label for label in named if label in self._pieces]
        labels = [label for label in there if label not in session.vetoed][:LAID_OUT]
        await self.trial.context.note_shown(session.conversation, labels, Level.RAW)
        return [raw_of(await session.entry(label)) for label in labels]

    async def _converse(self, session: BoardSession, text: str, *, last: bool) -> Ending:
        """Work on a task in one conversation, and record the entries that it cites."""
        box, task = self._tools(session, last=last), session.claim.task
        lines = await session.lines()
        parts = [line for line in lines if line.partition(" ")[0] in self._pieces]
        read: Message = {"role": "user"}
        if self._whole:
            read["content"] = render("reading_document", document=self._text)
        else:
            read["content"] = render("reading_parts", lines=parts)
        assignment = render(
            "reading_task",
            lines=[line for line in lines if line not in parts],
            label=task.label,
            text=text,
            laid_out=await self._laid_out(session),
            turns=self._options.turns,
        )
        system = render("reading_system", whole=self._whole, tools=box.listed)
        opening: list[Message] = [
            {"role": "system", "content": system},
            read,
            {"role": "user", "content": render("reading_question", **asked(self.trial))},
            {"role": "user", "content": assignment},
        ]
        ending = await converse(
            self.trial,
            session.conversation,
            opening,
            box,
            news=session.news,
            agent=session.claim.agent,
            turns=self._options.turns,
            no_call=no_call(box),
        )
        await session.cite(list(ending.messages))
        return ending
