"""`delm eval`: run systems on instances, grade, and write the results."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
from rich.console import Console

from harness import event_loop
from harness.analysis.interventions import sentences
from harness.analysis.run_scores import ScoredRun
from harness.benchmarks.rows import Dataset
from harness.board.records import Boards
from harness.cache import cache_dir
from harness.commands import compose, confirm, first_call, run_record
from harness.commands.breakdown import print_breakdown
from harness.commands.confirm import agreed, announce, check_limit, done_already, settled
from harness.commands.end_summary import (
    explained_lack_of_space,
    resume_command,
    say_how_it_ended,
    say_joined_ended,
)
from harness.commands.eval_options import Options
from harness.commands.plots import draw_plots
from harness.commands.pricing import foresee
from harness.commands.report_at_end import report_at_end
from harness.commands.resumed_endpoint import has_moved
from harness.commands.table import print_run
from harness.commands.tracing import traced
from harness.exports.recording import record
from harness.model.first_call import FirstCall
from harness.model.replay import ReplayBackend
from harness.no_space import full
from harness.protocols import Sandboxes
from harness.results import run_folder
from harness.results.run_folder import RunFolder, check_target, fresh_run_id
from harness.runner.joined_trial import join_trial
from harness.runner.launchers import Launcher
from harness.runner.membership import Member, joined
from harness.runner.planning import RunSystem
from harness.runner.processes import LocalMember, join
from harness.runner.progress import Progress, console
from harness.runner.run import Run
from harness.runner.services import Watcher
from harness.runner.signals import STOPPED, Stop
from harness.store.opening import open_store
from harness.store.protocol import Store
from harness.text.counted import counted

NAMED = 3  # systems whose names stand in a run's id
HARMLESS = (
    "harmless: answers are matched by their place in a conversation, and a time or an address in a "
    "command's output is enough to change a prompt"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluation:
    """Everything that one `delm eval` needs, resolved and checked, except the store."""

    out: Console
    options: Options
    parts: compose.ModelParts
    run_systems: Sequence[RunSystem]
    dataset: Dataset
    folder: RunFolder
    label: str  # of the dataset
    stop: Stop
    sandboxes: Sandboxes
    first_call: FirstCall | None
    launcher: Launcher | None  # places the processes that do the work


def evaluate(options: Options) -> int:
    """Run it and return the exit code: 0 done, 1 trials missing or failed, 130 stopped.

    2: trials are missing for lack of disk space.
    """
    out, config = console(), options.config

    def note(line: str) -> None:
        out.print(f"note: {line}", markup=False, highlight=False)

    parts = compose.model_parts(
        config, lambda line: note(f"{line}; {HARMLESS}"), sends=not options.dry_run, say=note
    )
    check_limit(config, parts)
    run_systems = compose.load_systems(config, parts.backend)
    dataset = compose.dataset_of(config, parts.backend, run_systems, note)
    label = config.dataset.label or Path(config.dataset.name).stem
    folder = _folder(options, label, parts, run_systems)
    if options.record:
        check_target(options.record)
    stop = Stop()
    with contextlib.ExitStack() as undo:
        undo.enter_context(stop.listening())
        if not options.dry_run:
            folder = folder.create(new=not options.run_id)
            undo.callback(event_loop.run, folder.remove_if_empty)
        done = event_loop.run(done_already, folder)
        event_loop.run(_check_changes, out, options, folder, run_systems, dataset, parts)
        announce(out, config, parts, run_systems, dataset.items, folder, label=label, done=done)
        asks = not (parts.replay or options.yes)
        if options.dry_run or asks:
            foresee(out, config, parts, run_systems, dataset, folder)
        if options.dry_run:
            out.print("dry run: nothing was started", highlight=False, markup=False)
            return 0
        compose.check_disk(config, folder.path, cache_dir())
        trials = confirm.count_trials(dataset.items, run_systems)
        finished = event_loop.run(settled, folder) == trials
        if asks and not (finished or agreed(out)):
            return 1
        # refused before money is spent
        sandboxes = compose.run_sandboxes(options, dataset, folder.run_id)
        undo.callback(sandboxes.close)
        launcher = options.launch(folder) if options.launch else None
        call = first_call.first_call if not (parts.replay or finished or options.joins) else None
        return _work_on(
            _Evaluation(
                out=out,
                options=options,
                parts=parts,
                run_systems=run_systems,
                dataset=dataset,
                folder=folder,
                label=label,
                stop=stop,
                sandboxes=sandboxes,
                first_call=call(out, config, parts, folder) if call else None,
                launcher=launcher,
            )
        )


async def _check_changes(
    out: Console,
    options: Options,
    folder: RunFolder,
    run_systems: Sequence[RunSystem],
    dataset: Dataset,
    parts: compose.ModelParts,
) -> None:
    """Raise `UserError` if the run to resume has changed, before any money is spent."""
    if not folder.exists:
        return
    async with folder.open() as store:
        facts, begun = await store.description(), bool(await store.trials())
    if not begun:
        return
    found = run_record.changes(facts, options.config, run_systems, dataset.benchmark)
    run_record.refuse(folder, found, accept=options.accept_changes, others=False)
    for change in found:
        out.print(f"changed: {change}", markup=False, highlight=False)
    if not parts.replay and has_moved(facts.get("config", {}), options.config.models, parts.name):
        told = "note: the model's endpoint has changed since this run was started"
        out.print(told, markup=False, highlight=False)
    if unknown := run_record.unrecorded(facts, run_systems):
        told = (
            f"note: options and code of {' and '.join(unknown)} at the start of this run are not "
            "recorded (an older version of delm started it); it resumes with the current ones"
        )
        out.print(told, markup=False, highlight=False)


def _folder(
    options: Options, label: str, parts: compose.ModelParts, run_systems: Sequence[RunSystem]
) -> RunFolder:
    """The run's folder. A new id is made of UTC time, dataset, model and systems; in a server,
    where others do the same, of chance, too."""
    model = parts.name.rpartition("/")[2]
    names = [run_system.name for run_system in run_systems]
    systems = "-".join(names) if len(names) <= NAMED else f"{len(names)}-systems"
    words = [f"{datetime.now(UTC):%Y%m%d-%H%M%S}", label, model, systems]
    if options.store:
        words.append(secrets.token_hex(2))
    folder = RunFolder(options.output, options.run_id or fresh_run_id(*words), store=options.store)
    if options.dry_run:  # else it is created, and says where the run is
        event_loop.run(folder.look_on_server)
    return folder


def _work_on(job: _Evaluation) -> int:
    options = job.options
    job.stop.resume_command = resume_command(job.folder, options.output, options.placement)
    with join(job.folder.path) as local:
        code = event_loop.run(_launched, job, local)
    if options.config.report:
        job.stop.waiting_for = lambda: f"the report in {job.folder.path} to be written"
        report_at_end(job.out, job.folder, options.output, stopped=code == STOPPED)
    return code


async def _launched(job: _Evaluation, local: LocalMember) -> int:
    try:
        return await _opened(job, local)
    finally:
        if job.launcher:
            with anyio.CancelScope(shield=True):
                await job.launcher.aclose()


async def _opened(job: _Evaluation, local: LocalMember) -> int:
    cap, address = job.options.config.budget.run_cost_usd, job.folder.address
    async with contextlib.AsyncExitStack() as undo:
        membership = joined(local, address, rejoins=job.options.joining is not None)
        member = await undo.enter_async_context(membership)
        if others := await member.others():
            job.out.print(
                f"note: this run has other processes, too: {', '.join(others)}", markup=False
            )
        async with member.alone():
            store = await open_store(address, owner=member.name, cap_usd=cap)
            undo.push_async_callback(store.aclose)
            await store.reserve_room()
        boards = await undo.enter_async_context(job.folder.boards())
        return await _evaluate(job, store, boards, member)


async def _evaluate(job: _Evaluation, store: Store, boards: Boards, member: Member) -> int:
    options, folder, parts = job.options, job.folder, job.parts
    async with member.alone():
        begun = await run_record.write_record(
            store, folder, _identified(job), member, accept=options.accept_changes
        )
        if job.first_call is not None:
            facts = first_call.facts(job.first_call, parts)
            await store.note_first_call(facts, job.first_call.charged_usd)
    trials = confirm.count_trials(job.dataset.items, job.run_systems)
    progress = Progress(job.out, trials, priced=parts.price is not None)
    progress.say(f"sandbox: {job.sandboxes.kind}")
    with traced(job.out, options.config.otel, folder, progress) as watcher:
        run = _run(job, store, boards, member, progress, watcher, begun)
        stopped = await _worked(job, run, member, progress)
    if options.joins:
        return say_joined_ended(job.out, run.stopped, run.stop_cause, stopped=stopped)
    job.stop.waiting_for = lambda: f"the CSVs in {folder.path} to be written"
    async with member.alone():
        with explained_lack_of_space(folder, options.output, options.placement):
            scored = await run_folder.derive(folder, store, boards)
            _show(job.out, options, folder, scored, draw=options.config.plots and not stopped)
    return say_how_it_ended(
        job.out, scored.rows, folder, options.output,
        stopped=stopped, reason=run.stopped, cause=run.stop_cause, placement=options.placement,
    )  # fmt: skip


async def _worked(job: _Evaluation, run: Run, member: Member, progress: Progress) -> bool:
    """Do the work of the run; whether it was stopped."""
    models = job.parts.each()

    async def work() -> None:
        async with run.interventions.followed():
            await prepared()

    async def prepared() -> None:
        async with anyio.create_task_group() as tasks:
            for each in models:
                tasks.start_soon(each.backend.warm_up)
            await job.sandboxes.prepare(job.dataset.items, progress.say)
        if job.options.joins:  # another process has planned it, and says what runs again
            await run.check_instances()
        else:
            async with member.alone():
                await run.plan()
        with progress.showing():
            if joining := job.options.joining:
                await join_trial(run, joining.trial, joining.agents, by=joining.by)
            else:
                await run.work()

    job.stop.waiting_for = progress.under_way
    try:
        return await job.stop.until(work, progress.say)
    finally:
        with anyio.CancelScope(shield=True):
            for each in models:
                await each.backend.aclose()


def _identified(job: _Evaluation) -> run_record.Identified:
    return run_record.Identified(
        config=job.options.config,
        parts=job.parts,
        run_systems=job.run_systems,
        benchmark=job.dataset.benchmark,
        label=job.label,
        joins=job.options.joins,
    )


def _run(
    job: _Evaluation,
    store: Store,
    boards: Boards,
    member: Member,
    progress: Progress,
    watcher: Watcher,
    begun: str,
) -> Run:
    config, benchmark, folder = job.options.config, job.dataset.benchmark, job.folder
    backend = job.parts.backend
    clients = [
        compose.client(each, config, store, progress.waiting, lambda: full(folder.path))
        for each in job.parts.each()
    ]
    return Run(
        store=store,
        board=boards,
        benchmark=benchmark,
        items=job.dataset.items,
        run_systems=job.run_systems,
        client=clients[0],
        verifier=clients[-1],
        sandboxes=job.sandboxes,
        grader=benchmark.grader(job.sandboxes, config, logs=folder.logs(begun), cache=cache_dir()),
        limits=config.budget.limits(),
        agent_tools=config.agent_tools,
        workers=config.workers,
        watcher=watcher,
        member=member,
        check_cache=compose.check_cache(config, job.sandboxes),
        retry_failed=job.options.retry_failed,
        most=job.options.most,
        launcher=job.launcher,
        clock=backend.clock if isinstance(backend, ReplayBackend) else None,
        stop=job.stop.ask,
        say=progress.say,
    )


def _show(
    out: Console, options: Options, folder: RunFolder, scored: ScoredRun, *, draw: bool
) -> None:
    """Print the results. Draws plots only if `draw`, so that stopping is quick."""
    if scored.table:
        print_run(out, scored.table, scored.rows.facts, sentences(scored.rows))
        print_breakdown(out, scored)
        if draw:
            draw_plots(out, folder, scored)
    if options.record:
        count = record(scored.rows, options.record)
        told = f"recorded {counted(count, 'call')} in {options.record}"
        out.print(told, highlight=False, markup=False)
