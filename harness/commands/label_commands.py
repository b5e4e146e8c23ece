"""`delm label` as the command line has it; nothing heavy is imported before it is called."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options
from harness.errors import UserError

Words = Annotated[
    str,
    typer.Option(
        "-l",
        "--label",
        help="legitimate, cheated, agent's fault, unfair task, broken verifier, environment, "
        "incomplete or unclear. [default: none, list the labels]",
    ),
]
Quotes = Annotated[
    list[str] | None,
    typer.Option(
        "--quote",
        help="PLACE=TEXT: words that stand verbatim at a place of the trial, such as "
        "message:patch-1#7, call:12, entry:F2, submission:3, grade:3, test:NAME or trial; "
        "repeatable. [default: none]",
    ),
]
Submission = Annotated[
    int | None,
    typer.Option(
        "--submission",
        help="Id of the submission that it is about (`submission` in submissions.csv). "
        "[default: the trial as a whole]",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands about labels to the program."""
    app.command()(label)


def label(
    run: options.RunArgument,
    instance: Annotated[
        str, typer.Argument(help="The instance of the trial. Without it: list the labels.")
    ] = "",
    system: Annotated[
        str,
        typer.Option(
            "-s", "--system", help="The trial's system. [default: the only one on the instance]"
        ),
    ] = "",
    trial: Annotated[int, typer.Option("--trial", min=1, help="Its number, from 1 on.")] = 1,
    label: Words = "",
    by: Annotated[str, typer.Option("--by", help="Your name. [default: none, it is needed]")] = "",
    comment: Annotated[
        str, typer.Option("--comment", help="Why, in your words. [default: none]")
    ] = "",
    quote: Quotes = None,
    confidence: Annotated[
        float | None,
        typer.Option("--confidence", help="How sure you are, from 0 to 1. [default: not said]"),
    ] = None,
    submission: Submission = None,
    replaces: Annotated[
        int | None,
        typer.Option("--replaces", help="Your own label that this one corrects. [default: none]"),
    ] = None,
    output: options.Output = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Say of a trial what its outcome is worth, with evidence; or list what was said of a run."""
    from harness import event_loop
    from harness.commands.label import Request, list_labels, put_label

    if not instance:
        if label:
            raise UserError("name the instance whose trial has this label")
        event_loop.run(partial(list_labels, run, output, as_json=as_json))
        return
    if not label or not by:
        raise UserError("a label needs --label and the name of its author, --by")
    request = Request(
        instance=instance, system=system, trial=trial, label=label, by=by, comment=comment,
        quotes=quote or [], confidence=confidence, submission=submission, replaces=replaces,
    )  # fmt: skip
    event_loop.run(partial(put_label, run, request, output))
