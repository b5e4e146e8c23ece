"""`delm score` and `delm show`: print what a run holds."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.analysis import interventions, narrative
from harness.analysis.interventions import sentences
from harness.analysis.narrative import TrialRecord
from harness.analysis.run_rows import material_of
from harness.board.vocabulary import CARRIED
from harness.commands.breakdown import print_breakdown
from harness.commands.end_summary import command, own_errors
from harness.commands.json_output import notes_console, scored_run
from harness.commands.locate import find
from harness.commands.missing_trials import missing_trials
from harness.commands.plots import draw_plots
from harness.commands.table import print_run
from harness.config import nearest
from harness.errors import UserError
from harness.results import run_folder
from harness.runner.progress import console
from harness.score import ended, last_attempts
from harness.score.cost import in_words, spent
from harness.score.rows import by_trial
from harness.store.interventions import InterventionRow
from harness.store.rows import RunRows, SubmissionRow, TrialRow
from harness.terminal import one_line, plain
from harness.text.counted import counted
from harness.types import Message

WIDTH = 2_000  # characters of one message
MANY = 20  # instances that are listed; of more, the rest is counted


async def rescore(run: str, output: Path, *, as_json: bool = False) -> dict[str, Any]:
    """Write the CSVs again, print the table, draw the plots; return the run's part of `--json`."""
    folder = await find(run, output, as_json=as_json)
    async with folder.open() as store, folder.boards() as boards:
        scored = await run_folder.derive(folder, store, boards)
    rows = scored.rows
    out = notes_console(as_json=as_json)
    if not as_json:
        print_run(out, scored.table, rows.facts, sentences(rows))
        print_breakdown(out, scored)
    draw_plots(out, folder, scored)
    failed = [trial for trial in last_attempts(rows.trials) if trial["state"] == "failed"]
    broken = own_errors(failed, folder, output)
    for line in [*broken, *missing_trials(rows.trials, rows.submissions)]:
        _say(out, line)
    out.print(f"written: {folder.path}", highlight=False, markup=False)
    return scored_run(folder.run_id, str(folder.path), rows.facts, scored.table)


async def tell(
    run: str,
    instances: Sequence[str],
    output: Path,
    conversation: str = "",
    *,
    full: bool = False,
    only: Sequence[str] = (),
) -> None:
    """Print the trials of a run; with `instances` or `only` (systems), just those.

    A trial with a board is printed as a list of events, or as the messages of `conversation` if
    one is named. Any other trial is printed message by message. Messages are cut unless `full`.
    """
    folder = await find(run, output)
    out = console()
    async with folder.open() as store, folder.boards() as boards:
        rows = await store.read()
        trials = _asked(rows.trials, instances, only)
        calls, made = by_trial(rows.calls), by_trial(rows.submissions)
        for trial in trials:
            key = trial["trial_id"]
            if not instances:
                _say(out, _headline(trial, made.get(key, [])))
                continue
            material = await material_of(boards, trial, calls.get(key, []), made.get(key, []))
            spoken = await store.messages(key)
            _tell_trial(out, trial, material, spoken, conversation, None if full else WIDTH)
            _tell_people(out, rows, [i for i in rows.interventions if i["trial_id"] == key])
    if instances:
        return
    _tell_people(out, rows, rows.interventions)
    for line in missing_trials(trials, rows.submissions):
        _say(out, line)
    if trials:
        there = _there(_instances(trials), _systems(rows.trials))
        one = command(folder, output, "show", _instances(trials)[0], "-s", trials[0]["system"])
        _say(out, f"see one: {one}; {there}")


def _tell_people(out: Console, run: RunRows, rows: Sequence[InterventionRow]) -> None:
    """What people did, one line each."""
    for each in interventions.told(run, rows):
        _say(out, interventions.line(each), style="magenta")


def _asked(
    trials: Sequence[TrialRow], instances: Sequence[str], only: Sequence[str]
) -> list[TrialRow]:
    """The trials on `instances` (empty: all) of the systems `only` (empty: all).

    Raises `UserError` for an unknown instance or system.
    """
    systems = _systems(trials)
    if unknown := next((system for system in only if system not in systems), None):
        raise UserError(f"{unknown} is not in this run; there are: {', '.join(systems)}")
    mine = [trial for trial in trials if not only or trial["system"] in only]
    known = _instances(mine)
    for instance in instances:
        if instance not in known:
            whose = f" of {', '.join(only)}" if only else ""
            near = nearest(instance, known)
            raise UserError(f"{instance} is not in this run{whose}{near}; {_there(known, systems)}")
    return [trial for trial in mine if not instances or trial["instance_id"] in instances]


def _systems(trials: Sequence[TrialRow]) -> list[str]:
    return sorted({trial["system"] for trial in trials})


