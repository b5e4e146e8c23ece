"""`delm label`: say of a trial what its outcome is worth, or list what was said of a run's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.commands.json_output import notes_console, print_json, run_facts
from harness.commands.locate import find
from harness.config import nearest
from harness.errors import UserError
from harness.labels.adding import Wanted, add_label, checked_label, material
from harness.labels.agreement import agreements
from harness.labels.places import Material, text_at
from harness.labels.rows import counts
from harness.results.label_file import FILE, write_labels
from harness.runner.progress import console
from harness.score import counted_attempts
from harness.store.rows import LabelRow, Quotation, RunRows, TrialRow
from harness.terminal import one_line, widened
from harness.text.counted import counted
from harness.text.text_table import Line, Table, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of `delm label` with an instance."""

    instance: str
    system: str
    trial: int  # from 1 on
    label: str
    by: str
    comment: str
    quotes: Sequence[str]  # PLACE=TEXT
    confidence: float | None
    submission: int | None
    replaces: int | None


async def put_label(run: str, request: Request, output: Path) -> None:
    """Check the label and add it. `UserError`, and nothing is written, if it is not usable."""
    checked_label(request.label)  # before anything is read
    folder = await find(run, output)
    async with folder.open() as store, folder.boards() as boards:
        rows = await store.read()
        found = await material(store, boards, rows, trial_of(rows, request))
        wanted = Wanted(
            label=request.label,
            author=request.by,
            comment=request.comment,
            confidence=request.confidence,
            submission_id=request.submission,
            evidence=[quotation(quote, found) for quote in request.quotes],
            replaces=request.replaces,
        )
        number = await add_label(store, found, wanted)
        await write_labels(folder, store)
    out = console()
    _say(out, f"label {number}: {checked_label(request.label)}, by {request.by}; no score changes")
    _say(out, f"written: {folder.path / FILE}")


async def list_labels(run: str, output: Path, *, as_json: bool = False) -> None:
    """Print the labels of a run, their counts by system, and how far their authors agree."""
    folder = await find(run, output, as_json=as_json)
    async with folder.open() as store:
        labels, rows = await store.labels(), await store.read()
        await write_labels(folder, store)
    systems = list(dict.fromkeys(trial["system"] for trial in rows.trials))
    found = agreements(labels)
    if as_json:
        head: dict[str, Any] = {"run": folder.run_id, "path": str(folder.path)}
        print_json(
            head
            | run_facts(rows.facts)
            | {
                "labels": labels,
                "counts": counts(labels, systems),
                "agreement": [
                    {"a": x.a, "b": x.b, "both": x.both, "same": x.same, "kappa": x.kappa}
                    for x in found
                ],
            }
        )
        return
    out = notes_console(as_json=False)
    if not labels:
        _say(out, f"no trial of {folder.run_id} has a label")
        return
    for line in labels:
        _say(out, _told(line))
    out.print()
    for text, style in written(_counted(labels, systems), out.width):
        widened(out, 200).print(text, style=style, soft_wrap=True, markup=False, highlight=False)
    out.print()
    for each in found:
        _say(out, each.words)
    _say(out, "labels change no score")


def trial_of(rows: RunRows, request: Request) -> TrialRow:
    """The attempt at the trial that counts; `UserError` with what there is instead."""
    there = [trial for trial in rows.trials if trial["instance_id"] == request.instance]
    if not there:
        names = list(dict.fromkeys(trial["instance_id"] for trial in rows.trials))
        near = nearest(request.instance, names)
        raise UserError(f"{request.instance} is not in this run{near}")
    systems = list(dict.fromkeys(trial["system"] for trial in there))
    system = request.system or (systems[0] if len(systems) == 1 else "")
    if not system:
        raise UserError(f"name the system with -s: {', '.join(systems)}")
    if system not in systems:
        raise UserError(
            f"there is no system {system!r} on {request.instance}{nearest(system, systems)}; there "
            f"are: {', '.join(systems)}"
        )
    mine = [trial for trial in counted_attempts(there) if trial["system"] == system]
    found = next((trial for trial in mine if trial["number"] == request.trial - 1), None)
    if found is None:
        raise UserError(
            f"{system} has {counted(len(mine), 'trial')} on {request.instance}, no --trial "
            f"{request.trial}"
        )
    return found


def quotation(text: str, found: Material) -> Quotation:
    """`PLACE=TEXT` taken apart. A place may have `=` in its name: the longest that is there."""
    cuts = [index for index, letter in enumerate(text) if letter == "="]
    if not cuts:
        raise UserError(f"--quote takes PLACE=TEXT, not {text!r}")
    known = [cut for cut in cuts if text_at(text[:cut], found) is not None]
    cut = known[-1] if known else cuts[0]
    return Quotation(place=text[:cut], quote=text[cut + 1 :])


def _told(row: LabelRow) -> str:
    sure = "" if row["confidence"] is None else f", confidence {row['confidence']:g}"
    of = "" if row["submission_id"] is None else f", submission {row['submission_id']}"
    late = "" if row["replaced_by"] is None else f" (replaced by label {row['replaced_by']})"
    model = " (a model)" if row["by_model"] else ""
    quotes = f", {counted(len(row['evidence']), 'quotation')}" if row["evidence"] else ""
    comment = f": {row['comment']}" if row["comment"] else ""
    return one_line(
        f"label {row['label_id']}{late}: {row['system']} {row['instance_id']} #{row['trial'] + 1}"
        f"{of}: {row['label']}, by {row['author']}{model}{sure}{quotes}{comment}"
    )


def _counted(labels: Sequence[LabelRow], systems: Sequence[str]) -> Table:
    found = counts(labels, systems)
    given = [label for label in found[systems[0]] if any(mine[label] for mine in found.values())]
    lines = [
        Line(name=name, cells=tuple(str(found[name][label]) for label in given)) for name in systems
    ]
    head = Line(name="labels that stand", cells=tuple(given), style="underline")
    return Table(head=head, lines=tuple(lines))


def _say(out: Console, line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
