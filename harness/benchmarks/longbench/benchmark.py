"""LongBench-v2, Multi-Document QA: answers are letters, and no sandbox is needed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.benchmarks.checked_row import CheckedRow
from harness.benchmarks.longbench import generated
from harness.benchmarks.longbench.documents import document_bytes, read_document
from harness.benchmarks.longbench.expected import CHARS_A_TOKEN, assumed_reading
from harness.benchmarks.longbench.grading import AnswerGrader
from harness.benchmarks.longbench.questions import (
    LETTERS,
    MULTI_DOC,
    QuestionItem,
    QuestionRow,
    item_of,
)
from harness.benchmarks.longbench.tables import LENGTHS, breakdown
from harness.benchmarks.protocol import (
    Benchmark,
    Breakdown,
    Groups,
    PredictionForm,
    Reader,
    SubmissionFacts,
)
from harness.benchmarks.row_files import Row
from harness.cache import cache_dir
from harness.config import Config
from harness.protocols import Grader, Sandboxes
from harness.score.expected import Expected
from harness.score.rows import InstanceScore
from harness.system_files import CostBasis


class LongBench(Benchmark[QuestionItem]):
    """See `harness.benchmarks.protocol.Benchmark`."""

    name = "longbench-v2"
    submission = "answer"
    needs_sandbox = False
    id_field = "_id"
    asked = f"of the domain {MULTI_DOC}"
    prediction_forms = (
        PredictionForm(instance="_id", submission="pred", model=""),
        PredictionForm(),
    )
    choices = LETTERS
    levels = LENGTHS

    def recognizes(self, row: Row) -> bool:
        """Whether the row has choices, as questions do."""
        return "choice_A" in row

    def own_dataset(self, name: str, cache: Path) -> Iterator[CheckedRow] | None:
        """The rows of `longbench-offline`, which a program writes."""
        if name != generated.NAME:
            return None
        read = self.reader(cache)
        return (CheckedRow(where=f"{name}: {at}", item=read(row)) for at, row in generated.rows())

    def reader(self, cache: Path) -> Reader[QuestionItem]:
        """Reads questions of the domain `MULTI_DOC` and keeps their documents in `cache`."""

        def read(row: Row) -> QuestionItem | None:
            checked = QuestionRow.model_validate(row)
            return item_of(checked, cache) if checked.domain == MULTI_DOC else None

        return read

    def document(self, item: QuestionItem) -> str:
        """The document, from the cache."""
        return read_document(item.instance.document, cache_dir())

    def asked_of(self, item: QuestionItem) -> str:
        """The question, and its choices."""
        question = item.instance
        choices = [f"{letter}: {text}" for letter, text in question.choices.items()]
        return "\n".join([question.problem_statement, "", *choices])

    def grader(
        self, sandboxes: Sandboxes, config: Config, *, logs: Path, cache: Path | None
    ) -> Grader[QuestionItem]:
        """A grader that compares letters. It writes no logs."""
        return AnswerGrader()

    def gold(self, item: QuestionItem) -> str:
        """The letter of the right choice."""
        return item.reference.letter

    def expected(self, system: str, basis: CostBasis, items: Sequence[QuestionItem]) -> Expected:
        """A multiple of the document's tokens."""
        sizes = [document_bytes(item.instance.document, cache_dir()) for item in items]
        return assumed_reading(system, basis, [size / CHARS_A_TOKEN for size in sizes])

    def prediction_line(self, trial: Row, submission: Row, model: str) -> str:
        """The fields that LongBench-v2's own scoring reads.

        `pred` is the letter, or null without an answer; `judge` says whether it is right.
        """
        answer = {
            "_id": trial["instance_id"],
            "domain": MULTI_DOC,
            "sub_domain": trial["repo"],
            "difficulty": trial["difficulty"],
            "length": trial["length"],
            "answer": submission["report"].get("right"),
            "pred": submission["patch"] or None,
            "judge": submission["outcome"] == "resolved",
        }
        return json.dumps(answer) + "\n"

    def groups(self, item: QuestionItem) -> Groups:
        """Domain, difficulty and length."""
        question = item.instance
        return Groups(
            cluster=question.domain, difficulty=question.difficulty, length=question.length
        )

    def submission_facts(self, submission: Row) -> SubmissionFacts:
        """The graded letter."""
        return SubmissionFacts(answer=(submission["report"] or {}).get("answer", ""))

    def breakdown(
        self, rows: Sequence[Row], scores: Sequence[InstanceScore], facts: Mapping[str, Any]
    ) -> Breakdown:
        """Accuracy by domain, difficulty and length."""
        return breakdown(rows, scores, facts)
