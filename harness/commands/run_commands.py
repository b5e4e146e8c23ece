"""`delm eval`, `delm work` and `delm agent` on the command line.

Nothing heavy is imported before they run.
"""

from pathlib import Path

import typer

from harness.commands import options
from harness.commands.ctl import NO_NAME, By
from harness.commands.options import given
from harness.errors import UserError


def eval_command(
    model: options.Model = "",
    system: options.Systems = None,
    dataset: options.EvalDataset = "",
    instance: options.Instances = None,
    filter: options.Filter = "",  # noqa: A002
    slice: options.Slice = "",  # noqa: A002
    shuffle: options.Shuffle = False,
    seed: options.Seed = None,
    agents: options.Agents = None,
    trials: options.Trials = None,
    workers: options.Workers = None,
    config: options.Specs = None,
    sandbox: options.SandboxKind = "",
    run_id: options.RunId = "",
    store: options.StoreUrl = "",
    executor: options.ExecutorName = "local",
    ray_address: options.RayAddress = "",
    output: options.Output = Path("results"),
    disk_gb: options.DiskGb = None,
    cost_limit: options.CostLimit = None,
    max_cost: options.MaxCost = None,
    record: options.Record = None,
    allow_unknown_price: options.UnknownPrice = False,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    retry_failed: options.RetryFailed = False,
    accept_changes: options.AcceptChanges = False,
) -> None:
    """Run systems on instances, grade every submission, write the results."""
    from harness import event_loop
    from harness.commands import configure
    from harness.commands.eval_options import Options
    from harness.commands.evaluate import evaluate
    from harness.commands.locate import located
    from harness.commands.placement import launch_by, placement_words
    from harness.store.addresses import server_url

    output, run_id = event_loop.run(located, run_id, output)
    store = server_url(store) if store else ""
    flags = given(
        instances=instance,
        **given(filter=filter or None, slice=slice or None, shuffle=shuffle or None, seed=seed),
        **given(systems=system, agents=agents, trials=trials, workers=workers),
        submissions=None if trials is None else 0,
        model=given(allow_unknown_price=allow_unknown_price or None),
        sandbox=given(kind=sandbox or None, disk_gb=disk_gb),
        budget=given(cost_usd=cost_limit, run_cost_usd=max_cost),
    )
    kept = event_loop.run(configure.stored, output, run_id, store)
    resolved = configure.configure(
        model=model, dataset=dataset, specs=config or [], flags=flags, stored=kept
    )
    chosen = Options(
        config=resolved, output=output, run_id=run_id, store=store, record=record,
        launch=launch_by(executor, resolved, output, ray_address),
        placement=placement_words(executor, ray_address),
        dry_run=dry_run, yes=yes, retry_failed=retry_failed, accept_changes=accept_changes,
    )  # fmt: skip
    raise typer.Exit(evaluate(chosen))


def work(
    run: options.WorkRun,
    store: options.WorkStore = "",
    workers: options.Workers = None,
    wait: options.Wait = 0.0,
    most: options.Most = 0,
    output: options.Output = Path("results"),
    disk_gb: options.DiskGb = None,
) -> None:
    """Work on a run in a PostgreSQL server, as one of its processes on any machine."""
    from harness.commands.work import work_on

    flags = given(workers=workers, sandbox=given(disk_gb=disk_gb))
    raise typer.Exit(work_on(store, run, flags, output, wait_s=wait, most=most))


def agent(
    run: options.WorkRun,
    trial: options.JoinedTrial,
    store: options.WorkStore = "",
    agents: options.JoiningAgents = 1,
    by: By = "",
    output: options.Output = Path("results"),
    disk_gb: options.DiskGb = None,
) -> None:
    """Let agents of this machine join a trial that another process runs, until it ends."""
    from harness.commands.eval_options import Joining
    from harness.commands.work import work_on

    if not by.strip():
        raise UserError(NO_NAME)
    joining = Joining(trial=trial, agents=agents, by=by.strip())
    flags = given(sandbox=given(disk_gb=disk_gb))
    raise typer.Exit(work_on(store, run, flags, output, joining=joining))
