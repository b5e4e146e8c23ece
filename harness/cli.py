"""The command line. Nothing heavy is imported before a command is known."""

import sys
from collections.abc import Awaitable, Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from harness import secrets, terminal
from harness.commands import label_commands, options
from harness.commands.cost_command import cost
from harness.commands.ctl import ctl_app
from harness.commands.dataset_commands import dataset_app, images_app
from harness.commands.options import given
from harness.commands.report_command import report
from harness.commands.run_commands import agent, eval_command, work
from harness.commands.view_command import view
from harness.errors import DelmError, UserError
from harness.no_space import lack

app = typer.Typer(
    name="delm",
    help="Evaluate multi-agent LLM systems on SWE-bench: run, grade, compare.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
T = TypeVar("T")
UsageError: Any = typer.BadParameter.__base__  # typer has no public name for it
app.add_typer(images_app, name="images")
app.add_typer(dataset_app, name="dataset")
app.add_typer(ctl_app, name="ctl")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"delm {version('delm-harness')}")
        raise typer.Exit


def _run(command: Callable[..., Awaitable[T]], *words: Any, **options: Any) -> T:
    from harness import event_loop

    return event_loop.run(partial(command, *words, **options))


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit."),
    ] = False,
) -> None:
    """Evaluate multi-agent LLM systems on SWE-bench: run, grade, compare."""


app.command("eval")(eval_command)
app.command()(work)
app.command()(agent)


