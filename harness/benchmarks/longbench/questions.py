"""LongBench-v2's rows: questions about long documents, with four choices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from harness.benchmarks.checked_row import InstanceId, RowFields
from harness.benchmarks.longbench.documents import keep_document
from harness.types import Item, Question, Reference

MULTI_DOC = "Multi-Document QA"  # the domain that is asked
LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Reference):
    """The right answer of a question; only grading sees it."""

    letter: str  # of the right choice


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionItem(Item):
    """A LongBench-v2 instance."""

    instance: Question
    reference: Answer


class QuestionRow(RowFields):
    """The fields of a row; the dataset's own names."""

    model_config = ConfigDict(populate_by_name=True)
    any_character = frozenset({"context"})

    id: InstanceId = Field(alias="_id")
    domain: str
    sub_domain: str
    difficulty: str
    length: str
    question: Annotated[str, StringConstraints(min_length=1)]
    choice_A: str  # noqa: N815 - their names, as in the three below
    choice_B: str  # noqa: N815
    choice_C: str  # noqa: N815
    choice_D: str  # noqa: N815
    answer: Literal["A", "B", "C", "D"]
    context: Annotated[str, StringConstraints(min_length=1)]


def item_of(row: QuestionRow, cache: Path) -> QuestionItem:
    """Split a row into the part that a system sees and the part that only grading sees."""
    question = Question(
        instance_id=row.id,
        problem_statement=row.question,
        difficulty=row.difficulty,
        domain=row.sub_domain,
        choices={letter: getattr(row, f"choice_{letter}") for letter in LETTERS},
        document=keep_document(row.context, cache),
        length=row.length,
    )
    return QuestionItem(instance=question, reference=Answer(instance_id=row.id, letter=row.answer))
