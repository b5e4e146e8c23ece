"""Grade answers to questions by their letter."""

from typing import Literal

from harness.benchmarks.longbench.questions import QuestionItem
from harness.types import Verdict


class AnswerGrader:
    """A `harness.protocols.Grader` for questions."""

    async def grade(self, item: QuestionItem, submission: str, *, model_name: str) -> Verdict:
        """The verdict on a letter, or on an empty answer."""
        right = item.reference.letter
        outcome: Literal["resolved", "unresolved"] = (
            "resolved" if submission == right else "unresolved"
        )
        wrong = f"answered {submission}" if submission else "no answer"
        return Verdict(
            outcome=outcome,
            reason="" if submission == right else wrong,
            report={"answer": submission, "right": right},
            seconds=0.0,
            official=outcome,
        )
