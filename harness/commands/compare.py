"""`delm compare`: compare two systems or two runs, instance by instance, with paired tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness import score
from harness.analysis.compare_verdicts import LEVEL
from harness.analysis.comparison_lines import comparison_lines, troubles, unlike
from harness.commands.end_summary import command
from harness.commands.json_output import compared_instances, comparison, print_json, run_facts
from harness.commands.locate import LATEST, find
from harness.commands.table import WIDE
from harness.config import nearest
from harness.errors import UserError
from harness.results.run_folder import RunFolder
from harness.runner.progress import console
from harness.score import Comparison, InstanceScore, Side
from harness.terminal import widened


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A run with its systems by name."""

    name: str
    folder: RunFolder
    facts: Mapping[str, Any]  # `Store.description`
    sides: Mapping[str, Side]


async def compare_runs(
    runs: Sequence[str], systems: Sequence[str], output: Path, *, as_json: bool = False
) -> None:
    """Print the comparison of the systems of one run, or of two runs."""
    if len(runs) > 2:
        raise UserError(f"two runs can be compared, not {len(runs)}; compare them in pairs")
    read = [await _read(run, output, as_json=as_json) for run in runs]
    if len(read) == 2 and _path(read[0]) == _path(read[1]):
        raise UserError(
            f"{runs[0]} and {runs[1]} are the same run; to compare its systems, name it once"
        )
    if len(read) == 1:
        chosen = _of_one(read[0], systems)
        pairs = list(combinations(chosen, 2))
    else:
        pairs = _of_two(read[0], read[1], systems)
        chosen = list({side.name: side for pair in pairs for side in pair}.values())
    if not any(a.scores.keys() & b.scores.keys() for a, b in pairs):
        raise UserError("the two runs have no instance in common: there is nothing to compare")
    warnings = unlike(*((run.name, run.facts) for run in (read[0], read[-1])))
    every = [side for run in read for side in run.sides.values()]
    each = score.equal_submissions(mine for side in every for mine in side.scores.values())
    found = [(a, b, score.compare(a, b, each)) for a, b in pairs]
    if not as_json:
        told = [(a, b, each, _cost_commands(read, output, a, b)) for a, b, each in found]
        _print(console(), warnings, chosen, told)
        return
    about = [{"run": run.name, "path": str(_path(run))} | run_facts(run.facts) for run in read]
    print_json(
        {
            "runs": about,
            "warnings": warnings,
            "instances": compared_instances(chosen),
            "comparisons": [comparison(each) for _, _, each in found],
        }
    )


def _print(
    out: Console,
    warnings: Sequence[str],
    chosen: Sequence[Side],
    found: Sequence[tuple[Side, Side, Comparison, str]],
) -> None:
    """Print the comparison as text."""
    for line in warnings:
        _warn(out, line)
    _print_instances(out, chosen)
    letters = {side.name: _letter(index) for index, side in enumerate(chosen)}
    for a, b, each, why in found:
        _print_comparison(out, each, a, b, letters[a.name], letters[b.name])
        if each.cost_difference:
            _say(out, f"why: {why}")
    if (pairs := len(found)) > 1:
        out.print()
        _say(out, f"{pairs} pairs: of so many tests about {LEVEL * pairs:.1f} fall below "
                  f"p = {LEVEL} where nothing differs at all")  # fmt: skip


def _path(run: Compared) -> Path:
    return run.folder.path.resolve()


def _cost_commands(read: Sequence[Compared], output: Path, a: Side, b: Side) -> str:
    """The command that explains the costs of two sides of one run; of two runs, one for each."""
    if len(read) == 1:
        return command(read[0].folder, output, "cost", "-s", a.name, "-s", b.name)
    names = [
        side.name.removesuffix(f" of {run.name}") for side, run in zip((a, b), read, strict=True)
    ]
    each = zip(read, names, strict=True)
    return ", ".join(command(run.folder, output, "cost", "-s", name) for run, name in each)


