"""A board with a document in parts, and what a reader of it can do, without a model."""

import json

from agents.admission.gate import Gate
from agents.admission.gist_check import gist_checker, one_by_one
from agents.board.session import BoardSession
from agents.documents.chunking import Headings
from agents.documents.evidence import PartCheck, QuotationCheck
from agents.tools import BadCall, Toolbox
from harness.board.evidence import Part, Quotations
from harness.board.protocols import NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.types import Reply, ToolCall

QUESTION = {
    "question": "Which office spent more in 2024, with its 75 clerks?",
    "choices": {"A": "Hartwell", "B": "Penhurst"},
}


def tokens(text):
    """One a word."""
    return len(text.split())


class Desk:
    """`parts` are the document's texts; each is an entry. `verdict` is asked with each prompt."""

    def __init__(self, folder, *parts, verdict=lambda prompt: "APPROVED", shown=True, **check):
        self.board = SqliteBoard(folder / "board.db")
        self.context = self.board.of(1).context
        self.parts = parts
        self.text = "".join(parts)
        self.prompts = []
        self.asked = QUESTION if shown else {"question": ""}
        self._verdict = verdict
        quotations = QuotationCheck(
            context=self.context, count_tokens=tokens, document=self.text,
            headings=Headings(self.text), question=" ".join(map(str, self.asked.values())), **check,
        )  # fmt: skip
        self.gate = Gate(
            self.context,
            {Quotations: quotations, Part: PartCheck(text=self.text)},
            checker=one_by_one(
                gist_checker(lambda name: self, template="check_finding", values=self.asked)
            ),
        )

    async def complete(self, messages, tools):
        """The checking model."""
        self.prompts.append(messages[-1]["content"])
        return Reply(content=self._verdict(self.prompts[-1]))

    async def open(self):
        """Enter the parts, and claim a task."""
        at, self.labels = 0, []
        for part in self.parts:
            proposal = Proposal(
                kind="FACT", gist=f"Part at {at}.", summary="- It says so.", author="agent-1",
                task="read-1", evidence=Part(start=at, end=at + len(part), claims=1, refused=0),
            )  # fmt: skip
            self.labels.append((await self.gate.submit(proposal)).entry.label)
            at += len(part)
        queue = self.board.of(1).queue
        await queue.put(NewTask(kind="find", text="x"), by="")
        self.session = BoardSession(
            queue=queue, context=self.context, judge=self.gate.submit,
            claim=await queue.claim("agent-1", lease_s=50), conversation="find-1",
        )  # fmt: skip
        return self

    async def call(self, tool, **given):
        """What the tool says, or its refusal."""
        call = ToolCall(id="", name=tool.name, arguments=json.dumps(given))
        try:
            return await Toolbox(tool).call(call)
        except BadCall as refusal:
            return f"refused: {refusal}"
