"""`delm label` and `delm critique` as the command line has them, without what is slow to import."""

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
    app.command()(critique)


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


def critique(
    run: options.RunArgument,
    model: Annotated[
        str,
        typer.Option("-m", "--model", help="The model that labels. [default: none, it is needed]"),
    ] = "",
    instance: Annotated[
        list[str] | None,
        typer.Option("-i", "--instance", help="Only trials on it; repeatable. [default: all]"),
    ] = None,
    system: options.ShownSystems = None,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            help="unresolved: trials that resolved nothing; flagged: with a flag; differ: on "
            "instances where the systems differ. [default: all that ended]",
        ),
    ] = "",
    workers: Annotated[
        int, typer.Option("-w", "--workers", min=1, help="Trials labelled at a time.")
    ] = 2,
    turns: Annotated[
        int, typer.Option("--turns", min=1, help="Answers of the model for a trial, at most.")
    ] = 30,
    cost_limit: Annotated[
        float, typer.Option("--cost-limit", min=0, help="Dollar limit of a trial's critique.")
    ] = 0.5,
    max_cost: Annotated[
        float,
        typer.Option("--max-cost", min=0, help="Dollar limit of all critiques by it; 0: none."),
    ] = 0,
    config: options.Specs = None,
    sandbox: options.SandboxKind = "",
    output: options.Output = Path("results"),
    yes: options.Yes = False,
) -> None:
    """Let a model label trials: it reads them, runs tests in a fresh sandbox, and quotes why."""
    from harness.commands.critique import Request
    from harness.commands.critique import critique as make_critiques

    if not model:
        raise UserError("name the model that labels: -m MODEL")
    request = Request(
        run=run, model=model, instances=instance or [], systems=system or [], only=only,
        specs=config or [], sandbox=sandbox, workers=workers, turns=turns, cost_limit=cost_limit,
        max_cost=max_cost, yes=yes, output=output,
    )  # fmt: skip
    raise typer.Exit(make_critiques(request))