async def _read(run: str, output: Path, *, as_json: bool) -> Compared:
    folder = await find(run, output, as_json=as_json)
    async with folder.open() as store:
        rows = await store.read()
    facts = rows.facts
    scores = score.instance_scores(rows.trials, rows.calls, rows.submissions)
    if not scores or "config" not in facts:
        raise UserError(f"the run {folder.run_id} has no trials: there is nothing to compare")
    found = score.sides(scores, score.allowance_of(facts))
    return Compared(
        name=folder.run_id if run == LATEST else run.rstrip("/"),
        folder=folder,
        facts=facts,
        sides={side.name: side for side in found},
    )


def _chosen(run: Compared, name: str) -> Side:
    if name not in run.sides:
        raise UserError(
            f"there is no system {name!r} in the run {run.name}{nearest(name, run.sides)}; "
            f"there are: {', '.join(run.sides)}"
        )
    return run.sides[name]


def _of_one(run: Compared, systems: Sequence[str]) -> list[Side]:
    chosen = [_chosen(run, name) for name in dict.fromkeys(systems or run.sides)]
    if len(chosen) < 2:
        raise UserError(
            f"the run {run.name} has the systems {', '.join(run.sides)}; name two with -s A -s "
            "B, or a second run"
            if len(run.sides) > 1
            else f"the run {run.name} has one system, {chosen[0].name}; name a second run"
        )
    return chosen


def _of_two(a: Compared, b: Compared, systems: Sequence[str]) -> list[tuple[Side, Side]]:
    """Pairs of systems of the same name, or the first run's first name with the second's."""
    if len(systems) > 2:
        raise UserError("with two runs, give -s once (for both) or twice (first run, second run)")
    if systems:
        names = [(systems[0], systems[-1])]
    else:
        names = [(name, name) for name in a.sides if name in b.sides]
    if not names:
        raise UserError(
            f"the runs have no system in common ({', '.join(a.sides)}; {', '.join(b.sides)}): "
            "name one of each with -s A -s B"
        )
    return [(_of_run(a, mine), _of_run(b, theirs)) for mine, theirs in names]


def _of_run(run: Compared, name: str) -> Side:
    side = _chosen(run, name)
    return Side(name=f"{name} of {run.name}", scores=side.scores, allowance=side.allowance)


def _print_instances(out: Console, chosen: Sequence[Side]) -> None:
    """Print resolved submissions per instance and system, out of those requested in finished
    trials. A star: the first trial's selected submission is resolved."""
    narrow = out.width < WIDE
    table = Table(box=None, padding=(0, 1 if narrow else 2, 0, 0))
    table.add_column("instance", overflow="fold")
    letters = [_letter(index) for index in range(len(chosen))]
    for letter, side in zip(letters, chosen, strict=True):
        _say(out, f"{letter} = {side.name}{troubles(side)}")
        table.add_column(letter, justify="right", no_wrap=True)
    for instance in dict.fromkeys(i for side in chosen for i in side.scores):
        table.add_row(instance, *(_cell(side.scores.get(instance)) for side in chosen))
    whole = widened(out, 2 * WIDE)
    whole.print()
    whole.print(table, soft_wrap=True)
    _say(out, "resolved/requested, finished trials only; * the first trial's selected submission "
              "is resolved; – not requested")  # fmt: skip


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"S{index + 1}"


def _cell(found: InstanceScore | None) -> str:
    if found is None:
        return "–"
    if not found.ran:
        return "not run"
    return f"{found.resolved}/{found.wanted}{'*' if found.ships else ' '}"


def _print_comparison(out: Console, found: Comparison, a: Side, b: Side, x: str, y: str) -> None:
    """Print the comparison of `a` and `b`; `x` and `y` are their letters in the instance list."""
    out.print()
    out.rule(f"{x} {a.name} – {y} {b.name}", align="left")
    for line in comparison_lines(found, a, b, x, y):
        (_warn if line.warning else _say)(out, line.text)


def _warn(out: Console, line: str) -> None:
    out.print(f"WARNING: {line}", style="bold red", highlight=False, markup=False, soft_wrap=True)


def _say(out: Console, line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
