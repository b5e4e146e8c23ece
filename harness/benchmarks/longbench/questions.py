"""LongBench-v2's rows: questions about long documents, with four choices, and how they are graded.

The texts lie in the cache, each once, under the hash of its content: a run holds none of them but
those that it is reading.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from harness.benchmarks.checked_row import LONGEST_NAME, RowFields
from harness.cache import write_beside
from harness.errors import SandboxUnavailable, UserError
from harness.types import Instance, Item, Question, Reference, Verdict

NAME = "longbench-v2"
MULTI_DOC = "Multi-Document QA"  # the domain that is asked
LETTERS = ("A", "B", "C", "D")


class QuestionRow(RowFields):
    """The fields of a row; the dataset's own names."""

    model_config = ConfigDict(populate_by_name=True)

    id: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME)
    ] = Field(alias="_id")
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


def asks(row: Mapping[str, Any]) -> bool:
    """Whether a row of a dataset is a question's."""
    return "choice_A" in row


def item_of(row: QuestionRow, cache: Path) -> Item:
    """Split a row into what a system may know and what only grading may know; keep its text."""
    instance = Instance(
        instance_id=row.id,
        repo=row.sub_domain,
        problem_statement=row.question,
        difficulty=row.difficulty,
        question=Question(
            choices={letter: getattr(row, f"choice_{letter}") for letter in LETTERS},
            document=keep_document(row.context, cache),
            length=row.length,
        ),
    )
    reference = Reference(instance_id=row.id, repo=row.sub_domain, answer=row.answer)
    return Item(instance=instance, reference=reference)


def benchmark_of(items: Sequence[Item]) -> str:
    """Whose instances they are: swe-bench or longbench-v2. A dataset holds no mixture."""
    return NAME if any(item.instance.question for item in items) else "swe-bench"


def refuse_questions(benchmark: str, what: str) -> None:
    """`UserError` where `what` is asked of this one."""
    if benchmark == NAME:
        raise UserError(f"{what} is for issues and their tests; these instances are questions")


def keep_document(text: str, cache: Path) -> str:
    """Keep a text in the cache; the SHA-256 of its UTF-8 bytes."""
    content = text.encode()
    name = hashlib.sha256(content).hexdigest()
    path = _path(name, cache)
    if not path.exists():
        write_beside(path, content)
    return name


def read_document(name: str, cache: Path) -> str:
    """A text that was kept. Blocking. Raises `SandboxUnavailable` where it is gone or damaged."""
    try:
        return _path(name, cache).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SandboxUnavailable(f"the document {name[:12]} cannot be read: {error}") from error


def document_bytes(name: str, cache: Path) -> int:
    """How long a text is that was kept. Raises `OSError` where it is gone."""
    return _path(name, cache).stat().st_size


def _path(name: str, cache: Path) -> Path:
    return cache / "documents" / name[:2] / f"{name}.txt"


class AnswerGrader:
    """Grades letters."""

    async def grade(self, item: Item, patch: str, *, model_name: str) -> Verdict:
        """The verdict on the answer `patch`: a letter, or nothing where none was given."""
        right = item.reference.answer
        outcome: Literal["resolved", "unresolved"] = "resolved" if patch == right else "unresolved"
        reason = "" if patch == right else f"answered {patch}" if patch else "no answer"
        return Verdict(
            outcome=outcome,
            reason=reason,
            report={"answer": patch, "right": right},
            seconds=0.0,
            official=outcome,
        )
