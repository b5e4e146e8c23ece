"""`delm ctl RUN …`: change a run while it works, or say how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands import options
from harness.errors import UserError
from harness.store.interventions import Action, InterventionRow, NewIntervention
from harness.terminal import one_line

ctl_app = typer.Typer(
    help="Change a run while it works: pause, cancel, requeue, raise caps, veto an entry.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
APPLIED_S = 3.0  # for the run's processes to act on it
LOOK_S = 0.1

NO_NAME = "say who you are: --by NAME, or set DELM_PERSON"
By = Annotated[
    str,
    typer.Option("--by", envvar="DELM_PERSON", help="Your name, for the run's record."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the run's record.")]
Output = options.Output
RESULTS = Path("results")
Trial = Annotated[str, typer.Argument(help="Its id (see status), or SYSTEM/INSTANCE#NUMBER.")]
Submission = Annotated[int, typer.Argument(help="Its number: see suspects.")]
Entry = Annotated[str, typer.Argument(help="Its label, such as F3.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What one subcommand was asked for."""

    action: Action
    trial: str = ""
    target: str = ""
    value: Any = None


@ctl_app.callback()
def ctl(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run's id, `latest`, or the path of its folder.")],
) -> None:
    """Change a run while it works. Each change is recorded with your name and reason, and shown in
    its report; `status` changes nothing."""
    context.obj = run


@ctl_app.command()
def status(context: typer.Context, as_json: options.Json = False, output: Output = RESULTS) -> None:
    """Say how the run stands: states, money, rates, interventions. No text that a model wrote."""
    from harness import event_loop
    from harness.commands.ctl_status import print_status

    event_loop.run(partial(print_status, context.obj, output, as_json=as_json))


@ctl_app.command()
def pause(
    context: typer.Context,
    now: Annotated[
        bool, typer.Option("--now", help="Hold the answers to calls in flight, too.")
    ] = False,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Make no new model calls; wall clocks and leases stand still."""
    _do(context, _Wanted(action=Action.PAUSE, value=now or None), by, reason, output)


@ctl_app.command()
def resume(
    context: typer.Context, by: By = "", reason: Reason = "", output: Output = RESULTS
) -> None:
    """Go on after a pause."""
    _do(context, _Wanted(action=Action.RESUME), by, reason, output)


@ctl_app.command()
def stop(
    context: typer.Context, by: By = "", reason: Reason = "", output: Output = RESULTS
) -> None:
    """End the run's processes as Ctrl-C does; it can be resumed."""
    _do(context, _Wanted(action=Action.STOP), by, reason, output)


@ctl_app.command()
def cancel(
    context: typer.Context,
    trial: Trial,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """End a trial. Its patches are kept, and it is not run again."""
    _do(context, _Wanted(action=Action.CANCEL, trial=trial), by, reason, output)


@ctl_app.command()
def requeue(
    context: typer.Context,
    trial: Trial,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Run a trial again that was cancelled or failed."""
    _do(context, _Wanted(action=Action.REQUEUE, trial=trial), by, reason, output)


@ctl_app.command("stop-agent")
def stop_agent(
    context: typer.Context,
    trial: Trial,
    agent: Annotated[str, typer.Argument(help="Its name, such as agent-2.")],
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """End one agent of a trial. Its best patch is kept, the others go on."""
    wanted = _Wanted(action=Action.STOP_AGENT, trial=trial, target=agent)
    _do(context, wanted, by, reason, output)


@ctl_app.command("raise")
def raise_cap(
    context: typer.Context,
    cap: Annotated[str, typer.Argument(help="dollars, steps, tokens or seconds.")],
    value: Annotated[float, typer.Option("--value", help="The new cap.")],
    trial: Annotated[
        str, typer.Option("--trial", help="Of this trial. [default: the run's dollars]")
    ] = "",
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Raise a cap of the run or of a trial."""
    wanted = _Wanted(action=Action.RAISE, trial=trial, target=cap, value=value)
    _do(context, wanted, by, reason, output)


@ctl_app.command()
def workers(
    context: typer.Context,
    value: Annotated[int, typer.Option("--value", help="Trials at a time of each process.")],
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Change how many trials are worked on at a time."""
    _do(context, _Wanted(action=Action.WORKERS, value=value), by, reason, output)


@ctl_app.command()
def pin(
    context: typer.Context,
    trial: Trial,
    entry: Entry,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Show an entry in every opening from now on, however long the shared context is."""
    _do(context, _Wanted(action=Action.PIN, trial=trial, target=entry), by, reason, output)


@ctl_app.command()
def veto(
    context: typer.Context,
    trial: Trial,
    entry: Entry,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Take an entry out of the shared context. Agents that saw it are told."""
    _do(context, _Wanted(action=Action.VETO, trial=trial, target=entry), by, reason, output)


@ctl_app.command()
def suspects(
    context: typer.Context, as_json: options.Json = False, output: Output = RESULTS
) -> None:
    """List the passes that do not count because they look at their caller, with their lines."""
    from harness import event_loop
    from harness.commands.suspects import list_suspects

    event_loop.run(partial(list_suspects, context.obj, output, as_json=as_json))


@ctl_app.command()
def accept(
    context: typer.Context,
    submission: Submission,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Count a suspect pass as resolved; `delm score` then writes the tables anew."""
    _do(context, _Wanted(action=Action.ACCEPT, target=str(submission)), by, reason, output)


@ctl_app.command()
def refuse(
    context: typer.Context,
    submission: Submission,
    by: By = "",
    reason: Reason = "",
    output: Output = RESULTS,
) -> None:
    """Count a suspect pass as not resolved, also where it was accepted before."""
    _do(context, _Wanted(action=Action.REFUSE, target=str(submission)), by, reason, output)


def _do(context: typer.Context, wanted: _Wanted, by: str, reason: str, output: Path) -> None:
    from harness import event_loop

    if not by.strip():
        raise UserError(NO_NAME)
    if not reason.strip():
        raise UserError("say why: --reason TEXT")
    event_loop.run(partial(_write, context.obj, wanted, by, reason, output))


async def _write(run: str, wanted: _Wanted, by: str, reason: str, output: Path) -> None:
    import anyio

    from harness.commands.locate import find
    from harness.commands.suspects import trial_of
    from harness.runner.control import intervene, trial_named
    from harness.runner.membership import alive_in

    folder = await find(run, output)
    async with folder.open() as store, folder.boards() as boards:
        named = trial_named(await store.trials(), wanted.trial) if wanted.trial else None
        if wanted.action in (Action.ACCEPT, Action.REFUSE):
            named = trial_of(await store.submissions(), wanted.target)
        new = NewIntervention(
            action=wanted.action,
            by=by,
            reason=reason,
            trial_id=named,
            target=wanted.target,
            value=wanted.value,
        )
        row = await intervene(store, boards, folder.path, new)
        with anyio.move_on_after(APPLIED_S):
            while not row["applied"] and await alive_in(store, folder.path):
                await anyio.sleep(LOOK_S)
                (row,) = await store.interventions(row["intervention_id"] - 1, limit=1)
        print(one_line(_told(row, alive=bool(await alive_in(store, folder.path)))))


def _told(row: InterventionRow, *, alive: bool) -> str:
    """What came of an intervention so far."""
    outcomes: Sequence[str] = list(dict.fromkeys(each["outcome"] for each in row["applied"]))
    if outcomes:
        return f"{row['action']}: {'; '.join(outcomes)}"
    later = (
        "the run's processes act on it when they come to it"
        if alive
        else "no process works on the run now: it holds from the next start on"
    )
    return f"{row['action']}: written; {later}"