@app.command()
def grade(
    predictions: Annotated[
        Path | None, typer.Argument(help="A .jsonl or .json file of predictions.")
    ] = None,
    gold: Annotated[bool, typer.Option("--gold", help="Grade the gold patches.")] = False,
    empty: Annotated[
        bool, typer.Option("--empty", help="Grade empty patches, running the tests.")
    ] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Find tests that are unstable on this machine.")
    ] = False,
    runs: Annotated[
        int, typer.Option("--runs", min=2, help="With --calibrate: runs per patch (gold, empty).")
    ] = 5,
    dataset: options.GradeDataset = "",
    instance: options.GradeInstances = None,
    workers: options.GradeWorkers = None,
    config: options.Specs = None,
    sandbox: options.SandboxKind = "",
    disk_gb: options.DiskGb = None,
    run_id: Annotated[
        str, typer.Option("--run-id", help="Name of its folder. [default: made of time and model]")
    ] = "",
    output: options.Output = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Grade predictions with the official package; the last line is "resolved R of N"."""
    from harness.commands.calibrate import calibrate_instances
    from harness.commands.grade import Request, grade_predictions

    request = Request(
        predictions=predictions,
        gold=gold,
        empty=empty,
        dataset=dataset,
        specs=config or [],
        flags=given(
            instances=instance,
            workers=workers,
            sandbox=given(kind=sandbox or None, disk_gb=disk_gb),
        ),
        run_id=run_id,
        output=output,
        as_json=as_json,
    )
    raise typer.Exit(
        calibrate_instances(request, runs) if calibrate else grade_predictions(request)
    )


@app.command()
def runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    output: options.Output = Path("results"),
) -> None:
    """List the runs, the newest first: date, model, systems, score, cost, state."""
    from harness.commands.runs import list_runs

    _run(list_runs, output, as_json=as_json)


@app.command()
def score(
    runs: Annotated[list[str], typer.Argument(help="Run ids, `latest`, or paths of run folders.")],
    output: options.Output = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Make the CSVs and plots of runs again from run.db, and print their tables."""
    from harness.commands.json_output import print_json
    from harness.commands.show import rescore

    scored = [_run(rescore, run, output, as_json=as_json) for run in runs]
    if as_json:
        print_json({"runs": scored})


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(help="One or two runs: ids, `latest`, or paths of run folders.")
    ],
    system: Annotated[
        list[str] | None,
        typer.Option(
            "-s",
            "--system",
            help="One run: systems to compare [default: all]. Two runs: one system of both, or "
            "one of each [default: systems of the same name].",
        ),
    ] = None,
    output: options.Output = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Compare systems of a run, or two runs, instance by instance, with paired tests."""
    from harness.commands.compare import compare_runs

    _run(compare_runs, runs, system or [], output, as_json=as_json)


@app.command()
def show(
    run: options.RunArgument,
    instances: Annotated[
        list[str] | None, typer.Argument(help="Instances whose trials to tell.")
    ] = None,
    system: options.ShownSystems = None,
    conversation: options.Conversation = "",
    full: options.Full = False,
    output: options.Output = Path("results"),
) -> None:
    """Tell what happened in a run, or in the trials of some instances."""
    from harness.commands.show import tell

    _run(tell, run, instances or [], output, conversation, full=full, only=system or [])


app.command()(cost)
app.command()(view)
label_commands.add_to(app)


app.command()(report)


@app.command()
def export(
    run: options.RunArgument,
    target: options.ExportTarget = None,
    format: options.ExportFormat = "predictions",  # noqa: A002
    system: options.ExportSystem = "",
    content: options.ExportContent = False,
    output: options.Output = Path("results"),
) -> None:
    """Export a run for another tool."""
    from harness.commands.export import export_run

    _run(export_run, run, output, format, system, target, content)


@app.command()
def validate(
    folder: Annotated[Path, typer.Argument(help="evaluation/<split>/<date>_<name>.")],
    dataset: options.ValidateDataset = "",
) -> None:
    """Check a submission to SWE-bench/experiments; print every problem, one a line."""
    from harness.commands.validate import validate as check

    raise typer.Exit(check(folder, dataset))


@app.command()
def doctor(
    model: Annotated[
        str,
        typer.Option("-m", "--model", help="Also check this model: key, price, one small call."),
    ] = "",
    dataset: options.DoctorDataset = "",
    output: options.Output = Path("results"),
    config: options.Specs = None,
    call: Annotated[bool, typer.Option("--call/--no-call", help="Make the call of -m.")] = True,
    reap: Annotated[
        bool,
        typer.Option("--reap", help="Only remove what killed runs left behind."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check that this machine has what a run needs, and say how to fix what is missing."""
    if reap and as_json:
        raise UserError("--reap has no --json: its exit code says whether it worked")
    if reap:
        from harness.commands.reap import reap_all

        raise typer.Exit(reap_all())
    from harness.commands.doctor import examine

    raise typer.Exit(examine(model, dataset, output, config or (), call=call, as_json=as_json))


def main() -> None:
    """The console script: a user's mistake is one line on standard error and exit code 2."""
    secrets.learn()
    sys.excepthook = terminal.tell_crash
    with terminal.guarded():
        _main()


@cache
def _program() -> Any:
    """All commands. Calling `app` itself would build them anew each time, and would put typer's own
    `sys.excepthook`, which tells secrets, in the place of ours."""
    return typer.main.get_command(app)


def _main() -> NoReturn:
    try:
        sys.exit(_program()(standalone_mode=False))
    except UsageError as mistake:
        told: str = mistake.format_message()
        if "\n" in told:  # the help of a command that was given nothing
            print(told, file=sys.stderr)
            sys.exit(2)
        command = mistake.ctx.command_path if mistake.ctx else "delm"
        _fail(f"{told} (see: {command} --help)")
    except typer.Abort:  # the input ended at a question
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        _fail(str(error))
    except (OSError, DelmError, BaseExceptionGroup) as error:
        if lacking := lack(error):
            _fail(f"{lacking}; make room, and run the same command again: what was saved is kept")
        if not isinstance(error, DelmError):
            raise
        _fail(str(error), code=1)


def _fail(message: str, code: int = 2) -> NoReturn:
    line = " ".join(secrets.redact_error(message).split())
    print(f"error: {terminal.one_line(line)}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