def _instances(trials: Sequence[TrialRow]) -> list[str]:
    return sorted({trial["instance_id"] for trial in trials})


def _there(instances: Sequence[str], systems: Sequence[str]) -> str:
    """The instances and systems of the run, in words."""
    more = f" and {len(instances) - MANY} more" if len(instances) > MANY else ""
    listed = f"{', '.join(instances[:MANY])}{more}"
    return f"instances: {listed}; systems (-s): {', '.join(systems)}"


def _headline(trial: TrialRow, made: Sequence[SubmissionRow]) -> str:
    again = f" (attempt {trial['attempt'] + 1})" if trial["attempt"] else ""
    name = f"{trial['system']} {trial['instance_id']} #{trial['number'] + 1}{again}"
    if trial["state"] == "waiting":
        return f"{name}: not run"
    reason = f" ({trial['reason']})" if trial["reason"] else ""
    over = "" if ended(trial) else "not finished: "
    return one_line(f"{name}: {over}{trial['state']}{reason}, {_grades(made)}")


def _grades(made: Sequence[SubmissionRow]) -> str:
    """The outcome of one submission, or the number of submissions by outcome."""
    outcomes = Counter(
        (row["outcome"] or "not graded") + ("" if row["patch"].strip() else " (empty)")
        for row in made
    )
    if len(made) < 2:
        return next(iter(outcomes), "no submission")
    told = [f"{count} {outcome}" for outcome, count in outcomes.items()]
    return f"{len(made)} submissions: {', '.join(told)}"


def _tell_trial(
    out: Console,
    trial: TrialRow,
    material: TrialRecord,
    spoken: Mapping[str, Sequence[Message]],
    wanted: str,
    width: int | None,
) -> None:
    calls, made = material.calls, material.submissions
    served = sum(row["paid_call"] is not None for row in calls)
    told = f" ({served} answered from the ledger, without a new request)" if served else ""
    took = f"{trial['seconds'] or 0:.0f} s"
    out.rule(Text(_headline(trial, made)), align="left")
    _say(
        out,
        f"sandbox {trial['sandbox'] or 'none'}, audit {trial['audit'] or 'not made'}, "
        f"{counted(len(calls), 'step')}{told}, {in_words(spent(calls))}, {took}",
    )
    if trial["detail"]:
        _say(out, trial["detail"], style="red")
    if material.tasks and not wanted:
        for line in [*narrative.event_lines(material), "", *narrative.submission_lines(material)]:
            _say(out, line)
        _say(out, f"conversations (print one with --conversation NAME): {', '.join(spoken)}")
        return
    if wanted and wanted not in spoken:
        raise UserError(
            f"unknown conversation {wanted!r}{nearest(wanted, spoken)}; choose one of: "
            f"{', '.join(spoken)}"
        )
    for conversation, messages in spoken.items():
        if wanted in {"", conversation}:
            _tell_conversation(out, conversation, messages, width)
    for row in made if not wanted else ():
        saved = ", salvaged" if row["salvaged"] else ""
        reason = f": {row['grade_reason']}" if row["grade_reason"] else ""
        out.print()
        _say(
            out,
            f"submission of {row['author']} ({row['reason']}{saved}): "
            f"{row['outcome'] or 'not graded'}{reason}",
            style="bold",
        )
        _say(out, row["patch"])


def _tell_conversation(
    out: Console, conversation: str, messages: Sequence[dict[str, Any]], width: int | None
) -> None:
    """Its messages, less those of the earlier conversation that it goes on with."""
    own = [message for message in messages if not message.get(CARRIED)]
    if earlier := len(messages) - len(own):
        out.print()
        _say(
            out,
            f"{conversation} goes on with an earlier conversation of its agent, "
            f"whose {counted(earlier, 'message')} stand there",
            style="cyan",
        )
    for message in own:
        _tell_message(out, conversation, message, width)


def _tell_message(
    out: Console, conversation: str, message: dict[str, Any], width: int | None
) -> None:
    out.print()
    _say(out, f"{conversation} · {message['role']}", style="cyan")
    if message.get("content"):
        _say(out, _short(str(message["content"]), width))
    for call in message.get("tool_calls", ()):
        function = call["function"]
        try:
            arguments = "\n".join(str(v) for v in json.loads(function["arguments"]).values())
        except (ValueError, AttributeError):
            arguments = function["arguments"]
        _say(out, f"{function['name']}: {_short(arguments, width)}", style="green")


def _short(text: str, width: int | None) -> str:
    if width is None or len(text) <= width:
        return text
    half = width // 2
    cut = len(text) - width
    return f"{text[:half]}\n[... {cut} characters cut; print all with --full ...]\n{text[-half:]}"


def _say(out: Console, text: str, *, style: str = "") -> None:
    out.print(Text(plain(text), style=style), soft_wrap=True)
