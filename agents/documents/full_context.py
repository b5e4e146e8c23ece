"""`base`: one call over everything that fits. The benchmark's own way to ask a question."""

import re
from collections.abc import Awaitable, Callable
from typing import cast

import anyio

from agents.loop import answer_message, ended_by
from agents.options import Positive
from agents.prompts import render
from agents.tools import Arguments, BadCall, Finished, Tool
from harness.board.vocabulary import ToolName
from harness.errors import LimitReached, ModelError
from harness.protocols import Trial
from harness.types import Question

AUTHOR = "agent-1"
CHOICE = re.compile(r"the correct answer is \(?([A-D])\b", re.IGNORECASE)
GAP = "\n\n[… {left} characters from the middle are left out here …]\n\n"


class FullContext:
    """The whole document, or as much of both its ends as `tokens` allow, and the question."""

    def __init__(self, tokens: Positive = 120_000) -> None:
        self.tokens = tokens

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        document = middle_left_out(await trial.document(), self.tokens, trial.count_tokens)
        prompt = render("question_base", document=document, **asked(trial))
        messages = [{"role": "user", "content": prompt}]
        await trial.say(AUTHOR, *messages)
        letter, reason = "", "interrupted"
        try:
            reply = await trial.model(AUTHOR, agent=AUTHOR).complete(messages, [])
            await trial.say(AUTHOR, answer_message(reply))
            letter = choice_of(reply.content)
            reason = "finished" if letter else "no choice"
        except (LimitReached, ModelError) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await trial.submit(AUTHOR, letter, reason=reason, salvaged=reason != "finished")


def asked(trial: Trial) -> dict[str, object]:
    """The variables of prompt templates about the question: `question` and `choices`."""
    question = question_of(trial)
    return {"question": question.problem_statement, "choices": question.choices}


def question_of(trial: Trial) -> Question:
    """The trial's instance as a `Question`: systems here are for `longbench-v2` only."""
    return cast("Question", trial.instance)


def choose(
    trial: Trial, against: Callable[[str], Awaitable[str]], *, because: str, when: str = ""
) -> Tool:
    """The tool that takes the answer and ends the conversation, unless `against` objects.

    `against` is asked with the reasons that are given; `because` says what these are to have, and
    `when` at what time the answer is asked for, if not always.
    """
    letters = list(question_of(trial).choices)

    async def act(arguments: Arguments) -> str:
        letter = arguments["letter"].strip().strip("()").upper()
        if letter not in letters:
            raise BadCall(f"The letter is one of {', '.join(letters)}.")
        if fault := await against(arguments["because"]):
            raise BadCall(fault)
        raise Finished(letter)

    return Tool(
        name=ToolName.ANSWER,
        description=f"Give the answer to the question{when}. It ends the work.",
        parameters={
            "letter": f"{', '.join(letters)}: the choice that is right.",
            "because": because,
        },
        act=act,
        activity=None,
    )


def choice_of(answer: str) -> str:
    """The letter that an answer chooses, or ""; read as the benchmark does.

    LongBench-v2's own code takes the first "The correct answer is (X)", asterisks aside.
    """
    found = CHOICE.search(answer.replace("*", ""))
    return found[1].upper() if found else ""


def middle_left_out(text: str, most: int, count_tokens: Callable[[str], int]) -> str:
    """`text` if it has at most `most` tokens; else both its ends, with a note between them.

    LongBench-v2's own code leaves out the middle, too.
    """
    tokens = count_tokens(text)
    kept = len(text)
    while tokens > most and kept:
        kept = min(kept - 1, int(kept * most / tokens * 0.99))
        tokens = count_tokens(text[: kept // 2]) + count_tokens(text[len(text) - kept // 2 :])
    if kept == len(text):
        return text
    gap = GAP.format(left=f"{len(text) - 2 * (kept // 2):,}")
    return text[: kept // 2] + gap + text[len(text) - kept // 2 :]
