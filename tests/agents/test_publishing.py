"""What the tools make of a finding: one set of limits, for issues and for documents."""

import json
from functools import partial

import anyio
import pytest
from played_team import PlayedWorkspace, diff_of

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.board.publishing import publish
from agents.board.session import BoardSession
from agents.board.verdicts import Verdicts
from agents.documents import tools as documents
from agents.documents.chunking import Headings
from agents.documents.evidence import PartCheck, QuotationCheck
from agents.documents.summaries import UNKNOWN
from agents.tools import BadCall, Finished, Toolbox
from harness.board.evidence import Command, Part, Patch, Quotations
from harness.board.protocols import NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.types import ToolCall

TEXT = "Hartwell grew by a third, and Penhurst by less than that. Nobody shrank in that year."
QUOTED = {"kind": "FACT", "gist": "It is so.", "summary": "s", "path": "a.py", "quote": "x = 1"}
RAN = QUOTED | {"quote": "", "command": "python t.py", "exit_status": "1", "output": "it broke"}
read_publish = partial(documents.publish, whole=False)
READ = {"finding": "It is so.", "reasoning": "r",
        "quotations": [{"label": "F1", "quote": "grew by a third"}]}  # fmt: skip


class Author:
    """An agent with a task on a board, and its `publish`."""

    def __init__(self, folder):
        self.board = SqliteBoard(folder / "board.db")
        self.context = self.board.of(1).context
        self.workspace = PlayedWorkspace()
        self.claim = None
        checks = ExecutedEvidence(
            self.workspace, self.context, command_s=1, time_limit_s=1, count_tokens=tokens,
            verify=False,
        )  # fmt: skip
        quotations = QuotationCheck(
            context=self.context, count_tokens=tokens, document=TEXT, headings=Headings(TEXT)
        )
        documents = {Quotations: quotations, Part: PartCheck(text=TEXT)}
        self.gate = Gate(self.context, checks.by_form() | documents)

    async def call(self, tool, given):
        queue = self.board.of(1).queue
        await queue.put(NewTask(kind="find", text="x"), by="")
        claim = self.claim = self.claim or await queue.claim("agent-1", lease_s=50)
        session = BoardSession(
            queue=queue, context=self.context, judge=self.gate.submit, claim=claim,
            conversation="find-1", workspace=self.workspace,
        )  # fmt: skip
        call = ToolCall(id="", name="publish", arguments=json.dumps(given))
        if tool is not publish:
            return await Toolbox(tool(session)).call(call)
        async with anyio.create_task_group() as group:
            session.verdicts = Verdicts(self.gate.submit_all, group)
            try:
                await Toolbox(publish(session, session.verdicts)).call(call)
            except BadCall as refusal:
                return f"not done: {refusal}"
            except Finished as end:
                return end.told
            await session.news()
            return await session.news()

    async def part(self, start, end, gist):
        proposal = Proposal(
            kind="FACT", gist=gist, summary="c" * 30_000, author="agent-1", task="read-1",
            evidence=Part(start=start, end=end, claims=1, refused=0),
        )  # fmt: skip
        return (await self.gate.submit(proposal)).entry.label


def tokens(text):
    return len(text.split())


@pytest.fixture
def author(tmp_path):
    made = Author(tmp_path)
    yield made
    made.board.close()


WORDS = "A summary has at most 4,000 characters, a gist at most 100 tokens and at most 2,000"


@pytest.mark.parametrize(
    ("tool", "given", "why"),
    [
        (publish, QUOTED | {"summary": "é" * 4_001}, WORDS),
        (publish, QUOTED | {"gist": "é" * 2_001}, WORDS),
        (read_publish, READ | {"reasoning": "é" * 4_001}, WORDS),
        (read_publish, READ | {"finding": "é" * 2_001}, WORDS),
        (publish, QUOTED | {"quote": "é" * 10_001}, "The quote is too long"),
        (publish, QUOTED | {"quote": "a\0b"}, "'quote' of the evidence holds a NUL character"),
        (publish, RAN | {"command": "é" * 20_001}, "The command is too long"),
        (publish, RAN | {"output": "é" * 10_001}, "The expected output is too long"),
        (read_publish, READ | {"quotations": READ["quotations"] * 9}, "at most 8 quotations"),
        (read_publish, READ | {"quotations": [{"label": "F1", "quote": "é" * 2_001}]},
         "A quotation has at most 2000 characters"),
    ],
)  # fmt: skip
async def test_what_is_beyond_a_limit_is_refused_before_it_is_kept(author, tool, given, why):
    if tool is publish:
        told = await author.call(tool, given)
        assert told.startswith(("not done: Refused, ", "\n\n<verdicts>\nRefused: "))
    else:
        with pytest.raises(BadCall) as refused:
            await author.call(tool, given)
        told = str(refused.value)
        assert told.startswith("Refused, and not in the shared context: ")
    assert why in told
    assert await author.board.proposals(1) == []


@pytest.mark.parametrize("line", ["9" * 10, "9" * 5_000, "two", "-1", "1.5"])
async def test_a_line_that_is_no_number_of_a_line_is_refused_in_a_few_words(author, line):
    told = await author.call(publish, QUOTED | {"line": line})
    assert "not done: line is a number, not" in told
    assert len(told) < 130


async def test_numbers_may_be_sent_as_numbers_or_as_text(author):
    await author.call(publish, QUOTED | {"line": 3, "path": "/testbed/./a.py", "on": " "})
    await author.call(publish, RAN | {"exit_status": 1, "gist": "It breaks.", "on": " P4 "})
    span, ran = [entry.evidence for entry in await author.context.entries()]
    assert (span.line, span.path, span.state) == (3, "a.py", "base")
    assert ran == Command(command="python t.py", exit_status=1, output="it broke", state="P4")


async def test_a_patch_has_its_limit_in_characters_whatever_alphabet_they_are_of(author):
    given = {"kind": "PATCH", "gist": "mended", "summary": "s", "command": "python t.py"}
    author.workspace.text = diff_of("é" * 170_000)
    assert await author.call(publish, given) == "Admitted as P1: 'mended'. The task is finished."
    assert (await author.context.entry("P1")).evidence == Patch(
        diff=author.workspace.text, command="python t.py"
    )
    author.workspace.text = diff_of("x" * 180_000)
    assert "The patch is longer than 180000 characters" in await author.call(publish, given)


async def test_a_finding_about_a_document_is_the_same_where_its_words_are(author):
    await author.part(0, len(TEXT), "Growth.")
    assert await author.call(read_publish, READ) == "Admitted as F2."
    other = [{"label": "F1", "quote": "Nobody shrank in"}]
    again = READ | {"finding": "it  is `so`", "quotations": other}
    assert await author.call(read_publish, again) == "Known already as F2."
    assert await author.call(read_publish, READ | {"finding": "It is not."}) == "Admitted as F3."


async def test_a_part_of_a_document_is_never_the_same_as_what_is_said_in_its_words(author):
    labels = [await author.part(0, 25, UNKNOWN), await author.part(25, len(TEXT), UNKNOWN)]
    assert labels == ["F1", "F2"]
    assert await author.part(0, 25, "Said otherwise.") == "F1"
    assert await author.call(read_publish, READ | {"finding": UNKNOWN}) == "Admitted as F3."
