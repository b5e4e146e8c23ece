"""The tools of the critic."""

from agents.prompts import enclosed
from agents.tools import Arguments, BadCall, Finished, ListOf, Tool, bash
from harness.protocols import Critique, Sandbox

READ_CHARS = 12_000  # of a place, at a time


def checked_bash(trial: Critique, sandbox: Sandbox) -> Tool:
    """Run a command; its output is a place that can be quoted."""
    plain = bash(sandbox, timeout_s=trial.limits.command_s)

    async def act(arguments: Arguments) -> str:
        output = await plain.act(arguments)
        return f"{trial.note_check(arguments['command'], output)}:\n{output}"

    return Tool(
        name=plain.name, description=plain.description, parameters=plain.parameters, act=act
    )


def read(trial: Critique) -> Tool:
    """Read a place of the judged trial."""

    async def act(arguments: Arguments) -> str:
        place, first = arguments["place"], arguments["from"].strip() or "0"
        text = trial.read(place)
        if text is None:
            raise BadCall(f"There is no place {place!r}.")
        if not first.isdecimal():
            raise BadCall(f"`from` is a number of characters, not {first!r}.")
        start = min(int(first), len(text))
        shown = text[start : start + READ_CHARS]
        more = len(text) - start - len(shown)
        rest = f" {more} more characters: read on from {start + len(shown)}." if more else ""
        return f"{place}, from character {start}.{rest}\n{enclosed('data', shown)}"

    return Tool(
        name="read",
        description="Read a place of the trial in full.",
        parameters={"place": "Such as message:patch-1#7, message:patch-1#7-12, entry:F2, gold."},
        optional={"from": "The character to begin at."},
        act=act,
        activity=None,
    )


def label(trial: Critique) -> Tool:
    """Give the label, which ends the work; it is refused where its evidence does not stand."""

    async def act(arguments: Arguments) -> str:
        try:
            confidence = float(arguments["confidence"])
        except ValueError:
            raise BadCall("confidence is a number from 0 to 1.") from None
        wrong = await trial.label(
            arguments["label"], confidence, arguments["comment"], arguments["evidence"]
        )
        if wrong:
            raise BadCall(f"The label was not taken. {wrong}")
        raise Finished(arguments["label"])

    return Tool(
        name="label",
        description="Give the trial its label. This ends your work.",
        parameters={
            "label": "One of the labels.",
            "confidence": "How sure you are, from 0 to 1.",
            "comment": "Why, in two or three sentences.",
        },
        lists={
            "evidence": ListOf(
                meaning="Quotations on which the label rests.",
                fields={"place": "Where it stands.", "quote": "Verbatim words from there."},
            )
        },
        act=act,
        activity=None,
    )
